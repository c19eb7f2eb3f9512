"""Every step in words: pure, no database."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import steps
from app.definition.parts import Definition
from app.engine import catalog
from app.engine.models import StepRun, WaitRow
from app.features.runs import diagram, wait_words
from app.features.runs.arriving import ArrivedPicture, arriving
from app.features.runs.trace import Entry, Recorded, trace
from tests import factories

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _step_types() -> None:
    catalog.discover(steps)


def _entry(step_id: str, *rows: StepRun, waits: tuple[WaitRow, ...] = (), inputs: Any = None) -> Entry:
    recorded = Recorded(
        Definition.model_validate(factories.ADS), inputs or {"offer": "a car", "approver": None},
        {"started_by": {"email": "alice@north.example"}}, rows, (), waits, {"bob@north.example": "Bob Brown"},
        "America/New_York",
    )  # fmt: skip
    return next(entry for entry in trace(recorded, NOW) if entry.id == step_id)


def _row(step_id: str, status: str, **columns: Any) -> StepRun:
    kinds = {step["id"]: step["type"] for step in factories.ADS["steps"]}
    values = {
        "id": step_id, "item": -1, "attempts": 1, "done": 0, "total": 0, "doing": "", "reason": "", "cost_microusd": 0,
        "tokens_in": 0, "tokens_out": 0, "started_at": NOW - timedelta(seconds=90), **columns,
    }  # fmt: skip
    return StepRun(step_id=step_id, type=kinds[step_id], status=status, **values)


def _wait(kind: str, **columns: Any) -> WaitRow:
    return WaitRow(step_run_id="check", kind=kind, status="waiting", **{"detail": {}, "created_at": NOW, **columns})


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (_row("ads", "running", done=3, total=5), "Running · 3 of 5"),
        (_row("ads", "running"), "Running"),
        (_row("ads", "completed", outcome="done", finished_at=NOW), "Done · 1 min 30 s"),
        (_row("check", "completed", outcome="rejected", finished_at=NOW), "Rejected · 1 min 30 s"),
        (_row("ads", "skipped", reason="price under $30,000"), "Skipped: price under $30,000"),
        (_row("ads", "cancelled", reason="the run was stopped"), "Cancelled: the run was stopped"),
        (_row("ads", "pending"), "In line"),
        (_row("ads", "needs_attention"), "Needs an answer"),
        (_row("ads", "failed"), "Failed"),
        (
            _row("ads", "retrying", attempts=2, not_before=NOW + timedelta(seconds=40), error={"category": "busy"}),
            "Trying again in 40 s (3 of 6)",
        ),
    ],
)
def test_word_says_the_status_as_the_design_has_it(row: StepRun, word: str) -> None:
    assert _entry(row.step_id, row).word.replace("\u00a0", " ") == word


def test_step_that_was_not_begun_says_when_it_would_be() -> None:
    assert _entry("tell").word == "Not started"
    assert _entry("tell_rejected").word == "Only if expired or rejected"


def test_a_condition_names_its_questions_as_they_are_asked() -> None:
    dear = {"if": {"value": "{{ inputs.car.price }}", "op": "gt", "than": 20000}}
    definition = {
        "inputs": [{"key": "car", "label": "Which car?", "type": "vehicle"}],
        "steps": [{"id": "dear", "type": "condition", "name": "Dear?", "config": dear}],
    }
    row = StepRun(
        id="dear", step_id="dear", type="condition", item=-1, status="completed", outcome="yes", attempts=1, done=0,
        total=0, doing="", reason="", cost_microusd=0, tokens_in=0, tokens_out=0, went_in=dear, finished_at=NOW,
    )  # fmt: skip
    for rows in ((), (row,)):
        recorded = Recorded(Definition.model_validate(definition), {"car": None}, {}, rows, (), (), {}, "UTC")
        (entry,) = trace(recorded, NOW)
        assert entry.sentence == "Yes if the answer “Which car?”, price is more than 20,000"


def _reviews(*statuses: str) -> list[Entry]:
    """Trace a run whose review is asked once for each of some items, which stand so."""
    definition = copy.deepcopy(factories.ADS)
    check = next(step for step in definition["steps"] if step["id"] == "check")
    check["for_each"] = {"items": "{{ inputs.offer }}"}
    rows = [_row("check", "running", total=len(statuses))]  # what is done is counted when the last one is
    rows += [_row("check", status, item=item, id=f"check-{item}") for item, status in enumerate(statuses)]
    asked = {"approvers": ["bob@north.example"]}
    waits = [
        WaitRow(step_run_id=f"check-{item}", kind="approval", status="waiting", detail=asked, created_at=NOW)
        for item, status in enumerate(statuses)
        if status == "waiting"
    ]
    people = {"bob@north.example": "Bob Brown"}
    facts = {"started_by": {"email": "alice@north.example"}}
    recorded = Recorded(Definition.model_validate(definition), {"offer": "a car"}, facts, rows, (), waits, people)
    return trace(recorded, NOW)


def test_a_review_of_several_items_waits_for_people_and_does_not_run() -> None:
    entries = _reviews("completed", "waiting", "waiting")
    entry = next(each for each in entries if each.id == "check")

    assert entry.word == "Waiting for Bob Brown · 1 of 3"
    assert (entry.chip.kind, entry.chip.word, entry.look) == ("wait", "Waiting", "waiting")
    assert entry.note == "waiting for Bob Brown"
    assert (entry.is_waiting, entry.is_under_way) == (True, False)
    assert f"Now: {entry.name}." in diagram.diagram(
        Definition.model_validate(factories.ADS), "a version", entries
    ).sentence


@pytest.mark.parametrize("other", ["running", "retrying", "pending"])
def test_a_review_of_several_items_runs_while_there_is_something_to_do(other: str) -> None:
    entry = next(each for each in _reviews("waiting", other) if each.id == "check")
    assert (entry.word, entry.look, entry.is_under_way) == ("Running · 0 of 2", "running", True)


def _repeated(
    step_id: str, frame: dict[str, Any], *items: tuple[str, int], status: str = "running", **config: Any
) -> list[Entry]:
    """Trace a run that does a step for each of some cars, of which some have begun: a status, and a total each."""
    definition = copy.deepcopy(factories.ADS)
    step = next(step for step in definition["steps"] if step["id"] == step_id)
    step |= {"for_each": {"items": ["CR-V", "Civic", "Pilot", "Fit"]}, "config": {**step["config"], **config}}
    rows = [_row(step_id, status, **frame)]
    for item, (stands, total) in enumerate(items):
        rows.append(_row(step_id, stands, item=item, id=f"{step_id}-{item}", total=total))
    facts = {"started_by": {"email": "alice@north.example"}}
    return trace(Recorded(Definition.model_validate(definition), {"offer": "a car"}, facts, rows), NOW)


def test_a_step_for_each_item_says_how_many_are_done_while_it_goes_on() -> None:
    entries = _repeated("ads", {"total": 4}, ("completed", 1), ("completed", 1), ("running", 1))
    entry = next(each for each in entries if each.id == "ads")

    assert (entry.chip.word, entry.word, entry.done, entry.total) == ("2 of 4", "Running · 2 of 4", 2, 4)
    assert (entry.came_out, entry.items_said) == (("2 of 4 so far.",), "2 of 4 done")


def test_a_step_for_each_item_says_what_went_into_all_of_them_and_misses_nothing() -> None:
    prompt = "Write about {{ item }} at {{ item.price }} for {{ inputs.offer }}"
    entry = next(each for each in _repeated("ads", {"total": 4}, prompt=prompt) if each.id == "ads")

    line = next(line for line in entry.went_in if "written" in line.label)
    assert [(piece.text, piece.origin) for piece in line.pieces if piece.origin] == [
        ("the item", "earlier"), ("the item, price", "earlier"), ("a car", "answer"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "places"),
    [
        ([], 0),  # nobody knows yet how many an item makes
        ([("completed", 3), ("running", 3)], 3 + 3 + 3),  # the second's, and those of two that are not begun
        ([("failed", 3), ("running", 3), ("running", 3), ("running", 3)], 9),
    ],
)
def test_a_step_for_each_item_keeps_the_places_of_its_items_pictures(
    items: list[tuple[str, int]], places: int
) -> None:
    entries = _repeated("pictures", {"total": 4}, *items)
    there = [
        ArrivedPicture(f"p{n}", f"pictures-{item}", n, "a car", 1024, 1024)
        for item, (status, _) in enumerate(items)
        for n in range(3 if status == "completed" else 0)
    ]
    card = arriving(entries, documents=[], pictures=there, title="Arriving", has_ended=False)

    assert len(card.ghosts) == places
    if places:
        assert card.summary == f"{len(there)} of {len(there) + places}\u00a0pictures"


def test_wait_for_people_names_members_and_shows_others_by_address() -> None:
    asked = ["BOB@north.example", "owner@elsewhere.example", "third@elsewhere.example"]
    entry = _entry("check", _row("check", "waiting"), waits=(_wait("approval", detail={"approvers": asked}),))

    assert entry.word.replace("\u00a0", " ") == "Waiting for Bob Brown, owner@elsewhere.example or 1 other"
    assert (entry.chip.kind, entry.chip.icon) == ("wait", "user-question")


def test_wait_for_people_names_one_alone_where_two_are_too_long_for_a_chip() -> None:
    asked = ["maximiliane.featherstonehaugh@elsewhere.example", "bob@north.example", "third@elsewhere.example"]
    entry = _entry("check", _row("check", "waiting"), waits=(_wait("approval", detail={"approvers": asked}),))

    assert entry.word.replace("\u00a0", " ") == f"Waiting for {asked[0]} or 2 others"


@pytest.mark.parametrize(("policy", "said"), [("any", "Ann or Bob"), ("all", "Ann and Bob")])
def test_a_wait_for_all_names_them_with_and(policy: str, said: str) -> None:
    asked = {"approvers": ["ann@x.example", "bob@x.example"], "policy": policy}
    names = {"ann@x.example": "Ann", "bob@x.example": "Bob"}
    wait = _wait("approval", detail=asked)
    assert wait_words.waits_for(wait, names) == said
    many = {**asked, "approvers": [*asked["approvers"], "c@x.example", "d@x.example"]}
    told = wait_words.waits_for(_wait("approval", detail=many), names).replace("\u00a0", " ")
    assert told == f"Ann, Bob {said.split()[1]} 2 others"


def test_wait_for_a_time_says_when_in_the_workspaces_zone() -> None:
    entry = _entry("check", _row("check", "waiting"), waits=(_wait("time", until=NOW + timedelta(days=3)),))

    assert (entry.word, entry.chip.icon) == ("Waits until Mon, 09:00", "calendar-time")


def test_went_in_tells_answers_from_earlier_results_and_marks_what_is_missing() -> None:
    ads = _row("ads", "completed", finished_at=NOW)
    line = next(line for line in _entry("ads", ads).went_in if "written" in line.label)
    assert [(piece.text, piece.origin) for piece in line.pieces] == [
        ("Write Facebook ads for ", ""), ("a car", "answer"),
    ]  # fmt: skip

    lines = _entry("tell_rejected", _row("tell_rejected", "failed")).went_in
    wrong = [piece for line in lines for piece in line.pieces if piece.origin == "wrong"]
    assert [piece.text for piece in wrong] == ["missing: from “The sales manager decides”"]


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("{{ inputs.offer | int }}", "a car"),
        ("{{ inputs.approver | int }}", "nothing"),
        ("{{ steps.check.reason | default(inputs.offer | int) }}", "missing: from “The sales manager decides”"),
    ],
)
def test_went_in_shows_what_a_filter_can_make_nothing_of(prompt: str, shown: str) -> None:
    definition = copy.deepcopy(factories.ADS)
    definition["steps"][0]["config"] = {"prompt": prompt}
    recorded = Recorded(
        Definition.model_validate(definition), {"offer": "a car", "approver": None}, {}, [_row("ads", "failed")]
    )
    (line,) = trace(recorded, NOW)[0].went_in
    assert [(piece.text, piece.origin) for piece in line.pieces] == [(shown, "wrong")]


def test_went_in_never_shows_more_than_a_page_of_a_long_answer() -> None:
    entry = _entry("ads", _row("ads", "running"), inputs={"offer": "word " * 20_000, "approver": None})

    assert sum(len(piece.text) for line in entry.went_in for piece in line.pieces) < 4000


def test_came_out_shows_no_ids() -> None:
    one, two = "01a1f929-bfd2-7dd5-afba-fcf9adc58048", "01a1f929-c163-7b42-8f55-1d457974e767"
    output = {"documents": [one], "images": [two], "attached": {one: [two]}, "first": one, "note": "well"}
    entry = _entry("attach", _row("attach", "completed", output=output, finished_at=NOW))

    assert [said.replace("\u00a0", " ") for said in entry.came_out] == [
        "1 document.", "1 picture.", "First: one document", "Note: well",
    ]  # fmt: skip


def test_lists_of_alike_things_come_out_as_tables_without_ids() -> None:
    from app.core.ids import new_id
    from app.features.runs import output_words

    things = [{"car": f"Car {n}", "price": n, "sold": n % 2 == 0, "id": new_id(), "deep": {"a": 1}} for n in range(25)]
    table, = output_words.tables({"cars": things, "names": ["a"], "empty": [], "count": 3, "deep": [{"a": {"b": 1}}]})

    assert (table.title, table.columns, table.more) == ("Cars", ("Car", "Price", "Sold"), 5)
    assert table.rows[:2] == (("Car 0", "0", "Yes"), ("Car 1", "1", "No"))
    assert len(table.rows) == 20


def test_how_items_ended_is_no_table_of_its_own_where_there_is_nothing_more_to_say() -> None:
    from app.features.runs import output_words

    done = [{"outcome": "done"}] * 200
    assert not list(output_words.tables({"items": done, "texts": ["a"]}))
    assert not list(output_words.tables({"items": [*done, {"outcome": "failed", "error": "No such car."}]}))
    assert [table.columns for table in output_words.tables({"items": [{"outcome": "sold", "car": "CR-V"}]})] == [
        ("Outcome", "Car")
    ]


def test_a_step_of_which_some_items_failed_says_how_many() -> None:
    frame = {"total": 3, "outcome": "done", "finished_at": NOW}
    items = [("completed", 1), ("failed", 1), ("completed", 1)]
    entry = next(each for each in _repeated("ads", frame, *items, status="completed") if each.id == "ads")
    assert (entry.chip.word, entry.word, entry.note, entry.lacking) == (
        "Done", "Done · 1 of 3 failed", "1 of 3 failed", "1 of 3 failed",
    )  # fmt: skip
    assert all(each.lacking == "" for each in _repeated("ads", {"total": 3}, *items))


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("CR-V", "CR-V"),
        (7, "7"),
        ({"vin": "", "car": "Civic\n2021", "price": 19_990}, "Civic 2021"),
        ({"deep": {"a": 1}}, ""),
        (["a"], ""),
        (None, ""),
        ("01a1f929-bfd2-7dd5-afba-fcf9adc58048", ""),
        ("word " * 40, "word word word word word word word word word word word…"),
    ],
)
def test_an_item_is_named_by_its_value(item: object, said: str) -> None:
    frame = {"total": 2, "went_in": {"items": ["first", item]}}
    entry = next(each for each in _repeated("ads", frame, ("failed", 1), ("failed", 1)) if each.id == "ads")
    assert [each.about for each in entry.items] == ["first", said]
    assert entry.about == ""


def test_what_came_out_of_another_run_is_left_to_its_page() -> None:
    output = {"run": "01a1f929-bfd2-7dd5-afba-fcf9adc58048", "number": 42, "outputs": {"ads": {"texts": ["Buy"]}}}
    row = _row("ads", "completed", output=output, finished_at=NOW)
    row.type = "run_workflow"
    assert _entry("ads", row).came_out == ("The other workflow has finished.",)
    row.output = {"outputs": [output["outputs"]] * 2, "number": [42, 43], "items": [{"outcome": "done"}] * 2}
    assert (_entry("ads", row).came_out, _entry("ads", row).tables) == (("The other workflow has finished.",), ())
