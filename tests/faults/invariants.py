"""What must hold after every fault, as one function over the database, the far side's log and the pages.

I1 nothing open lies without a time at which it goes on · I2 one key an effect · I3 an effect comes twice only where a
try was cut off · I4 no effect before what it comes after was recorded · I5 one result a step, each answer paid for
once · I6 no row of another workspace · I7 what went wrong is one plain sentence with a next action, in the log and on
the page.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.core import clock
from app.core.db import db, transaction
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.definition.graph import edges
from app.engine import catalog, jobs, money
from app.engine.enums import RunStatus, StepStatus
from app.engine.models import Call, Run, RunLog, StepRun, WaitRow
from app.engine.planner import NO_ITEM
from app.features.accounts import service as accounts
from app.features.accounts.enums import Role
from app.features.workflows import queries as workflows
from tests.cast import PASSWORD, password_hash
from tests.engine import steps as test_steps
from tests.engine.rig import House
from tests.engine.sink import Request, Sink
from tests.faults.fleet import SECRET

OVERDUE = timedelta(seconds=30)  # due so long ago, with a clock that ticks: forgotten
CLOCK_READS = timedelta(milliseconds=5)  # SQLite keeps milliseconds
TROUBLED = (StepStatus.FAILED, StepStatus.NEEDS_ATTENTION)


def check(house: House, sink: Sink, *, repeats: int = 0, pages: int = 1) -> None:
    """Check I1 to I7; *repeats*: how many effects may have come more than once, *pages*: how many are looked at."""
    with transaction(house.engine) as session:
        runs = list(session.scalars(sa.select(Run)))
        rows = list(session.scalars(sa.select(StepRun)))
        calls = list(session.scalars(sa.select(Call)))
        messages = list(session.scalars(sa.select(OutboxRow)))
        steps: dict[str, list[StepRun]] = defaultdict(list)
        for row in rows:
            steps[row.run_id].append(row)
        faults = [
            *_nothing_forgotten(runs, steps),
            *_one_key_an_effect(calls, messages, sink.requests),
            *_repeated_only_when_cut_off(calls, messages, sink.requests, repeats),
            *_nothing_early(session, runs, rows, calls, messages, sink.requests),
            *_one_result_a_step(runs, rows, calls),
            *_one_workspace(session, runs),
            *_told_plainly(session, rows),
        ]
    assert not faults, "\n".join(faults[:20])
    troubled = list(dict.fromkeys(row.run_id for row in rows if row.status in TROUBLED))
    if troubled and pages:
        _look(house, troubled[:pages])


def _nothing_forgotten(runs: Sequence[Run], steps: dict[str, list[StepRun]]) -> Iterator[str]:
    now = clock.now()
    for run in runs:
        mine = steps[run.id]
        waiting_for = {step.status for step in mine if not StepStatus(step.status).is_settled}
        if not run.is_open:
            if waiting_for or run.lease_owner is not None or run.reserved_microusd or run.finished_at is None:
                yield f"I1 {run.id} ended as {run.status} and still holds something: {waiting_for}"
        elif run.due_at is None:
            people = {StepStatus.WAITING.value, StepStatus.NEEDS_ATTENTION.value}
            work = {step.status for step in mine if not StepStatus(step.status).is_settled and not _is_frame(step)}
            if run.status != RunStatus.PAUSED and (not work or work - people):
                yield f"I1 {run.id} is {run.status}, its steps {waiting_for}, and it is never due"
        elif run.due_at < now - OVERDUE:
            yield f"I1 {run.id} is {run.status} and was due at {run.due_at}"


def _is_frame(step: StepRun) -> bool:
    """Tell whether this is the open frame of a step done for every item: it ends with its items, by nobody's lease."""
    return step.item == NO_ITEM and step.status == StepStatus.RUNNING and step.total > 0 and step.lease_owner is None


def _one_key_an_effect(
    calls: Sequence[Call], messages: Sequence[OutboxRow], requests: Sequence[Request]
) -> Iterator[str]:
    ours = {key for call in calls for key in _keys_of(call)} | {f"gl-{message.id}" for message in messages}
    for key in {request.key for request in requests} - ours:
        yield f"I2 the far side saw {key}, which no call and no message has"
    for name, times in Counter((call.step_run_id, call.name) for call in calls).items():
        if times > 1:
            yield f"I2 {name} is called under {times} keys"


def _keys_of(call: Call) -> list[str]:
    """Return every key that the call has had: a definite refusal begins a new one."""
    if not call.generation:
        return [call.key]
    first = call.key.removesuffix(f"-{call.generation}")
    return [first, *(f"{first}-{number}" for number in range(1, call.generation + 1))]


def _repeated_only_when_cut_off(
    calls: Sequence[Call], messages: Sequence[OutboxRow], requests: Sequence[Request], repeats: int
) -> Iterator[str]:
    tries = {key: call.tries for call in calls for key in _keys_of(call)}
    tries |= {f"gl-{message.id}": message.attempts for message in messages}
    times = Counter(request.key for request in requests)
    doubled = {key: count for key, count in times.items() if count > 1}
    for key, count in doubled.items():
        if count > tries.get(key, 0):
            yield f"I3 {key} came {count} times in {tries.get(key, 0)} tries"
    if len(doubled) > repeats:
        yield f"I3 {len(doubled)} effects came more than once, {repeats} may: {doubled}"


def _nothing_early(
    session: Session,
    runs: Sequence[Run],
    rows: Sequence[StepRun],
    calls: Sequence[Call],
    messages: Sequence[OutboxRow],
    requests: Sequence[Request],
) -> Iterator[str]:
    ended = {(row.run_id, row.step_id): row.finished_at for row in rows}
    came: dict[str, float] = {}
    for request in requests:
        came.setdefault(request.key, request.at)
    by_id = {row.id: row for row in rows}
    before: dict[str, dict[str, set[str]]] = {}
    for run in runs:
        if run.version_id not in before:
            found = before[run.version_id] = defaultdict(set)
            for edge in edges(workflows.load_definition(session, run.version_id)):
                found[edge.target].add(edge.source)
    versions = {run.id: run.version_id for run in runs}
    effects = [(by_id[call.step_run_id], key) for call in calls for key in _keys_of(call)]
    for step, key in effects:
        for source in before[versions[step.run_id]][step.step_id]:
            if key in came and _is_later(ended.get((step.run_id, source)), came[key]):
                yield f"I4 {key} came before {source} was recorded"
    for message in messages:
        sender = by_id.get(message.step_run_id or "")
        key = f"gl-{message.id}"
        if sender is not None and key in came and _is_later(sender.finished_at, came[key]):
            yield f"I4 {key} came before {sender.step_id} was recorded"


def _is_later(recorded: datetime | None, came: float) -> bool:
    return recorded is None or recorded > datetime.fromtimestamp(came, UTC) + CLOCK_READS


def _one_result_a_step(runs: Sequence[Run], rows: Sequence[StepRun], calls: Sequence[Call]) -> Iterator[str]:
    for key, times in Counter((row.run_id, row.step_id, row.item) for row in rows).items():
        if times > 1:
            yield f"I5 {key} has {times} rows"
    facts = {run.id: run.facts for run in runs}
    spent_on_run: Counter[str] = Counter()
    spent_on_step: Counter[str] = Counter()
    for call in calls:
        spent_on_step[call.step_run_id] += call.cost_microusd
        for payer in money.payers(call.run_id, facts[call.run_id]):
            spent_on_run[payer] += call.cost_microusd
    for row in rows:
        if row.status == StepStatus.COMPLETED and (row.outcome is None or row.finished_at is None):
            yield f"I5 {row.id} completed without its result"
        if row.type != "run_workflow" and row.cost_microusd != spent_on_step[row.id]:
            yield f"I5 {row.id} costs {row.cost_microusd}, its calls {spent_on_step[row.id]}"
    for run in runs:
        if run.cost_microusd != spent_on_run[run.id]:
            yield f"I5 {run.id} costs {run.cost_microusd}, its calls {spent_on_run[run.id]}"


def _one_workspace(session: Session, runs: Sequence[Run]) -> Iterator[str]:
    owners = {run.id: run.workspace_id for run in runs}
    for model in (StepRun, Call, WaitRow, RunLog, OutboxRow):
        for run_id, workspace_id in session.execute(sa.select(model.run_id, model.workspace_id)):
            if run_id is not None and owners.get(run_id) != workspace_id:
                yield f"I6 a row of {model.__tablename__} of run {run_id} belongs to {workspace_id}"


def _told_plainly(session: Session, rows: Sequence[StepRun]) -> Iterator[str]:
    logged = {(log.run_id, log.step_id) for log in session.scalars(sa.select(RunLog))}
    for row in rows:
        if row.status not in TROUBLED or row.reused_from:  # of what was taken over, the run that did it tells
            continue
        error = row.error or {}
        message, fix = str(error.get("message", "")), str(error.get("fix", ""))
        if not message or "Traceback" in message or "\n" in message:
            yield f"I7 {row.step_id} is {row.status} without a plain sentence: {error}"
        if row.status == StepStatus.NEEDS_ATTENTION and not fix:
            yield f"I7 {row.step_id} needs attention without a next action: {error}"
        if (row.run_id, row.step_id) not in logged:
            yield f"I7 {row.step_id} of {row.run_id} is {row.status}, of which the log says nothing"


def _look(house: House, run_ids: Sequence[str]) -> None:
    """Look at the pages of runs in trouble as somebody of their workspace."""
    app = _application(house)
    with app.app_context():
        session = db.session()
        user = accounts.create_user(
            session, email=f"look{clock.now().timestamp():.6f}@north.example", name="Lee Look", password=PASSWORD,
            password_hash=password_hash(), workspace_id=house.workspace_id, role=Role.OWNER, check_password=False,
        )  # fmt: skip
        token = accounts.sign_in(session, user).token
        session.commit()
    client = app.test_client()
    client.set_cookie("gl", token)
    try:
        for run_id in run_ids:
            answer = client.get(f"/runs/{run_id}")
            assert answer.status_code == 200, f"I7 the page of {run_id} says {answer.status_code}"
            for step in house.steps(run_id).values():
                if step.status in TROUBLED:
                    assert str((step.error or {})["message"]) in answer.text, f"I7 {run_id} does not say what happened"
            assert "Traceback" not in answer.text
    finally:
        with app.app_context():
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


def _application(house: House) -> Flask:
    """Return the web application on the house's database; this process keeps its own step types and queue."""
    from app import create_app

    settings = jobs._settings
    url = house.engine.url.render_as_string(hide_password=False).replace("sqlite+serial", "sqlite")
    app = create_app(
        Settings(
            environment="test", database_url=url, secret_key=SECRET,
            base_url="http://localhost", redis_url=settings.redis_url if settings else "",
        )
    )  # fmt: skip
    if settings is not None:
        jobs.configure(settings)
    catalog.discover(test_steps)
    return app
