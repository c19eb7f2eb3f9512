"""A form gives back what it was made from: for every step type, whatever its settings are."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Literal, get_args, get_origin

import pytest
from flask import Flask, render_template_string
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from werkzeug.datastructures import MultiDict

import app.steps as step_package
from app.core.settings import Settings
from app.definition import vehicle
from app.definition.conditions import Condition
from app.definition.parts import InputType
from app.definition.problems import Problem
from app.definition.sentences import OPERATORS
from app.definition.sketch import sketch
from app.engine import catalog
from app.features.workflows.forms.question import QuestionForm
from app.features.workflows.forms.step import StepForm
from app.web import written
from tests.features.workflows.builder.conftest import controls

catalog.discover(step_package)
TYPES = sorted(catalog.step_types())


@pytest.fixture(autouse=True, scope="module")
def _step_types() -> None:
    """Know the step types again, whatever other tests have put in their place."""
    catalog.discover(step_package)


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30) | st.sampled_from(
    ["{{ inputs.offer }}", "a\nb", "\n", " x ", "5", "true", '"', "<b>&amp;", "[1]", "a, b",
     "{{ steps.ads.texts | length }}"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e9, 1e9) | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
ALONE, MEMBER = ("is_empty", "is_not_empty"), ("in", "not_in")


def conditions(comparisons: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Groups of comparisons, and groups of groups."""
    return st.recursive(
        comparisons,
        lambda inner: st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"not": inner}),
        max_leaves=6,
    )


def comparisons(operators: tuple[str, ...], **than: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Comparisons by some operators."""
    return st.fixed_dictionaries({"value": TEXTS.filter(str.strip), "op": st.sampled_from(operators), **than})


OTHERS = tuple(op for op in OPERATORS if op not in (*ALONE, *MEMBER))
ANY_CONDITIONS = conditions(comparisons(tuple(OPERATORS), than=JSON) | comparisons(OTHERS) | JSON)
CONDITIONS = conditions(
    comparisons(ALONE)
    | comparisons(MEMBER, than=st.lists(SCALARS, max_size=4) | st.just("{{ inputs.x }}"))
    | comparisons(OTHERS, than=JSON.filter(lambda value: value is not None))
)
VALUES = [("{{ inputs.x }}", "X")]
OFFERED = {
    "images": [("p1", "A car")], "people": [("a@b.example", "Ann")], "documents_or_text": [("d1", "A text")],
    "workflow": [("Newsletter", "Newsletter")],
}  # fmt: skip
PAGE = (
    '{% from "workflows/builder/_setting.html" import setting with context %}<form class="pad">'
    "{% for field in fields %}{{ setting(field) }}{% endfor %}</form>"
)


@cache
def house() -> Flask:
    """The application, for its templates."""
    from app import create_app

    secret = "a secret for tests only, long enough to sign with"
    return create_app(Settings(environment="test", database_url="sqlite://", secret_key=secret))


def posted(fields: list[Any]) -> MultiDict[str, str]:
    """Return what a browser posts of these fields, taken from their HTML."""
    with house().test_request_context():
        html = render_template_string(
            PAGE, fields=fields, values=VALUES, unfit={"number": (), "yes_no": ()}, operators=list(OPERATORS.items()),
            form={},
        )  # fmt: skip
    found = controls(html)
    pairs = [(name, text) for name, texts in found.items() for text in ([texts] if isinstance(texts, str) else texts)]
    return MultiDict([*pairs, ("posted", "1")])


def step_form(step: dict[str, Any], posted: MultiDict[str, str] | None = None) -> StepForm:
    """Return the form of a step that stands after one that makes texts and pictures."""
    data = {"steps": [{"id": "ads", "type": "generate_copy"}, {"id": "art", "type": "generate_image"}, step]}
    kind = catalog.step_type(step["type"])
    return StepForm(step, kind, sketch(data), catalog.facts(), posted=posted, offered=OFFERED)


# --- anything at all ---


@st.composite
def any_step(draw: st.DrawFn, type_name: str) -> dict[str, Any]:
    """A step whose settings are of any kind, right or wrong, written down or not."""
    kind = catalog.step_types()[type_name]
    keys = [info.alias or name for name, info in kind.config.model_fields.items()]
    config = {key: draw(JSON | ANY_CONDITIONS) for key in keys if draw(st.booleans())}
    if draw(st.booleans()):
        config["odd"] = draw(JSON)
    step: dict[str, Any] = {"id": "it", "type": type_name, "name": draw(TEXTS), "config": config}
    step["after"] = draw(st.lists(st.sampled_from(["ads", "art", "ads:failed", "gone:yes", "art:done"]), unique=True))
    each = st.fixed_dictionaries({"items": TEXTS | st.lists(SCALARS)}, optional={"parallel": JSON})
    options: dict[str, Any] = {
        "when": st.none() | ANY_CONDITIONS,
        "join": st.sampled_from(["all", "any"]),
        "timeout_s": st.integers(1, 3600) | JSON,
        "on_failure": st.sampled_from(["stop", "continue"]),
        "retry": st.none() | st.fixed_dictionaries({"attempts": st.integers(1, 20)}, optional={"delay_s": SCALARS}),
        "for_each": st.none() | each,
    }
    return step | {key: draw(values) for key, values in options.items() if draw(st.booleans())}


@pytest.mark.parametrize("type_name", TYPES)
def test_a_form_that_nobody_touched_changes_nothing_whatever_the_step_is(type_name: str) -> None:
    @settings(max_examples=12)
    @given(any_step(type_name))
    def check(step: dict[str, Any]) -> None:
        form = step_form(step)
        again = step_form(step, posted(list(form.fields.values())))
        assert again.changed == []
        assert written.same(again.step(), step)

    check()


# --- what is right, read from nothing ---


def right(kind: Any, info: Any) -> st.SearchStrategy[Any] | None:
    """Return right values of a setting; None where there is no way to make them up."""
    if (info.json_schema_extra or {}).get("widget") == "condition":
        return CONDITIONS
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    simple: dict[Any, Any] = {
        str: TEXTS.filter(str.strip),
        int: st.integers(0, 10**6),
        bool: st.booleans(),
        float: st.floats(0, 1e6),
    }
    if kind in simple:
        return simple[kind]  # type: ignore[no-any-return]
    parts = [part for part in get_args(kind) if part is not type(None)] if get_origin(kind) not in (list, dict) else []
    found = [each for each in (right(part, info) for part in parts) if each is not None]
    if found:
        return st.one_of(found)
    if get_origin(kind) is list and get_args(kind)[0] in (str, int):
        inner = st.sampled_from(["a@b.example", "{{ inputs.x }}"]) if get_args(kind)[0] is str else st.integers(0, 999)
        return st.lists(inner, min_size=1, max_size=4, unique=True)
    return st.dictionaries(NAMES, JSON, min_size=1, max_size=3) if get_origin(kind) is dict else None


def right_configs(type_name: str) -> Iterator[tuple[str, st.SearchStrategy[Any]]]:
    """Yield the settings of a type that right values can be made up for."""
    for name, info in catalog.step_types()[type_name].config.model_fields.items():
        key = info.alias or name
        if (info.json_schema_extra or {}).get("widget") in ("step", "images"):
            yield key, st.sampled_from(["ads", ["ads", "art"]]) if key != "image_ids" else st.just(["p1"])
        elif (values := right(info.annotation, info)) is not None:
            yield key, values


@pytest.mark.parametrize("type_name", TYPES)
def test_what_a_form_shows_is_read_as_the_same_by_an_empty_one(type_name: str) -> None:
    strategies = dict(right_configs(type_name))

    @settings(max_examples=12)
    @given(st.fixed_dictionaries({}, optional=strategies), st.none() | CONDITIONS)
    def check(config: dict[str, Any], when: dict[str, Any] | None) -> None:
        step = {"id": "it", "type": type_name, "config": config} | ({"when": when} if when else {})
        full = step_form(step)
        read = step_form({"id": "it", "type": type_name, "config": {}}, posted(list(full.fields.values()))).step()
        usual = {
            info.alias or name: info.get_default(call_default_factory=True)
            for name, info in catalog.step_types()[type_name].config.model_fields.items()
            if not info.is_required()
        }
        expected = {key: value for key, value in config.items() if key not in usual or value != usual[key]}
        assert {key: plain(value) for key, value in read.get("config", {}).items()} == {
            key: plain(value) for key, value in expected.items()
        }
        assert plain(read.get("when")) == plain(when)

    check()


def plain(value: Any) -> Any:
    """Return a value as it is compared: one in a list is the one, ends of lists' texts do not count, 2.0 is 2."""
    if isinstance(value, list):
        return plain(value[0]) if len(value) == 1 else [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if (key, each) != ("than", "")}
    return value


# --- answers to another workflow ---


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(["offer", "price", "odd"]), JSON))
def test_answers_to_another_workflow_stay_until_they_are_touched(answers: dict[str, Any]) -> None:
    step = {"id": "it", "type": "run_workflow", "config": {"workflow": "Newsletter", "inputs": answers}}
    kind = catalog.step_type("run_workflow")
    offered = {**OFFERED, "answers": [("offer", "What is the offer?"), ("price", "Price")]}

    def form(sent: MultiDict[str, str] | None = None) -> StepForm:
        return StepForm(step, kind, sketch({"steps": [step]}), catalog.facts(), posted=sent, offered=offered)

    sent = posted(form().settings)
    assert form(sent).step() == step
    sent["c-inputs-1.value"] = "28990"
    new = form(sent).step()["config"]["inputs"]
    assert new["price"] == "28990"
    assert list(new.get("odd", [])) == list(answers["odd"]) if isinstance(answers.get("odd"), list) else True


# --- lists of records ---


class Reason(BaseModel):
    """A record in a record."""

    words: str


class Rule(BaseModel):
    """A record with settings of every look."""

    name: str
    limit: int = 3
    if_: Condition | None = Field(default=None, alias="if", json_schema_extra={"widget": "condition"})
    words: list[str] = []
    level: Literal["low", "high"] = "low"
    reasons: list[Reason] = []


class Ruled(BaseModel):
    """Settings with a list of records."""

    rules: list[Rule] = Field(default=[], title="Rules")


RULED = replace(catalog.step_types()["transform"], config=Ruled)
RULES = st.fixed_dictionaries(
    {"name": TEXTS.filter(str.strip)},
    optional={
        "limit": st.integers(4, 99), "if": CONDITIONS, "level": st.just("high"),
        "words": st.lists(NAMES, min_size=1, max_size=3),
        "reasons": st.lists(st.fixed_dictionaries({"words": TEXTS.filter(str.strip)}), min_size=1, max_size=2),
    },
)  # fmt: skip


def ruled(rules: Any, sent: MultiDict[str, str] | None = None) -> StepForm:
    """Return the form of a step whose only setting is a list of records."""
    step = {"id": "it", "type": "transform", "config": {"rules": rules}}
    return StepForm(step, RULED, sketch({"steps": [step]}), catalog.facts(), posted=sent)


@settings(max_examples=25)
@given(st.lists(RULES | JSON, max_size=3) | JSON)
def test_records_that_nobody_touched_are_the_same_whatever_they_are(rules: Any) -> None:
    again = ruled(rules, posted(list(ruled(rules).fields.values())))
    assert again.changed == []
    assert written.same(again.step()["config"]["rules"], rules)


@settings(max_examples=25)
@given(st.lists(RULES, min_size=1, max_size=3))
def test_records_are_read_as_the_same_by_an_empty_form(rules: list[dict[str, Any]]) -> None:
    read = ruled([], posted(ruled(rules).settings)).step()["config"]["rules"]
    assert [plain(each) for each in read] == [plain(each) for each in rules]


def test_records_are_added_removed_and_moved_by_buttons() -> None:
    rules: list[Any] = [{"name": "one"}, {"name": "two", "odd": 1}, {"name": "three", "reasons": [{"words": "why"}]}]

    def press(act: str, **pairs: str) -> Any:
        sent = posted(ruled(rules).settings)
        for name, text in pairs.items():
            sent[name] = text
        sent["act"] = act
        return ruled(rules, sent).step()["config"]["rules"]

    one, two, three = rules
    assert press("c-rules:add") == [one, two, three, {}]
    assert press("c-rules-1:remove") == [one, three]
    assert press("c-rules-1:up") == [two, one, three]
    assert press("c-rules-2:down") == rules
    assert press("c-rules-0:down", **{"c-rules-0.limit": "7"}) == [two, {"name": "one", "limit": 7}, three]
    assert press("c-rules-0.if:set") == [{"name": "one", "if": {"op": "eq"}}, two, three]
    assert press("c-rules-2.reasons:add")[2]["reasons"] == [{"words": "why"}, {}]
    assert press("c-rules-2.reasons-0:remove")[2] == {"name": "three"}


def test_what_is_wrong_in_a_record_stands_at_its_field() -> None:
    form = ruled([{"name": "one"}, {"name": "two", "reasons": [{}]}])
    wrong = [
        Problem("/steps/0/config/rules/1/reasons/0/words", "required", "Missing.", ""),
        Problem("/steps/0/config/rules/9", "required", "Missing.", ""),
    ]
    assert form.show(wrong, 0) == []
    noted = {field.name: field.notes for field in form.fields["c-rules"].family if field.notes}
    assert noted == {"c-rules": ["Missing."], "c-rules-1.reasons-0.words": ["Missing."]}


# --- questions ---


@settings(max_examples=80)
@given(st.data())
def test_a_question_that_nobody_touched_is_the_same(data: st.DataObject) -> None:
    keys = "label help placeholder group default min max max_length choices columns parts must_have".split()
    keys += ["not_before", "fixed"]
    options: dict[str, Any] = dict.fromkeys(keys, JSON)
    options["choices"] = st.lists(TEXTS, max_size=3) | JSON
    options["parts"] = st.lists(st.sampled_from(list(vehicle.PARTS)), unique=True) | JSON
    options["must_have"] = options["parts"]
    car = st.dictionaries(st.sampled_from(list(vehicle.PARTS)), SCALARS, max_size=4)
    options["default"] = st.lists(TEXTS, max_size=3) | st.dates().map(str) | SCALARS | JSON | car
    options["min"] = st.dates().map(str) | SCALARS | JSON
    options["fixed"] = st.booleans() | JSON
    options["type"] = st.sampled_from([each.value for each in InputType]) | TEXTS
    options["required"] = st.booleans()
    question = {"key": "offer"} | data.draw(st.fixed_dictionaries({}, optional=options))
    listed = [question, {"key": "x", "type": "date"}, {"key": "y", "type": "datetime"}, {"key": 5, "type": "date"}]
    form = QuestionForm(question, listed=listed)
    sent = posted(form.shown)
    sent.update(MultiDict(form.kept))
    assert written.same(QuestionForm(question, sent).question(), question)


VEHICLE: dict[str, Any] = {"key": "car", "type": "vehicle"}


@settings(max_examples=40)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            part.key: st.integers(0, 2_000) if part.type is InputType.INTEGER
            else st.integers(0, 90_000) if part.type is InputType.MONEY
            else st.from_regex(r"[A-Za-z][A-Za-z0-9 ]{0,8}[a-z]", fullmatch=True)
            for part in vehicle.PARTS.values()
        },
    ),
    st.lists(st.sampled_from(list(vehicle.PARTS)), unique=True),
)  # fmt: skip
def test_a_vehicle_to_begin_with_is_read_as_the_same_by_an_empty_form(car: dict[str, Any], parts: list[str]) -> None:
    full = VEHICLE | ({"default": car} if car else {}) | ({"parts": parts} if parts else {})
    sent = posted(QuestionForm(full).shown)
    read = QuestionForm(VEHICLE, sent).question()
    assert read.get("default", {}) == car
    assert sorted(read.get("parts", [])) == sorted(parts)


def test_a_part_that_is_emptied_goes_and_the_others_stay() -> None:
    full = VEHICLE | {"default": {"make": "Honda", "year": 2021, "price": "22500.00"}}
    sent = posted(QuestionForm(full).shown)
    sent["q-default.make"] = ""
    sent["q-default.mileage"] = "32000"
    assert QuestionForm(full, sent).question()["default"] == {"year": 2021, "price": "22500.00", "mileage": 32000}
