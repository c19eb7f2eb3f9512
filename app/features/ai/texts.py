"""Texts in the form of a pydantic model: the messages that ask for one, and what came back."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from openai import pydantic_function_tool
from pydantic import BaseModel, ValidationError

from app.engine.contract import TextRequest
from app.features.ai.faults import unusable

_END_OF_THOUGHT = "</think>"  # models that you run yourself write their thoughts before the answer
_FAULTS_NAMED = 10


class Unfit(Exception):
    """An answer that cannot be used as it is; *feedback* are the messages that ask for another one."""

    def __init__(self, code: str, message: str, *feedback: dict[str, str]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.feedback = feedback


@dataclass
class Spent:
    """What a text has cost so far, by the service's own count."""

    tokens_in: int = 0
    tokens_out: int = 0
    cached_in: int = 0

    def add(self, usage: dict[str, Any]) -> None:
        """Count one more request, by the ``usage`` of its answer."""
        self.tokens_in += int(usage.get("prompt_tokens") or 0)
        self.tokens_out += int(usage.get("completion_tokens") or 0)
        self.cached_in += int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the service: what it wrote, or the words in which the model refuses; why it ended."""

    content: str
    refusal: str
    finish: str

    @classmethod
    def read(cls, body: bytes, spent: Spent) -> "Reply":
        """Read a chat completion's first choice and add its cost to *spent*. Raises StepError for anything else."""
        try:
            answer = json.loads(body)
            spent.add(answer.get("usage") or {})
            choice = answer["choices"][0]
            message = choice["message"]
            content, refusal = message.get("content") or "", message.get("refusal") or ""
            return cls(str(content), str(refusal), str(choice.get("finish_reason") or ""))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise unusable("unusable", "The AI service sent an answer that cannot be read.") from error

    def value(self, form: type[BaseModel]) -> Any:
        """Return the answer as the JSON of *form*. Raises Unfit where another try may help, StepError for a refusal."""
        if self.refusal or self.finish == "content_filter":
            raise unusable("refused", "The AI refused to write this.")
        if not self.content.strip():
            if self.finish == "length":
                raise _cut_off()
            raise Unfit("empty", "The AI sent an empty answer.", _said("user", "Your answer was empty."))
        try:
            return form.model_validate_json(_json_in(self.content)).model_dump(mode="json")
        except ValidationError as error:
            if self.finish == "length":
                raise _cut_off() from error
            raise Unfit(
                "unusable",
                "The AI’s answer cannot be used: it is not in the form asked for.",
                _said("assistant", self.content),
                _said("user", f"Your answer is not in the form asked for:\n{_faults(error)}\nWrite it again."),
            ) from error


def asked(request: TextRequest, *, manner: str = "") -> list[dict[str, str]]:
    """Return the messages that ask for a text; *manner* is an instruction beside the request's own."""
    begin = [_said("system", f"{request.system}\n{manner}".strip()), _said("user", request.prompt)]
    return [*begin, *(dict(message) for message in request.said)]


@lru_cache(maxsize=64)
def form_of(answer: type[BaseModel]) -> Any:
    """Return the ``response_format`` that binds a model to the schema of *answer*."""
    strict = pydantic_function_tool(answer)["function"]
    form = {"name": answer.__name__, "schema": strict["parameters"], "strict": True}
    return {"type": "json_schema", "json_schema": form}


def _cut_off() -> Unfit:
    return Unfit("truncated", "The AI’s answer was cut off before its end.")


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _json_in(content: str) -> str:
    """Return the object in *content*: some services put it after a model's thoughts, or in a fence of Markdown."""
    plain = content.rpartition(_END_OF_THOUGHT)[2]
    begin, end = plain.find("{"), plain.rfind("}")
    return plain[begin : end + 1] if 0 <= begin < end else plain


def _faults(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_FAULTS_NAMED]
    return "\n".join(f"{'.'.join(str(part) for part in one['loc']) or 'answer'}: {one['msg']}" for one in found)
