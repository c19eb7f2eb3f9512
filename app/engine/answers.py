"""Answers: what a person may say when a step asks, and what becomes of the step then.

A step asks where guessing could harm: a request that may have been sent, a condition that cannot be told, a worker that
died under it. All functions run in the caller's transaction and commit nothing; hint the run after the commit.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import changed, moment, table
from app.core.errors import Conflict, NotFound
from app.engine import catalog, claims, money, store
from app.engine.attempt import CRASHED, OUT_OF_MEMORY, WHEN_UNCLEAR, YES
from app.engine.calls import IN_DOUBT, UNSURE_CODE
from app.engine.enums import CallStatus, Category, StepStatus
from app.engine.models import Call
from app.engine.planner import NO_ITEM
from app.engine.ports import bound


class Reply(StrEnum):
    """What can be said to a step that asks."""

    SENT = "sent"  # it arrived: go on
    SEND_AGAIN = "send_again"  # it did not: send it under a new key
    YES = "yes"
    NO = "no"
    AGAIN = "again"  # do the step once more
    ADD_MONEY = "add_money"  # raise the run's limit, then do the step once more
    FAIL = "fail"


def choices(step_type: str, error: Mapping[str, Any] | None) -> tuple[Reply, ...]:
    """Return what may be said to a step of this type that asks because of *error*; the most useful comes first."""
    code = str((error or {}).get("code", ""))
    category = str((error or {}).get("category", ""))
    if code == UNSURE_CODE:
        return (Reply.SENT, Reply.SEND_AGAIN, Reply.FAIL)
    if code == WHEN_UNCLEAR or (category == Category.CONDITION and _has_ways(step_type)):
        return (Reply.YES, Reply.NO, Reply.FAIL)
    if code == money.RUN_CODE:
        return (Reply.ADD_MONEY, Reply.FAIL)
    return (Reply.AGAIN, Reply.FAIL)


def answer(session: Session, run_id: str, step_run_id: str, reply: Reply, *, by: str) -> None:
    """Take a person's answer, once; *by* is their name. Raises NotFound, and Conflict when it was answered before."""
    steps = store.step_run
    row = session.execute(
        sa.select(steps).where(steps.c.id == step_run_id, steps.c.run_id == run_id).with_for_update(key_share=True)
    ).first()
    if row is None:
        raise NotFound("This step does not exist.")
    if row.status != StepStatus.NEEDS_ATTENTION:
        raise Conflict("This was answered before, or the run has ended.")
    if reply not in choices(row.type, row.error):
        raise Conflict("This step does not ask that.")
    freed = _note_calls(session, row, reply)
    values = _values(row, reply, by)
    if values.get("answer") == YES and row.item == NO_ITEM and _is_each(session, row):
        values["answer"] = claims.OPEN_ITEMS
    result = session.execute(
        sa.update(steps)
        .where(steps.c.id == step_run_id, steps.c.status == StepStatus.NEEDS_ATTENTION)
        .values(fence=steps.c.fence + 1, **values)
    )
    if changed(result) != 1:
        raise Conflict("This was answered before.")
    store.log(session, claims.held_row(row), "answered", f"{by} answered: {SAID[reply]}.")
    code = (row.error or {}).get("code")
    if reply is not Reply.FAIL and code in (money.RUN_CODE, money.DAY_CODE):
        _take_along(session, run_id, code)
    if reply is Reply.ADD_MONEY:
        money.add(session, run_id)
    if StepStatus(values["status"]).is_settled:
        freed += money.free_step(session, run_id, row.workspace_id, step_run_id)
    if not store.wake_run(session, run_id, freed_microusd=freed):
        raise Conflict("The run has ended.")


SAID = {
    Reply.SENT: "it was sent",
    Reply.SEND_AGAIN: "send it again",
    Reply.YES: "yes",
    Reply.NO: "no",
    Reply.AGAIN: "try it again",
    Reply.ADD_MONEY: f"add ${money.MORE_USD} and continue",
    Reply.FAIL: "let it fail",
}


def _take_along(session: Session, run_id: str, code: str) -> None:
    """Do again what else of a run asks because of the same limit: it is one, however many steps and items met it.

    What somebody else answers at this moment is left to them: nobody waits here for a row while others wait for ours.
    """
    steps = store.step_run
    asking = session.execute(
        sa.select(steps.c.id, steps.c.error)
        .where(steps.c.run_id == run_id, steps.c.status == StepStatus.NEEDS_ATTENTION)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    ids = [row.id for row in asking if (row.error or {}).get("code") == code]
    if ids:
        session.execute(
            sa.update(steps)
            .where(steps.c.id.in_(ids), steps.c.status == StepStatus.NEEDS_ATTENTION)
            .values(fence=steps.c.fence + 1, **_AGAIN, is_suspect=False)
        )


_AGAIN: dict[str, Any] = {
    "status": StepStatus.PENDING.value, "hinted_at": None, "error": None, "crashes": 0, "attempts": 0,
    "started_at": None,  # nobody worked at it while it asked
}  # fmt: skip


def _values(row: Any, reply: Reply, by: str) -> dict[str, Any]:
    if reply is Reply.FAIL:
        return {"status": StepStatus.FAILED.value, "outcome": "failed", "finished_at": moment()}
    if reply in (Reply.YES, Reply.NO) and (row.error or {}).get("code") != WHEN_UNCLEAR:
        output = {"value": reply is Reply.YES, "because": f"{by} said so"}
        return {
            "status": StepStatus.COMPLETED.value, "outcome": reply.value, "output": output, "error": None,
            "finished_at": moment(),
        }  # fmt: skip
    if reply is Reply.NO:
        reason = f"{by} said not to do it"
        return {"status": StepStatus.SKIPPED.value, "reason": reason, "error": None, "finished_at": moment()}
    again = {**_AGAIN, "is_suspect": (row.error or {}).get("code") in (OUT_OF_MEMORY, CRASHED)}
    return {**again, "answer": YES} if reply is Reply.YES else again


def _note_calls(session: Session, step: Any, reply: Reply) -> int:
    """Close the calls in doubt as the person said; return the estimate that is no longer reserved."""
    if reply not in (Reply.SENT, Reply.SEND_AGAIN):
        return 0
    call = table(Call)
    status = CallStatus.ANSWERED if reply is Reply.SENT else CallStatus.REFUSED
    rows = session.execute(
        sa.update(call)
        .where(
            call.c.step_run_id == step.id,
            call.c.status.in_([status.value for status in IN_DOUBT]),
        )
        .values(status=status.value, finished_at=moment())
        .returning(call.c.estimate_microusd, call.c.started_at)
    ).all()
    facts = session.scalar(sa.select(store.run.c.facts).where(store.run.c.id == step.run_id))
    return money.free_above(session, step.run_id, step.workspace_id, facts or {}, rows)


def _is_each(session: Session, row: Any) -> bool:
    """Tell whether a step run only holds the items that its step is done for."""
    version_id = session.scalar(sa.select(store.run.c.version_id).where(store.run.c.id == row.run_id))
    return bound.load_definition(session, str(version_id)).step(row.step_id).for_each is not None


def _has_ways(step_type: str) -> bool:
    known = catalog.step_type(step_type)
    return known is not None and {"yes", "no"} <= set(known.outcomes)
