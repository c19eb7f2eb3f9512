"""Changes to a definition, as pure functions from data to new data: add, take out, move, copy, connect.

They work on drafts, which may have problems: what they do not touch stays as it is, and the checks say what is wrong
afterwards. An entry is one of ``after``: a step's id, or ``id:outcome``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from app.definition.graph import SIDE_OUTCOMES, Outline, edges, following, outline, split
from app.definition.parts import Definition, TypeFacts, in_words
from app.definition.problems import listed
from app.definition.short_names import free_id
from app.definition.sketch import sketch
from app.definition.unchecked import Data, EditImpossible, entries_of, find_step, name_of, step_in, steps_in

Types = Mapping[str, TypeFacts]


def entry(step_id: str, outcome: str = "") -> str:
    """Write an entry of ``after``; ``done`` needs no words."""
    return step_id if outcome in ("", "done") else f"{step_id}:{outcome}"


def main_outcome(facts: TypeFacts | None) -> str:
    """Return the outcome that what comes next usually follows: "" for ``done``, ``approved`` of a review."""
    if facts is None or facts.has_done:
        return ""
    return next((each for each in facts.outcomes if each not in SIDE_OUTCOMES), facts.outcomes[0])


def insert_step(
    data: Data, step: Mapping[str, Any], types: Types, *, sources: Sequence[str] = (), targets: Sequence[str] = ()
) -> Data:
    """Put a new *step* between the entries *sources* and the steps *targets*; either may be empty.

    Ways from *sources* to *targets* then lead through it; other ways stay. Several outcomes of one step make it go on
    after any of them. In the list it stands behind what is beside it, so that the main line stays the main line.
    """
    new = deepcopy(data)
    steps = steps_in(new)
    placed = {**deepcopy(dict(step)), "after": list(dict.fromkeys(_known(new, source) for source in sources))}
    if len(placed["after"]) > 1:
        placed["join"] = _join_between(new, placed["after"], targets)
    after_it = entry(placed["id"], main_outcome(types.get(placed["type"])))
    for target in targets:
        _lead_through(step_in(new, target), placed["after"], after_it)
    before = [steps.index(step_in(new, target)) for target in targets]
    behind = [steps.index(step_in(new, split(source)[0])) + 1 for source in placed["after"]]
    if not targets:
        behind += [steps.index(step_in(new, each)) + 1 for each in _beside(new, placed["after"])]
    steps.insert(max([*behind, min(before)] if before else behind, default=len(steps)), placed)
    return with_fitting_join(new, placed["id"])


def _beside(data: Data, sources: Iterable[str]) -> list[str]:
    """Return the steps that come directly after what *sources* come from; those of side outcomes not."""
    above = {split(source)[0] for source in sources}
    return [
        step.id
        for step in outline(data)
        if step.id and any(source in above and outcome not in SIDE_OUTCOMES for _, source, outcome in step.after)
    ]


def remove_step(data: Data, step_id: str) -> Data:
    """Take a step out; what came after it then comes after what it came after. Names of it elsewhere stay.

    What followed its failure follows the failure of what came before. What came after nothing else waits for its ways
    as it did.
    """
    new = deepcopy(data)
    gone = step_in(new, step_id)
    steps_in(new).remove(gone)
    return _bypass(new, gone, lambda outcome: True)


def left_behind(data: Data, step_id: str, types: Types) -> list[tuple[str, str]]:
    """Return name and outcome of each step that follows a side outcome of *step_id* ("rejected"): it would lose it."""
    usual = main_outcome(types.get(str(step_in(data, step_id).get("type"))))
    return [
        (step.name, outcome)
        for step in outline(data)
        for _, source, outcome in step.after
        if source == step_id and not _same(outcome, usual) and outcome != "failed"
    ]


def duplicate_step(data: Data, step_id: str, types: Types) -> Data:
    """Put a copy of a step right after it, on its usual way out."""
    original = step_in(data, step_id)
    name = str(original.get("name") or in_words(step_id))[:180]
    copy = {**deepcopy(original), "id": free_id(data, step_id), "name": f"{name} (copy)", "join": "all"}
    outcome = main_outcome(types.get(str(original.get("type"))))
    return insert_step(
        data, copy, types, sources=[entry(step_id, outcome)], targets=followers(data, step_id, outcome)
    )


def move_step(
    data: Data, step_id: str, types: Types, *, sources: Sequence[str] = (), targets: Sequence[str] = ()
) -> Data:
    """Take a step from its place on the line and put it between *sources* and *targets*.

    What follows its side outcomes goes with it. Raises EditImpossible where the step would wait for itself.
    """
    moved = step_in(data, step_id)
    if step_id in (*(split(source)[0] for source in sources), *targets):
        raise EditImpossible(f"{name_of(moved)} is there already.")
    new = deepcopy(data)
    outcome = main_outcome(types.get(str(moved.get("type"))))
    kept = step_in(new, step_id)
    steps_in(new).remove(kept)
    new = _bypass(new, kept, lambda found: _same(found, outcome))
    new = insert_step(new, kept, types, sources=sources, targets=targets)
    if loop := find_loop(new):
        raise EditImpossible(f"{name_of(moved)} cannot go there: {listed(loop)} would wait for each other.")
    return new


def carried(drawn: Definition, step_id: str, types: Types) -> set[str]:
    """Return the steps that come after a step's side outcomes, near or far: they go with it wherever it goes."""
    usual = main_outcome(types.get(drawn.step(step_id).type)) or "done"
    first = {edge.target for edge in edges(drawn) if edge.source == step_id and edge.outcome != usual}
    return first | following(drawn, first)


def move_up(data: Data, step_id: str, types: Types) -> Data:
    """Let a step change places with the first step it comes after. Raises EditImpossible for a first step."""
    above = [split(each)[0] for each in entries_of(step_in(data, step_id))]
    known = [each for each in above if find_step(data, each)]
    if not known:
        raise EditImpossible(f"{name_of(step_in(data, step_id))} is the first step of its line.")
    parent = step_in(data, known[0])
    sources = [each for each in entries_of(parent) if find_step(data, split(each)[0])]
    return move_step(data, step_id, types, sources=sources, targets=known[:1])


def move_down(data: Data, step_id: str, types: Types) -> Data:
    """Let a step change places with the first step that follows it. Raises EditImpossible for a last step."""
    outcome = main_outcome(types.get(str(step_in(data, step_id).get("type"))))
    below = followers(data, step_id, outcome)
    if not below:
        raise EditImpossible(f"{name_of(step_in(data, step_id))} is the last step of its line.")
    leaving = main_outcome(types.get(str(step_in(data, below[0]).get("type"))))
    return move_step(
        data, step_id, types, sources=[entry(below[0], leaving)], targets=followers(data, below[0], leaving)
    )


def come_after(data: Data, step_id: str, step: Data, types: Types) -> tuple[Data, list[str]]:
    """Put *step*, which comes after other ones than before, in the place of the one with *step_id*.

    Where it is to follow a step that follows it now, it goes on behind that one; returned are the names of such steps.
    Raises EditImpossible where that one would have to wait for it nevertheless.
    """
    wanted = [each for each in entries_of(step) if find_step(data, split(each)[0])]
    below = following(sketch(data), [step_id])
    turned = [each for each in wanted if split(each)[0] in below]
    if not turned:
        new = replace_step(data, step_id, step)
        for each in wanted:
            _put_before(new, split(each)[0], step_id)
        return new, []
    kept = replace_step(data, step_id, {**step, "after": entries_of(step_in(data, step_id))})
    source, outcome = split(turned[0])
    targets = [] if turned[1:] else followers(data, source, outcome)
    new = move_step(kept, step_id, types, sources=turned, targets=[each for each in targets if each != step_id])
    return new, [name_of(step_in(data, split(each)[0])) for each in turned]


def connect(data: Data, step_id: str, source: str) -> Data:
    """Let a step come after the entry *source* too. A ring that this closes is told by the checks."""
    new = deepcopy(data)
    step = step_in(new, step_id)
    step["after"] = list(dict.fromkeys([*entries_of(step), _known(new, source)]))
    return new


def lead(data: Data, sources: Sequence[str], step_id: str) -> Data:
    """Let a step come after the entries *sources* too, in the list as well where nothing stands against it.

    Raises EditImpossible where it would wait for itself.
    """
    new = data
    for source in sources:
        new = connect(new, step_id, source)
    if loop := find_loop(new):
        found = listed(loop)
        raise EditImpossible(f"{name_of(step_in(data, step_id))} cannot follow: {found} would wait for each other.")
    for source in sources:
        _put_before(new, split(source)[0], step_id)
    return with_fitting_join(new, step_id)


def _put_before(data: Data, step_id: str, target_id: str) -> None:
    """Put a step of the list before one that comes after it now, unless it would then stand before its own sources."""
    steps, step, target = steps_in(data), step_in(data, step_id), step_in(data, target_id)
    place = steps.index(target)
    above = [step_in(data, split(each)[0]) for each in entries_of(step) if find_step(data, split(each)[0])]
    if steps.index(step) > place and all(steps.index(each) < place for each in above):
        steps.remove(step)
        steps.insert(place, step)


def with_fitting_join(data: Data, step_id: str) -> Data:
    """Let a step go on after the first of its ways where only one of them is ever taken; else as it was."""
    if not exclude_each_other(data, step_id):
        return data
    new = deepcopy(data)
    step_in(new, step_id)["join"] = "any"
    return new


def exclude_each_other(data: Data, step_id: str) -> bool:
    """Tell whether two of the ways to a step are never both taken: they come from different outcomes of one step."""
    steps = {step.id: step for step in outline(data) if step.id}
    joins = {key: (find_step(data, key) or {}).get("join") for key in steps}
    known: dict[str, dict[str, str]] = {}

    def needed(source: str, outcome: str) -> dict[str, str]:
        """Return by which outcome each step must have ended for this way to be taken, as far as it is sure."""
        if source not in known:
            known[source] = {}  # a ring needs nothing of itself
            ways = [needed(each, found) for _, each, found in steps[source].after] if source in steps else []
            shared = dict(ways[0]) if ways else {}
            for way in ways[1:]:
                if joins.get(source) == "any":
                    shared = {key: value for key, value in shared.items() if way.get(key) == value}
                else:
                    shared |= way
            known[source] = shared
        return known[source] | {source: outcome or "done"}

    ways = [needed(source, outcome) for _, source, outcome in steps[step_id].after] if step_id in steps else []
    return any(
        one[key] != other[key]
        for place, one in enumerate(ways)
        for other in ways[place + 1 :]
        for key in one.keys() & other.keys()
    )


def disconnect(data: Data, step_id: str, source: str) -> Data:
    """Let a step come after the entry *source* no longer."""
    new = deepcopy(data)
    step = step_in(new, step_id)
    step["after"] = [each for each in entries_of(step) if not _same_entry(each, source)]
    return new


def replace_step(data: Data, step_id: str, step: Data) -> Data:
    """Put *step* in the place of the one with *step_id*."""
    new = deepcopy(data)
    steps = steps_in(new)
    steps[steps.index(step_in(new, step_id))] = deepcopy(step)
    return new


def followers(data: Data, step_id: str, outcome: str = "") -> list[str]:
    """Return the ids of the steps that come after *outcome* of a step, in the order written."""
    return [
        step.id
        for step in outline(data)
        if step.id and any(source == step_id and _same(found, outcome) for _, source, found in step.after)
    ]


def find_loop(data: Data) -> list[str]:
    """Return the names of steps that wait for each other; nothing when there are none."""
    steps = {step.id: step for step in outline(data) if step.id}
    left: dict[str, Outline] = dict(steps)
    while True:
        free = [key for key, step in left.items() if not any(source in left for _, source, _ in step.after)]
        if not free:
            return _ring(left)
        for key in free:
            del left[key]


def _ring(left: Mapping[str, Outline]) -> list[str]:
    """Follow what comes before from any of *left*, where every step has such a one, until a step is met again."""
    way: list[str] = []
    current = next(iter(left), None)
    while current is not None and current not in way:
        way.append(current)
        current = next(source for _, source, _ in left[current].after if source in left)
    return [left[step].name for step in way[way.index(current) :]] if current is not None else []


def _known(data: Data, source: str) -> str:
    step_in(data, split(source)[0])
    return source


def _same(outcome: str, other: str) -> bool:
    return (outcome or "done") == (other or "done")


def _same_entry(one: str, other: str) -> bool:
    (source, outcome), (step_id, found) = split(one), split(other)
    return source == step_id and _same(outcome, found)


def _lead_through(target: Data, sources: Iterable[str], after_it: str) -> None:
    """Put the new step's entry where the first of *sources* stood in *target*, or first when none did."""
    old, replaced = entries_of(target), list(sources)
    places = [place for place, each in enumerate(old) if any(_same_entry(each, source) for source in replaced)]
    kept = [each for place, each in enumerate(old) if place not in places]
    kept.insert(min(places[0], len(kept)) if places else 0, after_it)
    target["after"] = list(dict.fromkeys(kept))


def _join_between(data: Data, sources: Sequence[str], targets: Sequence[str]) -> str:
    """Return how a step goes on that is put on these ways: as what they led to did; else after all, or any of one."""
    if targets:
        return str(step_in(data, targets[0]).get("join") or "all")
    return "any" if len({split(each)[0] for each in sources}) == 1 else "all"


def _bypass(data: Data, gone: Data, is_meant: Callable[[str], bool]) -> Data:
    """Let what follows *gone* by an outcome that is meant come after what is before *gone* instead."""
    step_id, before = str(gone.get("id")), entries_of(gone)
    changed: list[str] = []
    for step in steps_in(data):
        if not isinstance(step, dict) or step.get("id") == step_id:
            continue
        entries: list[str] = []
        taken: set[str] = set()
        for each in entries_of(step):
            source, outcome = split(each)
            if source != step_id or not is_meant(outcome):
                entries.append(each)
                continue
            taken.add(outcome)
            entries += [entry(split(above)[0], "failed") for above in before] if outcome == "failed" else before
        if not taken:
            continue
        is_all_of_it = all(split(each)[0] == step_id and is_meant(split(each)[1]) for each in entries_of(step))
        step["after"] = [each for each in dict.fromkeys(entries) if split(each)[0] != step.get("id")]
        if len(step["after"]) > 1 and is_all_of_it:
            step["join"] = "any" if "failed" in taken else gone.get("join") or "all"
        changed.append(str(step.get("id")))
    for each in changed:
        data = with_fitting_join(data, each)
    return data


