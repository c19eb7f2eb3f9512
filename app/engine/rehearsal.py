"""A rehearsal: go through the way of a plain step once, for a run that nobody has, before the first real one comes.

What a process loads, compiles and connects for its first run it has then; nothing is written.
"""

import functools
from contextlib import suppress

from app.core import clock
from app.core.db import write_small
from app.core.errors import GreenlightError
from app.core.ids import new_id
from app.definition.schema import Definition
from app.engine import catalog, definitions, leases, progress
from app.engine.attempt import try_step
from app.engine.enums import RunStatus
from app.engine.held import HeldRun, HeldStep
from app.engine.planner import NO_ITEM, plan
from app.engine.seat import Seat

_STEP = {"id": "a", "type": "transform", "name": "A", "config": {"set": {"value": "{{ inputs.value }}"}}}


def rehearse(seat: Seat) -> None:
    """Take, do and record what is not there; a database that is away raises what it raises."""
    if catalog.step_type("transform") is None:
        return
    held = _nobodys()
    with suppress(GreenlightError):
        definitions.definition_of(seat.reader, held.version_id)
    definition = Definition.model_validate({"schema": 1, "inputs": [], "steps": [_STEP]})
    claim = HeldStep(
        new_id(), held.workspace_id, held.id, "a", NO_ITEM, "transform", 1, 1, 0, held.now
    )
    write_small(seat.engine, lambda: leases.take_run(held.id, seat.owner, seat.lease_s), locks=held.id)
    plan(definition, {}, held.now, "go")
    tried = try_step(seat, claim, definition.step("a"), held, {})
    row = {
        "id": claim.id, "step_id": claim.step_id, "type": claim.type, "started_at": claim.started_at,
        "outcome": tried.outcome, "went_in": tried.went_in, "output": tried.output,
    }  # fmt: skip
    for record in (progress.record_fast, progress.record_last):
        result = functools.partial(record, seat.engine.dialect.name, held, row, steps_done=1)
        write_small(seat.engine, result, locks=held.id)


def _nobodys() -> HeldRun:
    return HeldRun(
        new_id(), new_id(), new_id(), 0, "", False, "person", RunStatus.RUNNING, 1, 1, {"value": "1"}, {}, clock.now()
    )
