from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from app.definition.conditions import (
    OPERATORS,
    Condition,
    ConditionUnclear,
    Verdict,
    check_condition,
    evaluate_condition,
)

SCOPE: dict[str, Any] = {
    "inputs": {
        "price": 25000,
        "amount": "25000.00",
        "brand": "Honda",
        "stock": "007",
        "none": None,
        "blank": " ",
        "tags": ["new", "red"],
        "empty": [],
        "ok": True,
        "day": "2026-11-20",
        "at": "2026-11-20T09:00:00Z",
        "naive": "2026-11-20T09:00:00",
        "record": {"a": 1},
    },
    "steps": {"score": {"value": 81}},
}


def leaf(value: object, op: str, *than: object) -> dict[str, Any]:
    named = f"{{{{ inputs.{value} }}}}" if isinstance(value, str) and "{{" not in value else value
    return {"value": named, "op": op, **({"than": than[0]} if than else {})}


def ask(value: object, op: str, *than: object) -> Verdict:
    return evaluate_condition(leaf(value, op, *than), SCOPE)


TRUE = [
    ("price", "eq", 25000),
    ("price", "eq", 25000.0),
    ("price", "eq", "25,000"),
    ("price", "eq", Decimal("25000.00")),
    ("amount", "eq", 25000),
    ("amount", "eq", "25000"),
    ("brand", "eq", "Honda"),
    ("ok", "eq", True),
    ("tags", "eq", ["new", "red"]),
    ("record", "eq", {"a": 1.0}),
    ("at", "eq", "2026-11-20T10:00:00+01:00"),
    ("day", "eq", date(2026, 11, 20)),
    ("brand", "neq", "honda"),
    ("stock", "neq", "7"),
    ("ok", "neq", False),
    ("price", "gt", 24999.99),
    ("amount", "gt", "24,999"),
    ("price", "gte", 25000),
    ("price", "lt", "25000.01"),
    ("price", "lte", 25000),
    ("day", "gt", "2026-11-19"),
    ("brand", "in", ["Toyota", "Honda"]),
    ("price", "in", ["x", "25000"]),
    ("brand", "not_in", ["Toyota"]),
    ("brand", "not_in", []),
    ("tags", "contains", "red"),
    ("brand", "contains", "ond"),
    ("tags", "not_contains", "blue"),
    ("brand", "not_contains", "ONDA"),
    ("brand", "starts_with", "Ho"),
    ("brand", "ends_with", "da"),
    ("none", "is_empty"),
    ("blank", "is_empty"),
    ("empty", "is_empty"),
    ("nix", "is_empty"),
    ("tags", "is_not_empty"),
    ("price", "is_not_empty"),
    ("day", "before", "2026-11-21"),
    ("at", "before", "2026-11-20T09:00:01Z"),
    ("at", "before", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
    ("at", "after", "2026-11-19"),
    ("day", "after", "2026-11-19T23:00:00-05:00"),
]


@pytest.mark.parametrize("case", TRUE)
def test_a_comparison_that_holds(case: tuple[Any, ...]) -> None:
    verdict = ask(*case)
    assert verdict.value is True
    assert evaluate_condition({"not": leaf(*case)}, SCOPE) == Verdict(False, verdict.because)


def test_every_operator_is_tried() -> None:
    assert {case[1] for case in TRUE} == set(OPERATORS)


@pytest.mark.parametrize(
    "case",
    [
        ("price", "eq", 25001),
        ("brand", "eq", "Toyota"),
        ("stock", "eq", "7"),
        ("ok", "eq", False),
        ("price", "neq", "25000.0"),
        ("price", "gt", 25000),
        ("price", "gte", 25000.5),
        ("price", "lt", 25000),
        ("price", "lte", 24999),
        ("brand", "in", ["Toyota"]),
        ("brand", "not_in", ["Honda"]),
        ("tags", "contains", "blue"),
        ("empty", "contains", "blue"),
        ("brand", "not_contains", "Hon"),
        ("brand", "starts_with", "ho"),
        ("brand", "ends_with", "Ho"),
        ("tags", "is_empty"),
        ("ok", "is_empty"),
        ("none", "is_not_empty"),
        ("day", "before", "2026-11-20"),
        ("day", "after", "2026-11-20T23:59:00Z"),
    ],
)
def test_a_comparison_that_does_not_hold(case: tuple[Any, ...]) -> None:
    assert ask(*case).value is False


@pytest.mark.parametrize(
    "case",
    [
        ("nix", "eq", 1),
        ("none", "eq", 1),
        ("none", "gt", 1),
        ("price", "eq", True),
        ("ok", "eq", 1),
        ("ok", "eq", "true"),
        ("brand", "eq", 3),
        ("brand", "gt", 3),
        ("tags", "gt", 3),
        ("ok", "gt", 0),
        ("tags", "eq", "red"),
        ("price", "in", "{{ inputs.brand }}"),
        ("price", "in", ["x", "y"]),
        ("price", "contains", 2),
        ("brand", "contains", 2),
        ("price", "starts_with", "2"),
        ("brand", "before", "2026-11-20"),
        ("price", "after", "2026-11-20"),
        ("naive", "before", "2026-11-20T10:00:00Z"),
        ("brand", "gt", "2026-11-20"),
        ("price", "gt", "{{ inputs.none }}"),
        ("price", "gt", "{{ inputs.nix }}"),
        (float("nan"), "gt", 1),
        (float("inf"), "gt", 1),
        (10**5000, "gt", 1),
        (Decimal("NaN"), "eq", 1),
        (Decimal("1e999999"), "gt", 1),
        ("{{ inputs.brand | int }}", "gt", 1),
        ("{{ inputs.brand.upper() }}", "eq", "x"),
        (object(), "eq", 1),
        (object(), "is_empty"),
    ],
)
def test_what_cannot_be_told_is_unclear(case: tuple[Any, ...]) -> None:
    with pytest.raises(ConditionUnclear) as raised:
        ask(*case)
    assert raised.value.message.endswith(".")


@pytest.mark.parametrize(
    ("case", "because"),
    [
        (("price", "gt", 30000), "price (25000) is not more than 30000"),
        (("price", "lte", 30000), "price (25000) is at most 30000"),
        (("{{ steps.score.value }}", "gte", 80), "score value (81) is at least 80"),
        (("brand", "eq", "Honda"), "brand (Honda) is Honda"),
        (("brand", "neq", "Honda"), "brand (Honda) is Honda"),
        (("brand", "in", ["Toyota", "Kia"]), "brand (Honda) is not one of Toyota or Kia"),
        (("brand", "starts_with", "Ho"), "brand (Honda) starts with Ho"),
        (("brand", "ends_with", "Ho"), "brand (Honda) does not end with Ho"),
        (("brand", "contains", "x"), "brand (Honda) does not contain x"),
        (("brand", "not_contains", "on"), "brand (Honda) contains on"),
        (("none", "is_empty"), "none is empty"),
        (("price", "is_empty"), "price (25000) is not empty"),
        (("day", "before", "2026-12-01"), "day (2026-11-20) is before 2026-12-01"),
    ],
)
def test_a_verdict_says_why(case: tuple[Any, ...], because: str) -> None:
    assert ask(*case).because == because


YES, NO, UNCLEAR = leaf("price", "gt", 1), leaf("price", "lt", 1), leaf("nix", "gt", 1)


@pytest.mark.parametrize(
    ("tree", "value"),
    [
        ({"all": [YES, YES]}, True),
        ({"all": [YES, NO]}, False),
        ({"all": [UNCLEAR, NO]}, False),
        ({"any": [NO, YES]}, True),
        ({"any": [NO, NO]}, False),
        ({"any": [UNCLEAR, YES]}, True),
        ({"not": {"any": [NO, {"all": [YES, {"not": YES}]}]}}, True),
    ],
)
def test_and_or_not(tree: dict[str, Any], value: bool) -> None:
    assert evaluate_condition(tree, SCOPE).value is value


@pytest.mark.parametrize("tree", [{"all": [YES, UNCLEAR]}, {"any": [NO, UNCLEAR]}, {"not": UNCLEAR}])
def test_unclear_where_nothing_else_decides(tree: dict[str, Any]) -> None:
    with pytest.raises(ConditionUnclear, match=r"The answer “nix” is missing\."):
        evaluate_condition(tree, SCOPE)


def test_reasons_of_a_group() -> None:
    two = {"all": [leaf("price", "gt", 1), leaf("brand", "eq", "Honda")]}
    assert evaluate_condition(two, SCOPE).because == "price (25000) is more than 1 and brand (Honda) is Honda"
    one = {"all": [leaf("price", "gt", 1), leaf("brand", "eq", "Kia")]}
    assert evaluate_condition(one, SCOPE).because == "brand (Honda) is not Kia"


@pytest.mark.parametrize(
    ("tree", "path", "code"),
    [
        (None, "", "bad_condition"),
        ([], "", "bad_condition"),
        ({"all": []}, "/all", "bad_condition"),
        ({"any": {}}, "/any", "bad_condition"),
        ({"all": [3]}, "/all/0", "bad_condition"),
        ({"not": []}, "/not", "bad_condition"),
        ({"all": [YES], "any": [YES]}, "/any", "unknown_key"),
        ({**YES, "then": 1}, "/then", "unknown_key"),
        ({"op": "gt", "than": 1}, "/value", "bad_condition"),
        ({"value": 1, "than": 1}, "/op", "bad_condition"),
        ({"value": 1, "op": ["gt"], "than": 1}, "/op", "bad_condition"),
        (leaf("price", "above", 1), "/op", "bad_condition"),
        (leaf("price", "gt"), "/than", "bad_condition"),
        (leaf("price", "eq", None), "/than", "bad_condition"),
        (leaf("price", "gt", "many"), "/than", "bad_condition"),
        (leaf("price", "gt", True), "/than", "bad_condition"),
        (leaf("price", "in", "Honda"), "/than", "bad_condition"),
        (leaf("price", "starts_with", 3), "/than", "bad_condition"),
        (leaf("day", "before", "tomorrow"), "/than", "bad_condition"),
        (leaf("day", "is_empty", 3), "/than", "bad_condition"),
    ],
)
def test_a_wrong_condition_is_found_when_saving(tree: object, path: str, code: str) -> None:
    found = check_condition(tree)
    assert [(problem.path, problem.code) for problem in found] == [(path, code)]
    assert found[0].message
    assert found[0].fix
    with pytest.raises(ConditionUnclear):
        evaluate_condition(tree, SCOPE)


def test_all_faults_of_a_condition_at_once() -> None:
    tree = {"any": [leaf("a", "gtt", 1), {"not": {"all": [leaf("a", "in", 1), leaf("a", "gt")]}}]}
    assert [problem.path for problem in check_condition(tree)] == [
        "/any/0/op",
        "/any/1/not/all/0/than",
        "/any/1/not/all/1/than",
    ]


def test_depth_is_limited() -> None:
    tree: dict[str, Any] = YES
    for _ in range(20):
        tree = {"not": tree}
    assert evaluate_condition(tree, SCOPE).value is True
    assert [problem.code for problem in check_condition({"not": tree})] == ["bad_condition"]
    for _ in range(5000):
        tree = {"not": tree}
    with pytest.raises(ConditionUnclear):
        evaluate_condition(tree, SCOPE)


def test_a_config_field_that_is_a_condition() -> None:
    class Config(BaseModel):
        test: Condition

    assert Config(test=YES).test == YES
    with pytest.raises(ValidationError) as raised:
        Config(test={"all": []})
    assert raised.value.errors()[0]["type"] == "bad_condition"
    assert Config.model_json_schema()["properties"]["test"]["type"] == "object"


_value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**302)
    | st.floats()
    | st.decimals()
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "{{ inputs.x }}",
            "{{ inputs.y | int }}",
            "{{ z }}",
            "{{ a b",
            "2026-11-20",
            "0001-01-01T00:00+23:59",
        ]
    )
    | st.sampled_from(["12", "1e5", "-0.0", "1,000.5", "٣", "²", "9" * 40, "{%", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_leaf = st.fixed_dictionaries({"value": _value, "op": st.sampled_from(OPERATORS)}, optional={"than": _value})
_tree = st.recursive(
    _leaf,
    lambda inner: (
        st.fixed_dictionaries({"all": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"any": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=5,
)


@settings(max_examples=1000)
@given(_tree, _value, _value)
def test_no_other_error_escapes(tree: dict[str, Any], x: object, y: object) -> None:
    scope = {"inputs": {"x": x, "y": y}}
    try:
        verdict = evaluate_condition(tree, scope)
    except ConditionUnclear:
        with pytest.raises(ConditionUnclear):
            evaluate_condition({"not": tree}, scope)
    else:
        assert isinstance(verdict.value, bool)
        assert verdict.because
        assert evaluate_condition({"not": tree}, scope).value is not verdict.value


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["all", "any", "not", "value", "op", "than", "x"]), _value, max_size=4)
)
def test_any_tree_is_answered_or_unclear(tree: dict[str, Any]) -> None:
    try:
        evaluate_condition(tree, {})
    except ConditionUnclear:
        pass
