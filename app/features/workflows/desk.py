"""All that the builder shows of a draft at one moment: its diagram, its steps in words, its problems."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from app.core.cached import cached_property
from app.definition import edit, graph, lanes, schema, short_names
from app.definition.kinds import Kinds
from app.definition.parts import Definition, TypeFacts, in_words
from app.definition.problems import Problem, in_reading_order, listed, shorten
from app.definition.sentences import Names, settings_in_words
from app.definition.sketch import sketch
from app.definition.text_width import cut_to_fit, width
from app.engine import catalog
from app.engine.contract import Effect, StepType
from app.features.workflows import parts, queries
from app.features.workflows.forms.preview import LaunchPreview
from app.features.workflows.forms.question import TYPE_WORDS
from app.features.workflows.forms.step import entries_words, entry_words, field_name
from app.features.workflows.models import Workflow
from app.features.workflows.queries import Draft
from app.web.condition_field import BLANK

_SUMMARY_PX = 178


@dataclass(frozen=True, slots=True)
class Badge:
    """What a step does outside: an icon and *words*, and one *word* for the diagram, where the badge is *w* px wide."""

    icon: str
    words: str
    word: str

    @property
    def w(self) -> float:
        """How wide it is with its icon, in px."""
        return round(width(self.word, 12) + 32, 1)


BADGES = {Effect.SPENDS: Badge("coin", "spends money", "spends"), Effect.SENDS: Badge("send", "sends", "sends")}


@dataclass(frozen=True, slots=True)
class Card:
    """One step as the builder shows it: *sentence* has ``**`` around its values, *short* fits the diagram."""

    id: str
    number: int
    name: str
    icon: str
    label: str
    sentence: str
    short: str
    badge: Badge | None
    after: list[str]
    problems: list[Problem]
    trouble: str
    is_unfilled: bool
    has_up: bool
    has_down: bool


@dataclass(frozen=True)
class Desk:
    """A workflow's draft on the desk. *chosen* is the id of the step whose form is open, or ""; *added* if it is new.

    *former* tells what questions (by key) and steps (by id) that are gone were called, as far as that is known;
    *around* what is wrong with it in its workspace.
    """

    workflow: Workflow
    draft: Draft
    chosen: str = ""
    added: bool = False
    former: Callable[[set[str], set[str]], Names] = lambda keys, ids: Names()
    around: Callable[[Mapping[str, Any]], list[Problem]] = lambda data: []

    @property
    def data(self) -> dict[str, Any]:
        """The draft's definition."""
        return self.draft.definition

    @cached_property
    def types(self) -> Mapping[str, TypeFacts]:
        """What the checks know of step types."""
        return catalog.facts()

    @cached_property
    def kinds(self) -> Mapping[str, StepType]:
        """The step types."""
        return catalog.step_types()

    @cached_property
    def drawn(self) -> Definition:
        """The steps, as far as they can be read."""
        return sketch(self.data)

    @cached_property
    def problems(self) -> list[Problem]:
        """Everything that is wrong, in reading order."""
        named = {"unknown_input": self.gone.questions, "unknown_step": self.gone.steps}
        labels = [named.get(each.code, {}).get(each.name) for each in self._found]
        return [
            each.of_deleted(label) if label else each for each, label in zip(self._found, labels, strict=True)
        ]

    @property
    def faults(self) -> list[Problem]:
        """What is wrong, without what nobody could fill in yet."""
        return [each for each in self.problems if not self.is_to_fill(each)]

    def is_to_fill(self, problem: Problem) -> bool:
        """Tell whether it is only that a setting of the step just added is still empty."""
        place = self.place_of.get(self.chosen)
        if not self.added or place is None or not problem.path.startswith(f"/steps/{place}/config"):
            return False
        value: Any = self.data
        for part in problem.path.split("/")[1:]:
            if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                value = value.get(part) if isinstance(value, dict) else None
        return value in (None, "", [], {})

    @cached_property
    def gone(self) -> Names:
        """What questions and steps that are gone, and still used, were called."""
        keys, ids = (
            {each.name for each in self._found if each.code == code} for code in ("unknown_input", "unknown_step")
        )
        return self.former(keys, ids) if keys or ids else Names()

    @cached_property
    def _found(self) -> list[Problem]:
        return in_reading_order([*schema.check(self.data, self.types), *self.around(self.data)])

    @cached_property
    def choices(self) -> dict[str, list[tuple[str, str]]]:
        """What its forms offer of the workspace, by the kind of field, as far as one has asked."""
        return {}

    @cached_property
    def places(self) -> lanes.Layout:
        """Where everything stands in the diagram."""
        outcomes = {
            step.id: self.types[step.type].outcomes if step.type in self.types else ("done",)
            for step in self.drawn.steps
        }
        return lanes.layout(self.drawn, lanes.BUILDER, outcomes=outcomes)

    @property
    def known(self) -> Kinds:
        """What is known of its values."""
        return Kinds(self.data, graph.outline(self.data), self.types)

    @cached_property
    def place_of(self) -> dict[str, int]:
        """The place of every step in the list, by id."""
        return {step.id: step.place for step in reversed(graph.outline(self.data)) if step.id}

    @cached_property
    def cards(self) -> dict[str, Card]:
        """Every step, in the order in which they run."""
        found: dict[int, list[Problem]] = defaultdict(list)
        for problem in self.problems:
            parts = problem.path.split("/")
            if len(parts) > 2 and parts[1] == "steps" and parts[2].isdecimal():
                found[int(parts[2])].append(problem)
        followed = {graph.split(each)[0] for step in self.drawn.steps for each in step.after}
        order = graph.topological_order(self.drawn)
        steps = {step.id: step for step in self.drawn.steps}
        return {
            step_id: self._card(
                number,
                step_id,
                found.get(self.place_of.get(step_id, -1), []),
                steps[step_id].after,
                step_id in followed,
            )
            for number, step_id in enumerate(order, 1)
        }  # fmt: skip

    def badge(self, kind: StepType | None) -> Badge | None:
        """Return what a kind of step does outside; None when it does nothing there, or is not known."""
        return BADGES.get(kind.effect) if kind else None

    @cached_property
    def names(self) -> dict[str, str]:
        """The names of the steps by id."""
        return {step.id: step.name for step in self.drawn.steps}

    @cached_property
    def words(self) -> Names:
        """What questions and steps are called in sentences."""
        labels = {each["key"]: each["label"] or in_words(each["key"]) for each in self.questions}
        return Names(_unmarked({**self.gone.questions, **labels}), _unmarked({**self.gone.steps, **self.names}))

    @property
    def has_steps(self) -> bool:
        """Tell whether there is a step at all."""
        return bool(self.drawn.steps)

    def step(self, step_id: str) -> dict[str, Any] | None:
        """Return one step as it is written; None when there is none of that id."""
        place = self.place_of.get(step_id)
        return None if place is None else self.data["steps"][place]

    @property
    def first_steps(self) -> list[str]:
        """The ids of the steps that start at once."""
        return [step.id for step in self.drawn.steps if not step.after]

    @property
    def questions(self) -> list[dict[str, Any]]:
        """The questions as far as they can be read, with their kind in words."""
        inputs = self.data.get("inputs")
        found = []
        for each in inputs if isinstance(inputs, list) else []:
            if isinstance(each, dict) and isinstance(each.get("key"), str):
                kind = str(each.get("type") or "text")
                texts = {key: str(each.get(key) or "") for key in ("label", "help", "group")}
                found.append({**texts, "key": each["key"], "type": kind, "kind": TYPE_WORDS.get(kind, kind),
                              "required": each.get("required") is True,
                              "fixed": each.get("fixed") is True})  # fmt: skip
        return found

    @property
    def launch(self) -> LaunchPreview:
        """The form that starts a run, as it will look."""
        return LaunchPreview(self.data)

    def entries(self, source: str, outcomes: Sequence[str]) -> list[str]:
        """Return entries of ``after`` for outcomes of a step."""
        return [edit.entry(source, each) for each in outcomes]

    def ways_on(self, step_id: str) -> list[tuple[tuple[list[str], list[str]], str]]:
        """Return where a step may be added after one: entries and next steps, and the outcome's word ("" for done)."""
        facts = self.types.get(self.drawn.step(step_id).type)
        found = []
        for outcome in facts.outcomes if facts else ("done",):
            after = [edit.entry(step_id, outcome)]
            found.append(((after, self._followers[step_id, outcome]), "" if outcome == "done" else outcome))
        return found

    def failing(self, after: Sequence[str]) -> str:
        """Return the name of the one step that entries are of, if none of them is its failure; else ""."""
        parts = [graph.split(each) for each in after]
        sources = {source for source, _ in parts}
        is_offered = len(sources) == 1 and all(outcome != "failed" for _, outcome in parts)
        return self.names.get(sources.pop(), "") if is_offered else ""

    def may_follow(self, after: Sequence[str]) -> list[tuple[str, str]]:
        """Return id and name of the steps that could come after entries too, without a ring."""
        sources = {graph.split(each)[0] for each in after}
        before = graph.predecessors(self.drawn)
        above = sources.union(*(before.get(each, ()) for each in sources))
        entries = {edit.entry(*graph.split(each)) for each in after}
        return [
            (step.id, step.name)
            for step in self.drawn.steps
            if step.id not in above and not entries & {edit.entry(*graph.split(each)) for each in step.after}
        ]

    @cached_property
    def _followers(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for each in graph.edges(self.drawn):
            found[each.source, each.outcome].append(each.target)
        return found

    def plus_words(self, way: lanes.EdgePath) -> str:
        """Say what the "+" on a way does: "Add a step between Check the price: yes and Write ads"."""
        where = self.place_words(self.entries(way.source, way.outcomes), [way.target])
        return f"Add a step {where[:1].lower()}{where[1:]}"

    def place_words(self, after: Sequence[str], before: Sequence[str]) -> str:
        """Say where a step is about to be put."""
        above = entries_words(after, self.drawn)
        below = listed([self.names.get(each, each) for each in before])
        if after and before:
            is_fan = len(after) > 1 or len(before) > 1
            return f"After {above}, before {below}" if is_fan else f"Between {above} and {below}"
        return f"After {above}" if after else f"Before {below}" if before else "At the beginning"

    def field_of(self, problem: Problem) -> str:
        """Return the name of the field of a step's or a question's form that a problem is about; "" for none."""
        parts = problem.path.split("/")[1:]
        if parts[:1] == ["inputs"]:
            return f"q-{parts[2]}" if len(parts) > 2 else ""
        return field_name("/" + "/".join(parts[2:]))

    def target_of(self, problem: Problem) -> tuple[str, str]:
        """Return where a problem is mended: ``("step", "ads")``, ``("question", "offer")``, ``("details", "")``."""
        parts = problem.path.split("/")[1:]
        if len(parts) > 1 and parts[0] == "steps" and parts[1].isdecimal():
            ids = {place: step_id for step_id, place in self.place_of.items()}
            return "step", ids.get(int(parts[1]), "")
        if parts[:1] == ["inputs"]:
            return "question", _key_of(self.data, parts[1]) if len(parts) > 1 else ""
        return ("details", "") if parts[:1] == ["limits"] else ("", "")

    def _card(
        self, number: int, step_id: str, problems: list[Problem], after: list[str], is_followed: bool
    ) -> Card:
        step = self.drawn.step(step_id)
        kind = self.kinds.get(step.type)
        sentence = _sentence(kind, self._said(kind, step.config)) + self._repeated(step_id)
        faults = [each for each in problems if not self.is_to_fill(each)]
        return Card(
            id=step_id,
            number=number,
            name=step.name,
            icon=kind.icon if kind else "help",
            label=kind.label if kind else step.type,
            sentence=sentence,
            short=cut_to_fit(_short(sentence, step.name), _SUMMARY_PX + 4, 12.5),
            badge=self.badge(kind),
            after=[entry_words(each, self.drawn) for each in after],
            problems=faults,
            trouble=cut_to_fit(faults[0].message, _SUMMARY_PX - 15, 12.5) if faults else "",
            is_unfilled=bool(problems) and not faults,
            has_up=bool(after),
            has_down=is_followed,
        )

    def _repeated(self, step_id: str) -> str:
        """Return what the sentence of a step that repeats goes on with."""
        repeats = (self.step(step_id) or {}).get("for_each")
        items = repeats.get("items") if isinstance(repeats, dict) else None
        if isinstance(items, str) and items:
            return f", for every item of **{shorten(settings_in_words(items, self.words), 60)}**"
        return f", for each of **{len(items)}** items" if isinstance(items, list) and items else ""

    def _said(self, kind: StepType | None, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings with steps by their names and values in words."""
        config = dict(config)
        for field in kind.step_refs if kind else ():
            value = config.get(field)
            if isinstance(value, list):
                config[field] = [
                    self.names.get(each, each) if isinstance(each, str) else each for each in value
                ]
            elif isinstance(value, str):
                config[field] = self.names.get(value, value)
        said: dict[str, Any] = settings_in_words(config, self.words)
        return said


def lay(session: Session, workflow: Workflow, *, chosen: str = "", added: bool = False) -> Desk:
    """Put a workflow's draft on the desk; *added* where the chosen step was just added, and is being filled in."""
    former = partial(queries.former_names, session, workflow)
    around = partial(parts.problems, session, workflow.workspace_id)
    return Desk(workflow, queries.draft_of(session, workflow), chosen, added, former, around)


def new_step(desk: Desk, type_name: str, after: list[str]) -> dict[str, Any]:
    """Return a step of a type as it is when added: named, and fed by what comes before it."""
    kind = desk.kinds[type_name]
    step: dict[str, Any] = {
        "id": short_names.free_id(desk.data, kind.label), "type": type_name, "name": _free_name(desk, kind.label),
        "after": after, "config": _begun(kind),
    }  # fmt: skip
    parts = [graph.split(each) for each in after]
    reach = graph.predecessors(desk.drawn)
    made = {source for source, outcome in parts if outcome != "failed"}
    near = made.union(*(reach.get(source, ()) for source, _ in parts))
    for field in kind.step_refs:
        makers = [
            each for each in graph.topological_order(desk.drawn) if each in near and _makes(desk, each, field)
        ]
        last = [each for each in makers if not any(each in reach[other] for other in makers)]
        if last:
            step["config"][field] = last[0] if len(last) == 1 else last
    return step


def _begun(kind: StepType) -> dict[str, Any]:
    """Return the settings to begin with: a first comparison to fill in where there must be a condition."""
    return {
        info.alias or name: dict(BLANK)
        for name, info in kind.config.model_fields.items()
        if info.is_required() and (info.json_schema_extra or {}).get("widget") == "condition"  # type: ignore[union-attr]  # ours are mappings
    }


def ends_beside(desk: Desk, after: Sequence[str]) -> list[str]:
    """Return entries for where other lanes end that part from the one that *after* ends: to bring them together."""
    if len(after) != 1 or graph.split(after[0])[1] == "failed":
        return []
    source = graph.split(after[0])[0]
    above = graph.predecessors(desk.drawn)
    below = graph.following(desk.drawn, [source])
    return [
        edit.entry(step.id, main)
        for step in desk.drawn.steps
        for main in [edit.main_outcome(desk.types.get(step.type))]
        if step.id not in below | above[source] | {source}
        and above[step.id] & above[source]
        and not edit.followers(desk.data, step.id, main)
    ]


def _unmarked(names: Mapping[str, str]) -> dict[str, str]:
    """Return names without the marks that make a value stand out in a sentence."""
    return {key: name.replace("**", "") for key, name in names.items()}


def _free_name(desk: Desk, wanted: str) -> str:
    """Return a name that no step has, so that lists of steps can be told apart."""
    taken, number = set(desk.names.values()), 1
    while (found := wanted if number == 1 else f"{wanted} {number}") in taken:
        number += 1
    return found


def _makes(desk: Desk, step_id: str, field: str) -> bool:
    facts = desk.types.get(desk.drawn.step(step_id).type)
    return bool(facts and facts.output_fields and field in facts.output_fields)


def _sentence(kind: StepType | None, config: Mapping[str, Any]) -> str:
    if kind is None:
        return "This kind of step is not known here"
    try:
        return kind.summary(config)
    except Exception:  # noqa: BLE001 (a package's own words, made from settings that may be anything)
        return kind.label


def _short(sentence: str, name: str) -> str:
    """Return the sentence without marks, and without the words that the name has said already."""
    plain = sentence.replace("**", "")
    return plain.partition(": ")[2] or plain if plain.lower().startswith(name.lower()) else plain


def _key_of(data: Mapping[str, Any], place: str) -> str:
    inputs = data.get("inputs")
    if isinstance(inputs, list) and place.isdecimal() and int(place) < len(inputs):
        question = inputs[int(place)]
        return str(question.get("key", "")) if isinstance(question, dict) else ""
    return ""
