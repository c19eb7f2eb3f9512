"""What is written for any value is read as that value, and what people write is read as they mean it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web import written

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=20) | st.sampled_from(["5", "true", " a ", "{{ inputs.x }}", '"', "[", "a, b", "1,000", "$5"])
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_every_value_comes_back(value: Any) -> None:
    assert written.same(written.read(written.write(value)), value)
    assert written.same(written.read_amount(written.write_amount(value)), value)
    if isinstance(value, list):
        assert written.same(written.read_list(written.write_list(value)), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("30000", 30000), ("007", "007"), (" Honda ", "Honda"), ('"5"', "5"), ("true", True),
     ("{{ inputs.x }}", "{{ inputs.x }}"), ("{broken", "{broken"), ("2026-11-30", "2026-11-30")],
)  # fmt: skip
def test_what_people_write_is_read_as_meant(text: str, value: Any) -> None:
    assert written.same(written.read(text), value)


def test_lists_and_amounts_are_read_as_people_write_them() -> None:
    assert written.read_list('Honda, Toyota,"a, b", 3') == ["Honda", "Toyota", "a, b", 3]
    assert written.read_list("{{ inputs.brands }}") == "{{ inputs.brands }}"
    assert written.read_list('{{ inputs.a | default("x,y") }}, b') == ['{{ inputs.a | default("x,y") }}', "b"]
    assert written.write_list(["Honda", "Toyota"]) == "Honda, Toyota"
    assert written.read_amount("$30,000") == 30000
    assert written.read_amount("28,990.50") == 28990.5


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("1,800", 1800), ("3 days", 259_200), ("1 h 30 min", 5400), ("2 hours and 1 s", 7201), ("1.5m", 90),
     ("1W", 604_800), ("0.5 s", 0.5), ("3 daisies", "3 daisies"), ("-3 days", "-3 days"), ("days", "days"),
     ("{{ inputs.days2 }}", "{{ inputs.days2 }}")],
)  # fmt: skip
def test_a_length_of_time_is_read_as_people_write_it(text: str, value: Any) -> None:
    assert written.same(written.read_seconds(text), value)
    assert written.write_amount(30000) == "30000"
