"""Tables as people hand them in, and what a question may ask of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.definition import tables
from app.definition.inputs import check_questions, clean_inputs
from app.definition.problems import InputsInvalid
from app.definition.schema import Definition
from app.definition.value_filters import UnusableValue, apply

OWNERS = "E-mail;First name\ndana@x.example;Dana\n\nluis@x.example; Luis \n"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_every_usual_mark_is_read(mark: str) -> None:
    table = tables.read(f"\ufeffname{mark}mail\r\nDana{mark}d@x.example\r\nLuis{mark}\r\n")
    assert table.records() == [{"name": "Dana", "mail": "d@x.example"}, {"name": "Luis", "mail": ""}]


def test_quotes_lines_in_cells_and_rows_of_other_lengths_are_taken() -> None:
    table = tables.read('a,b\n"one, two","three\nfour"\nx\n1,2,3\n')
    assert table.rows == (("one, two", "three\nfour"), ("x", ""), ("1", "2"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "It is empty"), (" \n\n", "It is empty"), ("a,A\n1,2", "Two columns"),
        (",".join(map(str, range(201))), "200"),
        ("a\n" + "1\n" * 20_001, "20,000 rows"), ("a\n" + "x" * 140_000, "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_no_table_says_why(text: str, why: str) -> None:
    with pytest.raises(tables.TableInvalid, match=why):
        tables.read(text)


def test_columns_are_renamed_and_the_rest_stays_behind_them() -> None:
    table = tables.read("Name,Mail,VIN\nDana,d@x.example,1\n")
    chosen = {"email": "Mail", "first_name": "Name", "consent": ""}
    assert tables.renamed(table, chosen).records() == [
        {"email": "d@x.example", "first_name": "Dana", "consent": "", "VIN": "1"}
    ]


@given(st.lists(st.lists(st.text(alphabet='ab,;"\n ', max_size=6), min_size=2, max_size=2), max_size=5))
def test_what_is_written_is_read_again(rows: list[list[str]]) -> None:
    wanted = [[cell.strip() for cell in row] for row in rows]
    again = tables.read(tables.write(["one", "two"], wanted))
    assert [list(row) for row in again.rows] == [row for row in wanted if any(row)]


def _definition(**question: object) -> Definition:
    return Definition.model_validate({"inputs": [{"key": "x", "type": "csv", **question}], "steps": []})


def test_a_table_must_have_the_columns_that_are_asked() -> None:
    definition = _definition(columns=["E-mail", "First name"])
    assert clean_inputs(definition, {"x": OWNERS})["x"] == OWNERS
    with pytest.raises(InputsInvalid) as caught:
        clean_inputs(_definition(columns=["E-mail", "VIN"]), {"x": OWNERS})
    [problem] = caught.value.problems
    assert (problem.path, problem.code) == ("/inputs/x", "columns")
    assert problem.message == "“X” has no column VIN."
    assert problem.fix == "Its columns are E-mail and First name: say which is which."
    with pytest.raises(InputsInvalid):
        clean_inputs(definition, {"x": "E-mail,First name\n"})


def test_questions_with_columns_and_fixed_ones_are_checked() -> None:
    problems = check_questions(
        {
            "inputs": [
                {"key": "a", "type": "text", "columns": ["x"]},
                {"key": "b", "type": "csv", "columns": ["x", "X"]},
                {"key": "c", "fixed": True},
                {"key": "d", "fixed": True, "default": "always"},
            ]
        }
    )
    assert [(problem.path, problem.code) for problem in problems] == [
        ("/inputs/0/columns", "bad_value"),
        ("/inputs/1/columns", "duplicate"),
        ("/inputs/2/default", "required"),
    ]


def test_a_fixed_answer_is_always_the_same() -> None:
    definition = Definition.model_validate(
        {"inputs": [{"key": "tone", "fixed": True, "default": "Friendly"}], "steps": []}
    )
    assert clean_inputs(definition, {}) == clean_inputs(definition, {"tone": "Friendly"}) == {"tone": "Friendly"}
    with pytest.raises(InputsInvalid) as caught:
        clean_inputs(definition, {"tone": "Rude"})
    assert caught.value.problems[0].code == "fixed"


def test_rows_of_a_table_can_be_gone_through() -> None:
    assert apply("rows", OWNERS, [])[1] == {"E-mail": "luis@x.example", "First name": "Luis"}
    assert apply("rows", None, []) == []
    for odd in ("a,a\n1,2", 7):
        with pytest.raises(UnusableValue):
            apply("rows", odd, [])
