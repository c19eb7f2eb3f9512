"""A house for the engine alone: a database, a workspace, the test step types, and a worker without processes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import clock, crypto, events, outbox
from app.core.db import make_engine, transaction
from app.core.ids import new_id
from app.engine import catalog, control, ports, runner, timers
from app.engine.enums import RUN_TRANSITIONS, RunStatus
from app.engine.models import Call, Run, StepRun, WaitRow
from app.engine.seat import Seat
from app.features.accounts.models import Workspace
from app.features.approvals import models as _approvals  # noqa: F401 (every table belongs to the metadata)
from app.features.files import models as _files  # noqa: F401
from app.features.files.removal import given_words
from app.features.gallery import models as _gallery  # noqa: F401
from app.features.runs.models import RunWord
from app.features.triggers import jobs as triggers
from app.features.workflows import queries as workflows
from app.features.workflows.models import Version, Workflow
from tests.engine import steps


def url_for(database_url: str) -> str:
    return database_url.replace("postgresql://", "postgresql+psycopg://")


def bind() -> None:
    """Give this process the test step types and the one port that they need."""
    crypto.configure(["a secret for tests only, long enough to sign with"])
    catalog.discover(steps)
    ports.bind(
        load_definition=workflows.load_definition,
        due_schedules=triggers.due_schedules,
        start_scheduled=triggers.start_scheduled,
    )
    outbox.call_off(control.is_stopped)
    events.listen(outbox.Marked, control.note_message)


@dataclass
class House:
    """One database with one workspace; runs are advanced by :meth:`work` in this thread."""

    engine: Engine
    workspace_id: str = ""
    line: list[tuple[str, str]] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        with transaction(self.engine) as session:
            workspace = Workspace(id=new_id(), name="Northfield Motors", created_at=clock.now())
            session.add(workspace)
            self.workspace_id = workspace.id

    def seat(self, owner: str = "test:1:a", lease_s: float = 60.0) -> Seat:
        return Seat(
            engine=self.engine, reader=self.engine, owner=owner, lease_s=lease_s,
            hint_steps=lambda rows: self.line.extend(("step", row_id) for row_id, _ in rows),
            hint_run=lambda run_id: self.line.append(("run", run_id)),
            hint_outbox=lambda: None, hint_line=lambda: self.line.append(("line", "")),
            is_ending=threading.Event(), is_over=threading.Event(),
        )  # fmt: skip

    def start(
        self,
        steps: list[dict[str, Any]],
        *,
        inputs: dict[str, Any] | None = None,
        budget: int | None = None,
        facts: dict[str, Any] | None = None,
        test: bool = False,
        limits: dict[str, Any] | None = None,
    ) -> str:
        """Publish a definition of these steps and start a run of it; nothing is done yet."""
        named = [{"name": step["id"], **step} for step in steps]
        definition = {"schema": 1, "inputs": [], "steps": named, "limits": limits or {}}
        now = clock.now()
        self.number += 1
        with transaction(self.engine) as session:
            workflow = Workflow(
                id=new_id(), workspace_id=self.workspace_id, name="Test", created_at=now, updated_at=now
            )
            session.add(workflow)
            session.flush()
            version = Version(
                id=new_id(), workspace_id=self.workspace_id, workflow_id=workflow.id, number=1, definition=definition,
                published_at=now,
            )  # fmt: skip
            session.add(version)
            session.flush()
            run = Run(
                id=new_id(), workspace_id=self.workspace_id, number=self.number, workflow_id=workflow.id,
                version_id=version.id, inputs=inputs or {}, revision=1, due_at=now,
                facts={"number": self.number, **(facts or {})}, test=test,
                budget_microusd=budget, steps_total=len(steps), created_at=now, changed_at=now,
            )  # fmt: skip
            session.add(run)
            session.flush()
            give(session, run, run.inputs)
        return str(run.id)

    def work(self, run_id: str | None = None, *, most: int = 1000) -> None:
        """Do what is hinted and due, as a worker and a clock would, until nothing is left that is due now."""
        seat = self.seat()
        if run_id is not None:
            self.line.append(("run", run_id))
        for _ in range(most):
            if not self.line:
                timers.tick(
                    self.engine,
                    hint_runs=lambda ids: self.line.extend(("run", run_id) for run_id in ids),
                    hint_outbox=lambda ids: None,
                    count=1,
                )
            if not self.line:
                return
            kind, row_id = self.line.pop(0)
            if kind == "line":
                runner.do_oldest(seat)
            else:
                runner.advance(seat, row_id) if kind == "run" else runner.do_step(seat, row_id)
        raise AssertionError("the run does not come to rest")

    @contextmanager
    def session(self) -> Iterator[Session]:
        with transaction(self.engine) as session:
            yield session

    def run(self, run_id: str) -> Run:
        with transaction(self.engine) as session:
            return session.get_one(Run, run_id)

    def steps(self, run_id: str) -> dict[str, StepRun]:
        with transaction(self.engine) as session:
            rows = session.scalars(sa.select(StepRun).where(StepRun.run_id == run_id))
            return {row.step_id: row for row in rows}

    def calls(self, run_id: str) -> list[Call]:
        with transaction(self.engine) as session:
            return list(
                session.scalars(sa.select(Call).where(Call.run_id == run_id).order_by(Call.started_at))
            )

    def wait(self, run_id: str) -> WaitRow:
        with transaction(self.engine) as session:
            return session.scalars(sa.select(WaitRow).where(WaitRow.run_id == run_id)).one()

    def post(self, channel: str, run_id: str | None = None, *, to: str = "sam") -> str:
        """Put a message for *channel* into the outbox and return its id."""
        with self.session() as session:
            return outbox.post(
                session, channel=channel, recipient=f"{to}@northfield.example", subject="", content={}, dedupe_key=to,
                workspace_id=self.workspace_id, run_id=run_id,
            )  # fmt: skip

    def make_due(self, run_id: str, *, step: str, **columns: Any) -> None:
        """Move what a step run waits for into the past, and the run's due time with it."""
        past = clock.now() - timedelta(seconds=1)
        values = dict.fromkeys(columns, past) if columns else {}
        with transaction(self.engine) as session:
            session.execute(
                sa.update(StepRun).where(StepRun.run_id == run_id, StepRun.step_id == step).values(**values)
            )
            session.execute(sa.update(Run).where(Run.id == run_id).values(due_at=past))

    def check(self) -> None:
        """Check what must hold after everything: the invariants of the engine."""
        with transaction(self.engine) as session:
            for run in session.scalars(sa.select(Run)):
                steps = list(session.scalars(sa.select(StepRun).where(StepRun.run_id == run.id)))
                if run.is_open and run.due_at is None:
                    assert run.status in ("waiting", "paused", "needs_attention"), (
                        f"{run.id} {run.status} is never due"
                    )
                if not run.is_open:
                    assert all(step.finished_at for step in steps), [
                        s.step_id for s in steps if not s.finished_at
                    ]
                    assert run.finished_at is not None
                    assert run.lease_owner is None
                    assert run.reserved_microusd == 0
                keys = {(s.step_id, s.item) for s in steps}
                assert len(keys) == len(steps)
            for call in session.scalars(sa.select(Call)):
                assert call.cost_microusd >= 0


def make_house(database_url: str) -> House:
    bind()
    return House(make_engine(url_for(database_url)))


__all__ = ["House", "make_house", "outbox"]


def reachable(start: RunStatus) -> set[RunStatus]:
    """Return where a run may be after one rule: ``advance`` alone takes it through several statuses."""
    found, new = set[RunStatus](), {start}
    while new:
        new = {after for before in new for after in RUN_TRANSITIONS[before]} - found
        found |= new
    return found - {RunStatus.QUEUED}


def give(session: Session, run: Run, answers: dict[str, Any]) -> None:
    """Let a run have been given these answers, as its start writes them."""
    run.inputs = answers
    for word in given_words(answers):
        session.add(RunWord(workspace_id=run.workspace_id, number=run.number, word=word))
