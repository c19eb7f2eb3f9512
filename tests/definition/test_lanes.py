from itertools import combinations, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.definition.lanes import BUILDER, RUN, EdgePath, Geometry, Layout, Node, layout
from app.definition.schema import Definition
from app.definition.text_width import cut_to_fit, width
from tests.definition.facts import step, workflow
from tests.speed import took_s

FACEBOOK = [
    step("load", name="Load the vehicle"),
    step("ads", "load", name="Write 10 ads"),
    step("pictures", "load", name="Make 5 pictures"),
    step("rules", "ads", name="Check the rules"),
    step("attach", "rules", "pictures", name="Give each ad a picture"),
    step("check", "attach", name="Sales manager approves"),
    step("tell", "check:rejected", name="Tell the salesperson"),
    step("csv", "check:approved", name="Make the file for Meta"),
    step("mail", "csv", name="Mail the finished ads"),
]


def draw(steps: list[dict[str, Any]], geometry: Geometry = RUN) -> Layout:
    return layout(Definition.model_validate(workflow(*steps)), geometry)


def nodes(steps: list[dict[str, Any]]) -> dict[str, Node]:
    return {node.id: node for node in draw(steps).nodes}


def test_the_places_of_the_picture() -> None:
    """The numbers are those of the design's picture of a run."""
    drawn = draw(FACEBOOK)
    places = {node.id: (node.x, node.y) for node in drawn.nodes}
    assert places == {
        "load": (6, 34),
        "ads": (6, 138),
        "pictures": (278, 138),
        "rules": (6, 242),
        "attach": (6, 346),
        "check": (6, 450),
        "csv": (6, 560),
        "tell": (278, 560),
        "mail": (6, 664),
    }
    paths = {(edge.source, edge.target): edge for edge in drawn.edges}
    assert paths["load", "ads"].d == "M130 94V132"
    assert paths["load", "ads"].head == "M125 130h10l-5 7z"
    assert paths["load", "pictures"].d == "M130 94V96Q130 104 138 104H394Q402 104 402 112V132"
    assert paths["pictures", "attach"].d == "M402 198V320Q402 328 394 328H138Q130 328 130 336V340"
    approved, rejected = paths["check", "csv"], paths["check", "tell"]
    assert (approved.label, approved.label_x, approved.label_y) == ("approved", 130, 538)
    assert (rejected.label, rejected.label_x, rejected.label_y) == ("rejected", 402, 538)
    assert paths["load", "ads"].label == ""
    assert drawn.width == 532
    assert [(lane.label, lane.x) for lane in drawn.lanes] == [("Main line", 6), ("Side line", 278)]


def test_the_builder_has_room_for_its_plus() -> None:
    drawn = draw(FACEBOOK, BUILDER)
    paths = {(edge.source, edge.target): edge for edge in drawn.edges}
    assert (paths["load", "ads"].plus_x, paths["load", "ads"].plus_y) == (130, 119)
    assert (paths["load", "pictures"].plus_x, paths["load", "pictures"].plus_y) == (402, 119)
    check = next(node for node in drawn.nodes if node.id == "check")
    assert paths["check", "csv"].plus_y == check.y + 60 + 51
    for edge in drawn.edges:
        for node in drawn.nodes:
            assert not overlap((edge.plus_x - 12, edge.plus_y - 12, 24, 24), (node.x, node.y, node.w, node.h))
        assert not edge.label or edge.plus_y - 12 >= edge.label_y + edge.label_h / 2


def test_tab_order_is_lane_by_lane() -> None:
    assert [node.id for node in draw(FACEBOOK).nodes] == [
        "load", "ads", "rules", "attach", "check", "csv", "mail", "pictures", "tell",
    ]  # fmt: skip


def test_a_side_outcome_goes_right_whatever_is_written_first() -> None:
    placed = nodes(
        [step("c"), step("no", "c:no"), step("yes", "c:yes"), step("end", "yes", "no", join="any")]
    )
    assert {key: node.lane for key, node in placed.items()} == {"c": 0, "yes": 0, "no": 1, "end": 0}
    assert placed["end"].row == 2


def test_a_side_outcome_leaves_the_main_line_free() -> None:
    placed = nodes([step("c"), step("late", "c:yes", "b"), step("b", "a"), step("a"), step("no", "c:no")])
    assert placed["no"].lane > placed["c"].lane


def test_parallel_lanes_and_their_join() -> None:
    placed = nodes(
        [step("a"), *(step(f"b{n}", "a") for n in range(4)), step("end", *(f"b{n}" for n in range(4)))]
    )
    assert [placed[f"b{n}"].lane for n in range(4)] == [0, 1, 2, 3]
    assert (placed["end"].lane, placed["end"].row) == (0, 2)


def test_two_outcomes_to_one_step_share_a_line_and_its_label() -> None:
    drawn = draw([step("c"), step("yes", "c:approved"), step("no", "c:rejected", "c:expired", join="any")])
    assert [(edge.outcome, edge.label) for edge in drawn.edges] == [
        ("approved", "approved"),
        ("rejected", "rejected or expired"),
        ("expired", ""),
    ]
    assert drawn.edges[1].d == drawn.edges[2].d
    assert len(drawn.lanes) == 2


def test_a_definition_in_the_making_is_drawn_too() -> None:
    drawn = draw([step("a", "b"), step("b", "a"), step("c", "nix"), step("d", "d")])
    assert len(drawn.nodes) == 4
    assert len(drawn.edges) == 1
    assert draw([]).nodes == ()


def test_a_long_name_is_cut_to_fit() -> None:
    node = draw([step("a", name="Give each of the ads one of the pictures")]).nodes[0]
    assert node.label == "Give each of the ads on…"
    assert node.name == "Give each of the ads one of the pictures"
    assert width(node.label, 14) <= 178


def test_quotation_marks_are_as_narrow_as_they_are_drawn() -> None:
    assert cut_to_fit("“Who decides” is missing.", 163, 12.5) == "“Who decides” is missing."
    assert width("“’”", 100) == pytest.approx(130.2)


@given(st.text(max_size=60), st.integers(20, 300))
def test_a_cut_text_always_fits(text: str, most: int) -> None:
    cut = cut_to_fit(text, most, 14)
    assert width(cut, 14) <= most
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))


def test_200_steps_are_drawn_quickly() -> None:
    steps = [
        step(f"s{n}", *{f"s{before}" for before in (n - 1, n - 7, n * 5 // 7) if 0 <= before < n})
        for n in range(200)
    ]
    assert len(draw(steps).nodes) == 200
    assert took_s(lambda: draw(steps), tries=3) < 0.5


# --- properties ---

Box = tuple[float, float, float, float]


def overlap(one: Box, other: Box) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def box(node: Node) -> Box:
    return node.x, node.y, node.w, node.h


def label_box(edge: EdgePath) -> Box:
    return edge.label_x - edge.label_w / 2, edge.label_y - edge.label_h / 2, edge.label_w, edge.label_h


def segments(edge: EdgePath) -> list[Box]:
    """Return the parts of a line as boxes of no width or no height."""
    return [
        (min(ax, bx), min(ay, by), abs(ax - bx), abs(ay - by)) for (ax, ay), (bx, by) in pairwise(edge.points)
    ]


def share(one: EdgePath, other: EdgePath) -> bool:
    """Tell whether two lines lie on each other for some length."""
    for a in segments(one):
        for b in segments(other):
            upright = (
                a[2] == 0 and b[2] == 0 and a[0] == b[0] and min(a[1] + a[3], b[1] + b[3]) > max(a[1], b[1])
            )
            level = (
                a[3] == 0 and b[3] == 0 and a[1] == b[1] and min(a[0] + a[2], b[0] + b[2]) > max(a[0], b[0])
            )
            if upright or level:
                return True
    return False


@st.composite
def graphs(draw: st.DrawFn, most: int) -> list[dict[str, Any]]:
    size = draw(st.integers(1, most))
    entry = st.sampled_from(["", "", ":yes", ":no", ":failed"])
    steps = []
    for number in range(size):
        reach = st.integers(max(0, number - draw(st.sampled_from([2, 5, 60]))), max(0, number - 1))
        parents = draw(st.lists(reach, max_size=3)) if number else []
        steps.append(step(f"s{number}", *dict.fromkeys(f"s{parent}{draw(entry)}" for parent in parents)))
    return steps


@settings(max_examples=150)
@given(graphs(60), st.sampled_from([RUN, BUILDER]))
def test_nothing_lies_on_anything(steps: list[dict[str, Any]], geometry: Geometry) -> None:
    drawn = draw(steps, geometry)
    assert sorted(node.id for node in drawn.nodes) == sorted(step["id"] for step in steps)
    boxes = {node.id: box(node) for node in drawn.nodes}
    for one, other in combinations(boxes.values(), 2):
        assert not overlap(one, other)
    labels = [label_box(edge) for edge in drawn.edges if edge.label]
    for one, other in combinations(labels, 2):
        assert not overlap(one, other)
    for label in labels:
        assert not any(overlap(label, node) for node in boxes.values())
    for x, y, w, h in [*boxes.values(), *labels]:
        assert x >= 0
        assert y >= 0
        assert x + w <= drawn.width
        assert y + h <= drawn.height


@settings(max_examples=150)
@given(graphs(40))
def test_lines_keep_clear(steps: list[dict[str, Any]]) -> None:
    drawn = draw(steps)
    place = {node.id: node for node in drawn.nodes}
    assert len(drawn.edges) == sum(len(step["after"]) for step in steps)
    for edge in drawn.edges:
        (start_x, start_y), (end_x, end_y) = edge.points[0], edge.points[-1]
        source, target = place[edge.source], place[edge.target]
        assert (start_x, start_y) == (source.x + source.w / 2, source.y + source.h)
        assert (end_x, end_y) == (target.x + target.w / 2, target.y - 6)
        for part in segments(edge):
            assert part[2] == 0 or part[3] == 0
            assert not any(overlap(part, box(node)) for node in drawn.nodes)
            for other in drawn.edges:
                if other.label and (edge.source, edge.target) != (other.source, other.target):
                    assert not overlap(part, label_box(other))
    for one, other in combinations(drawn.edges, 2):
        if one.source != other.source and one.target != other.target:
            assert not share(one, other), (one, other)


@given(graphs(25))
def test_the_same_definition_gives_the_same_picture(steps: list[dict[str, Any]]) -> None:
    assert draw(steps) == draw(steps)


@pytest.mark.parametrize("geometry", [RUN, BUILDER])
def test_rows_are_the_longest_way(geometry: Geometry) -> None:
    drawn = draw([step("a"), step("b", "a"), step("c", "b", "a"), step("d", "a")], geometry)
    assert {node.id: node.row for node in drawn.nodes} == {"a": 0, "b": 1, "c": 2, "d": 1}


# --- the builder's plus ---

OUTCOMES = {"plain": ("done",), "choice": ("yes", "no"), "review": ("approved", "rejected", "expired"),
            "many": ("one", "two", "three", "four", "five")}  # fmt: skip


def typed_graph(seed: int) -> tuple[list[dict[str, Any]], dict[str, tuple[str, ...]]]:
    """Make a graph of up to 60 steps whose types have outcomes of their own."""
    chance = Random(seed)
    outcomes: dict[str, tuple[str, ...]] = {}
    steps = []
    reach = chance.choice([1, 3, 60])
    for number in range(chance.randint(1, 60)):
        parents = [chance.randint(max(0, number - reach), number - 1) for _ in range(chance.randint(0, 3)) if number]
        entries = [f"s{parent}:{chance.choice((*outcomes[f's{parent}'], 'failed'))}" for parent in parents]
        steps.append(step(f"s{number}", *dict.fromkeys(entries)))
        outcomes[f"s{number}"] = OUTCOMES[chance.choice(list(OUTCOMES))]
    return steps, outcomes


@pytest.mark.parametrize("block", range(4))
def test_the_builder_has_a_plus_for_every_way_and_nothing_lies_on_anything(block: int) -> None:
    """1,000 random graphs in all."""
    for seed in range(block * 250, block * 250 + 250):
        steps, outcomes = typed_graph(seed)
        drawn = layout(Definition.model_validate(workflow(*steps)), BUILDER, outcomes=outcomes)
        check_builder(drawn, outcomes)


def with_badge(node: Node) -> Box:
    """A badge stands on the upper edge of a step's box, half above it."""
    return (node.x, node.y - 8, node.w, node.h + 8)


def check_builder(drawn: Layout, outcomes: dict[str, tuple[str, ...]]) -> None:
    lines = [edge for edge in drawn.edges if edge.outcome == edge.outcomes[0]]
    ways = {(edge.source, each) for edge in lines for each in edge.outcomes}
    assert ways == {(edge.source, edge.outcome) for edge in drawn.edges}
    free = {(stub.source, each) for stub in drawn.stubs for each in stub.outcomes}
    assert free == {(key, each) for key, known in outcomes.items() for each in known} - ways
    pluses = [(each.plus_x - 12, each.plus_y - 12, 24, 24) for each in (*lines, *drawn.stubs)]
    labels = [label_box(each) for each in (*lines, *drawn.stubs) if each.label]
    boxes = [with_badge(node) for node in drawn.nodes]
    everything = sorted([*pluses, *labels, *boxes], key=lambda each: each[1])
    for number, one in enumerate(everything):
        for other in everything[number + 1 :]:
            if other[1] >= one[1] + one[3]:
                break
            assert not overlap(one, other)
    for x, y, w, h in everything:
        assert 0 <= x <= x + w <= drawn.width
        assert 0 <= y <= y + h <= drawn.height


def test_the_builders_lines_keep_clear_of_steps_labels_and_every_plus() -> None:
    for seed in range(1000, 1060):
        steps, outcomes = typed_graph(seed)
        drawn = layout(Definition.model_validate(workflow(*steps)), BUILDER, outcomes=outcomes)
        lines = [edge for edge in drawn.edges if edge.outcome == edge.outcomes[0]]
        for edge in lines:
            others = [each for each in (*lines, *drawn.stubs) if each is not edge]
            taken = [box(node) for node in drawn.nodes] + [label_box(each) for each in others if each.label]
            taken += [(each.plus_x - 12, each.plus_y - 12, 24, 24) for each in others]
            taken += [(node.x + node.w - 96, node.y - 8, 86, 8) for node in drawn.nodes]  # its badge
            for part in segments(edge):
                assert not any(overlap(part, each) for each in taken), (seed, edge)
        for one, other in combinations(lines, 2):
            if one.source != other.source and one.target != other.target:
                assert not share(one, other), (seed, one, other)


def test_free_outcomes_have_stubs_beside_what_is_connected() -> None:
    steps = [step("check"), step("mail", "check:approved")]
    drawn = layout(
        Definition.model_validate(workflow(*steps)), BUILDER,
        outcomes={"check": ("approved", "rejected", "expired"), "mail": ("done",)},
    )  # fmt: skip
    assert [(stub.source, stub.label, stub.plus_x) for stub in drawn.stubs] == [
        ("check", "rejected", 214), ("check", "expired", 46), ("mail", "", 130),
    ]  # fmt: skip
    assert drawn.stubs[0].d == "M130 94V96Q130 104 138 104H206Q214 104 214 112V133"
    assert layout(Definition.model_validate(workflow(*steps)), BUILDER).stubs == ()


def test_a_line_that_several_outcomes_share_has_one_plus() -> None:
    steps = [step("check"), step("no", "check:rejected", "check:expired", join="any")]
    drawn = layout(
        Definition.model_validate(workflow(*steps)), BUILDER, outcomes={"check": ("approved", "rejected", "expired")}
    )
    assert {edge.outcomes for edge in drawn.edges} == {("rejected", "expired")}
    assert [stub.outcomes for stub in drawn.stubs] == [("approved",)]
