"""The place of a run below another one: whoever continues it, or starts it over, takes it."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.engine.enums import StepStatus
from app.engine.models import Run, StepRun

BEFORE = "before_microusd"  # in a run's facts: what those cost that had its place before
_OPEN = (StepStatus.WAITING, StepStatus.FAILED)


def lock(session: Session, run: Run) -> None:
    """Lock a run that may hand its place on, before anything else is written: it does not end meanwhile.

    Whole, not without its key as others lock it: the step that started it stands in an index of its own, so that
    whoever writes a row of this run would hold up the change of it, and wait for us.
    """
    if run.parent_run_id is not None:
        session.refresh(run, with_for_update=True)


def hand_on(session: Session, run: Run, following: Run) -> bool:
    """Let *following* have the place of *run* below the step that started it; False where it has none to give.

    A step that waits for it goes on with what *following* brings, one that failed by it takes *following* up when it
    is tried again: else that work would be done a second time, with the answers that it failed with. A step that
    *run* brought to its end, or that is not wanted any more, stays as it is. Needs :func:`lock`.
    """
    place = run.parent_step_run_id
    if place is None or session.scalar(sa.select(StepRun.status).where(StepRun.id == place)) not in _OPEN:
        return False
    run.parent_step_run_id = None
    session.flush()  # two may not have it at once
    following.parent_step_run_id, following.parent_run_id = place, run.parent_run_id
    spent = run.facts.get(BEFORE, 0) + run.cost_microusd
    following.facts = {**following.facts, "part_of": run.facts.get("part_of", []), BEFORE: spent}
    session.flush()
    return True
