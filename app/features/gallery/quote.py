"""What a launch will do, said before Start: the answers in words, what the AI is told, who is asked, what leaves."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from app.core.ids import is_id
from app.definition import launch_form, tables, vehicle
from app.definition.conditions import ConditionUnclear, evaluate_condition
from app.definition.schema import Definition, Input, InputType, Step
from app.definition.value_filters import FILTERS
from app.definition.values import (
    Expression,
    Filtered,
    Named,
    Part,
    ValueInvalid,
    ValueProblem,
    as_text,
    evaluate,
    parse_value,
    resolve,
)
from app.engine import catalog
from app.engine.contract import Effect, StepType
from app.features.gallery import vins

_LONG = 400
_WORKING = frozenset({"generate_copy", "generate_image"})
_SAID = {
    "attach_images": "Pictures can be swapped later",
    "condition": "What comes next depends on it",
    "delay": "The run goes on by itself then",
    "review": "By e-mail, on a phone, without an account",
    "notify": "By e-mail, with a link to all of it",
    "transform": "From your answers",
}
_A_TEXT, _A_PICTURE = 10_000, 40_000  # micro-dollars: rough prices of one text step and of one picture
_ENDS = {
    "reject": "it counts as a no",
    "approve": "it goes on as if approved",
    "expire": "it ends without a decision",
}
_REFUSALS = frozenset({"rejected", "expired", "failed"})


class Fate(StrEnum):
    """Whether a run that goes well comes to a step: surely, perhaps, or not with these answers."""

    WILL = "will"
    MAY = "may"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Row:
    """One answer in words, its pictures, and the page (from 1) where it can be changed."""

    key: str
    label: str
    text: str
    page: int
    is_answered: bool
    image_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the sentence that the AI is told; *is_answer* marks what came from the form."""

    text: str
    is_answer: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A review, the addresses it asks, what becomes of it unanswered; *may* when the run may pass it by."""

    name: str
    people: tuple[str, ...]
    unanswered: str
    may: bool


@dataclass(frozen=True, slots=True)
class Below:
    """A step that runs another workflow, by its name where that is told; *may* when not every run comes to it."""

    name: str
    workflow: str
    may: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that the run sends, to whom; *may* when not every run sends it."""

    name: str
    people: tuple[str, ...]
    may: bool


@dataclass(frozen=True, slots=True)
class Made:
    """One step of "how it is made": icon, name, a sentence."""

    icon: str
    name: str
    text: str


def rows(
    definition: Definition, inputs: Mapping[str, Any], zone: ZoneInfo, titles: Mapping[str, str] | None = None
) -> list[Row]:
    """Return all answers in words, in the order they were asked; *titles* names documents and pictures by their id."""
    return [
        _row(question, inputs.get(question.key), number, zone, titles or {})
        for number, (_, questions) in enumerate(launch_form.pages(definition), 1)
        for question in questions
    ]


def fixed_rows(definition: Definition, zone: ZoneInfo, titles: Mapping[str, str]) -> list[Row]:
    """Return what is never asked, and always the same, in words; such rows have page 0."""
    return [_row(question, question.default, 0, zone, titles) for question in launch_form.fixed(definition)]


def handed_ids(definition: Definition, inputs: Mapping[str, Any]) -> set[str]:
    """Return the ids of all documents and pictures that answers and fixed answers name."""
    return {
        each
        for question in definition.inputs
        for each in launch_form.handed_ids(question, question.default if question.fixed else inputs.get(question.key))
    }


def _row(question: Input, value: Any, page: int, zone: ZoneInfo, titles: Mapping[str, str]) -> Row:
    ids = launch_form.handed_ids(question, value)
    if question.type in launch_form.HANDED:
        text = ", ".join(titles.get(each, "one that is no longer there") for each in ids)
    else:
        text = in_words(question, value, zone)
    images = tuple(ids) if question.type in (InputType.IMAGE, InputType.IMAGES) else ()
    return Row(question.key, question.label, text, page, bool(text), images)


def in_words(question: Input, value: Any, zone: ZoneInfo) -> str:
    """Write one answer as people say it; nothing for none. Long texts are cut."""
    if value is None or value in ("", []):
        return ""
    match question.type:
        case InputType.BOOLEAN:
            return "Yes" if value else "No"
        case InputType.MONEY:
            return str(FILTERS["money"].run(value))
        case InputType.PERCENT:
            return f"{as_text(value)}\u00a0%"
        case InputType.DATE:
            return _day(date.fromisoformat(str(value)))
        case InputType.DATETIME:
            local = datetime.fromisoformat(str(value)).astimezone(zone)
            return f"{_day(local)}, {local:%H:%M}"
        case InputType.INTEGER | InputType.NUMBER:
            return f"{value:,}"
        case InputType.CHOICE:
            return str(value)[:1].upper() + str(value)[1:]
        case InputType.VIN | InputType.VEHICLE:
            return _vehicle(value) if isinstance(value, dict) else _vin(str(value))
        case InputType.CSV:
            return _table(str(value))
        case InputType.JSON:
            return _cut(str(FILTERS["json"].run(value)))
        case _:
            return _cut(as_text(value))


def _vin(value: str) -> str:
    facts = vins.describe(value)
    return f"{value} · {facts}" if facts else value


def _vehicle(value: Mapping[str, Any]) -> str:
    """Say a vehicle, its numbers after it, and where its VIN comes from."""
    made, vin = vins.made_in(str(value.get("vin") or "")), value.get("vin")
    numbers = (f"stock number {value['stock']}" if value.get("stock") else "", f"VIN {vin}" if vin else "", made)
    words = vehicle.in_words(value)
    return " · ".join([words, *(each for each in numbers if each and each not in words)])


def told(definition: Definition, answers: Mapping[str, Any], run: Mapping[str, Any]) -> list[Piece]:
    """Return the first sentences that the AI is told, with the answers as they stand, missing ones included."""
    writing = next((step for step in definition.steps if step.type == "generate_copy"), None)
    if writing is None:
        return []
    known = {question.key: question.default for question in definition.inputs}
    known |= {key: value for key, value in answers.items() if value not in (None, "")}
    scope = {"inputs": _whole(definition, known), "run": dict(run), "steps": {}}
    scope["steps"] = {step.id: _set_in_words(step, scope) for step in definition.steps if step.type == "transform"}
    return list(_pieces(str(writing.config.get("prompt", "")), scope))


def _whole(definition: Definition, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return answers as they stand, where each vehicle has all its parts: so it reads as one."""
    vehicles = {question.key for question in definition.inputs if question.type is InputType.VEHICLE}
    return {
        key: vehicle.whole(value) if key in vehicles and isinstance(value, Mapping) else value
        for key, value in answers.items()
    }


def asked(definition: Definition, scope: Mapping[str, Any]) -> list[Asked]:
    """Return the reviews that may come, with whom they ask, as far as the answers tell."""
    fates = _fates(definition, scope)
    return [
        Asked(
            step.name,
            _people(step.config.get("approvers"), scope),
            _unanswered({**_usual(step.type), **_filled(step.config, scope)}),
            fates[step.id] is Fate.MAY,
        )
        for step in definition.steps
        if step.type == "review" and fates[step.id] is not Fate.NEVER
    ]


def _usual(type_name: str) -> dict[str, Any]:
    """Return the settings of a step type that hold where a step does not say otherwise."""
    step_type = catalog.step_type(type_name)
    fields = step_type.config.model_fields if step_type else {}
    return {name: info.default for name, info in fields.items() if not info.is_required()}


def _unanswered(config: Mapping[str, Any]) -> str:
    """Say after how many hours a review gives up and what follows; "" where it waits, or only the run can tell."""
    hours, ends = config.get("expires_after_hours"), _ENDS.get(str(config.get("on_expiry")))
    return f"Without an answer in {hours:g}\u00a0h {ends}." if ends and isinstance(hours, int | float) else ""


def mails(definition: Definition, scope: Mapping[str, Any]) -> list[Mail]:
    """Return the mails that the run's own steps send."""
    fates = _fates(definition, scope)
    return [
        Mail(step.name, _people(step.config.get("to"), scope), fates[step.id] is Fate.MAY)
        for step in definition.steps
        if step.type == "notify" and fates[step.id] is not Fate.NEVER
    ]


def parts(definition: Definition, scope: Mapping[str, Any]) -> list[Below]:
    """Return the steps that run another workflow, which asks and sends by itself."""
    fates = _fates(definition, scope)
    return [
        Below(step.name, "" if is_id(name := str(step.config.get("workflow", ""))) or "{{" in name else name,
              fates[step.id] is Fate.MAY)
        for step in definition.steps
        if step.type == "run_workflow" and fates[step.id] is not Fate.NEVER
    ]  # fmt: skip


def sends_nothing_else(definition: Definition) -> bool:
    """Tell whether mails and requests for approval are all that leaves the house."""
    types = catalog.step_types()
    sending = {name for name, step_type in types.items() if step_type.effect is Effect.SENDS}
    return not any(step.type in sending - {"notify", "review"} for step in definition.steps)


def made(definition: Definition, inputs: Mapping[str, Any]) -> list[Made]:
    """Return how it is made, step by step, with *inputs* in the sentences."""
    scope = {"inputs": _whole(definition, inputs), "run": {"started_by": {"name": "you", "email": "you"}}}
    return [
        _made(step, definition, scope) for step in definition.steps if step.type not in ("parallel", "merge")
    ]


def estimate(definition: Definition, inputs: Mapping[str, Any]) -> tuple[float, int]:
    """Return minutes of work and micro-dollars of a run that nobody has measured yet: rough, by the types' own figures.

    Steps that stand beside each other count once, by the longest way through; what is done for each of several things
    counts as often as the answers tell.
    """
    scope = {"inputs": dict(inputs), "run": {}, "steps": {}}
    ends: dict[str, float] = {}
    cost = 0
    for step in _in_order(definition):
        step_type = catalog.step_type(step.type)
        begin = max((ends.get(entry.partition(":")[0], 0.0) for entry in step.after), default=0.0)
        times = _times(step, scope)
        rounds = -(-times // step.for_each.parallel) if step.for_each else 1
        ends[step.id] = begin + (step_type.typical_s * rounds if step_type else 0.0)
        if step.type in _WORKING:
            count = _filled(step.config.get("count", 1), scope)
            number = count if isinstance(count, int) else 1
            one = _A_PICTURE * number if step.type == "generate_image" else _A_TEXT + _A_TEXT // 10 * number
            cost += one * times
    return max(ends.values(), default=0.0) / 60, cost


def _times(step: Step, scope: Mapping[str, Any]) -> int:
    """Return how often a step is done; once where only the run can tell."""
    items = _filled(step.for_each.items, scope) if step.for_each else None
    return len(items) if isinstance(items, list) else 1


def at_hand(definition: Definition) -> list[Input]:
    """Return what one should have at hand: the required questions, then optional ones that nothing answers for you."""
    required = [question for question in launch_form.asked(definition) if question.required]
    useful = (
        InputType.TEXT,
        InputType.LONG_TEXT,
        InputType.URL,
        InputType.VIN,
        InputType.EMAIL,
        InputType.MONEY,
    )
    rest = [q for q in launch_form.asked(definition) if not q.required and q.default is None and q.type in useful]
    return (required + rest)[:6]


def _made(step: Step, definition: Definition, scope: Mapping[str, Any]) -> Made:
    step_type = catalog.step_type(step.type)
    if step_type is None:
        return Made("route", step.name, "")
    text = _SAID.get(step.type) or _summary(step_type, _filled(step.config, scope))
    beside = [other for other in definition.steps if other.after == step.after and other.type in _WORKING]
    if len(beside) > 1 and step in beside[1:]:
        text = f"{text}, at the same time" if text else "At the same time"
    return Made(step_type.icon, step.name, text)


def _summary(step_type: StepType, config: Mapping[str, Any]) -> str:
    """Return the type's own sentence without the prompt that may follow it; nothing where a run alone can tell."""
    try:
        text = step_type.summary(config).partition(": ")[0].replace("**", "")
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""
    return "" if "{{" in text else text


def _set(step: Step, scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a transform will give, as far as the answers tell already."""
    written = step.config.get("set")
    if not isinstance(written, dict):
        return {}
    filled = {key: _filled(value, scope) for key, value in written.items()}
    return {key: value for key, value in filled.items() if value != written[key] or "{{" not in str(value)}


def _set_in_words(step: Step, scope: dict[str, Any]) -> dict[str, Any]:
    """Return what a transform will give, with "…" in its texts where an answer is missing."""
    written: Any = step.config.get("set")
    return {
        key: "".join(piece.text for piece in _pieces(written[key], scope)) if isinstance(value, str) else value
        for key, value in _set(step, scope).items()
    }


def _filled(value: Any, scope: Mapping[str, Any]) -> Any:
    """Return a config with the values that are known already; the others stay as they are written."""
    if isinstance(value, dict):
        return {key: _filled(part, scope) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, scope) for part in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    try:
        return evaluate(value, scope)
    except ValueProblem:
        return value


def _people(written: Any, scope: Mapping[str, Any]) -> tuple[str, ...]:
    filled = _filled(written, scope)
    found: list[Any] = []
    for item in filled if isinstance(filled, list) else [filled]:
        found += item if isinstance(item, list) else [item]
    return tuple(dict.fromkeys(one for one in found if isinstance(one, str) and one and "{{" not in one))


def _fates(definition: Definition, scope: Mapping[str, Any]) -> dict[str, Fate]:
    """Return what becomes of each step in a run that goes well: nothing fails, and reviews are approved."""
    fates: dict[str, Fate] = {}
    ways: dict[str, str] = {}
    for step in _in_order(definition):
        edges = {entry: _edge(definition, entry, fates, ways) for entry in step.after}
        fates[step.id] = _any(edges) if step.join == "any" else _all(list(edges.values()))
        tree = step.config.get("if") if step.type == "condition" else None
        if step.when is not None and fates[step.id] is not Fate.NEVER:
            way = _way(step.when, scope)
            fates[step.id] = Fate.NEVER if way == "no" else fates[step.id] if way else Fate.MAY
        ways[step.id] = _way(tree, scope) if tree is not None else ""
    return fates


def _in_order(definition: Definition) -> list[Step]:
    """Return the steps so that each stands behind those that it comes after."""
    left, found, known = list(definition.steps), list[Step](), set[str]()
    while left:
        ready = [step for step in left if all(entry.partition(":")[0] in known for entry in step.after)]
        if not ready:
            return [*found, *left]
        found += ready
        known |= {step.id for step in ready}
        left = [step for step in left if step.id not in known]
    return found


def _edge(definition: Definition, entry: str, fates: Mapping[str, Fate], ways: Mapping[str, str]) -> Fate:
    source, _, outcome = entry.partition(":")
    fate = fates.get(source, Fate.MAY)
    if fate is Fate.NEVER:
        return fate
    if outcome in _REFUSALS:
        return Fate.MAY
    if definition.step(source).type == "condition":
        way = ways.get(source, "")
        return Fate.MAY if not way else fate if way == outcome else Fate.NEVER
    return fate


def _all(edges: list[Fate]) -> Fate:
    return Fate.NEVER if Fate.NEVER in edges else Fate.MAY if Fate.MAY in edges else Fate.WILL


def _any(edges: Mapping[str, Fate]) -> Fate:
    """Return the fate of a step that one way is enough for.

    Two ways that are no refusals are alternatives: one of them will be taken.
    """
    open_ = {entry: fate for entry, fate in edges.items() if fate is not Fate.NEVER}
    good = [fate for entry, fate in open_.items() if entry.partition(":")[2] not in _REFUSALS]
    if len(good) > 1 or Fate.WILL in good:
        return Fate.WILL
    return Fate.MAY if open_ else Fate.NEVER


def _way(tree: Any, scope: Mapping[str, Any]) -> str:
    """Return how a condition will go by the answers; nothing where they do not tell."""
    if "inputs" not in scope:
        return ""
    try:
        return "yes" if evaluate_condition(tree, scope).value else "no"
    except (ConditionUnclear, ValueProblem, KeyError, TypeError, ValueError):
        return ""


def _pieces(prompt: str, scope: dict[str, Any]) -> Iterator[Piece]:
    try:
        pieces: Iterable[Any] = parse_value(prompt).pieces
    except ValueInvalid:
        return
    for piece in pieces:
        if isinstance(piece, str):
            yield Piece(piece)
            continue
        try:
            text = as_text(resolve(piece, scope))
        except ValueProblem:
            text = ""
        is_answer = not text or _is_answered(piece, scope["inputs"])
        yield Piece(_cut(text, 160 if is_answer else _LONG) or "…", is_answer=is_answer)


def _is_answered(expression: Expression, answers: Mapping[str, Any]) -> bool:
    """Tell whether a value came from an answer, not from what stands in for a missing one."""
    match expression:
        case Named(("inputs", str(key), *_)):
            return answers.get(key) not in (None, "")
        case Filtered(of, _, _) | Part(of, _):
            return _is_answered(of, answers)
        case _:
            return False


def _table(text: str) -> str:
    try:
        table = tables.read(text)
    except tables.TableInvalid:
        return _cut(text)
    rows_ = "1\u00a0row" if len(table.rows) == 1 else f"{len(table.rows):,}\u00a0rows"
    return f"{rows_}: {', '.join(table.headings)}"


def _day(value: date) -> str:
    return f"{value.day}\u00a0{value:%b %Y}"


def _cut(text: str, most: int = _LONG) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
