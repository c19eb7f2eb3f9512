from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.definition.expressions import check_value
from app.definition.value_filters import FILTERS
from app.definition.values import MissingValue, Reference, UnusableValue, ValueProblem, evaluate, names_in

SCOPE: dict[str, Any] = {
    "inputs": {
        "offer": "0 % for 36 months",
        "price": "28990.00",
        "count": 10,
        "rate": 2.5,
        "ok": True,
        "none": None,
        "blank": "",
        "people": ["a@b.com", "c@d.com"],
        "day": "2026-11-30",
        "at": "2026-11-30T14:05:00Z",
        "keys": {"items": 1, "a b": 2, "1": "one"},
    },
    "steps": {"ads": {"texts": ["First", "Second"], "empty": [], "rows": [{"n": 1}]}},
    "run": {"started_by": {"email": "bob@example.com"}},
    "item": {"vin": "1HG"},
    "event": {},
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{{ inputs.count }}", 10),
        ("{{inputs.count}}", 10),
        ("{{ inputs.ok }}", True),
        ("{{ inputs.none }}", None),
        ("{{ inputs.people }}", ["a@b.com", "c@d.com"]),
        ("{{ steps.ads.texts[1] }}", "Second"),
        ("{{ steps.ads.texts[-1] }}", "Second"),
        ("{{ steps['ads']['texts'][0] }}", "First"),
        ("{{ inputs.keys.items }}", 1),
        ("{{ inputs.keys['a b'] }}", 2),
        ("{{ inputs.keys[1] }}", "one"),
        ("{{ item.vin }}", "1HG"),
        ("{{ 'text' }}", "text"),
        ("{{ -3 }}", -3),
        ("{{ true }}", True),
        ("{{ none }}", None),
        ("{{ (inputs.people | first) }}", "a@b.com"),
        ("{{ (steps.ads.rows | first).n }}", 1),
        ("For {{ inputs.offer }}.", "For 0 % for 36 months."),
        ("{{ inputs.count }} ads, {{ inputs.rate }} %", "10 ads, 2.5 %"),
        ("[{{ inputs.none }}]", "[]"),
        ("[{{ inputs.ok }}]", "[yes]"),
        ("[{{ inputs.people }}]", "[a@b.com, c@d.com]"),
        ("[{{ steps.ads.rows }}]", '[[{"n": 1}]]'),
        ("[{{ inputs.keys }}]", '[{"items": 1, "a b": 2, "1": "one"}]'),
        ("{{ inputs.count }}\n", "10\n"),
        (" {{ inputs.count }}", " 10"),
        ("{# not a comment #}", "{# not a comment #}"),
        ("a }} b", "a }} b"),
        ("{{ '{{' }}", "{{"),
        ("{{ '}}' }}", "}}"),
        ("line\r\n{{ inputs.count }}", "line\n10"),
    ],
)
def test_a_value_in_text(text: str, result: object) -> None:
    found = evaluate(text, SCOPE)
    assert found == result
    assert type(found) is type(result)


def test_values_in_lists_and_dicts() -> None:
    config = {
        "to": ["{{ inputs.people | first }}", "x"],
        "n": 3,
        "{{ key }}": None,
        "deep": {"count": "{{ inputs.count }}"},
    }
    assert evaluate(config, SCOPE) == {
        "to": ["a@b.com", "x"],
        "n": 3,
        "{{ key }}": None,
        "deep": {"count": 10},
    }


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ inputs.offer | upper }}", "0 % FOR 36 MONTHS"),
        ("{{ 'ÄÖ' | lower }}", "äö"),
        ('{{ "the dealer\'s best-seller" | title }}', "The Dealer's Best-Seller"),
        ("{{ '  x ' | trim }}", "x"),
        ("{{ inputs.nix | default('none yet') }}", "none yet"),
        ("{{ inputs.none | default(3) }}", 3),
        ("{{ inputs.blank | default('-') }}", "-"),
        ("{{ inputs.nix.deep | upper | default(inputs.count) }}", 10),
        ("{{ inputs.offer | default('x') }}", "0 % for 36 months"),
        ("{{ inputs.price | int }}", 28990),
        ("{{ '1,234' | int }}", 1234),
        ("{{ 'many' | int(0) }}", 0),
        ("{{ inputs.price | float }}", 28990.0),
        ("{{ inputs.rate | round }}", 3),
        ("{{ '2.345' | round(2) }}", 2.35),
        ("{{ steps.ads.texts | length }}", 2),
        ("{{ inputs.none | length }}", 0),
        ("{{ steps.ads.texts | join }}", "First, Second"),
        ("{{ steps.ads.texts | join(' / ') }}", "First / Second"),
        ("{{ steps.ads.texts | first }}", "First"),
        ("{{ steps.ads.texts | last }}", "Second"),
        ("{{ inputs.offer | replace('months', 'weeks') }}", "0 % for 36 weeks"),
        ("{{ inputs.day | date }}", "30 November 2026"),
        ("{{ inputs.at | date('%a %d %b, %H:%M') }}", "Mon 30 Nov, 14:05"),
        ("{{ inputs.at | date('%-I:%M %p') }}", "2:05 PM"),
        ("{{ inputs.at | datetime }}", "Monday 30 November 2026, 14:05 UTC"),
        ("{{ '2026-11-30T19:05:00Z' | datetime }}", "Monday 30 November 2026, 19:05 UTC"),
        ("{{ inputs.day | datetime }}", "Monday 30 November 2026"),
        ("{{ inputs.at | datetime('%-I:%M %p') }}", "2:05 PM"),
        ("{{ inputs.none | datetime | default('now') }}", "now"),
        ("{{ inputs.price | money }}", "$28,990.00"),
        ("{{ -5 | money }}", "-$5.00"),
        ("{{ inputs.none | money }}{{ inputs.none | date }}", ""),
        ("{{ inputs.none | date | default('no end') }}", "no end"),
        ("{{ 12.345 | money('€') }}", "€12.35"),
        ("{{ inputs.people | json }}", '["a@b.com", "c@d.com"]'),
        ("{{ inputs.offer | truncate(10) }}", "0 % for…"),
        ("{{ inputs.offer | truncate(10, '') }}", "0 % for 36"),
        ("{{ 'abcdefghij' | truncate(5) }}", "abcd…"),
        ("{{ inputs.offer | truncate }}", "0 % for 36 months"),
    ],
)
def test_a_filter(text: str, result: object) -> None:
    found = evaluate(text, SCOPE)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ inputs.ofer }}", "The answer “ofer” is missing."),
        ("Hello {{ inputs.ofer }}", "The answer “ofer” is missing."),
        ("{{ inputs.offer.x }}", "The answer “offer”, part “x”, is missing."),
        ("{{ steps.pictures.images }}", "The result of the step “pictures” is missing."),
        ("{{ steps.pictures }}", "The result of the step “pictures” is missing."),
        ("{{ steps.ads.nix }}", "The result “nix” of the step “ads” is missing."),
        ("{{ steps.ads.texts[2] }}", "The result “texts” 3 of the step “ads” is missing: there are 2."),
        ("{{ steps.ads.empty | first }}", "The list is empty, so it has no first or last."),
        ("{{ nix.a }}", "“nix.a” is not known here."),
    ],
)
def test_what_is_missing_is_said(text: str, message: str) -> None:
    with pytest.raises(MissingValue) as raised:
        evaluate(text, SCOPE)
    assert raised.value.message == message


def test_a_step_that_did_not_run_is_missing() -> None:
    with pytest.raises(MissingValue, match="of the step “pictures” is missing"):
        evaluate("{{ steps.pictures.images[0] }}", SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "{{ inputs.offer | int }}",
        "{{ inputs.offer | money }}",
        f"{{{{ {'9' * 39} | money }}}}",
        "{{ inputs.offer | date }}",
        "{{ inputs.count | first }}",
        "{{ inputs.ok | int }}",
        "{{ inputs.day | date('%q') }}",
        "{{ inputs.offer | replace('', 'x') }}",
        "{{ inputs.offer | truncate(0) }}",
        "{{ inputs.offer | truncate(inputs.offer) }}",
        "{{ inputs.rate | round(11) }}",
        "{{ '9999999999999999999' | int }}",
        "{{ inputs.offer + 1 }}",
        "{{",
    ],
)
def test_what_does_not_fit_is_unusable(text: str) -> None:
    with pytest.raises(UnusableValue):
        evaluate(text, SCOPE)


class Secretive:
    password = "hunter2"

    def __getitem__(self, key: object) -> str:
        return "hunter2"

    def __str__(self) -> str:
        return "hunter2"


@pytest.mark.parametrize("name", ["password", "__class__", "__init__.__globals__", "__getitem__"])
def test_nothing_but_plain_data_is_looked_into(name: str) -> None:
    scope = {"inputs": {"user": Secretive(), "text": "x", "list": [], "dict": {}}}
    for owner in ("user", "text", "list", "dict"):
        with pytest.raises(MissingValue):
            evaluate(f"{{{{ inputs.{owner}.{name} }}}}", scope)
    with pytest.raises(UnusableValue):
        evaluate("{{ inputs.user | upper }}", scope)
    with pytest.raises(UnusableValue):
        evaluate("a {{ inputs.user }}", scope)


def test_names_with_their_places() -> None:
    config = {
        "a": "{{ inputs.x }} {{ steps.s.list[0] | default(run.y) }}",
        "b": ["{{ (item | first).z }}", "{{ broken"],
    }
    assert names_in(config) == [
        Reference("inputs", ("x",), "/a", has_default=False),
        Reference("steps", ("s", "list", 0), "/a", has_default=True),
        Reference("run", ("y",), "/a", has_default=False),
        Reference("item", (), "/b/0", has_default=False),
    ]
    assert names_in(config)[1].text == "steps.s.list[0]"


def test_what_comes_out_is_limited() -> None:
    big = {"inputs": {"text": "x" * 200_000, "list": ["y" * 1000] * 300, "euro": "€" * 100_000}}
    assert len(evaluate("{{ inputs.text }}", big)) == 200_000
    for config in (
        "{{ inputs.text }}{{ inputs.text }}",
        ["{{ inputs.text }}", "{{ inputs.text }}"],
        "{{ inputs.list }}",
        "{{ inputs.list | join }}",
        "{{ inputs.list | json }}",
        "{{ inputs.euro }}",
        "{{ inputs.text | replace('x', 'xx') }}",
    ):
        with pytest.raises(UnusableValue, match="256 KiB"):
            evaluate(config, big)


def test_amounts_and_dates_read_as_people_write_them() -> None:
    scope = {
        "inputs": {
            "d": Decimal("10.50"),
            "day": date(2026, 11, 30),
            "whole": 5.0,
            "nan": float("nan"),
            "huge": 10**400,
        }
    }
    assert (
        evaluate("{{ inputs.d }} on {{ inputs.day }}: {{ inputs.whole }}", scope) == "10.50 on 2026-11-30: 5"
    )
    for name in ("nan", "huge"):
        with pytest.raises(UnusableValue):
            evaluate(f"x {{{{ inputs.{name} }}}}", scope)


@pytest.mark.parametrize(
    ("text", "zone", "result"),
    [
        ("{{ inputs.at | datetime }}", "America/New_York", "Sunday 29 November 2026, 21:30"),
        ("{{ inputs.at | datetime }}", "UTC", "Monday 30 November 2026, 02:30"),
        ("{{ inputs.at | date }}", "America/New_York", "29 November 2026"),
        ("{{ inputs.day | date }}", "America/New_York", "30 November 2026"),
        ("{{ inputs.at | datetime }}", "Mars/Base", "Monday 30 November 2026, 02:30 UTC"),
    ],
)
def test_times_are_written_in_the_zone_of_the_workspace(text: str, zone: str, result: str) -> None:
    inputs = {"at": "2026-11-30T02:30:00Z", "day": "2026-11-30"}
    assert evaluate(text, {"inputs": inputs, "run": {"workspace": {"timezone": zone}}}) == result


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_calls = st.sampled_from(
    [f"| {name}" for name in FILTERS] + ["| default('x')", "| replace('a', 'b')", "| round(2)", "[0]", ".a"]
)


@given(_json, st.lists(_calls, max_size=4), st.booleans())
def test_only_our_errors_come_out(value: object, calls: list[str], alone: bool) -> None:
    text = "{{ inputs.x " + " ".join(calls) + " }}"
    try:
        evaluate(text if alone else "a" + text, {"inputs": {"x": value}})
    except ValueProblem as problem:
        message = problem.message
    else:
        message = "fine."
    assert message.endswith(".")


@given(st.text(st.sampled_from("{}%#|.()[]'\"\\ abc019_-+*\n\x00\ud800"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    if not check_value(text):
        names_in(text)
        try:
            evaluate(text, {"inputs": {}})
        except ValueProblem:
            pass
