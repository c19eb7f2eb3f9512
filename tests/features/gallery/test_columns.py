"""Columns of somebody's table: guessed by their names, chosen by hand, applied."""

import pytest

from app.definition.schema import Input
from app.features.gallery import columns

PEOPLE = Input(key="people", type="csv", columns=["email", "first_name", "consent"])


@pytest.mark.parametrize(
    ("headings", "found"),
    [
        (["E-Mail", "First Name", "Consent"], ["E-Mail", "First Name", "Consent"]),
        (["Vorname", "Mail", "Opt-in"], ["Mail", "Vorname", "Opt-in"]),
        (["Customer email", "Given name", "Frist_name"], ["Customer email", "Given name", ""]),
        (["VIN", "Price"], ["", "", ""]),
        (["email", "Email 2"], ["email", "", ""]),
    ],
)
def test_columns_are_guessed_by_their_names(headings: list[str], found: list[str]) -> None:
    assert list(columns.guess(PEOPLE.columns, headings).values()) == found


def test_a_table_whose_columns_are_beyond_doubt_is_settled_at_once() -> None:
    settled = columns.settle(PEOPLE, "First name;E-MAIL;consent\nDana;d@x.example;yes\n")
    assert settled == "email,first_name,consent\nd@x.example,Dana,yes\n"
    look = columns.look(PEOPLE, settled)
    assert look is not None
    assert (look.is_settled, look.count, look.remarks) == (True, 1, ())


def test_a_doubt_is_left_to_the_person() -> None:
    text = "Vorname,Mail\nDana,d@x.example\nLuis,\n"
    assert columns.settle(PEOPLE, text) == text
    look = columns.look(PEOPLE, text)
    assert look is not None
    assert not look.is_settled
    assert [column.heading for column in look.columns] == ["Mail", "Vorname", ""]
    chosen = columns.settle(PEOPLE, text, {0: "Mail", 1: "Vorname", 2: ""})
    assert chosen == "email,first_name,consent\nd@x.example,Dana,\n,Luis,\n"
    after = columns.look(PEOPLE, chosen)
    assert after is not None
    assert after.remarks == ("1 of 2 rows have no e-mail address: row 2.",)


@pytest.mark.parametrize("chosen", [{}, {0: "No such"}, {0: ""}])
def test_a_choice_of_nothing_changes_nothing(chosen: dict[int, str]) -> None:
    assert columns.settle(PEOPLE, "a,b\n1,2\n", chosen) == "a,b\n1,2\n"


def test_what_is_no_table_stays_as_it_is() -> None:
    assert columns.look(PEOPLE, "a,A\n1,2") is None
    assert columns.settle(PEOPLE, "a,A\n1,2") == "a,A\n1,2"
    assert columns.settle(Input(key="x", type="csv"), "any;thing") == "any;thing"
