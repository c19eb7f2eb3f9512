"""How a vehicle reads, and how its parts are used as values."""

from typing import Any

import pytest

from app.definition import vehicle
from app.definition.conditions import evaluate_condition
from app.definition.schema import check
from app.definition.values import evaluate
from tests.definition.facts import TYPES, step, workflow

NOTHING: dict[str, Any] = dict.fromkeys(vehicle.PARTS)
CIVIC = NOTHING | {
    "year": 2021, "make": "Honda", "model": "Civic", "trim": "EX", "mileage": 32000, "price": "22500.00"
}  # fmt: skip


@pytest.mark.parametrize(
    ("car", "words"),
    [
        (CIVIC, "2021 Honda Civic EX, 32,000 miles, $22,500"),
        (CIVIC | {"price": "22500.50", "mileage": 1}, "2021 Honda Civic EX, 1 mile, $22,500.50"),
        ({"make": "Honda", "mileage": 0}, "Honda, 0 miles"),
        ({"stock": "P2208", "year": 2021}, "2021, stock number P2208"),
        ({"vin": "5TDDZRBH1MS104417", "price": "1"}, "VIN 5TDDZRBH1MS104417, $1"),
        ({"year": "2021", "make": " Honda ", "mileage": "32,0", "price": "$22,500"}, "2021 Honda, 320 miles, $22,500"),
        ({"make": "Honda", "mileage": "few", "price": "ask us"}, "Honda, few miles, $ask us"),  # while it is typed
        ({}, ""),
    ],
)
def test_a_vehicle_reads_as_people_say_it(car: dict[str, Any], words: str) -> None:
    assert vehicle.in_words(car) == words


def test_a_vehicle_and_its_parts_are_values() -> None:
    scope = {"inputs": {"car": CIVIC, "none": None}}
    assert evaluate("{{ inputs.car }}", scope) == CIVIC
    assert evaluate("The {{ inputs.car }}.", scope) == "The 2021 Honda Civic EX, 32,000 miles, $22,500."
    assert evaluate("{{ inputs.car | truncate(14) }}", scope) == "2021 Honda…"
    assert evaluate("{{ inputs.car.year }}", scope) == 2021
    assert evaluate("{{ inputs.car.price | money }}", scope) == "$22,500.00"
    assert evaluate('{{ inputs.car.vin | default("no VIN") }}', scope) == "no VIN"
    assert evaluate("It is {{ inputs.none }}{{ inputs.none.year }}.", scope) == "It is ."


@pytest.mark.parametrize(
    ("part", "op", "than", "holds"),
    [
        ("price", "gt", 20000, True),
        ("price", "lt", "9000", False),  # as amounts, not as texts
        ("mileage", "lte", 32000, True),
        ("make", "eq", "Honda", True),
        ("vin", "is_empty", None, True),
    ],
)
def test_conditions_compare_parts_by_what_they_are(part: str, op: str, than: object, holds: bool) -> None:
    condition = {"value": f"{{{{ inputs.car.{part} }}}}", "op": op} | ({} if than is None else {"than": than})
    assert evaluate_condition(condition, {"inputs": {"car": CIVIC}}).value is holds


def test_a_condition_reads_a_vehicle_as_people_say_it() -> None:
    condition = {"value": "{{ inputs.car }}", "op": "contains", "than": "Civic"}
    found = evaluate_condition(condition, {"inputs": {"car": CIVIC}})
    assert found.value
    assert found.because == "car (2021 Honda Civic EX, 32,000 miles, $22,500) contains Civic"


def test_a_part_that_no_vehicle_has_is_found_before_a_run() -> None:
    data = workflow(
        step("a", config={"text": "{{ inputs.car.modell }} {{ inputs.car.year }} {{ inputs.car }}"}),
        inputs=[{"key": "car", "type": "vehicle"}],
    )
    (problem,) = check(data, TYPES)
    assert (problem.path, problem.code) == ("/steps/0/config/text", "unknown_field")
    assert (problem.message, problem.fix) == ("A vehicle has no “modell”.", "Did you mean “model”?")


@pytest.mark.parametrize(("items", "words"), [("inputs.car.vin", "Which car: VIN"), ("inputs.car", "Which car?")])
def test_a_vehicle_is_no_list(items: str, words: str) -> None:
    writing = step("ads", type="generate_copy", config={"prompt": "x"}, for_each={"items": f"{{{{ {items} }}}}"})
    data = workflow(writing, inputs=[{"key": "car", "type": "vehicle", "label": "Which car?"}])
    (problem,) = check(data, TYPES)
    assert f"“{words}” is none" in problem.message


def test_a_vehicle_in_place_of_a_text_is_said() -> None:
    filled = {"to": CIVIC, "more": [{"x": CIVIC}, 1], "other": {"make": "Honda"}}
    words = vehicle.in_words(CIVIC)
    assert vehicle.said(filled, ("to", "str"))["to"] == words
    assert vehicle.said(filled, ("more", 0, "x"))["more"] == [{"x": words}, 1]
    for place in (("other",), ("more", 7), ("gone", "x"), ()):
        assert vehicle.said(filled, place) == filled
