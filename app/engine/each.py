"""A step that is done for every item: its frame is opened once, with the items in it, and closed after the last one."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import insist, moment, to_json, transaction
from app.core.ids import new_id
from app.definition.parts import MAX_ITEMS
from app.definition.schema import Definition, Step
from app.definition.values import ValueProblem, evaluate
from app.engine import catalog, progress, results, store
from app.engine.attempt import MAX_OUTPUT_BYTES, Tried, failed, our_fault, unmet, value_missing
from app.engine.contract import Category, Effect, StepError
from app.engine.enums import StepStatus
from app.engine.held import Fenced, HeldRun, HeldStep
from app.engine.planner import NO_ITEM, Plan
from app.engine.seat import Seat
from app.engine.store import Recorded

_drop_asked = sa.delete(store.step_run).where(
    store.step_run.c.run_id == sa.bindparam("b_run_id"),
    store.step_run.c.step_id == sa.bindparam("b_step_id"),
    store.step_run.c.item == NO_ITEM,
    store.step_run.c.status == StepStatus.PENDING,
)


def work(seat: Seat, held: HeldRun, definition: Definition, recorded: Recorded, todo: Plan) -> HeldRun | None:
    """Open and close the frames that are planned; return the run as it is then, None when it is no longer ours."""
    for opened in todo.opens:
        _open(seat, held, definition.step(opened.step), recorded, todo)
    for settled in todo.settles:
        _close(seat, held, definition.step(settled.step), todo)
    with transaction(seat.reader) as session:
        return store.reread_run(session, held)


def item_of(bind: store.Bind, claim: HeldStep) -> Any:
    """Return the item that this step run is done for; None where the step is done once."""
    if claim.item == NO_ITEM:
        return None
    table = store.step_run
    frame = sa.select(table.c.went_in).where(
        table.c.run_id == claim.run_id, table.c.step_id == claim.step_id, table.c.item == NO_ITEM
    )
    return bind.execute(frame).scalar_one()["items"][claim.item]


def _open(seat: Seat, held: HeldRun, step: Step, recorded: Recorded, todo: Plan) -> None:
    """Find the items and write the frame; what cannot be found out ends the step, or asks."""
    step_type = catalog.step_type(step.type)
    claim = _whole(held, step)
    is_asked = (step.id, NO_ITEM) not in recorded.results  # else a person answered for its condition
    scope = {"inputs": held.inputs, "steps": recorded.outputs, "run": held.facts}
    try:
        tried = _frame(step, scope, asks_when=is_asked)
    except Exception as error:  # noqa: BLE001 (else the run would be planned again and again, for ever)
        tried = failed(our_fault(claim, error), None)
    row = {
        "id": claim.id,
        "step_id": step.id,
        "type": step.type,
        "effect": (step_type.effect if step_type else Effect.NONE).value,
        "started_at": claim.started_at,
        "finished_at": held.clock() if tried.status.is_settled else None,
        **tried.row(),
        "total": len(tried.went_in["items"]) if tried.went_in else 0,
    }

    def write(session: Session) -> None:
        session.execute(_drop_asked, {"b_run_id": held.id, "b_step_id": step.id})
        if _is_there(session, held, step.id):  # an earlier commit whose answer was lost
            return
        settled = todo.settled + (1 if tried.status.is_settled else 0)
        if progress.record_pure(session, held, row, steps_done=settled) is None:
            raise Fenced(held.id)
        results.log_failure(session, claim, tried)

    with suppress(Fenced):
        insist(seat.engine, write)


def _whole(held: HeldRun, step: Step) -> HeldStep:
    """Return the frame of a step as if it were done in one piece."""
    return HeldStep(new_id(), held.workspace_id, held.id, step.id, NO_ITEM, step.type, 1, 1, 0, held.clock())


def _frame(step: Step, scope: Mapping[str, object], *, asks_when: bool) -> Tried:
    try:
        if asks_when and step.when is not None and (not_now := unmet(step.when, scope)) is not None:
            return not_now
        items = evaluate({"items": step.for_each.items if step.for_each else []}, scope)["items"]
    except ValueProblem as missing:
        return failed(value_missing(missing), None)
    if not isinstance(items, list):
        kind = "nothing" if items is None else "one value"
        return failed(_unusable(f"This step repeats for every item of a list, but got {kind}."), None)
    if len(items) > MAX_ITEMS:
        return failed(_unusable(f"There are {len(items)} items; {MAX_ITEMS} is the limit."), None)
    if len(to_json(items).encode()) > MAX_OUTPUT_BYTES:
        return failed(_unusable("The items are too large: at most 256 KiB fit."), None)
    if not items:
        return Tried(StepStatus.COMPLETED, "done", {"items": []}, went_in={"items": []})
    return Tried(StepStatus.RUNNING, went_in={"items": items})


def _unusable(message: str) -> StepError:
    return StepError(Category.INPUT, message, code="items", fix="Change the answers and start again.")


def _is_there(session: Session, held: HeldRun, step_id: str) -> bool:
    table = store.step_run
    wanted = sa.select(table.c.id).where(
        table.c.run_id == held.id, table.c.step_id == step_id, table.c.item == NO_ITEM
    )
    return session.execute(wanted).first() is not None


def _close(seat: Seat, held: HeldRun, step: Step, todo: Plan) -> None:
    """Close a frame with what its items brought, while the run is ours and goes on."""
    with suppress(Fenced):
        insist(seat.engine, lambda session: _settle(session, held, step, todo))


def _settle(session: Session, held: HeldRun, step: Step, todo: Plan) -> None:
    """Write a frame's end. Twice is once: the frame must still be open."""
    table = store.step_run
    rows = session.execute(
        sa.select(table.c.status, table.c.outcome, table.c.output, table.c.error, table.c.reason)
        .where(table.c.run_id == held.id, table.c.step_id == step.id, table.c.item != NO_ITEM)
        .order_by(table.c.item)
    ).all()
    try:
        ended = _ended(rows, step.name or step.id)
    except Exception as error:  # noqa: BLE001 (as above)
        ended = failed(our_fault(_whole(held, step), error), None)
    written = session.execute(
        sa.update(table)
        .where(
            table.c.run_id == held.id,
            table.c.step_id == step.id,
            table.c.item == NO_ITEM,
            table.c.status == StepStatus.RUNNING,
        )
        .values(**{**ended.row(), "went_in": table.c.went_in}, finished_at=moment(), done=len(rows))
        .returning(table.c.id)
    )
    if written.first() is None:
        return
    store.note_answer(session, held.id, step.type, [row.outcome for row in rows if row.status == StepStatus.COMPLETED])
    if progress.move_run(session, held, steps_done=todo.settled + 1) is None:
        raise Fenced(held.id)


def _ended(rows: Sequence[Any], name: str) -> Tried:
    """Return a frame's end: done where one item at least is, failed where none went well."""
    faults = [row.error or {} for row in rows if row.status == StepStatus.FAILED]
    output = merged([row.output or {} for row in rows if row.status == StepStatus.COMPLETED])
    output["items"] = [_item(row) for row in rows]
    if len(to_json(output).encode()) > MAX_OUTPUT_BYTES:
        return failed(
            _unusable("The results of all items together are too large: at most 256 KiB fit."), None
        )
    if faults and len(faults) == len(rows):
        first = faults[0]
        message = f"“{name}” failed for all {len(rows)} items. The first: {first.get('message', '')}"
        category = Category(first.get("category", Category.INTERNAL))
        return Tried(
            StepStatus.FAILED,
            "failed",
            output,
            error=StepError(
                category, message, code=str(first.get("code", "")), fix=str(first.get("fix", ""))
            ),
        )
    return Tried(StepStatus.COMPLETED, "done", output)


def _item(row: Any) -> dict[str, Any]:
    told = {"outcome": row.outcome or str(row.status)}
    if row.error:
        told["error"] = row.error.get("message", "")
    if row.reason:
        told["reason"] = row.reason
    return told


def merged(outputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one output of many: a field that holds lists becomes one list, any other a list of its values."""
    fields: dict[str, list[Any]] = {}
    for output in outputs:
        for name, value in output.items():
            fields.setdefault(name, []).append(value)
    return {
        name: [part for value in values for part in value]
        if all(isinstance(v, list) for v in values)
        else values
        for name, values in fields.items()
    }
