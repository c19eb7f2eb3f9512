from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.definition.graph import Edge, edges, following, predecessors, topological_order
from app.definition.problems import Problem
from app.definition.schema import Definition, check
from tests.definition.facts import TYPES, step, workflow

REVIEW = {"approvers": ["boss@example.com"]}


def problems(*steps: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    return [(problem.path, problem.code) for problem in check(workflow(*steps, **more), TYPES)]


def only(*steps: dict[str, Any]) -> Problem:
    found = check(workflow(*steps), TYPES)
    assert len(found) == 1, found
    return found[0]


def definition(*steps: dict[str, Any]) -> Definition:
    return Definition.model_validate(workflow(*steps))


# --- after ---


def test_after_an_unknown_step() -> None:
    problem = only(step("ads"), step("tell", "add"))
    assert (problem.path, problem.code) == ("/steps/1/after/0", "unknown_step")
    assert problem.message == "Tell comes after “add”, which is not a step."
    assert problem.fix == "Did you mean “ads”?"


def test_after_an_unknown_outcome() -> None:
    problem = only(step("check", type="review", config=REVIEW), step("tell", "check:approve"))
    assert (problem.path, problem.code) == ("/steps/1/after/0", "unknown_outcome")
    assert problem.fix == "Did you mean “approved”?"


def test_a_step_without_done_needs_its_outcome_named() -> None:
    problem = only(step("check", type="review", config=REVIEW), step("tell", "check"))
    assert (problem.path, problem.code) == ("/steps/1/after/0", "outcome_needed")
    assert "approved, rejected or expired" in problem.message
    assert problem.fix == "Write “check:approved”."


def test_every_step_can_fail() -> None:
    assert problems(step("a", on_failure="continue"), step("b", "a:failed")) == []
    assert problems(step("check", type="review", config=REVIEW), step("tell", "check:failed")) == []


def test_the_same_edge_twice() -> None:
    assert problems(step("a"), step("b", "a", "a")) == [("/steps/1/after/1", "duplicate")]


def test_two_outcomes_of_one_step_are_two_edges() -> None:
    assert (
        problems(step("c", type="review", config=REVIEW), step("b", "c:rejected", "c:expired", join="any"))
        == []
    )


def test_two_steps_wait_for_each_other() -> None:
    problem = only(step("ads", "check", name="Write ads"), step("check", "ads", name="Check"))
    assert (problem.path, problem.code) == ("/steps/1/after/0", "cycle")
    assert problem.message == "Write ads and Check wait for each other."


def test_a_ring_of_three_names_all_three() -> None:
    problem = only(step("a", "c"), step("b", "a"), step("c", "b"), step("d", "c"))
    assert (problem.path, problem.code) == ("/steps/1/after/0", "cycle")
    assert problem.message == "A, B and C wait for each other in a ring."


def test_a_step_that_waits_for_itself() -> None:
    problem = only(step("a", "a"))
    assert (problem.path, problem.code, problem.message) == (
        "/steps/0/after/0",
        "cycle",
        "A waits for itself.",
    )


def test_two_rings_are_two_problems() -> None:
    found = problems(step("a", "b"), step("b", "a"), step("c", "d"), step("d", "c"))
    assert found == [("/steps/1/after/0", "cycle"), ("/steps/3/after/0", "cycle")]


def test_a_long_chain_needs_no_recursion() -> None:
    chain = [step(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(200)]
    assert problems(*chain) == []
    chain[0]["after"] = ["s199"]
    assert [code for _, code in problems(*chain)] == ["cycle"]


# --- names in values ---


def test_an_unknown_input() -> None:
    problem = only(step("a", config={"text": "For {{ inputs.ofer }}"}))
    assert (problem.path, problem.code) == ("/steps/0/config/text", "unknown_input")
    assert problem.fix == "Did you mean “offer”?"


def test_a_name_deep_in_a_config_has_its_place() -> None:
    config = {"json": {"a/b": ["x", {"c": "{{ inputs.nix }}"}]}}
    assert problems(step("a", config=config)) == [("/steps/0/config/json/a~1b/1/c", "unknown_input")]


def test_a_value_from_a_step_that_does_not_come_before() -> None:
    problem = only(step("a"), step("b", config={"text": "{{ steps.a.text }}"}))
    assert (problem.path, problem.code) == ("/steps/1/config/text", "not_before")
    assert problem.message == "B uses what A makes, but does not come after it."


def test_a_step_is_not_before_itself_and_not_before_what_it_follows() -> None:
    assert problems(step("a", config={"text": "{{ steps.a.x }}"})) == [("/steps/0/config/text", "not_before")]
    later = step("a", config={"text": "{{ steps.b.x }}"}), step("b", "a")
    assert problems(*later) == [("/steps/0/config/text", "not_before")]


def test_a_value_from_far_before_is_fine() -> None:
    steps = (
        step("a"),
        step("b", "a"),
        step("c", "b:failed"),
        step("d", "c", config={"text": "{{ steps.a.x }}"}),
    )
    assert problems(*steps) == []


def test_a_value_from_an_unknown_step() -> None:
    assert problems(step("a", config={"x": "{{ steps.nix.y }}"})) == [("/steps/0/config/x", "unknown_step")]


def test_a_field_that_a_step_does_not_make() -> None:
    ads = step("ads", type="generate_copy", config={"prompt": "x"})
    assert problems(ads, step("b", "ads", config={"x": "{{ steps.ads.text }}"})) == [
        ("/steps/1/config/x", "unknown_field")
    ]
    assert problems(ads, step("b", "ads", config={"x": "{{ steps.ads.texts }}"})) == []


def test_the_fields_of_a_transform_are_those_it_sets() -> None:
    one = step("one", type="transform", config={"set": {"price": 3}})
    assert problems(one, step("b", "one", config={"x": "{{ steps.one.price }}"})) == []
    assert problems(one, step("b", "one", config={"x": "{{ steps.one.cost }}"})) == [
        ("/steps/1/config/x", "unknown_field")
    ]


def test_the_fields_of_a_repeated_step_are_not_judged() -> None:
    ads = step("ads", type="generate_copy", config={"prompt": "{{ item }}"}, for_each={"items": [1, 2]})
    assert problems(ads, step("b", "ads", config={"x": "{{ steps.ads.items }}"})) == []


def test_item_is_known_only_where_a_step_repeats() -> None:
    assert problems(step("a", config={"x": "{{ item }}"})) == [("/steps/0/config/x", "unknown_name")]
    assert (
        problems(step("a", config={"x": "{{ item.name }}"}, for_each={"items": "{{ inputs.offer }}"})) == []
    )
    assert problems(step("a", for_each={"items": "{{ item }}"})) == [
        ("/steps/0/for_each/items", "unknown_name")
    ]


@pytest.mark.parametrize(
    "name", ["run.started_by.email", "run.number", "run.trigger.due_at", "inputs.offer", "inputs"]
)
def test_names_that_every_run_has(name: str) -> None:
    assert problems(step("a", config={"x": f"{{{{ {name} }}}}"})) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{ secrets.key }}", "unknown_name"),
        ("{{ run.password }}", "unknown_name"),
        ("{{ run.inputs.offer }}", "unknown_name"),
        ("{{ run }}", "unknown_name"),
        ("{{ run.started_by.phone }}", "unknown_name"),
        ("{{ run.started_by.email.host }}", "unknown_name"),
        ("{{ run.number.first }}", "unknown_name"),
        ("{{ event.payload.vin | default('') }}", "unknown_name"),
        ("{{ steps }}", "bad_value"),
        ("{{ inputs.offer | uper }}", "unknown_filter"),
        ("{{ inputs.offer.upper() }}", "bad_value"),
        ("{% for x in inputs.offer %}{% endfor %}", "bad_value"),
    ],
)
def test_a_value_that_cannot_be(text: str, code: str) -> None:
    assert problems(step("a", config={"x": text})) == [("/steps/0/config/x", code)]


def test_names_in_when_and_for_each_are_checked() -> None:
    when = {"not": {"value": "{{ inputs.nix }}", "op": "is_empty"}}
    found = problems(step("a", when=when, for_each={"items": "{{ steps.b.x }}"}), step("b"))
    assert found == [("/steps/0/for_each/items", "not_before"), ("/steps/0/when/not/value", "unknown_input")]


def test_fields_that_name_a_step() -> None:
    ads, pictures = (
        step("ads", type="generate_copy", config={"prompt": "x"}),
        step("pictures", type="generate_image"),
    )
    fields = {"documents": "ads", "images": "pictures"}
    assert problems(ads, pictures, step("c", "ads", "pictures", type="attach_images", config=fields)) == []
    assert problems(ads, pictures, step("c", "ads", type="attach_images", config=fields)) == [
        ("/steps/2/config/images", "not_before")
    ]
    assert problems(ads, step("c", "ads", type="attach_images", config=fields)) == [
        ("/steps/1/config/images", "unknown_step")
    ]


# --- edges and order ---


def test_edges_in_the_order_written() -> None:
    made = definition(step("a"), step("b", "a", "a:failed"), step("c", "b:yes"))
    assert edges(made) == [Edge("a", "done", "b"), Edge("a", "failed", "b"), Edge("b", "yes", "c")]


def test_predecessors_are_all_that_come_before() -> None:
    made = definition(step("d", "c"), step("c", "b:failed", "a"), step("b", "a"), step("a"))
    assert predecessors(made) == {"a": frozenset(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "b", "c"}}


def test_order_keeps_what_is_written_where_it_may() -> None:
    assert topological_order(definition(step("d", "c"), step("c"), step("b"), step("a"))) == [
        "c",
        "b",
        "a",
        "d",
    ]
    assert topological_order(definition(step("a", "b"), step("b", "a"), step("c"))) == ["c", "a", "b"]


@st.composite
def graphs(draw: st.DrawFn) -> list[dict[str, Any]]:
    size = draw(st.integers(1, 30))
    steps = []
    for number in range(size):
        after = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        steps.append(step(f"s{number}", *(f"s{parent}" for parent in sorted(after))))
    return draw(st.permutations(steps))


@given(graphs())
def test_any_graph_without_cycles_is_right_and_ordered(steps: list[dict[str, Any]]) -> None:
    assert problems(*steps) == []
    made = definition(*steps)
    place = {step_id: number for number, step_id in enumerate(topological_order(made))}
    assert sorted(place) == sorted(step["id"] for step in steps)
    before = predecessors(made)
    for edge in edges(made):
        assert place[edge.source] < place[edge.target]
        assert before[edge.target] >= before[edge.source] | {edge.source}


@given(graphs(), st.sets(st.integers(0, 29), max_size=3))
def test_what_follows_is_what_they_come_before(steps: list[dict[str, Any]], numbers: set[int]) -> None:
    made, ids = definition(*steps), {f"s{number}" for number in numbers}
    assert following(made, ids) == {step_id for step_id, before in predecessors(made).items() if before & ids}


@given(graphs(), st.data())
def test_an_edge_back_is_always_found(steps: list[dict[str, Any]], data: st.DataObject) -> None:
    before = predecessors(definition(*steps))
    pairs = sorted((above, below) for below, all_above in before.items() for above in all_above)
    if pairs:
        above, below = data.draw(st.sampled_from(pairs))
        next(step for step in steps if step["id"] == above)["after"].append(below)
        assert {code for _, code in problems(*steps)} == {"cycle"}
