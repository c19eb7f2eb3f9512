"""Sentences that say when."""

from datetime import UTC, datetime

import pytest

from app.features.triggers import phrases, rules

NOW = datetime(2026, 11, 26, 15, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("every Monday 8", "0 8 * * 1"),
        ("every Monday at 8:00", "0 8 * * 1"),
        ("Mondays at 8am", "0 8 * * 1"),
        ("every Mon, Wed and Friday at 5:30 pm", "30 17 * * 1,3,5"),
        ("every day at 12 am", "0 0 * * *"),
        ("daily at noon", "0 12 * * *"),
        ("every weekday at 7:30", "30 7 * * 1,2,3,4,5"),
        ("weekends at midnight", "0 0 * * 0,6"),
        ("on the 1st at 9", "0 9 1 * *"),
        ("every month on the 15th at 9:15", "15 9 15 * *"),
        ("on the last day of the month at 18:00", "0 18 L * *"),
        ("15 8 * * mon", "15 8 * * MON"),
        ("  */15   9-17 * * * ", "*/15 9-17 * * *"),
    ],
)
def test_a_sentence_is_read_as_its_rule(text: str, cron: str) -> None:
    rule, faults = phrases.read(text, "America/New_York", NOW)

    assert faults == []
    assert rule is not None
    assert (rule.cron, rule.timezone) == (cron, "America/New_York")


@pytest.mark.parametrize(
    ("text", "minutes", "said"),
    [
        ("every 15 minutes", 15, "Every 15 minutes"),
        ("every hour", 60, "Every hour"),
        ("hourly", 60, "Every hour"),
        ("every 36 hours", 36 * 60, "Every 36 hours"),
    ],
)
def test_an_interval_is_counted_from_midnight_in_its_zone(text: str, minutes: int, said: str) -> None:
    rule, _ = phrases.read(text, "America/New_York", NOW)

    assert rule is not None
    assert (rule.every_minutes, rule.anchor_at) == (minutes, datetime(2026, 11, 26, 5, 0, tzinfo=UTC))
    assert rules.said(rule) == said


@pytest.mark.parametrize(
    ("text", "code", "fix"),
    [
        ("every Monday", "no_time", "Write “every monday at 9:00”."),
        ("every blue moon at 9", "not_understood", "every Monday at 8:00"),
        ("every Monday at 25:00", "not_understood", "every 15 minutes"),
        ("every Monday at 13 pm", "not_understood", "0 8 * * 1"),
        ("", "not_understood", "Write it like"),
        ("every 2 minutes", "out_of_range", "Write 5 to 44,640 minutes."),
        ("every 999999 hours", "out_of_range", "minutes"),
        ("on the 32nd at 9", "bad_cron", "1 to 31"),
    ],
)
def test_what_is_not_understood_says_what_to_write(text: str, code: str, fix: str) -> None:
    rule, faults = phrases.read(text, "UTC", NOW)

    assert rule is None
    assert [fault.code for fault in faults] == [code]
    assert fix in faults[0].fix
    assert faults[0].path == "when"
    both = phrases.read(text, "Mars/Base", NOW)[1]
    assert [fault.path for fault in both] == ["timezone", "when"], "all of it at once"
