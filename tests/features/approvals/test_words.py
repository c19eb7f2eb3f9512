"""How requests are worded."""

import pytest

from app.features.approvals import words


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("10 Facebook ads", "Please approve: 10 Facebook ads"),
        ("Approve: 10 Facebook ads", "Please approve: 10 Facebook ads"),
        ("Please approve the price", "Please approve the price"),
        ("APPROVE", "Please approve"),
        ("Approved by whom?", "Please approve: Approved by whom?"),
    ],
)
def test_the_subject_never_says_the_verb_twice(title: str, subject: str) -> None:
    assert words.please_approve(title) == subject


@pytest.mark.parametrize(
    ("status", "has_answered", "why"),
    [
        ("approved", False, "somebody else was faster"),
        ("rejected", False, "somebody else was faster"),
        ("withdrawn", False, "the run had been stopped"),
        ("expired", False, "the time to answer was over"),
        ("open", False, "the time to answer was over"),
        ("open", True, "you had answered already"),
        ("approved", True, "you had answered already"),
    ],
)
def test_an_answer_that_came_too_late_hears_why(status: str, has_answered: bool, why: str) -> None:
    assert words.uncounted(status, has_answered=has_answered) == f"Your answer was not counted: {why}."
