"""Step types for the definition's tests: configs of the same shapes as the real ones, without the engine."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.definition.conditions import Condition
from app.definition.schema import TypeFacts


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Copy(Config):
    prompt: str = Field(min_length=1, max_length=20_000)
    count: int = Field(default=1, ge=1, le=50, title="How many")
    creativity: Literal["safe", "balanced", "adventurous"] = "balanced"
    max_chars: int | None = Field(default=None, ge=1)


class Attach(Config):
    documents: str
    images: str
    strategy: Literal["one_each", "all_to_one", "one_to_all"] = "one_each"


class AtLeast(Config):
    at_least: int = Field(ge=1)
    strictly: bool = False


class Review(Config):
    documents: str | None = None
    approvers: list[str] = Field(min_length=1, max_length=20)
    policy: Literal["any", "all", "in_order"] | AtLeast = "any"


class Choose(Config):
    if_: Condition = Field(alias="if")


class Transform(Config):
    set: dict[str, Any]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


def fields_set(config: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(config["set"])


TYPES = {
    facts.type: facts
    for facts in (
        TypeFacts(
            "generate_copy", Copy, output_fields=frozenset({"documents", "texts"}),
            output_kinds={"documents": "list", "texts": "list"},
        ),
        TypeFacts("generate_image", Open, output_fields=frozenset({"images"})),
        TypeFacts("attach_images", Attach, output_fields=frozenset(), step_refs=("documents", "images")),
        TypeFacts(
            "review",
            Review,
            ("approved", "rejected", "expired"),
            frozenset({"decision"}),
            step_refs=("documents",),
        ),
        TypeFacts("condition", Choose, ("yes", "no"), frozenset()),
        TypeFacts("transform", Transform, outputs_of=fields_set),
        TypeFacts("http_request", Open),
    )
}


def step(step_id: str, *after: str, type: str = "http_request", **more: Any) -> dict[str, Any]:  # noqa: A002
    """Write a step that is right, unless *more* makes it wrong."""
    return {"id": step_id, "type": type, "after": list(after), "config": {}, **more}


def workflow(
    *steps: dict[str, Any], inputs: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    """Write a definition with one question, ``offer``, unless told otherwise."""
    return {
        "schema": 1,
        "inputs": [{"key": "offer"}] if inputs is None else inputs,
        "steps": list(steps),
        **more,
    }
