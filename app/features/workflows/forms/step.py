"""A step as a form: settings made from its type's schema, and what every step has."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import wtforms
from werkzeug.datastructures import MultiDict

from app.definition.edit import carried, entry
from app.definition.parts import Definition, TypeFacts
from app.definition.problems import Problem, listed
from app.definition.sentences import OPERATORS as OPERATOR_WORDS
from app.engine.contract import StepType
from app.features.workflows.offers import Offer, makers
from app.web.condition_field import Condition
from app.web.forms import settings_of
from app.web.list_fields import Many
from app.web.record_fields import Records
from app.web.setting_fields import ABSENT, Choice, Json, Number, Setting, Text, put
from app.web.span_field import Span

Posted = MultiDict[str, str]

_OUTCOMES = {"failed": "if it fails"}
_RETRY = ("attempts", "backoff", "delay_s", "max_delay_s")
_MORE = ("after", "join", "on_failure", "timeout_s", *_RETRY, "items", "parallel", "id")
FEW = 8  # so many ticks are shown at once; of more only the chosen ones, and a list to add from
OPERATORS = list(OPERATOR_WORDS.items())


class StepForm:
    """A step as a form: *settings* from its type's schema, and what every step has.

    *offered* has what can be chosen by widget: ``images people documents_or_text workflow answers``.
    Without *posted* it shows the step; with it, :meth:`step` is the step as it then is. What nobody touched stays as it
    is written, whatever it is.
    """

    def __init__(
        self,
        step: Mapping[str, Any],
        kind: StepType | None,
        drawn: Definition,
        types: Mapping[str, TypeFacts],
        *,
        posted: Posted | None = None,
        offered: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> None:
        self._step = dict(step)
        self.kind = kind
        config = step.get("config")
        self._config: dict[str, Any] = config if isinstance(config, dict) else {}
        chooser = _chooser(str(step.get("id")), drawn, types, offered or {})
        fields: dict[str, Any] = {"s-name": Text("Name", required=True)}
        fields |= settings_of(kind.config, prefix="c-", offered=chooser) if kind else {}
        known = {name.removeprefix("c-") for name in fields}
        fields |= {
            f"c-{key}": Json(key, description="Not known here.") for key in self._config if key not in known
        }
        fields |= _of_every_step(str(step.get("id")), drawn, types)
        made = type("StepSettings", (wtforms.Form,), fields)
        self.fields: dict[str, Setting] = dict(made(posted, data=stored_settings(step))._fields)

    @property
    def settings(self) -> list[Setting]:
        """The settings of the step's type."""
        return [field for name, field in self.fields.items() if name.startswith("c-")]

    @property
    def more(self) -> list[Setting]:
        """What every step has, beside its name and its condition."""
        return [self.fields[f"s-{name}"] for name in _MORE]

    @property
    def conditions(self) -> dict[str, Any]:
        """Every condition by the name of its field."""
        return {name: field.shown for name, field in self.fields.items() if field.look == "condition"}

    @property
    def changed(self) -> list[str]:
        """The words of what somebody changed."""
        return [str(field.label.text) for field in self.fields.values() if field.is_changed]

    @property
    def has_other_fields(self) -> bool:
        """Tell whether what was changed decides which fields there are."""
        return any(field.is_changed and _widget(field) == "workflow" for field in self.fields.values())

    def redrawn(self, before: "StepForm") -> list[Setting]:
        """Return the fields that have other rows than *before*: they are shown anew after a save."""
        return with_other_rows(self.fields, before.fields)

    @property
    def notes(self) -> int:
        """How many problems stand beside its fields."""
        return sum(len(each.notes) for field in self.fields.values() for each in field.family)

    def step(self) -> dict[str, Any]:
        """Return the step as the form has it; its id stays (see :attr:`new_id`)."""
        step, config = dict(self._step), dict(self._config)
        for name, field in self.fields.items():
            if not field.is_changed:
                continue
            part, _, key = name.partition("-")
            if part == "c":
                put(config, key, field.data)
            elif key in ("name", "after", "join", "when", "on_failure", "timeout_s"):
                put(step, key, field.data)
        if config or "config" in step:
            step["config"] = config if isinstance(step.get("config", {}), dict) else step["config"]
        self._put_part(step, "retry", _RETRY, needed="attempts")
        self._put_part(step, "for_each", ("items", "parallel"), needed="items")
        return step

    @property
    def new_id(self) -> str:
        """The id that the form gives the step."""
        return str(self.fields["s-id"].data).strip()

    def show(self, problems: Iterable[Problem], place: int) -> list[Problem]:
        """Put the problems of the step at *place* beside their fields; return those that fit none of them."""
        left = []
        for problem in problems:
            field = self._field_of(problem.path.removeprefix(f"/steps/{place}"))
            if field is None:
                left.append(problem)
            else:
                field.notes.append(problem.sentence)
        return left

    def _put_part(self, step: dict[str, Any], part: str, keys: Sequence[str], *, needed: str) -> None:
        changed = {key: self.fields[f"s-{key}"] for key in keys if self.fields[f"s-{key}"].is_changed}
        if not changed:
            return
        old = step.get(part)
        inner = dict(old) if isinstance(old, dict) else {}
        for key, field in changed.items():
            put(inner, key, field.data)
        if inner.get(needed) in (None, "", ABSENT):
            inner = {}
        if inner:
            step[part] = inner
        elif old is not None:
            step[part] = None

    def _field_of(self, path: str) -> Setting | None:
        found = self.fields.get(field_name(path))
        return _inner(found, path.split("/")[3:]) if isinstance(found, Records) else found


def find_step(data: Mapping[str, Any], step_id: str) -> dict[str, Any] | None:
    """Return the step of an id as it is written; None when there is none."""
    known = (each for each in data.get("steps") or () if isinstance(each, dict) and each.get("id") == step_id)
    return next(known, None)


def stored_settings(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored by field; what is not written down is left out."""
    stored = {f"s-{key}": value for key, value in step.items() if key != "config"}
    for part in ("retry", "for_each"):
        inner = step.get(part)
        if isinstance(inner, dict):
            stored |= {f"s-{key}": value for key, value in inner.items()}
    config = step.get("config")
    return stored | {f"c-{key}": value for key, value in (config if isinstance(config, dict) else {}).items()}


def _inner(field: Records, parts: Sequence[str]) -> Setting:
    """Return the field of a record that a path is about: ``1/name`` is that of the second one's name."""
    if len(parts) < 2 or not parts[0].isdecimal() or int(parts[0]) >= len(field.rows):
        return field
    row = field.rows[int(parts[0])]
    found = next((each for each in row.fields if each.name == f"{row.name}.{parts[1]}"), None)
    return _inner(found, parts[2:]) if isinstance(found, Records) else found or field


def _widget(field: Setting) -> str:
    return str((field.render_kw or {}).get("widget", ""))


def with_other_rows(now: Mapping[str, Setting], before: Mapping[str, Setting]) -> list[Setting]:
    """Return the fields that show other rows than *before*."""
    return [
        field
        for name, field in now.items()
        if field.look in ("rows", "pairs", "documents", "many", "number", "span")
        and (name not in before or _size(field) != _size(before[name]))
    ]


def _size(field: Setting) -> int:
    """Return how many rows a field shows: one for a number that is a value, none for ticks that are all there."""
    if isinstance(field, Number):
        return int(field.text.startswith("{{"))
    if isinstance(field, Many) and len(field.options) <= FEW:
        return 0
    return len(field.pairs())


def field_name(path: str) -> str:
    """Return the name of the field that a path within a step is about; "" for the step as a whole."""
    parts = path.split("/")[1:]
    if parts[:1] == ["config"] and len(parts) > 1:
        return f"c-{parts[1].replace('~1', '/').replace('~0', '~')}"
    if parts[:1] in (["retry"], ["for_each"]):
        return f"s-{parts[1]}" if len(parts) > 1 else {"retry": "s-attempts", "for_each": "s-items"}[parts[0]]
    return f"s-{parts[0]}" if parts and parts[0] else ""


def entry_words(written: str, drawn: Definition) -> str:
    """Say an entry of ``after``: "Ask the manager: approved"."""
    source, _, outcome = written.partition(":")
    name = drawn.step(source).name if drawn.has_step(source) else source
    return f"{name}: {_OUTCOMES.get(outcome, outcome)}" if outcome and outcome != "done" else name


def entries_words(written: Sequence[str], drawn: Definition) -> str:
    """Say entries of ``after`` together: "Ask the manager: rejected or expired"."""
    grouped: dict[str, list[str]] = {}
    for each in written:
        grouped.setdefault(each.partition(":")[0], []).append(each)
    return listed([_outcomes_words(entries, drawn) for entries in grouped.values()])


def _outcomes_words(entries: Sequence[str], drawn: Definition) -> str:
    first, *others = entries
    outcomes = [each.partition(":")[2] or "done" for each in others]
    return listed([entry_words(first, drawn), *(_OUTCOMES.get(each, each) for each in outcomes)], "or")


def value_choices(offered: Sequence[Offer]) -> list[tuple[str, str]]:
    """Return values as choices of a condition's left side; of lists, their length too."""
    found = []
    for each in offered:
        found.append((each.text, each.label))
        if each.is_list:
            found.append((each.text.replace(" }}", " | length }}"), f"number of: {each.label}"))
    return found


def _chooser(
    step_id: str,
    drawn: Definition,
    types: Mapping[str, TypeFacts],
    offered: Mapping[str, Sequence[tuple[str, str]]],
) -> Callable[[str, Mapping[str, Any]], Sequence[tuple[str, str]] | None]:
    def choices(key: str, extra: Mapping[str, Any]) -> Sequence[tuple[str, str]] | None:
        widget = str(extra.get("widget", ""))
        if widget == "step":
            return makers(drawn, step_id, str(extra.get("makes", key)), types)
        return offered.get(widget)

    return choices


def _of_every_step(step_id: str, drawn: Definition, types: Mapping[str, TypeFacts]) -> dict[str, Any]:
    entries = []
    closed = {step_id} | (carried(drawn, step_id, types) if drawn.has_step(step_id) else set())
    for other in drawn.steps:
        facts = types.get(other.type)
        if other.id not in closed:
            found = [entry(other.id, each) for each in (*(facts.outcomes if facts else ("done",)), "failed")]
            entries += [(each, entry_words(each, drawn)) for each in found]
    return {
        "s-when": Condition(
            "Only when",
            usual=None,
            description="Otherwise the step is skipped and says why.",
        ),
        "s-after": Many(
            "Runs after", usual=[], choices=entries, description="With nothing ticked it starts at once."
        ),
        "s-join": Choice(
            "When it comes after several",
            usual="all",
            choices=[("all", "Wait for all of them"), ("any", "Go on after the first")],
            is_row=True,
        ),
        "s-on_failure": Choice(
            "If it fails",
            usual="stop",
            choices=[("stop", "Stop the run"), ("continue", "Go on without it")],
            is_row=True,
        ),
        "s-timeout_s": Span("Longest time for one try", usual=120),
        "s-attempts": Number(
            "Tries in all",
            usual=None,
            is_nullable=True,
            description="Empty: as often as fits what went wrong.",
        ),
        "s-backoff": Choice(
            "Pause between tries",
            usual="exponential",
            choices=[("fixed", "Always the same"), ("linear", "A little longer each time"),
                     ("exponential", "Twice as long each time")],
        ),
        "s-delay_s": Span("First pause", usual=1.0),
        "s-max_delay_s": Span("Longest pause", usual=1800.0),
        "s-items": Text(
            "Do it for every item of",
            usual=None,
            description="A list, such as an answer with several documents. Empty: once.",
            is_list_too=True,
            needs="list",
            render_kw={"widget": "value"},
        ),
        "s-parallel": Number("Items at the same time", usual=3),
        "s-id": Text(
            "Short name",
            required=True,
            description="Other steps use what this one makes by this name.",
        ),
    }  # fmt: skip
