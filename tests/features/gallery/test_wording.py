"""Answers in words."""

from zoneinfo import ZoneInfo

from app.definition.schema import Input
from app.features.gallery import wording

NEW_YORK = ZoneInfo("America/New_York")


def test_answers_are_said_as_people_say_them() -> None:
    said = {
        ("money", "28990.00"): "$28,990.00",
        ("percent", 4.9): "4.9\u00a0%",
        ("boolean", True): "Yes",
        ("boolean", False): "No",
        ("date", "2026-11-30"): "30\u00a0Nov 2026",
        ("datetime", "2026-11-30T14:00:00Z"): "30\u00a0Nov 2026, 09:00",
        ("integer", 34150): "34,150",
        ("people", ("a@b.co", "c@d.co")): "a@b.co, c@d.co",
        ("long_text", None): "",
    }
    for (kind, value), text in said.items():
        answer = list(value) if isinstance(value, tuple) else value
        assert wording.in_words(Input(key="x", type=kind), answer, NEW_YORK) == text
