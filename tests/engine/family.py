"""A family of runs: one of everything that people can do to a run, and the books that must be right at any moment.

A campaign spends, does a step for every item, asks, runs another workflow, sends to a far side that knows no keys, and
has a condition that nobody can tell. What people do is one function a deed, for a test that calls them in any order.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import transaction
from app.core.errors import Conflict, Gone, NotFound
from app.engine import answers, control, money
from app.engine.answers import Reply
from app.engine.calls import IN_DOUBT
from app.engine.enums import StepStatus, WaitStatus
from app.engine.models import Call, Run, Spending, StepRun, WaitRow
from app.features.limits import service as limits
from app.features.runs import listeners
from app.features.runs import service as runs
from app.features.workflows import queries as workflows
from app.features.workflows.service import create
from tests.engine.rig import House
from tests.engine.sink import Sink
from tests.factories import ALICE

T = TypeVar("T")
MOST_RUNS = 8
COST = 3000
BY = "Alice"
SEND_AFTER = ["each", "ask:approved"]
_ANSWERS = {"car": "CR-V"}
_ITEMS = {"items": ["a", "b"], "parallel": 1}
_CAR = [{"key": "car", "label": "Which car?", "required": True}]


def _spend(name: str, url: str, *after: str, kind: str = "spend", **more: Any) -> dict[str, Any]:
    retry = {"attempts": 2, "backoff": "fixed", "delay_s": 1800.0}
    usual = {"config": {"url": url, "cost": COST, "count": 2}, "retry": retry, "timeout_s": 20}
    return {"id": name, "type": kind, "after": list(after), **usual, **more}


def campaign(url: str) -> dict[str, Any]:
    """Return a definition of one of everything."""
    unclear = {"value": "{{ inputs.car }}", "op": "gt", "than": 3}
    steps = [
        {"id": "begin", "type": "echo", "config": {"say": "{{ inputs.car }}"}},
        _spend("buy", url, "begin", on_failure="continue"),
        _spend("each", url, "begin", for_each={"items": [1, 2, 3], "parallel": 2}),
        {"id": "ask", "type": "ask", "after": ["begin"], "config": {}},
        {**_run("Part", "{{ item }}"), "id": "sub", "after": ["begin"], "for_each": _ITEMS},
        {"id": "maybe", "type": "echo", "after": ["begin"], "config": {}, "when": unclear},
        _spend("send", url, *SEND_AFTER, kind="send"),
        {"id": "end", "type": "echo", "after": ["send", "sub", "ask:rejected"], "join": "any", "config": {}},
    ]  # fmt: skip
    return {"schema": 1, "inputs": _CAR, "steps": _named(steps), "limits": {"cost_usd": "0.02", "at_once": 2}}


def part(url: str) -> dict[str, Any]:
    """Return what the campaign runs below itself."""
    steps = [
        _spend("buy", url),
        {"id": "ask", "type": "ask", "after": ["buy"], "config": {}},
        {**_run("Piece", "CR-V"), "id": "sub", "after": ["ask:approved"]},
    ]
    return {"schema": 1, "inputs": _CAR, "steps": _named(steps)}


def piece(url: str) -> dict[str, Any]:
    """Return what the part runs below itself."""
    steps = [_spend("buy", url), {"id": "end", "type": "echo", "after": ["buy"], "config": {}}]
    return {"schema": 1, "inputs": _CAR, "steps": _named(steps)}


def _run(workflow: str, car: str) -> dict[str, Any]:
    return {"type": "run_workflow", "config": {"workflow": workflow, "inputs": {"car": car}}}


def _named(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": step["id"], **step} for step in steps]


class Family:
    """The runs of one workspace, and everything that people do to them."""

    def __init__(self, engine: Engine, sink: Sink) -> None:
        listeners.register()
        self.house, self.sink = House(engine), sink
        self.workspace_id = self.house.workspace_id
        with transaction(engine) as session:
            for name, of in (("Piece", piece), ("Part", part), ("Campaign", campaign)):
                create(session, workspace_id=self.workspace_id, name=name, definition=of(sink.url), actor_id=None)

    def start(self) -> str:
        """Start a campaign."""
        with self.house.session() as session:
            workflow = workflows.named(session, self.workspace_id, "Campaign")
            return runs.start(
                session, workspace_id=self.workspace_id, workflow=workflow, inputs=_ANSWERS, actor=ALICE
            ).id

    def runs(self, session: Session) -> list[Run]:
        """Return all runs, the oldest first."""
        wanted = sa.select(Run).where(Run.workspace_id == self.workspace_id).order_by(Run.number)
        return list(session.scalars(wanted))

    def steps(self, session: Session, *where: sa.ColumnElement[bool]) -> list[StepRun]:
        """Return step runs, by run, step and item."""
        wanted = sa.select(StepRun).where(StepRun.workspace_id == self.workspace_id, *where)
        return list(session.scalars(wanted.join(Run).order_by(Run.number, StepRun.step_id, StepRun.item)))

    def waits(self, session: Session) -> list[WaitRow]:
        """Return the waits for people."""
        wanted = sa.select(WaitRow).where(WaitRow.workspace_id == self.workspace_id, WaitRow.kind == "callback")
        return list(session.scalars(wanted.join(Run, Run.id == WaitRow.run_id).order_by(Run.number)))

    def lapse(self) -> None:
        """Let time pass: every lease runs out, every retry is due, every decision takes effect, no hint came."""
        past = clock.now() - timedelta(seconds=100)
        times = (
            (Run, "lease_until"), (StepRun, "lease_until"), (StepRun, "not_before"), (StepRun, "hinted_at"),
            (WaitRow, "effective_at"), (Run, "due_at"),
        )  # fmt: skip
        with self.house.session() as session:
            for model, name in times:
                column = getattr(model, name)
                later = sa.and_(model.workspace_id == self.workspace_id, column > past)
                session.execute(sa.update(model).where(later).values({name: past}))

    # --- the books ---

    def faults(self) -> Iterator[str]:
        """Yield what is wrong in the books: costs and what is reserved, of steps, runs and days."""
        with self.house.session() as session:
            runs_, steps = {run.id: run for run in self.runs(session)}, self.steps(session)
            calls = list(session.scalars(sa.select(Call).where(Call.workspace_id == self.workspace_id)))
            days = list(session.scalars(sa.select(Spending).where(Spending.workspace_id == self.workspace_id)))
        cost, reserved, of_step = Counter[str](), Counter[str](), Counter[str]()
        for call in calls:
            of_step[call.step_run_id] += call.cost_microusd
            for payer in money.payers(call.run_id, runs_[call.run_id].facts):
                cost[payer] += call.cost_microusd
                if call.status in [status.value for status in IN_DOUBT]:
                    reserved[payer] += call.estimate_microusd
        for run in runs_.values():
            if (run.cost_microusd, run.reserved_microusd) != (cost[run.id], reserved[run.id]):
                yield (
                    f"run {run.number} ({run.status}) has {run.cost_microusd} and {run.reserved_microusd} reserved, "
                    f"its calls {cost[run.id]} and {reserved[run.id]}"
                )
        for step in steps:
            if step.type != "run_workflow" and step.cost_microusd != of_step[step.id]:
                yield f"step {step.step_id} costs {step.cost_microusd}, its calls {of_step[step.id]}"
        own = [run.id for run in runs_.values() if not run.facts.get("part_of")]
        spent, kept = sum(day.cost_microusd for day in days), sum(day.reserved_microusd for day in days)
        if (spent, kept) != (sum(cost[run_id] for run_id in own), sum(reserved[run_id] for run_id in own)):
            yield f"the day has {spent} and {kept} reserved, the calls {cost} and {reserved}"

    def left_over(self) -> Iterator[str]:
        """Yield what an ended family still holds: leases, places, money, waits."""
        with self.house.session() as session:
            for run in self.runs(session):
                if run.is_open or run.lease_owner or run.reserved_microusd or run.due_at or run.is_paused_above:
                    yield f"run {run.number} ended as {run.status} and holds something"
            for step in self.steps(session):
                if step.lease_owner or not StepStatus(step.status).is_settled:
                    yield f"step {step.step_id} of {step.run_id} is {step.status}, held by {step.lease_owner}"
            for wait in session.scalars(sa.select(WaitRow).where(WaitRow.workspace_id == self.workspace_id)):
                if wait.status == WaitStatus.WAITING:
                    yield f"a wait of {wait.step_run_id} still waits"

    # --- what people do: each in the caller's transaction; *n* chooses of what there is ---

    def pause(self, session: Session, n: int) -> None:
        if (run := _pick(self.runs(session), n)) is not None:
            runs.pause(session, run, actor=ALICE)

    def resume(self, session: Session, n: int) -> None:
        if (run := _pick(self.runs(session), n)) is not None:
            runs.resume(session, run, actor=ALICE)

    def stop(self, session: Session, n: int) -> None:
        if (run := _pick(self.runs(session), n)) is not None:
            runs.stop(session, run, actor=ALICE)

    def try_again(self, session: Session, n: int) -> None:
        if (run := _pick(self.runs(session), n)) is not None:
            runs.try_again(session, run, actor=ALICE)

    def answer(self, session: Session, n: int) -> None:
        """Answer a step that asks, or one that does not (any more)."""
        asking = self.steps(session, StepRun.status == StepStatus.NEEDS_ATTENTION.value)
        step = _pick(asking if asking and n % 4 else self.steps(session), n // 4)
        if step is None:
            return
        offered = answers.choices(step.type, step.error) if n % 8 else tuple(Reply)
        answers.answer(session, step.run_id, step.id, offered[n // 8 % len(offered)], by=BY)
        if step.status != StepStatus.NEEDS_ATTENTION:
            raise AssertionError(f"{step.step_id} was {step.status} and took an answer")

    def try_now(self, session: Session, n: int) -> None:
        step = _pick(self.steps(session, StepRun.status == StepStatus.RETRYING.value), n // 2)
        if step is not None:
            (control.try_now if n % 2 else control.stop_trying)(session, step.run_id, step.id)

    def decide(self, session: Session, n: int) -> None:
        """Decide a wait, perhaps one that is decided: it counts once."""
        wait = _pick(self.waits(session), n // 4)
        if wait is not None:
            outcome = "rejected" if n % 4 == 0 else "approved"
            control.decide(session, wait.id, outcome=outcome, output={}, undo_s=600 if n % 2 else 0)

    def think_again(self, session: Session, n: int) -> None:
        wait = _pick(self.waits(session), n // 2)
        if wait is not None:
            (control.undo if n % 2 else control.go_on)(session, wait.id)

    def hold(self, session: Session, n: int) -> None:
        """Press the red switch of the workspace, on or off."""
        if n % 2:
            limits.hold_sending(session, self.workspace_id, by=BY, by_id=None)
        else:
            limits.release_sending(session, self.workspace_id, by=BY, by_id=None)

    def continue_from(self, session: Session, n: int) -> None:
        every = self.runs(session)
        run = _pick(every, n // 10)
        if run is None or len(every) >= MOST_RUNS:
            return
        version = workflows.load_definition(session, run.version_id)
        step = version.steps[n // 2 % len(version.steps)]
        car = "CR-V" if n % 2 else "Civic"
        runs.continue_from(session, run, step.id, {"car": car}, actor=ALICE, dedupe_key=f"c{run.number}-{n % 3}")

    def answer_first(self, session: Session, n: int) -> None:
        """Give a step that asks the answer that is offered first."""
        step = _pick(self.steps(session, StepRun.status == StepStatus.NEEDS_ATTENTION.value), n)
        if step is not None:
            answers.answer(session, step.run_id, step.id, answers.choices(step.type, step.error)[0], by=BY)

    def approve(self, session: Session, n: int) -> None:
        """Approve what waits, at once."""
        wait = _pick([wait for wait in self.waits(session) if wait.status == WaitStatus.WAITING], n)
        if wait is not None:
            control.decide(session, wait.id, outcome="approved", output={})

    def start_over(self, session: Session, n: int) -> None:
        every = self.runs(session)
        run = _pick(every, n)
        if run is not None and len(every) < MOST_RUNS:
            runs.start_over(session, run, actor=ALICE, dedupe_key=f"o{run.number}")


Deed = Callable[[Family, Session, int], None]
DEEDS: tuple[Deed, ...] = (
    Family.pause, Family.resume, Family.try_again, Family.answer, Family.try_now, Family.decide, Family.think_again,
    Family.hold, Family.continue_from, Family.start_over,
)  # fmt: skip


def do(family: Family, engine: Engine, deed: Deed, n: int) -> bool:
    """Do one thing by one connection; False, and nothing is written, where it is refused."""
    try:
        with transaction(engine) as session:
            deed(family, session, n)
    except (Conflict, NotFound, Gone):
        return False
    return True


def _pick(rows: Sequence[T], n: int) -> T | None:
    return rows[n % len(rows)] if rows else None


__all__ = ["DEEDS", "Deed", "Family", "do"]
