"""The contract test that every step type passes, ours and packages'; and a bench to run a step without an engine.

In a package's tests: ``check(STEP, config={"prompt": "…"})``. It raises AssertionError with what is wrong.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.core import clock
from app.core.ids import new_id
from app.definition.values import MAX_OUTPUT_BYTES, evaluate
from app.engine.contract import (
    Answer,
    Category,
    DocumentFacts,
    Done,
    Effect,
    ImageRequest,
    RunFacts,
    StepError,
    StepFacts,
    StepType,
    TextRequest,
    Wait,
)

WAITS = ("approval", "time", "callback", "sub_run")


@dataclass(frozen=True)
class Mail:
    """A mail that a step planned."""

    to: str
    subject: str
    body: str
    link: tuple[str, str] | None


@dataclass
class Bench:
    """A :class:`Context` in memory: the ledger is a dict, documents are lists, AI is a function that you may replace.

    Keep one bench over several tries of a step to see what a retry does; :meth:`again` begins the next try.
    """

    effect: Effect = Effect.SPENDS
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    write_text: Callable[[TextRequest], Any] = lambda request: filled(
        request.answer, int(request.sample.get("count", 1))
    )
    make_image: Callable[[ImageRequest], str] = lambda request: f"image-{request.number}"
    known: dict[str, DocumentFacts] = field(default_factory=dict)
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        run_id = new_id()
        facts = {"id": run_id, "number": 1, "label": "", **self.facts}
        self.run = RunFacts(run_id, new_id(), 1, "", False, False, self.inputs, facts)
        self.step = StepFacts("step", new_id(), "The step", -1, 1)
        self.scope: Mapping[str, object] = {"inputs": self.inputs, "steps": self.outputs, "run": facts}
        self.ledger: dict[str, Any] = {}
        self.called: list[str] = []
        self.about: list[str] = []
        self.sentences: list[str] = []
        self.created: list[DocumentFacts] = []
        self.fields: list[dict[str, Any]] = []
        self.attached: dict[str, list[str]] = {}
        self.mails: list[Mail] = []
        self.logged: list[str] = []
        self.writes: list[Callable[[Session], None]] = []
        self.documents = _Documents(self)

    def again(self) -> "Bench":
        """Begin the next try: what was planned is forgotten, what was answered is kept."""
        self.step = StepFacts("step", self.step.step_run_id, "The step", -1, self.step.attempt + 1)
        for planned in (self.called, self.created, self.fields, self.mails, self.logged, self.writes):
            planned.clear()
        self.attached.clear()
        return self

    def do(self, step: StepType, config: Mapping[str, Any]) -> Done | Wait:
        """Fill in, check and run a step as the runner does."""
        raw = {key: value for key, value in config.items() if key in step.raw_fields}
        rest = {key: value for key, value in config.items() if key not in step.raw_fields}
        return step.run(step.config.model_validate({**evaluate(rest, self.scope), **raw}), self)

    def output_of(self, step_id: str) -> Mapping[str, Any]:
        """See :class:`app.engine.contract.Context`."""
        return self.outputs.get(step_id, {})

    def now(self) -> datetime:
        """See :class:`app.engine.contract.Context`."""
        return clock.now()

    def remaining_s(self) -> float:
        """See :class:`app.engine.contract.Context`."""
        return self.timeout_s

    def progress(self, done: int, total: int, sentence: str) -> None:
        """See :class:`app.engine.contract.Context`."""
        assert 0 <= done <= total, f"progress {done} of {total}"
        self.sentences.append(sentence)

    def call(
        self,
        name: str,
        do: Callable[[str, float], Answer],
        *,
        about: str = "",
        estimate_microusd: int = 0,
        keep: Callable[[Session, Any], Any] | None = None,
        keyed: bool = False,
        to: str = "",
        sample: Any = None,
    ) -> Any:
        """See :class:`app.engine.contract.Context`. *keep* is not asked: there is no session."""
        return self._call(name, about, lambda: do(f"gl-bench-{name}", self.timeout_s).value)

    def is_answered(self, name: str) -> bool:
        """See :class:`app.engine.contract.Context`."""
        return name in self.ledger

    def text(self, name: str, request: TextRequest, *, about: str = "") -> Any:
        """See :class:`app.engine.contract.Context`."""
        return self._call(
            name,
            about,
            lambda: request.answer.model_validate(self.write_text(request)).model_dump(mode="json"),
        )

    def image(self, name: str, request: ImageRequest, *, about: str = "") -> str:
        """See :class:`app.engine.contract.Context`."""
        return str(self._call(name, about, lambda: self.make_image(request)))

    def mail(self, *, to: str, subject: str, body: str, link: tuple[str, str] | None = None) -> None:
        """See :class:`app.engine.contract.Context`."""
        self.mails.append(Mail(to, subject, body, link))

    def in_result(self, write: Callable[[Session], None]) -> None:
        """See :class:`app.engine.contract.Context`."""
        self.writes.append(write)

    def log(self, event: str, message: str, level: str = "info") -> None:
        """See :class:`app.engine.contract.Context`."""
        self.logged.append(message)

    def _call(self, name: str, about: str, ask: Callable[[], Any]) -> Any:
        assert self.effect is not Effect.NONE, f"a step of effect none made the call {name}"
        if name not in self.ledger:
            self.called.append(name)
            self.about.append(about)
            self.ledger[name] = ask()
        return self.ledger[name]


class _Documents:
    """The bench's documents."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def create(
        self, *, title: str, body: str, fields: Mapping[str, Any], status: str, position: int, model: str
    ) -> str:
        """See :class:`app.engine.contract.Documents`."""
        document = DocumentFacts(new_id(), title, body, position)
        self._bench.created.append(document)
        self._bench.fields.append({**fields, "status": status})
        self._bench.known[document.id] = document
        return document.id

    def read(self, document_ids: Sequence[str]) -> list[DocumentFacts]:
        """See :class:`app.engine.contract.Documents`."""
        for document_id in document_ids:
            if document_id not in self._bench.known:
                raise StepError(
                    Category.INPUT, f"The document {document_id} does not exist.", code="document"
                )
        return [self._bench.known[document_id] for document_id in document_ids]

    def attach(self, document_id: str, image_ids: Sequence[str]) -> None:
        """See :class:`app.engine.contract.Documents`."""
        self._bench.attached.setdefault(document_id, []).extend(image_ids)


def check(
    step: StepType, *, config: Mapping[str, Any] | None = None, bench: Callable[[], Bench] | None = None
) -> None:
    """Check what the builder, the API and the engine rely on. *config* is the least that works; made up when absent."""
    least = dict(config) if config is not None else minimal(step.config)
    _check_words(step, least)
    _check_schema(step)
    standing = bench() if bench else Bench()
    standing.effect = step.effect
    first = standing.do(step, least)
    _check_end(step, first)
    calls = list(standing.called)
    assert len(set(calls)) == len(calls), f"{step.type} used a call's name twice: {calls}"
    second = standing.again().do(step, least)
    assert not standing.called, f"{step.type} made calls again that were answered: {standing.called}"
    assert type(second) is type(first), f"{step.type} ended otherwise when it was run again"


def _check_words(step: StepType, least: Mapping[str, Any]) -> None:
    assert step.type.isidentifier(), f"{step.type!r} is not a name"
    for name in ("label", "icon", "group", "description"):
        assert getattr(step, name), f"{step.type} has no {name}"
    assert step.outcomes, f"{step.type} declares no outcome"
    assert "failed" not in step.outcomes, f"{step.type} declares “failed”, which every step has"
    for config in (least, {}):
        sentence = step.summary(config)
        assert sentence, f"{step.type} has no summary for {config}"
        assert "\n" not in sentence, f"{step.type}'s summary has two lines"
        assert "{{" not in sentence, f"{step.type}'s summary shows a value's source: {sentence}"
    valued = step.summary(dict.fromkeys(step.config.model_fields, "{{ inputs.some_answer }}"))
    assert "{{" not in valued, f"{step.type}'s summary shows a value's source: {valued}"


def _check_schema(step: StepType) -> None:
    schema = step.config.model_json_schema()
    json.dumps(schema)
    for name, part in schema.get("properties", {}).items():
        assert part.get("title"), f"{step.type}: the setting {name} has no title"
    assert step.config.model_config.get("extra") == "forbid", (
        f"{step.type} takes settings that it does not know"
    )
    for name in (*step.step_refs, *step.raw_fields):
        names = {field.alias or key for key, field in step.config.model_fields.items()}
        assert name in names, f"{step.type} names a setting {name} that it does not have"


def _check_end(step: StepType, end: Done | Wait) -> None:
    if isinstance(end, Wait):
        assert end.kind in WAITS, f"{step.type} waits for {end.kind!r}, which nobody ends"
        assert end.until is None or end.until.tzinfo, f"{step.type} waits until a time without a zone"
        assert end.on_until in step.outcomes, f"{step.type} would leave by {end.on_until!r}"
        json.dumps(dict(end.detail), allow_nan=False)
        return
    assert end.outcome in step.outcomes, f"{step.type} left by {end.outcome!r}"
    size = len(json.dumps(dict(end.output), allow_nan=False, ensure_ascii=False).encode())
    assert size <= MAX_OUTPUT_BYTES, f"{step.type}'s result has {size} bytes"
    if step.output_fields is not None:
        assert set(end.output) == step.output_fields, (
            f"{step.type} declares {step.output_fields}, gave {set(end.output)}"
        )


def minimal(model: type[BaseModel]) -> dict[str, Any]:
    """Make up the least config that *model* may take: required fields only, by their types."""
    fields = model.model_fields.items()
    return {
        field.alias or name: _of_type(field.annotation, 1) for name, field in fields if field.is_required()
    }


def filled(model: type[BaseModel], count: int = 1) -> dict[str, Any]:
    """Make up an answer: every field by its type, every list with *count* items that differ in their texts."""
    return {name: _of_type(field.annotation, count, name) for name, field in model.model_fields.items()}


def _of_type(kind: Any, count: int, name: str = "text", number: int = 1) -> Any:
    if get_origin(kind) is list:
        return [_of_type(get_args(kind)[0], count, name, place) for place in range(1, count + 1)]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {key: _of_type(part.annotation, 1, key, number) for key, part in kind.model_fields.items()}
    made_up: dict[Any, Any] = {bool: False, int: 1, float: 1.0, dict: {}}
    if kind in made_up:
        return made_up[kind]
    choices = [choice for choice in get_args(kind) if choice is not type(None)]
    if choices and not isinstance(kind, type):
        return choices[0] if not isinstance(choices[0], type) else _of_type(choices[0], count, name, number)
    return f"{name} {number}"
