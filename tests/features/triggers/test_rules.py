"""When a schedule is due: over both changes of the clock, in every zone, and what is no rule."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.features.triggers import rules
from app.features.triggers.rules import Rule

NEW_YORK = "America/New_York"
ZONES = sorted(available_timezones() - {"localtime"})
AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(rule: Rule, after: str, number: int) -> list[str]:
    found = islice(rules.moments(rule, utc(after)), number)
    return [f"{at.astimezone(ZoneInfo(rule.timezone)):%m-%d %H:%M %Z}" for at in found]


def test_what_falls_into_the_hour_that_comes_twice_is_due_once() -> None:
    daily = Rule(NEW_YORK, cron="30 1 * * *")

    assert due(daily, "2026-10-31T12:00", 3) == ["11-01 01:30 EDT", "11-02 01:30 EST", "11-03 01:30 EST"]
    assert due(daily, "2026-11-01T05:30", 1) == ["11-02 01:30 EST"], "after the first 01:30 comes no second"
    assert due(daily, "2026-11-01T06:15", 1) == ["11-02 01:30 EST"], "begun between the two, it does not go back"


def test_what_falls_into_the_hour_that_is_left_out_is_due_right_after_it() -> None:
    daily = Rule(NEW_YORK, cron="30 2 * * *")

    assert due(daily, "2027-03-13T12:00", 3) == ["03-14 03:00 EDT", "03-15 02:30 EDT", "03-16 02:30 EDT"]


def test_every_quarter_of_an_hour_goes_on_through_the_hour_that_comes_twice() -> None:
    often = Rule(NEW_YORK, cron="*/15 * * * *")

    found = list(islice(rules.moments(often, utc("2026-11-01T04:59")), 12))

    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=15)}


def test_an_interval_is_counted_from_its_anchor_whatever_the_clock_shows() -> None:
    rule = Rule(NEW_YORK, every_minutes=90, anchor_at=utc("2026-11-01T04:00"))

    assert rules.following(rule, utc("2026-11-01T04:00")) == utc("2026-11-01T05:30")
    assert rules.following(rule, utc("2026-11-01T05:29:59.999")) == utc("2026-11-01T05:30")
    assert rules.following(rule, utc("2026-10-31T03:00")) == utc("2026-10-31T04:00"), "before it, too"


PARTS = st.tuples(
    st.sampled_from(["0", "30", "59", "*/15", "7,37", "*/20"]),
    st.sampled_from(["*", "0", "1", "2", "3", "*/2", "1-3", "23", "0,12"]),
    st.sampled_from(["*", "1", "15", "L", "*/5"]),
    st.sampled_from(["*", "3", "10,11", "MAR-APR"]),
    st.sampled_from(["*", "0", "SUN", "1-5", "7#1"]),
)
MOMENTS = st.datetimes(datetime(1999, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))


@given(zone=st.sampled_from(ZONES), parts=PARTS, after=MOMENTS)
def test_the_next_due_time_is_later_and_none_comes_twice(
    zone: str, parts: tuple[str, ...], after: datetime
) -> None:
    rule = Rule(zone, cron=" ".join(parts))

    found = list(islice(rules.moments(rule, after), 6))

    assert all(earlier < later for earlier, later in pairwise([after, *found]))
    for earlier, later in pairwise(found):
        assert rules.following(rule, earlier) == later, "wherever one begins"
    if found:
        assert rules.latest(rule, found[0], found[-1], 3) == found[-3:]


@given(zone=st.sampled_from(ZONES), hour=st.integers(0, 23), minute=st.integers(0, 59), after=MOMENTS)
def test_a_daily_time_leaves_no_day_out_that_its_zone_has(zone: str, hour: int, minute: int, after: datetime) -> None:
    rule = Rule(zone, cron=f"{minute} {hour} * * *")

    found = [after, *islice(rules.moments(rule, after), 4)]

    assert all(timedelta(0) < later - earlier <= timedelta(hours=50) for earlier, later in pairwise(found))


def test_however_long_nothing_ran_only_the_newest_are_looked_for() -> None:
    often, yearly = Rule(NEW_YORK, cron="*/5 * * * *"), Rule(NEW_YORK, cron="0 9 26 11 *")
    long_ago = AT - timedelta(days=365 * 20)

    assert rules.latest(often, long_ago, AT) == [AT - timedelta(minutes=5 * n) for n in range(9, -1, -1)]
    assert len(rules.latest(yearly, long_ago, AT)) == 10
    assert rules.latest(often, AT + timedelta(minutes=1), AT + timedelta(minutes=2)) == []


@pytest.mark.parametrize(
    ("cron", "code", "said"),
    [
        ("61 * * * *", "bad_cron", "“61” is no minute. Write 0 to 59, * or */15."),
        ("0 8 * * monday", "bad_cron", "“monday” is no day of the week."),
        ("0 25 32 * *", "bad_cron", "“25” is no hour."),
        ("0 8 * *", "bad_cron", "this one has 4."),
        ("* * * * * *", "bad_cron", "Seconds cannot be set."),
        ("* * * * *", "too_often", "here it would be 1."),
        ("58,0 * * * *", "too_often", "here it would be 2."),
        ("*/7 * * * *", "too_often", "here it would be 4."),
        ("58,0 9 * * *", "", ""),
        ("0 0 30 2 *", "never", "That day never comes."),
        ("0 0 31 6 MON", "", ""),
        ("1#2/3 * * * *", "bad_cron", "is no minute"),
        ("0 0 * * 1#2/3", "bad_cron", "is no day of the week"),
    ],
)
def test_a_rule_that_is_none_is_told_by_its_part(cron: str, code: str, said: str) -> None:
    faults = rules.check(Rule(NEW_YORK, cron=cron), AT)

    assert [fault.code for fault in faults][:1] == ([code] if code else [])
    assert said in " ".join(f"{fault.message} {fault.fix}" for fault in faults)
    assert {fault.path for fault in faults} <= {"when"}


@given(cron=st.text("0123456789*/,-#LWMONJAN ² ", max_size=30))
def test_any_text_is_a_rule_that_can_be_followed_or_is_refused(cron: str) -> None:
    rule = Rule("UTC", cron=cron)

    if not rules.check(rule, AT):
        assert rules.following(rule, AT) is not None
        assert rules.said(rule)


@pytest.mark.parametrize("minutes", [4, 44_641])
def test_an_interval_has_its_limits(minutes: int) -> None:
    assert [fault.code for fault in rules.check(Rule("UTC", every_minutes=minutes), AT)] == ["out_of_range"]


@pytest.mark.parametrize("name", ["", "Nowhere/Town", "../../etc/passwd", "America", "x\0y"])
def test_a_zone_that_is_none_is_told(name: str) -> None:
    assert [fault.path for fault in rules.zone(name)] == ["timezone"]
