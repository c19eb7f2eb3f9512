"""What the engine lends to a step while it runs: :class:`app.engine.contract.Context` made real."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import clock, outbox
from app.core.db import AWAY, transaction
from app.core.errors import GreenlightError
from app.core.ids import new_id
from app.engine import claims, offline, store
from app.engine.calls import Ledger
from app.engine.contract import (
    Answer,
    Category,
    DocumentFacts,
    Effect,
    ImageRequest,
    RunFacts,
    StepError,
    StepFacts,
    TextRequest,
)
from app.engine.held import HeldStep
from app.engine.ports import bound

PROGRESS_EVERY_S = 0.3
NAME_LENGTH = 80  # of a call
_REPAIR = "-repair"
Write = Callable[[Session], None]


class RunContext:
    """One try of one step run. Made by the runner, used by one thread, gone with the try."""

    def __init__(
        self,
        engine: Engine,
        step: HeldStep,
        *,
        effect: Effect,
        name: str,
        run: RunFacts,
        scope: Mapping[str, object],
        timeout_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self.run = run
        self.now = clock
        self.step = StepFacts(step.step_id, step.id, name, step.item, step.attempts)
        self.scope = scope
        self.documents = _Documents(self)
        self.writes: list[Write] = []
        self._engine = engine
        self._held = step
        self._effect = effect
        self._ledger = Ledger(engine, step, effect, run.facts)
        self._deadline = time.monotonic() + timeout_s
        self._shown_at = 0.0
        self._mails = 0
        self._longest_s = 0.0  # that a call of this try took which has its answer
        self.has_gained = False  # whether this try brought an answer that none before had

    def output_of(self, step_id: str) -> Mapping[str, Any]:
        """See :class:`app.engine.contract.Context`."""
        steps = self.scope.get("steps", {})
        output = steps.get(step_id) if isinstance(steps, Mapping) else None
        return output if isinstance(output, Mapping) else {}

    def remaining_s(self) -> float:
        """See :class:`app.engine.contract.Context`."""
        return max(0.0, self._deadline - time.monotonic())

    def progress(self, done: int, total: int, sentence: str) -> None:
        """See :class:`app.engine.contract.Context`."""
        if time.monotonic() - self._shown_at < PROGRESS_EVERY_S and done < total:
            return
        self._shown_at = time.monotonic()
        with offline.guard(on=False), suppress(*AWAY), transaction(self._engine) as session:
            claims.note_step(session, self._held, done=done, total=total, doing=sentence)
            store.touch_run(session, self._held.run_id, doing=sentence)

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
        """See :class:`app.engine.contract.Context`."""
        if self.run.test:
            return self._simulated(to or about or name, sample)
        return self._call(name, do, about=about, estimate_microusd=estimate_microusd, keep=keep, keyed=keyed)

    def is_answered(self, name: str) -> bool:
        """See :class:`app.engine.contract.Context`."""
        with offline.guard(on=False):
            return self._ledger.is_answered(name) or self._ledger.is_answered(_repair_of(name))

    def text(self, name: str, request: TextRequest, *, about: str = "") -> Any:
        """See :class:`app.engine.contract.Context`.

        An answer of no use is asked for once more, by a call of its own: its money is reserved before it, too.
        """
        repair = _repair_of(name)
        with offline.guard(on=False):
            is_repaired = self._ledger.is_answered(repair)
            if not is_repaired:
                self._ledger.abandon(repair, about=about)
        try:
            return self._text(repair if is_repaired else name, request, about)
        except StepError as unusable:
            if unusable.again is None:
                raise
            return self._text(repair, unusable.again, about)

    def _text(self, name: str, request: TextRequest, about: str) -> Any:
        return self._call(
            name,
            lambda key, timeout_s: bound.write_text(
                request, key=key, timeout_s=timeout_s, as_sample=self.run.is_sample
            ),
            about=about,
            estimate_microusd=0 if self.run.is_sample else bound.estimate_text(request),
        )

    def image(self, name: str, request: ImageRequest, *, about: str = "") -> str:
        """See :class:`app.engine.contract.Context`."""
        model: list[str] = []
        if self.run.test:
            request = replace(request, watermark="TEST")

        def make(key: str, timeout_s: float) -> Answer:
            answer = bound.make_image(request, key=key, timeout_s=timeout_s, as_sample=self.run.is_sample)
            model.append(answer.model)
            return answer

        def store_it(session: Session, prepared: Any) -> str:
            image = bound.store_image(
                session,
                prepared=prepared,
                workspace_id=self._held.workspace_id,
                run_id=self._held.run_id,
                step_run_id=self._held.id,
                position=request.number,
                prompt=request.prompt,
                model=model[-1],
            )
            return str(image.id)

        image_id = self._call(
            name,
            make,
            about=about,
            estimate_microusd=0 if self.run.is_sample else bound.estimate_image(request),
            keep=store_it,
            before_keep=bound.prepare_image,
        )
        return str(image_id)

    def mail(self, *, to: str, subject: str, body: str, link: tuple[str, str] | None = None) -> None:
        """See :class:`app.engine.contract.Context`."""
        held = self._held
        self._mails += 1
        dedupe = f"{held.id}-{max(held.item, 0)}-{to.lower()}-{self._mails}-0"
        content = bound.notice(subject, body, link)

        def write(session: Session) -> None:
            outbox.post(
                session,
                channel="email",
                recipient=to,
                subject=subject,
                content=content,
                dedupe_key=dedupe,
                workspace_id=held.workspace_id,
                run_id=held.run_id,
                step_run_id=held.id,
            )

        self.in_result(write)

    def in_result(self, write: Write) -> None:
        """See :class:`app.engine.contract.Context`."""
        self.writes.append(write)

    def log(self, event: str, message: str, level: str = "info") -> None:
        """See :class:`app.engine.contract.Context`."""
        self.in_result(lambda session: store.log(session, self._held, event, message, level=level))

    def _call(self, name: str, do: Callable[[str, float], Answer], **options: Any) -> Any:
        """Make a call where there is time for it: one that was cut off would be paid for, and made again."""
        with offline.guard(on=False):
            is_new = not self._ledger.is_answered(name)
        timeout_s = self.remaining_s()
        if timeout_s <= 0 or (is_new and timeout_s < self._longest_s):
            raise StepError(Category.TIMEOUT, "The step ran out of its time.", code="deadline")
        answer = self._made(name, do, timeout_s, **options)
        if is_new:
            self.has_gained = True
            self._longest_s = max(self._longest_s, timeout_s - self.remaining_s())
        return answer

    def _made(self, name: str, do: Callable[[str, float], Answer], timeout_s: float, **options: Any) -> Any:
        options.setdefault("keep", None)
        options.setdefault("keyed", False)
        if not self.run.test:
            return self._ledger.call(name, do, timeout_s, **options)
        with offline.guard(on=False):  # what is recorded may live outside; what is asked may not
            return self._ledger.call(name, offline.guarded(do), timeout_s, **options)

    def _simulated(self, to: str, sample: Any) -> Any:
        """Note what would have been called and return what stands in for its answer."""
        if self._effect is Effect.NONE:
            raise StepError(Category.INTERNAL, f"A step that declares no effect made an outward call ({to}).")
        if sample is None:
            raise offline.WouldReach(to)
        self.log(offline.CALL, f"Would call {to}.")
        return sample

    def _read_documents(self, document_ids: Sequence[str]) -> list[DocumentFacts]:
        try:
            with offline.guard(on=False), transaction(self._engine) as session:
                return bound.read_documents(session, self._held.workspace_id, document_ids)
        except GreenlightError as error:
            raise StepError(Category.INPUT, error.message, code="document", fix=error.fix) from error


def _repair_of(name: str) -> str:
    """Return the name of the call that asks for a better answer than the one of call *name*."""
    return f"{name[: NAME_LENGTH - len(_REPAIR)]}{_REPAIR}"


class _Documents:
    """:class:`app.engine.contract.Documents` for one try: reads now, writes with the result."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._written_at: datetime | None = None  # one moment for all: their positions tell their order

    def create(
        self, *, title: str, body: str, fields: Mapping[str, Any], status: str, position: int, model: str
    ) -> str:
        """See :class:`app.engine.contract.Documents`."""
        document_id = new_id()
        run, step = self._context.run, self._context.step
        written_at = self._written_at = self._written_at or clock.now()

        def write(session: Session) -> None:
            bound.create_document(
                session,
                document_id=document_id,
                workspace_id=run.workspace_id,
                run_id=run.id,
                step_run_id=step.step_run_id,
                title=title,
                body=body,
                fields=dict(fields),
                status=status,
                position=position,
                written_by=model,
                test=run.test,
                written_at=written_at,
            )

        self._context.in_result(write)
        return document_id

    def read(self, document_ids: Sequence[str]) -> list[DocumentFacts]:
        """See :class:`app.engine.contract.Documents`."""
        return self._context._read_documents(document_ids)

    def attach(self, document_id: str, image_ids: Sequence[str]) -> None:
        """See :class:`app.engine.contract.Documents`."""
        images = list(image_ids)
        self._context.in_result(lambda session: bound.attach(session, document_id, images))
