"""The steps as a graph: edges and order for whoever walks it, and the checks of what comes after what.

The checks read an :class:`Outline`, taken from unchecked data, so that they find their faults beside the schema's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.definition.expressions import check_value, parse_value
from app.definition.parts import Definition, TypeFacts, in_words
from app.definition.problems import Problem, listed, pointer, shorten, suggest
from app.definition.values import ROOTS, Reference, names_in, texts_in
from app.definition.vehicle import PARTS

# What {{ run.… }} gives in every run, each with its parts; "name" and "due_at" are there where a schedule started it.
RUN_FACTS: Mapping[str, frozenset[str]] = dict.fromkeys(
    ("id", "number", "label", "test", "url", "created_at", "started_at", "version"), frozenset[str]()
) | {
    "started_by": frozenset(("name", "email")),
    "workflow": frozenset(("id", "name")),
    "workspace": frozenset(("name", "timezone")),
    "trigger": frozenset(("kind", "id", "name", "due_at")),
}

SIDE_OUTCOMES = frozenset(("no", "rejected", "expired", "failed", "block"))  # not the usual way on


@dataclass(frozen=True, slots=True)
class Edge:
    """Lead from a step, by one of its outcomes, to a step that comes after it. Ids, not places."""

    source: str
    outcome: str
    target: str


def edges(definition: Definition) -> list[Edge]:
    """Return every edge in the order written; a bare name means ``done``."""
    return [
        Edge(source, outcome or "done", step.id)
        for step in definition.steps
        for source, outcome in map(split, step.after)
    ]


def incoming(definition: Definition) -> Mapping[str, Sequence[Edge]]:
    """Return the edges that lead to each step that comes after others; worked out once a definition."""
    kept = definition.worked_out
    if "incoming" not in kept:
        found: dict[str, list[Edge]] = {}
        for edge in edges(definition):
            found.setdefault(edge.target, []).append(edge)
        kept["incoming"] = found
    known: Mapping[str, Sequence[Edge]] = kept["incoming"]
    return known


def topological_order(definition: Definition) -> Sequence[str]:
    """Return all ids so that each stands after what it comes after, else as written; worked out once a definition.

    Steps of a cycle, which only an unchecked definition has, come last as written.
    """
    kept = definition.worked_out
    if "order" not in kept:
        kept["order"] = order({step.id: {split(entry)[0] for entry in step.after} for step in definition.steps})
    known: Sequence[str] = kept["order"]
    return known


def predecessors(definition: Definition) -> dict[str, frozenset[str]]:
    """Return for every step the ids of all steps that come before it, directly or not."""
    parents = {step.id: {split(entry)[0] for entry in step.after} for step in definition.steps}
    ids = list(parents)
    bits = _before(parents)
    return {step: frozenset(ids[place] for place in _places(bits[step])) for step in ids}


def following(definition: Definition, ids: Iterable[str]) -> frozenset[str]:
    """Return the ids of all steps that come after one of *ids*, directly or not."""
    below: dict[str, list[str]] = {step.id: [] for step in definition.steps}
    for step in definition.steps:
        for source in {split(entry)[0] for entry in step.after} & below.keys():
            below[source].append(step.id)
    found: dict[str, None] = {}
    waiting = list(ids)
    while waiting:
        waiting += (step for step in below.get(waiting.pop(), ()) if step not in found and not found.setdefault(step))
    return frozenset(found)


def split(entry: str) -> tuple[str, str]:
    """Split an entry of ``after``: ``"check:yes"`` is ("check", "yes"), a bare name has the outcome ""."""
    source, _, outcome = entry.partition(":")
    return source.strip(), outcome.strip()


def order(parents: Mapping[str, Iterable[str]]) -> list[str]:
    """Order ids by what they come after (see :func:`topological_order`); unknown parents do not count."""
    place = {step: number for number, step in enumerate(parents)}
    known = {step: {parent for parent in above if parent in place} for step, above in parents.items()}
    children: dict[str, list[str]] = {step: [] for step in parents}
    for step, above in known.items():
        for parent in above:
            children[parent].append(step)
    missing = {step: len(above) for step, above in known.items()}
    ready = [step for step in parents if not missing[step]]
    done: dict[str, None] = {}
    for step in ready:  # grows while it is walked
        done[step] = None
        for child in sorted(children[step], key=place.__getitem__):
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    return [*done, *(step for step in parents if step not in done)]


# --- the outline ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outline:
    """Hold what could be read of one step, right or wrong. *config* is None when it is not a dict."""

    place: int
    id: str | None
    type: str | None
    name: str
    after: tuple[tuple[int, str, str], ...]
    config: dict[str, Any] | None
    when: object
    items: object

    @property
    def at(self) -> str:
        """Return the JSON pointer of the step."""
        return f"/steps/{self.place}"


def outline(data: Mapping[str, Any]) -> list[Outline]:
    """Read the steps of unchecked *data*; what is not a step at all is left out."""
    steps = data.get("steps")
    return [
        _outline(place, step)
        for place, step in enumerate(steps if isinstance(steps, list) else [])
        if isinstance(step, dict)
    ]


def _outline(place: int, step: dict[Any, Any]) -> Outline:
    after, config, each = step.get("after"), step.get("config", {}), step.get("for_each")
    entries = [
        (number, *split(entry))
        for number, entry in enumerate(after if isinstance(after, list) else [])
        if isinstance(entry, str)
    ]
    identity = _text(step.get("id"))
    name = _text(step.get("name")) or (in_words(identity) if identity else f"Step {place + 1}")
    return Outline(
        place=place,
        id=identity,
        type=_text(step.get("type")),
        name=shorten(name),
        after=tuple(entries),
        config=config if isinstance(config, dict) else None,
        when=step.get("when"),
        items=each.get("items") if isinstance(each, dict) else None,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


# --- checks --------------------------------------------------------------------------------------------------------


def check_graph(
    steps: list[Outline],
    asked: Mapping[str, object],
    types: Mapping[str, TypeFacts],
    fields: Mapping[str, frozenset[str] | None],
) -> Iterator[Problem]:
    """Yield what is wrong between steps: ids, types, edges, cycles and every name in a value.

    *asked* gives the type of each question by its key, *fields* the output fields of the steps by id, None where they
    are not known.
    """
    by_id: dict[str, Outline] = {}
    for step in steps:
        if step.id:
            by_id.setdefault(step.id, step)
    yield from _check_ids(steps)
    for step in steps:
        if step.type and step.type not in types:
            fix = suggest(step.type, types, f"Use one of {listed(sorted(types), 'or', 30)}.")
            yield Problem(
                step.at + "/type", "unknown_type", f"“{shorten(step.type)}” is not a type of step.", fix
            )
        yield from _check_after(step, by_id, types)
    parents = {step: {source for _, source, _ in by_id[step].after} for step in by_id}
    yield from _check_cycles(by_id, parents)
    before = _before(parents)
    ids = {step: number for number, step in enumerate(parents)}
    names = _Names(by_id, asked, fields, before, ids)
    for step in steps:
        yield from _check_step_refs(step, by_id, types, names)
        yield from names.check(step)


def _check_ids(steps: list[Outline]) -> Iterator[Problem]:
    seen: dict[str, Outline] = {}
    for step in steps:
        if step.id in seen:
            message = f"Two steps have the id “{shorten(step.id)}”: {seen[step.id].name} and {step.name}."
            yield Problem(step.at + "/id", "duplicate", message, "Give each step an id of its own.")
        elif step.id:
            seen[step.id] = step


def _check_after(
    step: Outline, by_id: Mapping[str, Outline], types: Mapping[str, TypeFacts]
) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for number, source, outcome in step.after:
        at = f"{step.at}/after/{number}"
        if (source, outcome) in seen:
            yield Problem(
                at, "duplicate", f"{step.name} names “{shorten(source)}” twice.", "Remove one of the two."
            )
        elif source not in by_id:
            fix = suggest(source, by_id, "Name a step by its id, or remove this.")
            yield Problem(
                at, "unknown_step", f"{step.name} comes after “{shorten(source)}”, which is not a step.", fix, source
            )
        else:
            yield from _check_outcome(at, by_id[source], outcome, types.get(by_id[source].type or ""))
        seen.add((source, outcome))


def _check_outcome(at: str, source: Outline, outcome: str, facts: TypeFacts | None) -> Iterator[Problem]:
    if facts is None:
        return
    outcomes = ("done",) if source.items is not None else facts.outcomes  # its items end by the type's own
    known = [*outcomes, "failed"]
    if not outcome and "done" not in outcomes:
        choice = listed(outcomes, "or")
        message = f"{source.name} can end in {choice}. Say which of them comes before this step."
        example = outcomes[0] if outcomes else "failed"
        yield Problem(at, "outcome_needed", message, f"Write “{source.id}:{example}”.")
    elif outcome and outcome not in known:
        fix = suggest(outcome, known, f"Use {listed(known, 'or')}.")
        yield Problem(at, "unknown_outcome", f"{source.name} never ends in “{shorten(outcome)}”.", fix)


def _check_cycles(by_id: Mapping[str, Outline], parents: Mapping[str, set[str]]) -> Iterator[Problem]:
    """Find a cycle in every knot of steps by walking back from each step once."""
    state: dict[str, int] = {}  # 1: on the way, 2: done
    for start in by_id:
        way: list[str] = []
        walk: list[tuple[str, Iterator[tuple[int, str, str]]]] = []
        step: str | None = start if start not in state else None
        while step or walk:
            if step:
                state[step] = 1
                way.append(step)
                walk.append((step, iter(by_id[step].after)))
                step = None
            current, entries = walk[-1]
            for number, source, _ in entries:
                if state.get(source) == 1:
                    yield _cycle(by_id, way[way.index(source) :], by_id[current], number)
                elif source in parents and source not in state:
                    step = source
                    break
            if step is None:
                state[current] = 2
                walk.pop()
                way.pop()


def _cycle(by_id: Mapping[str, Outline], ring: list[str], closing: Outline, number: int) -> Problem:
    at = f"{closing.at}/after/{number}"
    names = [by_id[step].name for step in sorted(ring, key=lambda step: by_id[step].place)]
    if len(ring) == 1:
        return Problem(at, "cycle", f"{names[0]} waits for itself.", "Remove its own id from “after”.")
    ending = "each other" if len(ring) == 2 else "each other in a ring"
    fix = (
        "Take one of them out of the other’s “after”."
        if len(ring) == 2
        else "Take one of them out of the next one’s “after”."
    )
    return Problem(at, "cycle", f"{listed(names)} wait for {ending}.", fix)


def _before(parents: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Return for every step a set, as the bits of an integer by place in *parents*, of all that come before it."""
    place = {step: number for number, step in enumerate(parents)}
    bits = dict.fromkeys(parents, 0)
    for step in order(parents):
        for parent in parents[step]:
            if parent in place:
                bits[step] |= bits[parent] | (1 << place[parent])
    return bits


def _places(bits: int) -> Iterator[int]:
    return (number for number in range(bits.bit_length()) if bits >> number & 1)


def _check_step_refs(
    step: Outline, by_id: Mapping[str, Outline], types: Mapping[str, TypeFacts], names: "_Names"
) -> Iterator[Problem]:
    facts = types.get(step.type or "")
    for field in facts.step_refs if facts and step.config else ():
        value = (step.config or {}).get(field)
        for at, name in (
            [((field,), value)]
            if not isinstance(value, list)
            else [((field, n), v) for n, v in enumerate(value)]
        ):
            if isinstance(name, str) and "{{" not in name:
                yield from names.check_step(step, step.at + pointer("config", *at), name)


def _is_one_value(text: str) -> bool:
    """Tell whether a text is a value and nothing else; of one that cannot be read, other checks tell."""
    return "{{" in text and (bool(check_value(text)) or parse_value(text).alone is not None)


@dataclass(frozen=True, slots=True)
class _Names:
    """Check every name in the values of a step against what is there when the step starts."""

    by_id: Mapping[str, Outline]
    asked: Mapping[str, object]
    fields: Mapping[str, frozenset[str] | None]
    before: Mapping[str, int]
    places: Mapping[str, int]

    def check(self, step: Outline) -> Iterator[Problem]:
        for part, value, item in (
            ("config", step.config, step.items is not None),
            ("when", step.when, False),
        ):
            yield from self._values(step, f"{step.at}/{part}", value, item=item)
        yield from self._values(step, step.at + "/for_each/items", step.items, item=False)
        if isinstance(step.items, str) and not _is_one_value(step.items):
            message = f"{step.name} repeats for every item, but names no list."
            fix = "Insert one value that is a list, such as {{ steps.ads.texts }}, and nothing beside it."
            yield Problem(step.at + "/for_each/items", "wrong_type", message, fix)

    def check_step(self, step: Outline, at: str, name: str) -> Iterator[Problem]:
        if name not in self.by_id:
            fix = suggest(name, self.by_id, "Name a step that comes before this one.")
            yield Problem(
                at, "unknown_step", f"{step.name} uses “{shorten(name)}”, which is not a step.", fix, name
            )
        elif not step.id or not self.before[step.id] >> self.places[name] & 1:
            other = self.by_id[name].name
            message = f"{step.name} uses what {other} makes, but does not come after it."
            yield Problem(
                at, "not_before", message, f"Let {step.name} come after {other}, or use another step."
            )

    def _values(self, step: Outline, at: str, value: object, *, item: bool) -> Iterator[Problem]:
        for inside, text in texts_in(value):
            for fault in check_value(text) if "{{" in text or "{%" in text else ():
                yield Problem(at + inside, fault.code, fault.message, fault.fix)
        for name in names_in(value):
            yield from self._name(step, at + name.at, name, item=item)

    def _name(self, step: Outline, at: str, name: Reference, *, item: bool) -> Iterator[Problem]:
        first = str(name.path[0]) if name.path else ""
        if name.root == "inputs" and name.path and first not in self.asked:
            fix = suggest(first, self.asked, "Add the question, or use another one.")
            yield Problem(at, "unknown_input", f"“{shorten(first)}” is not asked at the start.", fix, first)
        elif name.root == "inputs" and self.asked.get(first) == "vehicle" and name.path[1:]:
            part = str(name.path[1])
            if part not in PARTS:
                fix = suggest(part, PARTS, f"Use {listed(list(PARTS), 'or')}.")
                yield Problem(at, "unknown_field", f"A vehicle has no “{shorten(part)}”.", fix)
        elif name.root == "steps":
            yield from self._step_name(step, at, name, first)
        elif name.root == "run":
            yield from _run_name(at, [str(part) for part in name.path])
        elif name.root == "item" and not item:
            message = "“item” is known only inside a step that repeats for every item."
            yield Problem(at, "unknown_name", message, "Use another value, or let the step repeat (for_each).")
        elif name.root not in ROOTS:
            usual = "Choose one from the list of values: it starts with inputs., steps., run. or item."
            fix = suggest(name.root, ROOTS, usual)
            if name.root in self.asked:
                fix = f"Choose the answer from the list of values: inputs.{name.root}."
            yield Problem(at, "unknown_name", f"“{shorten(name.root)}” is not known here.", fix)

    def _step_name(self, step: Outline, at: str, name: Reference, source: str) -> Iterator[Problem]:
        if not source:
            yield Problem(
                at,
                "bad_value",
                "“steps” alone says nothing.",
                "Name a step and a result, like {{ steps.ads.texts }}.",
            )
            return
        wrong = list(self.check_step(step, at, source))
        yield from wrong
        known = self.fields.get(source)
        if not wrong and known is not None and len(name.path) > 1 and str(name.path[1]) not in known:
            field = str(name.path[1])
            fix = suggest(
                field, known, f"Use {listed(sorted(known), 'or')}." if known else "It makes nothing to use."
            )
            message = f"{self.by_id[source].name} makes no “{shorten(field)}”."
            yield Problem(at, "unknown_field", message, fix)


def _run_name(at: str, path: Sequence[str]) -> Iterator[Problem]:
    fact, part = (*path, "", "")[:2]
    parts = RUN_FACTS.get(fact)
    if parts is None:
        message = f"A run has no “{shorten(fact)}”." if fact else "“run” alone says nothing."
        yield Problem(at, "unknown_name", message, _use_one(fact, RUN_FACTS))
    elif part and part not in parts:
        what = f"“{shorten(part)}” is not part of a run’s “{fact}”."
        yield Problem(at, "unknown_name", what, _use_one(part, parts) if parts else f"Use {{{{ run.{fact} }}}}.")
    elif len(path) > 2:
        yield Problem(at, "unknown_name", f"A run’s “{fact}.{part}” has no parts.", f"Use {{{{ run.{fact}.{part} }}}}.")


def _use_one(word: str, known: Iterable[str]) -> str:
    return suggest(word, known, f"Use one of {listed(sorted(known), 'or', 20)}.")
