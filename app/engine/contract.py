"""What a step type is, and what it may do while it runs: the only part of the engine that steps import.

A step's ``run(config, ctx)`` returns :class:`Done` or :class:`Wait` or raises :class:`StepError`. Every outward
request goes through ``ctx.call`` (or the ports built on it, ``ctx.text`` and ``ctx.image``): the intent is committed
before, the answer after, and a second try of the step gets the answers it already has. Everything for our own database
is handed to ``ctx.in_result`` (or the ports built on it, ``ctx.documents`` and ``ctx.mail``): it is written in the one
transaction that records the result, so it happens exactly once.
"""

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.engine.enums import Category, Effect

__all__ = ["Answer", "Category", "Context", "Done", "Effect", "StepError", "StepType", "Wait"]


@dataclass(frozen=True, slots=True)
class Done:
    """The step is finished: its output (JSON, at most 256 KiB) and the outcome it leaves by."""

    output: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = "done"


@dataclass(frozen=True, slots=True)
class Wait:
    """The step waits without a worker: for ``approval``, ``time`` or ``callback``, until a moment or for ever.

    When *until* passes the step leaves by *on_until*. *detail* (JSON) is what the listener of that kind needs.
    """

    kind: str
    until: datetime | None = None
    on_until: str = "done"
    detail: Mapping[str, Any] = field(default_factory=dict)


class StepError(Exception):
    """The step failed: why (category decides the retries), what people read, and what they can do."""

    def __init__(
        self,
        category: Category,
        message: str,
        *,
        code: str = "",
        fix: str = "",
        retry_after_s: float | None = None,
        definite: bool = True,
    ) -> None:
        super().__init__(message)
        self.category = category
        self.message = message
        self.code = code or category.value
        self.fix = fix
        self.retry_after_s = retry_after_s
        self.definite = definite  # False: the far side may have acted (reply lost)
        self.spent: Answer | None = None  # what an unusable answer cost all the same; its value is None
        self.again: TextRequest | None = None  # asks for a better answer in place of an unusable one
        self.trace = ""  # of a fault of ours: where it happened, for owners


@dataclass(frozen=True, slots=True)
class Answer:
    """What an outward request brought: its value and, where it cost, how much and by which model.

    *release* is called once the answer is recorded or given up: the place that a large value took is free again.
    """

    value: Any
    cost_microusd: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    model: str = ""
    release: Callable[[], object] = field(default=lambda: None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A request for structured text. *answer* is the pydantic model that the reply must satisfy.

    *sample* is what the sample writer needs to make a labelled stand-in: ``count``, ``max_chars``,
    ``title_max_chars``, ``facts`` (the run's inputs) and ``prompt`` (what the step was asked, without our rules).
    *said* are messages after the prompt, each with ``role`` and ``content``: an answer of no use, and why it is; *room*
    times *max_tokens* may be written.
    """

    system: str
    prompt: str
    answer: type[BaseModel]
    creativity: str = "balanced"
    max_tokens: int = 4000
    sample: Mapping[str, Any] = field(default_factory=dict)
    said: tuple[Mapping[str, str], ...] = ()
    room: int = 1

    @property
    def is_repair(self) -> bool:
        """Whether this asks for another answer in place of one that was of no use."""
        return bool(self.said) or self.room > 1


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A request for picture *number* of *count*: *size* is ``square``, ``portrait``, ``landscape`` or ``story``.

    *watermark* is drawn across a sample picture: what a test makes says so.
    """

    prompt: str
    size: str = "square"
    style: str = "photo"
    number: int = 1
    count: int = 1
    watermark: str = ""


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """What a step may know of a document."""

    id: str
    title: str
    body: str
    position: int
    image_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a step may know of its run."""

    id: str
    workspace_id: str
    number: int
    label: str
    test: bool
    is_sample: bool  # a test, or a template's own sample: the sample writer answers, whatever provider is set up
    inputs: Mapping[str, Any]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What a step may know of itself."""

    id: str
    step_run_id: str
    name: str
    item: int
    attempt: int


class Documents(Protocol):
    """Documents and pictures of the run's workspace."""

    def create(
        self, *, title: str, body: str, fields: Mapping[str, Any], status: str, position: int, model: str
    ) -> str:
        """Plan a document for the result and return its id."""

    def read(self, document_ids: Sequence[str]) -> list[DocumentFacts]:
        """Read documents in the order asked; a stranger's or a missing id raises StepError(input)."""

    def attach(self, document_id: str, image_ids: Sequence[str]) -> None:
        """Plan to attach pictures to a document, the first as primary where it has none."""


class Context(Protocol):
    """What the engine lends to a step while it runs."""

    run: RunFacts
    step: StepFacts
    scope: Mapping[str, object]  # what values in raw fields see: inputs, steps, run, item

    @property
    def documents(self) -> Documents:
        """Documents and pictures."""

    def output_of(self, step_id: str) -> Mapping[str, Any]:
        """Return the recorded output of an earlier step; empty when it was skipped or failed."""

    def now(self) -> datetime:
        """Return the time by the database's clock, which tells when a wait is over."""

    def remaining_s(self) -> float:
        """Seconds until the step's deadline, never below zero: the total timeout of every outward request."""

    def progress(self, done: int, total: int, sentence: str) -> None:
        """Show how far the step is; committed at once, at most a few times a second."""

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
        """Make one outward request, once: ``do(key, timeout_s)``; return its value, or the one already recorded.

        *keep* turns the answer's value into what is recorded (JSON), in the same transaction. *keyed* says that the
        far side knows our key, so that a repeat after a crash is safe. In a test run nothing is asked: the run notes
        that it would have called *to* (an address or a name, for people), and *sample* is returned; without one the
        step ends there, with what its type declares as ``sample``.
        """

    def is_answered(self, name: str) -> bool:
        """Tell whether an earlier try of this step got the answer of the request *name*: it is not made again."""

    def text(self, name: str, request: TextRequest, *, about: str = "") -> Any:
        """Have a text written; returns the answer as the JSON of ``request.answer``."""

    def image(self, name: str, request: ImageRequest, *, about: str = "") -> str:
        """Have one picture made and stored; returns its id."""

    def mail(self, *, to: str, subject: str, body: str, link: tuple[str, str] | None = None) -> None:
        """Plan a mail for the result: one recipient, plain text; *link* is a button's words and its path or address."""

    def in_result(self, write: Callable[[Session], None]) -> None:
        """Plan a write for the transaction that records the result."""

    def log(self, event: str, message: str, level: str = "info") -> None:
        """Plan a line for the run's log."""



@dataclass(frozen=True, slots=True)
class StepType:
    """One step type: all that the builder, the API, the AI and the docs say of it comes from here.

    *summary* makes the sentence on the card from a config ("Make **5** pictures"). *step_refs* names the config
    fields that hold the id of an earlier step (``run`` reads it by ``ctx.output_of``). *output_fields* is None when
    the output's fields cannot be known; *outputs_of* derives them from the config. *output_kinds* says of outputs
    what they always are (``text``, ``number``, ``yes_no``, ``list``, ``record``), so that a value which cannot fit a
    setting is found before a run. *noes* are the outcomes by which a person, or the time for an answer, said no yes: a
    run whose last such answer was one of them is finished, and not ready. *raw_fields* names config fields that reach
    ``run`` with their ``{{ … }}`` unfilled,
    to be evaluated against ``ctx.scope`` (conditions: they speak of names, not of values). *sample* gives the
    output that stands in where a test run would have reached out.
    """

    type: str
    label: str
    icon: str
    group: str
    effect: Effect
    config: builtins.type[BaseModel]
    summary: Callable[[Mapping[str, Any]], str]
    run: Callable[[Any, Context], Done | Wait]
    outcomes: tuple[str, ...] = ("done",)
    output_fields: frozenset[str] | None = frozenset()
    outputs_of: Callable[[Mapping[str, Any]], frozenset[str] | None] | None = None
    step_refs: tuple[str, ...] = ()
    raw_fields: tuple[str, ...] = ()
    description: str = ""
    typical_s: float = 0.0
    sample: Callable[[Any], Mapping[str, Any]] | None = None
    output_kinds: Mapping[str, str] = field(default_factory=dict)
    noes: tuple[str, ...] = ()
