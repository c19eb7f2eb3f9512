"""Changes to a definition: what each does, and that the result is a definition or says what is wrong."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.definition import edit, short_names
from app.definition.lanes import layout
from app.definition.schema import check
from app.definition.sketch import sketch
from app.definition.unchecked import EditImpossible
from tests.definition.facts import TYPES, step, workflow

REVIEW = {"approvers": ["a@b.example"]}
CHECK = step("check", "b", type="review", config=REVIEW)
LINE = workflow(step("a"), step("b", "a"), CHECK, step("c", "check:approved"), step("no", "check:rejected"))


def after(data: dict[str, Any]) -> dict[str, list[str]]:
    return {each["id"]: each["after"] for each in data["steps"]}


def test_a_step_goes_between_two_and_other_ways_stay() -> None:
    data = workflow(step("a"), step("b", "a"), step("c", "a", "b"))
    new = edit.insert_step(data, step("x"), TYPES, sources=["a"], targets=["c"])
    assert after(new) == {"a": [], "x": ["a"], "b": ["a"], "c": ["x", "b"]}
    assert after(data)["c"] == ["a", "b"]


def test_a_step_goes_on_by_its_usual_outcome() -> None:
    new = edit.insert_step(LINE, step("x", type="review", config=REVIEW), TYPES, sources=["a"], targets=["b"])
    assert after(new)["b"] == ["x:approved"]
    both = edit.insert_step(LINE, step("x"), TYPES, sources=["check:rejected", "check:expired"])
    placed = next(each for each in both["steps"] if each["id"] == "x")
    assert (placed["after"], placed["join"]) == (["check:rejected", "check:expired"], "any")


def test_a_step_goes_first_or_stands_alone() -> None:
    first = edit.insert_step(LINE, step("x"), TYPES, targets=["a"])
    assert [each["id"] for each in first["steps"]][:2] == ["x", "a"]
    assert after(first)["a"] == ["x"]
    assert after(edit.insert_step({}, step("x"), TYPES)) == {"x": []}


def test_taking_out_joins_what_was_around() -> None:
    assert after(edit.remove_step(LINE, "b"))["check"] == ["a"]
    without = after(edit.remove_step(LINE, "check"))
    assert (without["c"], without["no"]) == (["b"], ["b"])
    failing = workflow(step("a"), step("b", "a"), step("sorry", "b:failed"))
    assert after(edit.remove_step(failing, "b"))["sorry"] == ["a:failed"]


def test_no_change_makes_a_step_wait_for_ways_of_which_one_is_never_taken() -> None:
    meeting = step("meet", "yes", "no", join="any")
    both = workflow(
        step("if", type="condition"), step("yes", "if:yes"), step("no", "if:no"), meeting, step("t", "meet"),
        step("u", "t"), step("sorry", "meet:failed"),
    )  # fmt: skip
    changes = [
        edit.remove_step(both, "meet"),
        edit.move_up(both, "t", TYPES),
        edit.move_down(both, "meet", TYPES),
        edit.move_step(both, "meet", TYPES, sources=["u"]),
    ]
    for new in changes:
        steps = {each["id"]: each for each in new["steps"]}
        assert (steps["t"]["after"], steps["t"]["join"]) == (["yes", "no"], "any")
    failing = {each["id"]: each for each in changes[0]["steps"]}["sorry"]
    assert (failing["after"], failing["join"]) == (["yes:failed", "no:failed"], "any")
    waiting = workflow(step("a"), step("b"), step("meet", "a", "b"), step("t", "meet"))
    assert edit.remove_step(waiting, "meet")["steps"][2]["join"] == "all"
    either = workflow(step("a"), step("b"), step("meet", "a", "b", join="any"), step("t", "meet"))
    assert edit.remove_step(either, "meet")["steps"][2]["join"] == "any"


def test_what_names_a_step_that_was_taken_out_is_told() -> None:
    data = workflow(step("a", type="generate_copy", config={"prompt": "x"}),
                    step("b", "a", config={"body": "{{ steps.a.texts }}"}))  # fmt: skip
    [problem] = check(edit.remove_step(data, "a"), TYPES)
    assert (problem.path, problem.code) == ("/steps/0/config/body", "unknown_step")


def test_a_copy_comes_right_after() -> None:
    new = edit.duplicate_step(LINE, "check", TYPES)
    assert after(new) == {
        "a": [], "b": ["a"], "check": ["b"], "check_2": ["check:approved"], "c": ["check_2:approved"],
        "no": ["check:rejected"],
    }  # fmt: skip
    assert new["steps"][3]["name"] == "Check (copy)"
    assert new["steps"][3]["config"] == REVIEW


def test_moving_takes_side_branches_along() -> None:
    new = edit.move_step(LINE, "check", TYPES, sources=["a"], targets=["b"])
    assert after(new) == {
        "a": [], "check": ["a"], "b": ["check:approved"], "c": ["b"], "no": ["check:rejected"]
    }  # fmt: skip
    with pytest.raises(EditImpossible, match="there already"):
        edit.move_step(LINE, "check", TYPES, sources=["check:approved"], targets=["c"])
    with pytest.raises(EditImpossible, match="wait for each other"):
        edit.move_step(LINE, "check", TYPES, sources=["no"])


def test_up_and_down_are_each_others_opposite_on_a_line() -> None:
    data = workflow(step("a"), step("b", "a"), step("c", "b"), step("d", "c"))
    up = edit.move_up(data, "c", TYPES)
    assert after(up) == {"a": [], "c": ["a"], "b": ["c"], "d": ["b"]}
    assert after(edit.move_down(up, "c", TYPES)) == after(data)
    assert after(edit.move_up(data, "b", TYPES)) == {"b": [], "a": ["b"], "c": ["a"], "d": ["c"]}
    for change, last in ((edit.move_up, "a"), (edit.move_down, "d")):
        with pytest.raises(EditImpossible, match="of its line"):
            change(data, last, TYPES)


def test_a_step_beside_others_leaves_them_the_main_line() -> None:
    line = workflow(step("a"), step("b", "a"), step("c", "b"))
    new = edit.insert_step(line, step("x"), TYPES, sources=["a"])
    assert (list(after(new)), after(new)["x"]) == (["a", "b", "x", "c"], ["a"])
    new = edit.insert_step(new, step("y"), TYPES, sources=["a"], targets=["x"])
    assert {node.id: node.lane for node in layout(sketch(new)).nodes} == {"a": 0, "b": 0, "c": 0, "y": 1, "x": 1}


def test_a_step_that_is_to_come_after_one_below_it_goes_behind_that_one() -> None:
    line = workflow(step("a"), step("b", "a"), step("c", "b"), step("d", "c"), step("e", "b"))
    new, behind = edit.come_after(line, "b", step("b", "a", "c"), TYPES)
    assert (after(new), behind) == ({"a": [], "c": ["a"], "b": ["c"], "d": ["b"], "e": ["a"]}, ["C"])
    new, behind = edit.come_after(line, "d", step("d", "c", "e"), TYPES)
    assert (list(after(new)), after(new)["d"], behind) == (["a", "b", "c", "e", "d"], ["c", "e"], [])
    with pytest.raises(EditImpossible, match="would wait for each other"):
        edit.come_after(LINE, "check", step("check", "b", "no", type="review"), TYPES)


def test_connecting_and_disconnecting() -> None:
    joined = edit.connect(LINE, "no", "c")
    assert after(joined)["no"] == ["check:rejected", "c"]
    assert after(edit.disconnect(joined, "no", "c:done"))["no"] == ["check:rejected"]
    ring = edit.connect(LINE, "a", "c")
    assert [problem.code for problem in check(ring, TYPES)] == ["cycle"]
    assert edit.find_loop(ring) == ["A", "C", "Check", "B"]
    with pytest.raises(EditImpossible, match="no step “gone”"):
        edit.connect(LINE, "a", "gone")


# --- properties ---

KINDS = ("http_request", "review", "condition")
CONFIGS: dict[str, dict[str, Any]] = {
    "http_request": {}, "review": REVIEW, "condition": {"if": {"value": "{{ inputs.offer }}", "op": "is_empty"}},
}  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Right definitions: every step comes after some of those before it, by outcomes that they have."""
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(KINDS))
        entries = draw(st.lists(st.integers(0, max(0, number - 1)), max_size=min(2, number), unique=True))
        sources = [
            edit.entry(f"s{place}", draw(st.sampled_from(TYPES[steps[place]["type"]].outcomes)))
            for place in entries
        ]
        steps.append(step(f"s{number}", *sources, type=kind, config=CONFIGS[kind]))
    return workflow(*steps)


@settings(max_examples=300)
@given(graphs(), st.data())
def test_whatever_is_done_the_result_is_right_or_was_refused(data: dict[str, Any], draw: st.DataObject) -> None:
    for _ in range(6):
        before = deepcopy(data)
        try:
            new = _any_change(data, draw)
        except EditImpossible:
            new = data
        assert data == before
        assert [p for p in check(new, TYPES) if p.code != "required"] == []
        assert edit.find_loop(new) == []
        data = new


def _any_change(data: dict[str, Any], draw: st.DataObject) -> dict[str, Any]:
    ids = [each["id"] for each in data["steps"]]
    change = draw.draw(st.sampled_from("insert add remove copy up down move rename".split()))
    if not ids or change == "add":
        return edit.insert_step(data, step(short_names.free_id(data, "x")), TYPES)
    chosen = draw.draw(st.sampled_from(ids))
    if change in ("remove", "copy", "up", "down"):
        operations = {"remove": lambda *a: edit.remove_step(a[0], a[1]), "copy": edit.duplicate_step,
                      "up": edit.move_up, "down": edit.move_down}  # fmt: skip
        return operations[change](data, chosen, TYPES)
    if change == "rename":
        return short_names.rename_step(data, chosen, short_names.free_id(data, chosen), TYPES)
    edges = [(source, each["id"]) for each in data["steps"] for source in each["after"]]
    if not edges:
        raise EditImpossible("no edge")
    source, target = draw.draw(st.sampled_from(edges))
    if change == "insert":
        kind = draw.draw(st.sampled_from(KINDS))
        new = step(short_names.free_id(data, "x"), type=kind, config=CONFIGS[kind])
        return edit.insert_step(data, new, TYPES, sources=[source], targets=[target])
    return edit.move_step(data, chosen, TYPES, sources=[source], targets=[target])


@settings(max_examples=300)
@given(graphs(), st.data())
def test_up_and_down_keep_every_step_and_every_side_branch(data: dict[str, Any], draw: st.DataObject) -> None:
    chosen = draw.draw(st.sampled_from([each["id"] for each in data["steps"]]))
    for change in (edit.move_up, edit.move_down):
        try:
            new = change(data, chosen, TYPES)
        except EditImpossible:
            continue
        assert sorted(after(new)) == sorted(after(data))
        main = edit.main_outcome(TYPES[next(s for s in data["steps"] if s["id"] == chosen)["type"]])
        for outcome in ("no", "rejected", "expired"):
            if outcome != main:
                assert set(edit.followers(new, chosen, outcome)) >= set(edit.followers(data, chosen, outcome))


def _ways(join: str = "all") -> dict[str, Any]:
    """A choice with a step each way, and one where they meet."""
    ways: list[tuple[str, list[str]]] = [("yes", ["if:yes"]), ("no", ["if:no"]), ("end", ["yes", "no"])]
    return {
        "steps": [
            {"id": "if", "type": "condition"},
            *({"id": key, "type": "transform", "after": after, "join": join} for key, after in ways),
        ]
    }


def test_a_step_goes_on_after_the_first_of_ways_that_exclude_each_other() -> None:
    data = _ways()
    assert edit.exclude_each_other(data, "end")
    assert edit.with_fitting_join(data, "end")["steps"][3]["join"] == "any"
    assert data["steps"][3]["join"] == "all"
    assert edit.lead({"steps": data["steps"][:3]} | {}, ["no"], "yes")["steps"][2]["join"] == "any"
    beyond = _ways("any")
    beyond["steps"] += [
        {"id": "more", "type": "transform", "after": ["end"]},
        {"id": "both", "type": "transform", "after": ["more", "yes"]},
    ]
    assert not edit.exclude_each_other(beyond, "both")  # "end" is reached either way
    side = {"steps": [{"id": "a", "type": "transform"}, {"id": "b", "type": "transform", "after": ["a"]},
                      {"id": "c", "type": "transform", "after": ["a"]}]}  # fmt: skip
    assert edit.lead(side, ["b"], "c")["steps"][2].get("join", "all") == "all"
    ring = {"steps": [{"id": one, "type": "transform", "after": [other]} for one, other in ("ab", "ba")]}
    lanes = {"steps": [{"id": "a", "type": "transform"}, {"id": "b", "type": "transform", "after": ["a"]},
                       {"id": "end", "type": "merge", "after": ["b"]}, {"id": "c", "type": "transform", "after": ["a"]},
                       {"id": "d", "type": "transform", "after": ["end"]}]}  # fmt: skip
    assert [step["id"] for step in edit.lead(lanes, ["c"], "end")["steps"]] == ["a", "b", "c", "end", "d"]
    assert not edit.exclude_each_other(ring, "a")
