"""The builder's forms: a step's settings made from its schema, a workflow's questions and details."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import wtforms
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import InputRequired, Length

from app.core import yaml
from app.core.errors import FieldError, Invalid
from app.definition import schema
from app.definition.edit import EditImpossible, entry, free_id
from app.definition.parts import NAME_PATTERN, Definition, Input, Limits, TypeFacts
from app.definition.problems import Problem
from app.definition.sentences import OPERATORS as OPERATOR_WORDS
from app.engine.contract import StepType
from app.features.workflows.models import Workflow
from app.features.workflows.offers import Offer, makers
from app.web import written
from app.web.forms import Form, settings_of
from app.web.setting_fields import (
    ABSENT,
    Choice,
    Condition,
    Json,
    Many,
    Number,
    Setting,
    Text,
)

Posted = MultiDict[str, str]

_OUTCOMES = {"failed": "if it fails"}
_RETRY = ("attempts", "backoff", "delay_s", "max_delay_s")
_MORE = ("after", "join", "on_failure", "timeout_s", *_RETRY, "items", "parallel", "id")
OPERATORS = list(OPERATOR_WORDS.items())


class StepForm:
    """A step as a form: *settings* from its type's schema, and what every step has.

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
        pictures: Sequence[tuple[str, str]] = (),
        people: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._step = dict(step)
        self._act = posted.get("act", "") if posted else ""
        self.kind = kind
        self.people = list(people)
        config = step.get("config")
        self._config: dict[str, Any] = config if isinstance(config, dict) else {}
        offered = _chooser(str(step.get("id")), drawn, types, pictures, people)
        fields: dict[str, Any] = {"s-name": Text("Name", required=True)}
        fields |= settings_of(kind.config, prefix="c-", offered=offered) if kind else {}
        known = {name.removeprefix("c-") for name in fields}
        fields |= {
            f"c-{key}": Json(key, description="Not known here.") for key in self._config if key not in known
        }
        fields |= _of_every_step(str(step.get("id")), drawn, types)
        made = type("StepSettings", (wtforms.Form,), fields)
        self.fields: dict[str, Setting] = dict(made(posted, data=self._stored())._fields)

    @property
    def settings(self) -> list[Setting]:
        """The settings of the step's type."""
        return [field for name, field in self.fields.items() if name.startswith("c-")]

    @property
    def more(self) -> list[Setting]:
        """What every step has, beside its name and its condition."""
        return [self.fields[f"s-{name}"] for name in _MORE]

    @property
    def changed(self) -> list[str]:
        """The words of what somebody changed."""
        return [str(field.label.text) for field in self.fields.values() if field.is_changed]

    @property
    def notes(self) -> int:
        """How many problems stand beside its fields."""
        return sum(len(field.notes) for field in self.fields.values())

    def step(self) -> dict[str, Any]:
        """Return the step as the form has it; its id stays (see :attr:`new_id`)."""
        step, config = dict(self._step), dict(self._config)
        for name, field in self.fields.items():
            if not field.is_changed:
                continue
            part, _, key = name.partition("-")
            if part == "c":
                _put(config, key, field.data)
            elif key in ("name", "after", "join", "when", "on_failure", "timeout_s"):
                _put(step, key, field.data)
        if config or "config" in step:
            step["config"] = config if isinstance(step.get("config", {}), dict) else step["config"]
        self._put_part(step, "retry", _RETRY, needed="attempts")
        self._put_part(step, "for_each", ("items", "parallel"), needed="items")
        return step

    def onto(self, now: "StepForm", clash: "list[Clash]", *, is_sure: bool) -> Posted:
        """Return what to post to *now* so that what was changed here is changed there, and nothing else.

        Fills *clash* with what somebody else has changed meanwhile to something else, unless one *is_sure*.
        """
        pairs: list[tuple[str, str]] = [("act", self._act)] if self._act else []
        for name, field in self.fields.items():
            other = now.fields.get(name)
            if not field.is_changed:
                pairs += other.pairs() if other is not None else []
                continue
            pairs += field.posted
            if other is None or is_sure or same_setting(other.stored, field.stored):
                continue
            if not same_setting(other.stored, field.data):
                clash.append(Clash(str(field.label.text), _shown(other.stored), _shown(field.data)))
        return MultiDict([*pairs, ("posted", "1")])

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
                field.notes.append(_in_words(problem))
        return left

    def _stored(self) -> dict[str, Any]:
        """Return what is stored by field; what is not written down is left out."""
        stored = {f"s-{key}": value for key, value in self._step.items() if f"s-{key}" not in ("s-config",)}
        for part in ("retry", "for_each"):
            inner = self._step.get(part)
            if isinstance(inner, dict):
                stored |= {f"s-{key}": value for key, value in inner.items()}
        return stored | {f"c-{key}": value for key, value in self._config.items()}

    def _put_part(self, step: dict[str, Any], part: str, keys: Sequence[str], *, needed: str) -> None:
        changed = {key: self.fields[f"s-{key}"] for key in keys if self.fields[f"s-{key}"].is_changed}
        if not changed:
            return
        old = step.get(part)
        inner = dict(old) if isinstance(old, dict) else {}
        for key, field in changed.items():
            _put(inner, key, field.data)
        if inner.get(needed) in (None, "", ABSENT):
            inner = {}
        if inner:
            step[part] = inner
        elif old is not None:
            step[part] = None

    def _field_of(self, path: str) -> Setting | None:
        return self.fields.get(field_name(path))


def field_name(path: str) -> str:
    """Return the name of the field that a path within a step is about; "" for the step as a whole."""
    parts = path.split("/")[1:]
    if parts[:1] == ["config"] and len(parts) > 1:
        return f"c-{parts[1].replace('~1', '/').replace('~0', '~')}"
    if parts[:1] in (["retry"], ["for_each"]):
        return f"s-{parts[1]}" if len(parts) > 1 else {"retry": "s-attempts", "for_each": "s-items"}[parts[0]]
    return f"s-{parts[0]}" if parts and parts[0] else ""


@dataclass(frozen=True, slots=True)
class Clash:
    """A setting that two people changed: what it is now (*theirs*), and what was to be saved (*mine*)."""

    label: str
    theirs: str
    mine: str


def same_setting(one: Any, other: Any) -> bool:
    """Tell whether two settings are the same, written down or not."""
    if one is ABSENT or other is ABSENT:
        return one is other
    return written.same(one, other)


def _shown(value: Any) -> str:
    return (
        "nothing"
        if value in (ABSENT, None, "")
        else value
        if isinstance(value, str)
        else written.write(value)
    )


def entry_words(written: str, drawn: Definition) -> str:
    """Say an entry of ``after``: "Ask the manager: approved"."""
    source, _, outcome = written.partition(":")
    name = drawn.step(source).name if drawn.has_step(source) else source
    return f"{name}: {_OUTCOMES.get(outcome, outcome)}" if outcome and outcome != "done" else name


def value_choices(offered: Sequence[Offer]) -> list[tuple[str, str]]:
    """Return values as choices of a condition's left side; of lists, their length too."""
    found = []
    for each in offered:
        found.append((each.text, each.label))
        if each.is_list:
            found.append((each.text.replace(" }}", " | length }}"), f"number of: {each.label}"))
    return found


def _put(target: dict[str, Any], key: str, value: Any) -> None:
    if value is ABSENT:
        target.pop(key, None)
    else:
        target[key] = value


def _in_words(problem: Problem) -> str:
    return f"{problem.message} {problem.fix}".strip()


def _chooser(
    step_id: str,
    drawn: Definition,
    types: Mapping[str, TypeFacts],
    pictures: Sequence[tuple[str, str]],
    people: Sequence[tuple[str, str]],
) -> Callable[[str, Mapping[str, Any]], Sequence[tuple[str, str]] | None]:
    def offered(key: str, extra: Mapping[str, Any]) -> Sequence[tuple[str, str]] | None:
        match extra.get("widget"):
            case "step":
                return makers(drawn, step_id, str(extra.get("makes", key)), types)
            case "images":
                return pictures
            case "people":
                return people
        return None

    return offered


def _of_every_step(step_id: str, drawn: Definition, types: Mapping[str, TypeFacts]) -> dict[str, Any]:
    entries = []
    for other in drawn.steps:
        facts = types.get(other.type)
        if other.id != step_id:
            found = [entry(other.id, each) for each in (*(facts.outcomes if facts else ("done",)), "failed")]
            entries += [(each, entry_words(each, drawn)) for each in found]
    return {
        "s-when": Condition(
            "Only when",
            usual=None,
            description="Otherwise the step is skipped and says why.",
        ),
        "s-after": Many(
            "Runs after", usual=[], choices=entries, description="Nothing: it starts at once."
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
        "s-timeout_s": Number("Longest time for one try", usual=120, unit="seconds"),
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
        "s-delay_s": Number("First pause", usual=1.0, unit="seconds"),
        "s-max_delay_s": Number("Longest pause", usual=1800.0, unit="seconds"),
        "s-items": Text(
            "Do it for every item of",
            usual=None,
            description="A list, such as an answer with several documents. Empty: once.",
            is_list_too=True,
            render_kw={"widget": "value"},
        ),
        "s-parallel": Number("Items at the same time", usual=3),
        "s-id": Text(
            "Short name",
            required=True,
            description="Other steps use what this one makes by this name.",
        ),
    }  # fmt: skip


# --- questions -----------------------------------------------------------------------------------------------------

_QUESTION_PARTS = {
    "label": "Question", "type": "Kind of answer", "required": "Must be answered", "choices": "Choices",
    "help": "Help under the question", "placeholder": "Example in the empty field", "default": "Answer to begin with",
    "group": "Page", "min": "At least", "max": "At most", "max_length": "Longest answer", "key": "Short name",
}  # fmt: skip
TYPE_WORDS = {
    "text": "Short text", "long_text": "Long text", "number": "Number", "integer": "Whole number", "money": "Money",
    "percent": "Percent", "boolean": "Yes or no", "date": "Date", "datetime": "Date and time",
    "choice": "One of several",
    "multi_choice": "Several of several", "email": "E-mail address", "phone": "Phone number", "url": "Web address",
    "vin": "VIN", "document": "A document", "documents": "Documents", "image": "A picture", "images": "Pictures",
    "people": "People", "csv": "Table (CSV)", "json": "Data (JSON)",
}  # fmt: skip
_WITH_CHOICES = ("choice", "multi_choice")
_BOUNDED = (
    "number",
    "integer",
    "money",
    "percent",
    "date",
    "datetime",
    "text",
    "long_text",
    "documents",
    "images",
    "people",
)


class QuestionForm:
    """A question as a form, made from the schema of inputs; it shows what its kind of answer can have."""

    def __init__(self, question: Mapping[str, Any], posted: Posted | None = None) -> None:
        self._question = dict(question)
        made = type("QuestionSettings", (wtforms.Form,), _question_fields())
        stored = {f"q-{key}": value for key, value in question.items()}
        self.fields: dict[str, Setting] = dict(made(posted, data=stored)._fields)

    @property
    def shown(self) -> list[Setting]:
        """The settings that the kind of answer has, and those that hold something all the same."""
        kind = str(self._question.get("type", "text"))
        hidden = set()
        if kind not in _WITH_CHOICES and not self._question.get("choices"):
            hidden.add("q-choices")
        for key in ("min", "max"):
            if kind not in _BOUNDED and self._question.get(key) is None:
                hidden.add(f"q-{key}")
        if "text" not in kind and self._question.get("max_length") is None:
            hidden.add("q-max_length")
        return [self.fields[f"q-{key}"] for key in _QUESTION_PARTS if f"q-{key}" not in hidden]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """The pairs of what is not shown, so that it is posted as it is."""
        shown = {field.name for field in self.shown}
        return [pair for name, field in self.fields.items() if name not in shown for pair in field.pairs()]

    def question(self) -> dict[str, Any]:
        """Return the question as the form has it."""
        question = dict(self._question)
        for name, field in self.fields.items():
            if field.is_changed:
                _put(question, name.removeprefix("q-"), field.data)
        return question

    @property
    def new_key(self) -> str:
        """The key that the form gives it; the old one where that is none."""
        wanted = str(self.fields["q-key"].data).strip()
        return wanted if re.match(NAME_PATTERN, wanted) else str(self._question.get("key"))

    def show(self, problems: Iterable[Problem], place: int) -> list[Problem]:
        """Put the question's problems beside their fields; return those that fit none of them."""
        left = []
        for problem in problems:
            parts = problem.path.split("/")[1:]
            if parts[:2] == ["inputs", str(place)]:
                field = self.fields.get(f"q-{parts[2]}") if len(parts) > 2 else None
                if field is None:
                    left.append(problem)
                else:
                    field.notes.append(_in_words(problem))
        return left


def find_question(data: Mapping[str, Any], key: str) -> tuple[int, dict[str, Any] | None]:
    """Return place and question of a key; (-1, None) when there is none."""
    for place, each in enumerate(data.get("inputs") or ()):
        if isinstance(each, dict) and each.get("key") == key:
            return place, each
    return -1, None


def with_free_key(data: dict[str, Any], key: str, wanted: str) -> dict[str, Any]:
    """Return *data* when the key *wanted* is free for the question *key*. Raises EditImpossible."""
    if wanted != key and find_question(data, wanted)[1] is not None:
        raise EditImpossible(f"Another question has the short name “{wanted}”.")
    return data


def change_questions(data: dict[str, Any], key: str, action: str, label: str) -> tuple[dict[str, Any], str]:
    """Add a question (and return its key), or move or delete the one with *key*. Raises EditImpossible."""
    new = deepcopy(data)
    if not isinstance(new.get("inputs"), list):
        new["inputs"] = []
    listed: list[Any] = new["inputs"]
    if action == "add":
        words = " ".join(label.split())[:300] or "New question"
        made = free_id(
            {"steps": [{"id": each.get("key")} for each in listed if isinstance(each, dict)]}, words
        )
        listed.append({"key": made, "label": words, "type": "text"})
        return new, made
    place, found = find_question(new, key)
    if found is None:
        raise EditImpossible("Somebody deleted this question while you were at it.")
    to = {"up": place - 1, "down": place + 1}.get(action)
    if action == "remove":
        del listed[place]
    elif to is None or not 0 <= to < len(listed):
        raise EditImpossible("It cannot go further.")
    else:
        listed.insert(to, listed.pop(place))
    return new, ""


def _question_fields() -> dict[str, Any]:
    fields = settings_of(Input, prefix="q-", offered=lambda _key, _extra: None)
    fields["q-label"] = Text("", usual="", required=True)
    fields["q-type"] = Choice("", usual="text", choices=list(TYPE_WORDS.items()))
    fields["q-default"] = Json("", usual=None)
    fields["q-min"], fields["q-max"] = Json("", usual=None), Json("", usual=None)
    fields["q-help"] = Text("", usual="", rows=3)
    for key, words in _QUESTION_PARTS.items():
        fields[f"q-{key}"].args, fields[f"q-{key}"].kwargs["label"] = (), words
    return fields


# --- the workflow itself -------------------------------------------------------------------------------------------

ICONS = (
    "route", "writing", "photo", "mail", "car", "calendar-time", "speakerphone", "star", "users", "tool",
    "message-2", "chart-bar", "brand-facebook", "brand-instagram",
)  # fmt: skip


class NewForm(Form):
    """What a new workflow is called."""

    name = wtforms.StringField("Name", validators=[InputRequired("Give it a name."), Length(max=200)])


class DetailsForm(Form):
    """What a workflow is called and about, and its limits."""

    name = wtforms.StringField("Name", validators=[InputRequired("Give it a name."), Length(max=200)])
    description = wtforms.TextAreaField("What it is for", validators=[Length(max=2000)])
    category = wtforms.StringField("Category", validators=[Length(max=40)], description="Such as “Paid ads”.")
    tags = wtforms.StringField(
        "Tags", validators=[Length(max=400)], description="Words to find it by, with commas."
    )
    icon = wtforms.SelectField(
        "Icon",
        choices=[SelectChoice(each, each.replace("-", " ").capitalize()) for each in ICONS],
        validate_choice=False,
    )
    cost_usd = wtforms.StringField("Most it may cost", validators=[Length(max=20)])
    minutes = wtforms.StringField("Longest working time", validators=[Length(max=10)],
                                  description="Waiting for people does not count.")  # fmt: skip
    at_once = wtforms.StringField(
        "Most at once", validators=[Length(max=10)],
        description="Steps that spend or send, in all runs of this workflow together. More stand in line.",
    )  # fmt: skip

    def limited(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return *data* with the limits of the form. Raises Invalid when they are none."""
        cost = self.text("cost_usd").replace("$", "").replace(",", "").strip()
        wholes = {name: self.text(name).strip() for name in ("minutes", "at_once")}
        kept = data.get("limits")
        given: dict[str, Any] = {**kept} if isinstance(kept, dict) else {}
        given |= {"cost_usd": cost or None}
        given |= {name: _whole(text) if text else None for name, text in wholes.items()}
        try:
            Limits.model_validate(given)
        except ValidationError as invalid:
            words = {
                "cost_usd": "Write an amount like 5.00.", "minutes": "Write 1 to 43200 minutes.",
                "at_once": "Write 1 to 1000 steps.",
            }  # fmt: skip
            faults = [
                FieldError(f"/{each['loc'][0]}", "bad_value", words.get(str(each["loc"][0]), each["msg"]))
                for each in invalid.errors()
            ]
            raise Invalid("The limits are not right.", faults) from None
        return {**data, "limits": given}


def details_form(workflow: Workflow, data: Mapping[str, Any]) -> DetailsForm:
    """Return the form with what the workflow has."""
    limits = data.get("limits")
    limits = limits if isinstance(limits, dict) else {}
    return DetailsForm(
        None, name=workflow.name, description=workflow.description, category=workflow.category,
        tags=", ".join(map(str, workflow.tags or [])), icon=workflow.icon or ICONS[0],
        cost_usd=limits.get("cost_usd") or "", minutes=limits.get("minutes") or "",
        at_once=limits.get("at_once") or "",
    )  # fmt: skip


def _whole(text: str) -> int | str:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else text


# --- the text ------------------------------------------------------------------------------------------------------

MOST_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a pasted text, and in which *line* (from 1; 0 where it cannot be told)."""

    line: int
    path: str
    message: str
    fix: str


def as_text(data: Mapping[str, Any], kind: str) -> str:
    """Write a definition as people do: YAML, or JSON, without what holds anyway."""
    short = schema.compact(data)
    return json.dumps(short, ensure_ascii=False, indent=2) + "\n" if kind == "json" else yaml.dump(short)


def read_text(
    text: str, before: Mapping[str, Any], types: Mapping[str, TypeFacts]
) -> tuple[dict[str, Any] | None, list[Fault]]:
    """Return the definition that *text* holds, and what is wrong with it, each fault at its line.

    What was wrong *before* in the same way does not count: a draft in the making can be changed as text too.
    """
    if len(text) > MOST_CHARACTERS:
        return None, [
            Fault(
                0, "", f"The text has {len(text):,} characters.", f"At most {MOST_CHARACTERS:,} can be read."
            )
        ]
    try:
        data = yaml.load(text)
    except yaml.YamlInvalid as invalid:
        return None, [Fault(invalid.line, "", f"This cannot be read: {invalid.why}.", "Mend the text there.")]
    if not isinstance(data, dict):
        return None, [Fault(1, "", "This is no workflow.", "Begin with “schema: 1” and “steps:”.")]
    inner = data.get("definition")
    data = inner if isinstance(inner, dict) else data
    known = {(problem.path, problem.code) for problem in schema.check(before, types)}
    found = [problem for problem in schema.check(data, types) if (problem.path, problem.code) not in known]
    prefix = "/definition" if inner is data else ""
    lines = yaml.lines_of(text, [prefix + problem.path for problem in found])
    return data, [
        Fault(line, problem.path, problem.message, problem.fix)
        for line, problem in zip(lines, found, strict=True)
    ]
