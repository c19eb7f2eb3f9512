"""The demo's finished runs: one a template, made by the engine with the sample writer, decided as people decide."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from app.cli import output
from app.core import clock

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.features.accounts.models import Workspace
    from app.features.gallery.models import Template

LIMIT_S = 180.0
POLL_S = 0.3
LATER = timedelta(minutes=1)  # a run that was just decided is due at once


def seed_runs(*, limit_s: float = LIMIT_S) -> int:
    """Have one finished run of each of our templates in the demo workspace; return how many.

    Needs a worker; may run twice. The workspace's own templates may lack answers to run with.
    """
    from app.core.db import db
    from app.features.gallery import queries
    from app.features.gallery.enums import Whose

    with db.session() as session:
        workspace = _demo(session)
        if workspace is None:
            return 0
        ours = [one for one in queries.templates(session, workspace.id) if one.whose is Whose.OURS]
        started = [_start(session, workspace, one) for one in ours]
    _bring_to_their_end(workspace.id, started, limit_s)
    return len(started)


def _demo(session: "Session") -> "Workspace | None":
    import sqlalchemy as sa

    from app.features.accounts.models import Workspace

    return session.execute(sa.select(Workspace).where(Workspace.is_demo).limit(1)).scalar_one_or_none()


def _start(session: "Session", workspace: "Workspace", template: "Template") -> str:
    """Start the template's sample run, or find the one that exists: the key is the template's version."""
    from app.cli.desk import Desk
    from app.engine.enums import SEED
    from app.features.gallery import starting
    from app.features.runs import service as runs

    run = starting.launch(
        session,
        workspace_id=workspace.id,
        slug=template.slug,
        raw_inputs=template.sample_inputs,
        actor=Desk(session, workspace).actor(),
        dedupe_key=f"sample-{template.slug}-{template.version}",
        trigger_kind=SEED,
    )
    session.commit()
    if run.is_open:
        runs.hint(run.id)
    return run.id


def _bring_to_their_end(workspace_id: str, run_ids: Sequence[str], limit_s: float) -> None:
    """Decide what the runs ask until all have ended, or wait for time, or *limit_s* is over."""
    from app.core.db import db, reading

    until = time.monotonic() + limit_s
    left = list(run_ids)
    while left and time.monotonic() < until:
        with reading() as session:
            left = [run_id for run_id in left if _goes_on(session, workspace_id, run_id)]
            asking = [run_id for run_id in left if _asks(session, run_id)]
        for run_id in asking:
            with db.session() as writing:
                _decide(writing, workspace_id, run_id)
        if left:
            time.sleep(POLL_S)  # the worker is another process


def _goes_on(session: "Session", workspace_id: str, run_id: str) -> bool:
    """Tell whether the run may still end while we stay: not when it waits for a moment or for a person to mend it."""
    from app.engine.enums import RunStatus
    from app.features.runs import queries

    run = queries.run(session, workspace_id, run_id)
    later = run.due_at is not None and run.due_at > clock.now() + LATER
    if run.status == RunStatus.WAITING and later and not _asks(session, run_id):
        output.say(f"· the sample run {run.number} waits for its time")
        return False
    return run.is_open and run.status not in (RunStatus.NEEDS_ATTENTION, RunStatus.PAUSED)


def _asks(session: "Session", run_id: str) -> bool:
    from app.engine.enums import WaitStatus
    from app.features.runs import queries

    return any(
        wait.kind == "approval" and wait.status == WaitStatus.WAITING
        for wait in queries.waits(session, run_id)
    )


def _decide(session: "Session", workspace_id: str, run_id: str) -> None:
    """Approve what this run asks, in the name of those asked."""
    from app.core.errors import Conflict, Gone
    from app.features.approvals import queries, service
    from app.features.approvals.enums import Decision
    from app.features.runs import service as runs

    for approval in queries.open_approvals(session, workspace_id):
        if approval.run_id != run_id:
            continue
        for person in queries.people(session, approval.id):
            try:
                service.decide(
                    session,
                    approval,
                    person,
                    decision=Decision.APPROVED,
                    by=person.name or person.email,
                    via="seed",
                    undo_s=0,
                )
                session.commit()
            except (Conflict, Gone):
                session.rollback()  # the policy is met, or somebody was quicker
    runs.hint(run_id)
