"""What is read between {{ and }}, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.parser import Parser

from app.definition import expressions
from app.definition.expressions import ValueInvalid, check_value, parse_value
from app.definition.value_filters import FILTERS


@pytest.mark.parametrize(
    "text",
    [
        "{{ inputs.offer.upper() }}",
        "{{ ''.__class__.__mro__() }}",
        "{{ 1 + 1 }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'a' ~ 'b' }}",
        "{{ range(1000000000) }}",
        "{{ inputs.a if inputs.b else inputs.c }}",
        "{{ inputs.a == 1 }}",
        "{{ inputs.a is defined }}",
        "{{ not inputs.a }}",
        "{{ [1, 2] }}",
        "{{ {'a': 1} }}",
        "{{ inputs.a[0:2] }}",
        "{{ inputs.a[inputs.b] }}",
        "{{ inputs.a[true] }}",
        "{{ inputs.a[1.5] }}",
        "{{ inputs.a | default(value='x') }}",
        "{{ inputs.a | default }}",
        "{{ inputs.a | default(1, 2) }}",
        "{{ inputs.a | round('two') }}",
        "{{ inputs.a | round(true) }}",
        "{{ inputs.a | join(3) }}",
        "{{ inputs.a | upper(*x) }}",
        "{% for x in inputs.a %}{{ x }}{% endfor %}",
        "{% set x = 1 %}",
        "{% raw %}{{ x }}{% endraw %}",
        "{% include 'x' %}",
        "{{ }}",
        "{{{ inputs.a }}}",
        "{{ inputs. }}",
        "{{ inputs.a",
        "{{ inputs.a | }}",
        "{{ 'a }}",
        "{{ " + "(" * 50 + "inputs.a" + ")" * 50 + " | upper" * 30 + " }}",
        "{{ " + "(" * 20_000 + " }}",
        "{{ x" + ".a" * 5000 + " }}",
        "{{ " + "9" * 5000 + " }}",
        "{{ 99999999999999999999 }}",
        "{{ 1e999 }}",
    ],
)
def test_everything_else_is_a_problem(text: str) -> None:
    found = check_value(text)
    assert {(problem.path, problem.code) for problem in found} == {("", "bad_value")}
    assert all(problem.message and problem.fix for problem in found)
    with pytest.raises(ValueInvalid) as raised:
        parse_value(text)
    assert raised.value.problems == found


def test_an_unknown_filter_gets_a_suggestion() -> None:
    (problem,) = check_value("{{ inputs.a | uper }}")
    assert (problem.code, problem.fix) == ("unknown_filter", "Did you mean “upper”?")


def test_the_filters_are_those_of_the_contract_and_ours() -> None:
    contract = "upper lower title trim default int float round length join first last replace date money json truncate"
    ours = "rows datetime"
    assert sorted(FILTERS) == sorted([*contract.split(), *ours.split()])
    for known in FILTERS.values():
        assert check_value(known.example) == []


_names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
_plain = st.lists(_names, min_size=2, max_size=4).map(lambda names: "{{ " + ".".join(names) + " }}")
_literal = st.text(st.sampled_from("ab {}%#\n\r-é"), max_size=6)


@given(st.lists(_plain | _literal, max_size=6).map("".join))
def test_the_quick_reading_agrees_with_jinja(text: str) -> None:
    quick = expressions._read_plain(text) if "{{" in text and "{%" not in text else None
    if quick is not None:
        reading = expressions._Reading()
        assert tuple(reading.pieces(Parser(expressions._JINJA, text).parse())) == quick.pieces
        assert reading.problems == []
