"""A field for every type of question: rendered without a fault, and its answer taken as the definition reads it."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template_string

from app import create_app
from app.core.errors import FieldError
from app.core.settings import Settings
from app.definition.inputs import clean_inputs
from app.definition.problems import InputsInvalid
from app.definition.schema import Definition, Input, InputType
from app.features.gallery import forms
from tests.page import Page

NEW_YORK = ZoneInfo("America/New_York")
TYPED = {
    InputType.TEXT: ("A car", "A car"),
    InputType.LONG_TEXT: ("Two\nlines", "Two\nlines"),
    InputType.NUMBER: ("12.5", 12.5),
    InputType.INTEGER: ("34,150", 34150),
    InputType.MONEY: ("$28,990", "28990.00"),
    InputType.PERCENT: ("4.9 %", 4.9),
    InputType.BOOLEAN: ("y", True),
    InputType.DATE: ("2026-11-30", "2026-11-30"),
    InputType.DATETIME: ("2026-11-30T09:00", "2026-11-30T14:00:00Z"),
    InputType.CHOICE: ("one", "one"),
    InputType.MULTI_CHOICE: (["one", "two"], ["one", "two"]),
    InputType.EMAIL: ("bob@north.example", "bob@north.example"),
    InputType.PHONE: ("+1 555 010 2030", "+1 555 010 2030"),
    InputType.URL: ("https://north.example/h2417", "https://north.example/h2417"),
    InputType.VIN: ("5tddzrbh1ms104417", "5TDDZRBH1MS104417"),
    InputType.VEHICLE: (
        {"vin": "5tddzrbh1ms104417", "stock": "P2208", "year": "2021", "mileage": "34,150", "price": "$31,990"},
        {
            "vin": "5TDDZRBH1MS104417", "stock": "P2208", "year": 2021, "make": "Toyota", "model": None, "trim": None,
            "mileage": 34150, "price": "31990.00",
        },
    ),
    InputType.DOCUMENT: ("id-1", "id-1"),
    InputType.DOCUMENTS: (["id-1", "id-2"], ["id-1", "id-2"]),
    InputType.IMAGE: ("im-1", "im-1"),
    InputType.IMAGES: (["im-1"], ["im-1"]),
    InputType.PEOPLE: ("a@b.example, c@d.example", ["a@b.example", "c@d.example"]),
    InputType.CSV: ("a,b\n1,2", "a,b\n1,2"),
    InputType.JSON: ('{"a": 1}', {"a": 1}),
}
CHOICES = {"document": [("id-1", "One"), ("id-2", "Two")], "image": [("im-1", "A car")]}
PAGE = """{% from "components/field.html" import field %}
{% for each in form if each.name != "csrf_token" %}{{ field(each) }}{% endfor %}"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The application; forms need no database."""
    return create_app(
        Settings(
            environment="test",
            secret_key="a secret for tests only, long enough to sign with",
            data_dir=str(tmp_path_factory.mktemp("forms")),
        )
    )


def _question(kind: InputType, **options: Any) -> Input:
    choices = ["one", "two"] if kind in (InputType.CHOICE, InputType.MULTI_CHOICE) else []
    return Input(key="x", label="X", type=kind, choices=choices, **options)


def test_no_type_is_forgotten() -> None:
    assert set(TYPED) == set(InputType)


@pytest.mark.parametrize("kind", list(InputType))
def test_every_type_has_a_field_whose_answer_the_definition_takes(app: Flask, kind: InputType) -> None:
    question = _question(
        kind, required=True, help="What it is for", max_length=20_000 if kind == "long_text" else None
    )
    typed, expected = TYPED[kind]
    sent = {f"q_x-{part}": text for part, text in typed.items()} if isinstance(typed, dict) else {"q_x": typed}
    with app.test_request_context(method="POST", data=sent):
        form = forms.build([question], CHOICES)()
        assert Page(render_template_string(PAGE, form=form)).faults == []
        answers = forms.answers(form, [question], NEW_YORK)
    definition = Definition(inputs=[question], steps=[])
    assert clean_inputs(definition, answers) == {"x": expected}


@pytest.mark.parametrize("kind", list(InputType))
def test_every_type_shows_a_kept_answer_again(app: Flask, kind: InputType) -> None:
    question = _question(kind)
    _, cleaned = TYPED[kind]
    with app.test_request_context():
        shown = forms.filled([question], {"x": cleaned}, NEW_YORK)
        form = forms.build([question], CHOICES)(None, data=shown)
        html = render_template_string(PAGE, form=form)
        answers = forms.answers(form, [question], NEW_YORK)
    assert Page(html).faults == []
    if kind is not InputType.JSON:
        assert clean_inputs(Definition(inputs=[question], steps=[]), answers) == {"x": cleaned}


def test_keys_that_a_form_uses_itself_can_be_asked(app: Flask) -> None:
    questions = [Input(key=key) for key in ("data", "errors", "validate", "csrf_token", "meta", "problems")]
    with app.test_request_context(
        method="POST", data={f"q_{question.key}": question.key for question in questions}
    ):
        form = forms.build(questions)()
        assert forms.answers(form, questions, NEW_YORK) == {
            question.key: question.key for question in questions
        }


def test_problems_stand_beside_their_fields_and_others_are_left_out(app: Flask) -> None:
    question = _question(InputType.MONEY)
    with app.test_request_context():
        form = forms.build([question])(None, data={"q_x": "289,90"})
        forms.show_problems(
            form,
            [
                FieldError("/inputs/x", "wrong_type", "$289,90 is not a price.", "Write it like 28990."),
                FieldError("/inputs/other", "required", "Missing."),
            ],
        )
        assert [(problem.path, problem.message) for problem in form.problems] == [
            ("q_x", "X: $289,90 is not a price. Write it like 28990.")
        ]


def test_each_part_of_a_vehicle_has_its_field_and_its_own_problem(app: Flask) -> None:
    question = _question(InputType.VEHICLE, parts=["year", "vin"])
    with app.test_request_context(method="POST", data={"q_x-vin": "5TDD", "q_x-year": "soon", "q_x-make": "Honda"}):
        form = forms.build([question])()
        answers = forms.answers(form, [question], NEW_YORK)
        with pytest.raises(InputsInvalid) as refused:
            clean_inputs(Definition(inputs=[question], steps=[]), answers)
        forms.show_problems(form, [FieldError(p.path, p.code, p.message, p.fix) for p in refused.value.problems])
        page = Page(render_template_string(PAGE, form=form))
    assert answers == {"x": {"vin": "5TDD", "year": "soon"}}
    assert [(problem.path, problem.message) for problem in form.problems] == [
        ("q_x-vin", "“5TDD” has 4 characters; a VIN has 17. Read it again from the car."),
        ("q_x-year", "Year: “soon” is not a whole number. Write it like 2003."),
    ]
    assert page.faults == []


def test_a_moment_that_is_none_stays_as_it_was_typed(app: Flask) -> None:
    question = _question(InputType.DATETIME)
    for typed in ("soon", "2026-11-30", ""):
        with app.test_request_context(method="POST", data={"q_x": typed}):
            form = forms.build([question])()
            assert forms.answers(form, [question], NEW_YORK) == {"x": typed}
        with app.test_request_context():
            assert forms.filled([question], {"x": "soon"}, NEW_YORK) == {"q_x": "soon"}
