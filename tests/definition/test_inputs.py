from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.definition.inputs import check_questions, clean_inputs
from app.definition.problems import InputsInvalid, Problem
from app.definition.schema import Definition, InputType, check
from tests.definition.facts import TYPES, step, workflow


def asking(*questions: Mapping[str, Any]) -> Definition:
    data = workflow(step("a"), inputs=[dict(question) for question in questions])
    assert check(data, TYPES) == []
    return Definition.model_validate(data)


def clean(kind: str, raw: object, **more: Any) -> Any:
    if kind in ("choice", "multi_choice"):
        more = {"choices": ["Honda", "Toyota"], **more}
    return clean_inputs(asking({"key": "x", "label": "Thing", "type": kind, **more}), {"x": raw})["x"]


def refused(kind: str, raw: object, **more: Any) -> Problem:
    with pytest.raises(InputsInvalid) as raised:
        clean(kind, raw, **more)
    (problem,) = raised.value.problems
    assert problem.path == "/inputs/x"
    assert problem.message.endswith(".")
    assert problem.fix.endswith((".", "?", "}."))
    return problem


@pytest.mark.parametrize(
    ("kind", "raw", "result"),
    [
        ("text", " RAV4 ", "RAV4"),
        ("text", "🚗 مرحبا", "🚗 مرحبا"),
        ("long_text", "one\r\ntwo", "one\ntwo"),
        ("number", "12.5", 12.5),
        ("number", 12, 12),
        ("number", "1,200", 1200),
        ("integer", "10", 10),
        ("integer", 10.0, 10),
        ("integer", 2**53, 2**53),
        ("money", "28990", "28990.00"),
        ("money", "28,990.5", "28990.50"),
        ("money", "$28,990.00", "28990.00"),
        ("money", 0.1, "0.10"),
        ("money", 28990, "28990.00"),
        ("percent", "4.9 %", 4.9),
        ("percent", 0, 0),
        ("boolean", True, True),
        ("boolean", "yes", True),
        ("boolean", "off", False),
        ("boolean", None, False),
        ("date", "2026-11-30", "2026-11-30"),
        ("datetime", "2026-11-30T09:00:00-05:00", "2026-11-30T14:00:00Z"),
        ("datetime", "2026-11-30 09:00Z", "2026-11-30T09:00:00Z"),
        ("choice", "Honda", "Honda"),
        ("multi_choice", ["Toyota", "Honda", "Toyota"], ["Toyota", "Honda"]),
        ("multi_choice", "Honda", ["Honda"]),
        ("email", "Bob@Example.COM", "Bob@example.com"),
        ("phone", " +1 (555) 010-2030 ", "+1 (555) 010-2030"),
        ("url", "https://example.com/offer?a=1#b", "https://example.com/offer?a=1#b"),
        ("url", " www.example.com ", "https://www.example.com"),
        ("url", "Example.co.uk:8080/offer?a=1", "https://Example.co.uk:8080/offer?a=1"),
        ("vin", "1hgcm82633a004352", "1HGCM82633A004352"),
        ("vin", "1M8GDM9A XKP 042788", "1M8GDM9AXKP042788"),
        ("document", "0197-ab", "0197-ab"),
        ("documents", ["a1", "b2"], ["a1", "b2"]),
        ("documents", "a1", ["a1"]),
        ("image", "a1", "a1"),
        ("images", ["a1"], ["a1"]),
        ("people", "bob@example.com", ["bob@example.com"]),
        (
            "people",
            "bob@example.com, eve@example.com;\n al@example.com",
            ["bob@example.com", "eve@example.com", "al@example.com"],
        ),
        ("people", ["bob@example.com", "bob@example.com"], ["bob@example.com"]),
        ("csv", "a,b\r\n1,2\n", "a,b\n1,2\n"),
        ("json", '{"a": [1, null]}', {"a": [1, None]}),
        ("json", {"a": 1}, {"a": 1}),
        ("json", [], []),
        ("json", False, False),
    ],
)
def test_an_answer_gets_its_type(kind: str, raw: object, result: object) -> None:
    found = clean(kind, raw)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    "case",
    [
        ("text", 3, "wrong_type"),
        ("text", ["a"], "wrong_type"),
        ("text", "a\nb", "bad_value"),
        ("text", "a" * 2001, "too_large"),
        ("text", "a\x00b", "bad_value"),
        ("text", "a\ud800", "bad_value"),
        ("text", "a\x1b[31m", "bad_value"),
        ("long_text", "a" * 50_001, "too_large"),
        ("number", "many", "wrong_type"),
        ("number", float("nan"), "wrong_type"),
        ("number", float("inf"), "wrong_type"),
        ("number", "1e999", "wrong_type"),
        ("number", "NaN", "wrong_type"),
        ("number", True, "wrong_type"),
        ("number", 2**53 + 1, "wrong_type"),
        ("number", "1,2", "wrong_type"),
        ("integer", 1.5, "wrong_type"),
        ("integer", 2**53 + 1, "out_of_range"),
        ("integer", 10**100_000, "wrong_type"),
        ("integer", "9" * 1_000_000, "wrong_type"),
        ("money", "289,90", "wrong_type"),
        ("money", "28990.005", "wrong_type"),
        ("money", "about 5", "wrong_type"),
        ("money", -5, "out_of_range"),
        ("money", 10**14, "out_of_range"),
        ("percent", "all", "wrong_type"),
        ("percent", 101, "out_of_range"),
        ("boolean", "maybe", "wrong_type"),
        ("boolean", 2, "wrong_type"),
        ("date", "30.11.2026", "wrong_type"),
        ("date", "2026-02-30", "wrong_type"),
        ("date", "0026-11-30", "out_of_range"),
        ("date", "9999-12-31", "out_of_range"),
        ("date", "2026-11-30T10:00:00Z", "wrong_type"),
        ("datetime", "2026-11-30", "wrong_type"),
        ("datetime", "2026-11-30T10:00:00", "bad_value"),
        ("datetime", "0001-01-01T00:00:00+10:00", "out_of_range"),
        ("datetime", "0026-11-30T09:00:00-05:00", "out_of_range"),
        ("choice", "honda", "bad_value"),
        ("choice", ["Honda"], "bad_value"),
        ("multi_choice", ["Honda", "Kia"], "bad_value"),
        ("money", "9" * 39, "out_of_range"),
        ("money", "1" * 30 + ".00", "out_of_range"),
        ("datetime", "9999-12-31T23:59:00-14:00", "out_of_range"),
        ("datetime", "9999-12-31T23:59:00Z", "out_of_range"),
        ("datetime", "0001-01-01T00:00:00+14:00", "out_of_range"),
        ("email", "bob", "bad_value"),
        ("email", "bob@localhost", "bad_value"),
        ("email", "bob@@example.com", "bad_value"),
        ("email", "b..b@example.com", "bad_value"),
        ("email", "bob@example.com\nBcc: x@example.com", "bad_value"),
        ("email", "b" * 300 + "@example.com", "bad_value"),
        ("phone", "call me", "bad_value"),
        ("phone", "12345", "bad_value"),
        ("url", "northfield", "bad_value"),
        ("url", "bob@example.com", "bad_value"),
        ("url", "javascript:alert(1)", "bad_value"),
        ("url", "ftp://example.com", "bad_value"),
        ("url", "https://", "bad_value"),
        ("url", "https://bob:pw@example.com", "bad_value"),
        ("url", "https://exa mple.com", "bad_value"),
        ("url", "https://[::1", "bad_value"),
        ("url", "https://example.com:99999", "bad_value"),
        ("vin", "1HGCM82633A00435", "bad_value"),
        ("vin", "IHGCM82633A004352", "bad_value"),
        ("vin", "1HGCM82633A004353", "bad_value"),
        ("document", "../etc", "bad_value"),
        ("document", 3, "bad_value"),
        ("documents", ["a", "b c"], "bad_value"),
        ("documents", [f"d{n}" for n in range(201)], "too_large"),
        ("people", ["bob@example.com", "eve"], "bad_value"),
        ("people", 3, "bad_value"),
        ("csv", "é" * 600_000, "too_large"),
        ("csv", ["a"], "wrong_type"),
        ("json", "{", "wrong_type"),
        ("json", "NaN", "wrong_type"),
        ("json", '{"a": 1, "a": 2}', "wrong_type"),
        ("json", "[" * 200_000, "wrong_type"),
        ("json", "9" * 5000, "wrong_type"),
        ("json", "[1e999]", "out_of_range"),
        ("json", "[9007199254740993]", "out_of_range"),
        ("json", '"\\u0000"', "bad_value"),
        ("json", ["\ud800"], "bad_value"),
        ("json", {"a": float("nan")}, "out_of_range"),
        ("json", {"a": "x" * 300_000}, "too_large"),
        ("json", {3: 1}, "wrong_type"),
    ],
)
def test_what_is_no_answer_is_refused(case: tuple[str, object, str]) -> None:
    kind, raw, code = case
    assert refused(kind, raw).code == code


def test_a_wrong_price_is_told_how_to_write_it() -> None:
    problem = refused("money", "289,90")
    assert f"{problem.message} {problem.fix}" == "$289,90 is not a price. Write it like 28990 or 28,990.00."


def test_a_wrong_check_digit_is_told() -> None:
    assert refused("vin", "1HGCM82633A004353").message.endswith("its check digit, the 9th, should be 5.")
    assert refused("vin", "1HGCM8263").message == "“1HGCM8263” has 9 characters; a VIN has 17."
    assert refused("vin", "1HGCM82633AOO4352").message == "A VIN has no “O”."


@pytest.mark.parametrize("kind", [kind.value for kind in InputType if kind is not InputType.BOOLEAN])
@pytest.mark.parametrize("raw", [None, "", "  "])
def test_no_answer_is_none_or_a_problem(kind: str, raw: object) -> None:
    assert clean(kind, raw) is None
    assert refused(kind, raw, required=True).code == "required"


def test_an_empty_list_is_no_answer() -> None:
    assert refused("people", [], required=True).code == "required"
    assert clean("documents", []) is None


def test_a_required_boolean_must_be_answered() -> None:
    assert clean("boolean", False, required=True) is False
    assert refused("boolean", None, required=True).code == "required"


def test_a_default_stands_in() -> None:
    assert clean("integer", None, default=10) == 10
    assert clean("integer", " ", default="10", required=True) == 10
    assert clean("money", None, default="28,990") == "28990.00"
    assert clean("boolean", None, default=True) is True
    assert clean("boolean", False, default=True) is False
    assert clean("text", "mine", default="theirs") == "mine"


@pytest.mark.parametrize(
    ("kind", "raw", "more", "fine"),
    [
        ("text", "abc", {"max_length": 3}, True),
        ("text", "abcd", {"max_length": 3}, False),
        ("text", "ab", {"min": 3}, False),
        ("integer", 1, {"min": 1, "max": 3}, True),
        ("integer", 4, {"min": 1, "max": 3}, False),
        ("number", 0.5, {"min": 1}, False),
        ("money", "9.99", {"min": "10.00"}, False),
        ("money", "-3", {"min": -5}, True),
        ("percent", 120, {"max": 200}, True),
        ("date", "2026-11-30", {"min": "2026-11-30"}, True),
        ("date", "2026-11-29", {"min": "2026-11-30"}, False),
        ("datetime", "2026-11-30T09:00:00+02:00", {"max": "2026-11-30T07:00:00Z"}, True),
        ("datetime", "2026-11-30T09:00:01+02:00", {"max": "2026-11-30T07:00:00Z"}, False),
        ("people", ["a@b.com", "c@d.com"], {"max": 1}, False),
        ("documents", ["a"], {"min": 1, "max": 1}, True),
    ],
)
def test_bounds(kind: str, raw: object, more: dict[str, Any], fine: bool) -> None:
    if fine:
        assert clean(kind, raw, **more) is not None
    else:
        assert refused(kind, raw, **more).code in ("out_of_range", "too_large")


def test_a_bound_is_said_in_words() -> None:
    problem = refused("integer", 51, min=1, max=50)
    assert (problem.message, problem.fix) == ("“Thing” must be from 1 to 50.", "Change it: you gave 51.")
    assert refused("people", ["a@b.com", "c@d.com"], max=1).message == "“Thing” must be at most 1 of them."
    price = refused("money", "500", min=1000, max="28990.50")
    assert price.message == "“Thing” must be from $1,000 to $28,990.50."
    assert price.fix == "Change it: you gave $500."
    day = refused("date", "2026-12-24", max="2026-11-30")
    assert day.message == "“Thing” must be on or before 30 November 2026."
    assert day.fix == "Change it: you gave 24 December 2026."


@pytest.mark.parametrize(
    ("kind", "first", "last", "fine"),
    [
        ("date", "2026-11-30", "2026-11-30", True),
        ("date", "2026-11-30", "2026-11-29", False),
        ("date", None, "2026-11-29", True),
        ("datetime", "2026-11-30T09:00:00-05:00", "2026-11-30T13:59:00+00:00", False),
    ],
)
def test_an_end_is_not_before_its_start(kind: str, first: str | None, last: str, fine: bool) -> None:
    definition = asking(
        {"key": "starts", "type": kind, "label": "From"},
        {"key": "ends", "type": kind, "label": "Until", "not_before": "starts"},
    )
    if fine:
        clean_inputs(definition, {"starts": first, "ends": last})
        return
    with pytest.raises(InputsInvalid) as raised:
        clean_inputs(definition, {"starts": first, "ends": last})
    (problem,) = raised.value.problems
    assert (problem.path, problem.code) == ("/inputs/ends", "out_of_range")
    said = "29 November 2026" if kind == "date" else "Monday 30 November 2026, 13:59 UTC"
    assert problem.message.startswith(f"“Until” is {said}, before “From”, ")


@pytest.mark.parametrize(
    ("kind", "bound", "given", "said"),
    [
        ("date", "min", "2026-11-26", ""),
        ("date", "min", "2026-11-25", "“Until” is 25 November 2026, which is in the past."),
        ("date", "max", "2026-11-26", ""),
        ("date", "max", "2026-11-27", "“Until” is 27 November 2026, which is still to come."),
        ("datetime", "min", "2026-11-26T05:00:00Z", ""),
        ("datetime", "min", "2026-11-26T04:59Z", "“Until” is Wednesday 25 November 2026, 23:59, which is in the past."),
    ],
)  # fmt: skip
def test_a_date_is_held_to_the_day_on_which_it_is_answered(kind: str, bound: str, given: str, said: str) -> None:
    definition = asking({"key": "ends", "type": kind, "label": "Until", bound: "today"})
    now = datetime(2026, 11, 27, 1, 30, tzinfo=UTC).astimezone(ZoneInfo("America/New_York"))  # still the 26th there
    clean_inputs(definition, {"ends": given})
    if not said:
        clean_inputs(definition, {"ends": given}, now)
        return
    with pytest.raises(InputsInvalid) as raised:
        clean_inputs(definition, {"ends": given}, now)
    (problem,) = raised.value.problems
    later = "a later" if bound == "min" else "an earlier"
    assert (problem.path, problem.code, problem.message) == ("/inputs/ends", "out_of_range", said)
    assert problem.fix == f"Give today, 26 November 2026, or {later} day."


def test_only_a_date_is_bound_by_today() -> None:
    (problem,) = check_questions({"inputs": [{"key": "count", "type": "integer", "min": "today"}]})
    assert (problem.path, problem.code) == ("/inputs/0/min", "wrong_type")


def test_a_date_is_compared_with_another_of_its_kind_only() -> None:
    questions = [
        {"key": "starts", "type": "datetime"},
        {"key": "ends", "type": "date", "not_before": "starts"},
        {"key": "late", "type": "date", "not_before": "nothing"},
        {"key": "name", "type": "text", "not_before": "ends"},
    ]
    found = check_questions({"inputs": questions})
    assert [problem.path for problem in found] == [f"/inputs/{place}/not_before" for place in (1, 2, 3)]


def test_all_problems_come_at_once_and_unknown_answers_too() -> None:
    definition = asking(
        {"key": "price", "type": "money", "required": True}, {"key": "email", "type": "email"}, {"key": "ok"}
    )
    with pytest.raises(InputsInvalid) as raised:
        clean_inputs(definition, {"prise": "3", "email": "bob", "ok": "fine"})
    assert [(problem.path, problem.code) for problem in raised.value.problems] == [
        ("/inputs/prise", "unknown_key"),
        ("/inputs/price", "required"),
        ("/inputs/email", "bad_value"),
    ]
    assert raised.value.problems[0].fix == "Did you mean “price”?"


def test_every_question_has_an_answer_in_the_result() -> None:
    definition = asking(
        *(
            {"key": f"k_{kind}", "type": kind, "choices": ["a"] if "choice" in kind else []}
            for kind in InputType
        )
    )
    answers = clean_inputs(definition, {})
    assert answers == {f"k_{kind}": False if kind is InputType.BOOLEAN else None for kind in InputType}


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["12", "2026-11-30", "[1]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(InputType), _json)
def test_any_answer_is_cleaned_or_refused_and_cleaning_again_changes_nothing(
    kind: InputType, raw: object
) -> None:
    try:
        once = clean(kind.value, raw)
    except InputsInvalid:
        return
    if kind is not InputType.JSON:  # a text that is JSON is read once
        assert clean(kind.value, once) == once


# --- a vehicle ---

NOTHING: dict[str, Any] = dict.fromkeys(("vin", "stock", "year", "make", "model", "trim", "mileage", "price"))
CIVIC = {"year": "2021", "make": " Honda ", "model": "Civic", "trim": "EX", "mileage": "32,000", "price": "$22,500"}


@pytest.mark.parametrize(
    ("raw", "result"),
    [
        (
            CIVIC,
            {"year": 2021, "make": "Honda", "model": "Civic", "trim": "EX", "mileage": 32000, "price": "22500.00"},
        ),
        ({"stock": "P2208", "year": ""}, {"stock": "P2208"}),
        ({"vin": "5tdd zrbh-1ms104417"}, {"vin": "5TDDZRBH1MS104417", "year": 2021, "make": "Toyota"}),
        ("5tddzrbh1ms104417", {"vin": "5TDDZRBH1MS104417", "year": 2021, "make": "Toyota"}),
        ('{"stock": "P2208"}', {"stock": "P2208"}),
        (
            {"vin": "5TDDZRBH1MS104417", "year": 2020, "make": "TOYOTA"},  # what was typed stays
            {"vin": "5TDDZRBH1MS104417", "year": 2020, "make": "TOYOTA"},
        ),
    ],
)
def test_a_vehicle_has_all_its_parts(raw: object, result: dict[str, Any]) -> None:
    assert clean("vehicle", raw, required=True) == NOTHING | result


@pytest.mark.parametrize("raw", [None, "", {}, {"vin": " ", "make": None}])
def test_a_vehicle_of_which_nothing_was_given_is_no_answer(raw: object) -> None:
    assert clean("vehicle", raw) is None
    assert refused("vehicle", raw, required=True).code == "required"


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        ({"vin": "5TDD", "year": "new", "price": "dear"}, ["/vin", "/year", "/price"]),
        ({"mileage": -1, "wheels": 4}, ["/wheels", "/mileage"]),
        ({"model": "x" * 81}, ["/model"]),
        ({"make": ["Honda"]}, ["/make"]),
        ("Honda Civic", ["/vin"]),
        ('{"vin":', [""]),
        ([1], [""]),
    ],
)
def test_each_wrong_part_of_a_vehicle_is_named(raw: object, paths: list[str]) -> None:
    with pytest.raises(InputsInvalid) as raised:
        clean("vehicle", raw)
    assert [problem.path for problem in raised.value.problems] == [f"/inputs/x{path}" for path in paths]


@pytest.mark.parametrize(
    ("parts", "fix"),
    [
        ([], "Give its VIN, its stock number or year, make and model."),
        (["year", "make", "model", "trim"], "Give year, make and model."),
        (["stock", "vin", "price"], "Give its VIN or its stock number."),
    ],
)
def test_a_required_vehicle_must_be_named(parts: list[str], fix: str) -> None:
    problem = refused("vehicle", {"price": 9000, "make": "Honda"}, required=True, parts=parts)
    assert (problem.message, problem.fix) == ("“Thing” does not say which vehicle it is.", fix)
    assert clean("vehicle", {"price": 9000}, parts=parts) == NOTHING | {"price": "9000.00"}


def test_a_vehicle_is_no_answer_without_the_parts_it_must_have() -> None:
    asked: dict[str, Any] = {"required": True, "must_have": ["price", "mileage", "year"]}
    with pytest.raises(InputsInvalid) as raised:
        clean("vehicle", {"stock": "P2208"}, **asked)
    assert [(each.path, each.code, each.message) for each in raised.value.problems] == [
        ("/inputs/x/year", "required", "“Thing” needs its year."),
        ("/inputs/x/mileage", "required", "“Thing” needs its miles."),
        ("/inputs/x/price", "required", "“Thing” needs its price."),
    ]
    with pytest.raises(InputsInvalid) as raised:
        clean("vehicle", {"price": 1}, **asked | {"must_have": ["mileage"]})
    assert [each.path for each in raised.value.problems] == ["/inputs/x", "/inputs/x/mileage"]
    by_vin = {"vin": "5TDDZRBH1MS104417", "price": 1, "mileage": 0}
    assert clean("vehicle", by_vin, **asked)["year"] == 2021  # its VIN says it
    assert clean("vehicle", {}, must_have=["price"]) is None  # nothing at all may stand where it may stay empty


@pytest.mark.parametrize(
    ("question", "path", "message"),
    [
        ({"type": "text", "must_have": ["vin"]}, "/inputs/0/must_have", "“X” has no parts to have."),
        (
            {"type": "vehicle", "parts": ["vin", "year"], "must_have": ["price", "vin"]},
            "/inputs/0/must_have",
            "“X” must have price, for which it does not ask.",
        ),
        (
            {"type": "vehicle", "fixed": True, "default": {"stock": "P1"}, "must_have": ["price"]},
            "/inputs/0/default",
            "“X” needs its price.",
        ),
    ],
)
def test_parts_that_cannot_be_had(question: dict[str, Any], path: str, message: str) -> None:
    (problem,) = check_questions({"inputs": [{"key": "x"} | question]})
    assert (problem.path, problem.message) == (path, message)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"type": "text", "parts": ["vin"]}, "“X” has no parts to ask for."),
        (
            {"type": "vehicle", "parts": ["year", "make"], "required": True},
            "“X” must be answered, and asks for nothing that names a vehicle.",
        ),
    ],
)
def test_parts_that_make_no_question(question: dict[str, Any], message: str) -> None:
    (problem,) = check_questions({"inputs": [{"key": "x"} | question]})
    assert (problem.path, problem.message) == ("/inputs/0/parts", message)
