"""Steps that are done for every item: opened once, so many at a time, one bad item fails that item alone."""

from typing import Any

import pytest
import sqlalchemy as sa

from app.core.db import transaction
from app.engine import claims, control, runner
from app.engine import each as items_of
from app.engine.enums import Effect
from app.engine.models import Run, StepRun, WaitRow
from app.features.runs import reuse
from tests.engine.rig import House


def each(
    items: Any, *, parallel: int = 3, config: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    config = config or {"say": "{{ item }}"}
    return {
        "id": "each", "type": "echo", "config": config, "for_each": {"items": items, "parallel": parallel}, **more,
    }  # fmt: skip


def rows(house: House, run_id: str) -> list[StepRun]:
    with transaction(house.engine) as session:
        wanted = (
            sa.select(StepRun)
            .where(StepRun.run_id == run_id, StepRun.step_id == "each")
            .order_by(StepRun.item)
        )
        return list(session.scalars(wanted))


def test_every_item_is_done_once_and_the_step_brings_their_results_together(house: House) -> None:
    first = {"id": "list", "type": "echo", "config": {"say": [{"car": "CR-V"}, {"car": "Civic"}]}}
    last = {
        "id": "last",
        "type": "echo",
        "after": ["each"],
        "config": {"say": "{{ steps.each.said | join(' + ') }}"},
    }
    step = each("{{ steps.list.said }}", config={"say": "{{ item.car }}"}, after=["list"])
    run_id = house.start([first, step, last])
    house.work(run_id)
    frame, *items = rows(house, run_id)
    assert [item.output for item in items] == [{"said": "CR-V"}, {"said": "Civic"}]
    assert frame.output == {"said": ["CR-V", "Civic"], "items": [{"outcome": "done"}, {"outcome": "done"}]}
    assert (frame.status, frame.outcome, frame.total, frame.done) == ("completed", "done", 2, 2)
    assert house.steps(run_id)["last"].output == {"said": "CR-V + Civic"}
    assert (house.run(run_id).status, house.run(run_id).steps_done) == ("completed", 3)
    house.check()


def test_so_many_items_at_a_time_as_asked(house: House) -> None:
    run_id = house.start([each(list(range(7)), parallel=2)])
    runner_seat = house.seat()
    house.line.append(("run", run_id))
    most = 0
    while house.line:
        kind, row_id = house.line.pop(0)
        runner.advance(runner_seat, row_id) if kind == "run" else runner.do_step(runner_seat, row_id)
        most = max(most, sum(row.status in ("pending", "running") for row in rows(house, run_id)[1:]))
    assert [row.status for row in rows(house, run_id)] == ["completed"] * 8
    assert most <= 2
    assert house.run(run_id).status == "completed"


def test_one_bad_item_fails_that_item_and_the_rest_go_on(house: House) -> None:
    items = [{"fail": ""}, {"fail": "input"}, {"fail": ""}]
    after = {"id": "after", "type": "echo", "after": ["each"], "config": {"say": "{{ steps.each.items }}"}}
    run_id = house.start([each(items, config={"fail": "{{ item.fail }}", "say": "x"}), after])
    house.work(run_id)
    frame, *done = rows(house, run_id)
    assert [row.status for row in done] == ["completed", "failed", "completed"]
    assert frame.status == "completed"
    assert [item["outcome"] for item in frame.output["items"]] == ["done", "failed", "done"]
    assert frame.output["items"][1]["error"] == done[1].error["message"]
    assert house.run(run_id).status == "completed"


def test_step_fails_when_no_item_went_well(house: House) -> None:
    run_id = house.start([each([1, 2], config={"fail": "input"})])
    house.work(run_id)
    frame = rows(house, run_id)[0]
    assert (frame.status, frame.outcome, frame.error["category"]) == ("failed", "failed", "input")
    assert frame.error["message"].startswith("“each” failed for all 2 items. The first: ")
    assert house.run(run_id).status == "failed"


def test_nothing_to_do_is_done_and_what_is_no_list_is_told(house: House) -> None:
    empty = house.start(
        [{"id": "list", "type": "echo", "config": {"say": []}}, each("{{ steps.list.said }}", after=["list"])]
    )
    wrong = house.start([each("{{ inputs.offer }}")], inputs={"offer": "a car"})
    many = house.start([each("{{ inputs.all }}")], inputs={"all": list(range(201))})
    for run_id in (empty, wrong, many):
        house.work(run_id)
    assert (rows(house, empty)[0].status, rows(house, empty)[0].output) == ("completed", {"items": []})
    assert (
        rows(house, wrong)[0].error["message"]
        == "This step repeats for every item of a list, but got one value."
    )
    assert rows(house, many)[0].error["message"] == "There are 201 items; 200 is the limit."
    assert [house.run(run_id).status for run_id in (empty, wrong, many)] == ["completed", "failed", "failed"]


def test_when_is_asked_once_for_the_whole_step(house: House) -> None:
    when = {"value": "{{ inputs.price }}", "op": "gt", "than": 30000}
    skipped = house.start([each([1, 2], when=when)], inputs={"price": 20000})
    unclear = house.start([each([1, 2], when=when)], inputs={"price": "dear"})
    for run_id in (skipped, unclear):
        house.work(run_id)
    assert [row.status for row in rows(house, skipped)] == ["skipped"]
    assert [(row.status, row.error["code"]) for row in rows(house, unclear)] == [
        ("needs_attention", "when_unclear")
    ]
    assert [house.run(run_id).status for run_id in (skipped, unclear)] == ["completed", "needs_attention"]


def test_items_that_wait_for_people_do_not_hold_up_the_others(house: House) -> None:
    run_id = house.start([{**each([1, 2, 3], parallel=1, config={"kind": "callback"}), "type": "ask"}])
    house.work(run_id)
    assert [row.status for row in rows(house, run_id)] == ["running", "waiting", "waiting", "waiting"]
    assert (house.run(run_id).status, house.run(run_id).due_at) == ("waiting", None)
    with house.session() as session:
        control.stop(session, run_id)
    house.work(run_id)
    assert {row.status for row in rows(house, run_id)} == {"cancelled"}
    assert house.run(run_id).status == "stopped"


def test_step_of_an_unknown_type_is_left_to_a_newer_worker(house: House) -> None:
    run_id = house.start([{"id": "new", "type": "from_the_future", "config": {}}])
    house.work(run_id)
    step = house.steps(run_id)["new"]
    assert (step.status, step.attempts, step.crashes) == ("pending", 0, 0)
    assert house.run(run_id).status == "running"
    assert house.run(run_id).due_at is not None


def test_a_step_of_a_definition_that_only_a_newer_worker_can_read_is_left_to_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = house.start([{"id": name, "type": "echo", "config": {"say": 1}} for name in ("one", "two")])
    waiting = str(runner.turn.advance(house.seat(), run_id))
    monkeypatch.setattr(runner.definitions, "definition_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        runner.do_step(house.seat(), waiting)
    left = {row.id: row for row in house.steps(run_id).values()}[waiting]
    assert (left.status, left.lease_owner, left.attempts, left.is_suspect) == ("pending", None, 0, False)
    monkeypatch.undo()
    house.line.append(("step", waiting))
    house.work()
    assert house.run(run_id).status == "completed"


def test_a_fault_of_ours_while_items_are_found_or_brought_together_fails_the_step(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = house.start([each("{{ inputs.odd }}")], inputs={"odd": [1]})
    monkeypatch.setattr(items_of, "evaluate", lambda *_: {"items": [float("nan")]})  # no JSON
    house.work(run_id)
    assert (house.run(run_id).status, rows(house, run_id)[0].error["category"]) == ("failed", "internal")
    monkeypatch.undo()
    run_id = house.start([each([1])])
    monkeypatch.setattr(items_of, "merged", lambda _outputs: 1 / 0)
    house.work(run_id)
    assert (house.run(run_id).status, rows(house, run_id)[0].error["category"]) == ("failed", "internal")


def test_trying_again_keeps_to_so_many_items_at_a_time(house: House) -> None:
    step = each(list(range(5)), parallel=2, config={"fail": "{{ inputs.fail }}"})
    run_id = house.start([step], inputs={"fail": "input"})
    house.work(run_id)
    with house.session() as session:
        session.execute(sa.update(Run).where(Run.id == run_id).values(inputs={"fail": ""}))
        control.try_again(session, run_id)
    runner_seat, hinted = house.seat(), []
    object.__setattr__(runner_seat, "hint_steps", hinted.extend)
    claimed = runner.turn.advance(runner_seat, run_id)
    ids = [*(step_run_id for step_run_id, _ in hinted), claimed]
    assert (len(ids), claimed is not None) == (2, True)
    with house.session() as session:
        held = [claims.claim_sibling(session, run_id, "other:1:a", 60.0, effects=list(Effect)) for _ in range(3)]
        assert [claim is not None for claim in held] == [True, True, False]
        for claim in held[:2]:
            claims.leave_step(session, claim)
    house.line.extend(("step", str(step_run_id)) for step_run_id in ids)
    house.work()
    assert house.run(run_id).status == "completed"
    assert [row.status for row in rows(house, run_id)] == ["completed"] * 6


@pytest.mark.parametrize(
    ("said", "last_no"),
    [(["approved", "rejected"], None), (["rejected", "approved"], None), (["rejected", "rejected"], "rejected")],
)
def test_one_yes_to_several_items_is_a_yes(house: House, said: list[str], last_no: str | None) -> None:
    steps = [{"id": "each", "type": "ask", "config": {}, "for_each": {"items": ["a", "b"]}}]
    run_id = house.start(steps)
    house.work(run_id)
    for outcome in said:
        with house.session() as session:
            waiting = sa.select(WaitRow.id).where(WaitRow.run_id == run_id, WaitRow.status == "waiting")
            control.decide(session, session.scalars(waiting.order_by(WaitRow.id)).first(), outcome=outcome, output={})
    house.work()
    assert (house.run(run_id).status, house.run(run_id).last_no) == ("completed", last_no)
    following = house.start(steps)
    with house.session() as session:  # as what continues it does
        reuse.take_over(session, session.get_one(Run, run_id), session.get_one(Run, following), ["each"])
    assert house.run(following).last_no == last_no
