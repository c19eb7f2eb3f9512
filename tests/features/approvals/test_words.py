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
