"""How values are written on pages."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from app.features.approvals import words as approvals
from app.features.runs import words as runs
from app.web import filters

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 10:00 in New York, a Friday
NEW_YORK = "America/New_York"


def plain(text: str) -> str:
    return text.replace(filters.NBSP, " ")


@pytest.mark.parametrize(
    ("microusd", "said"),
    [
        (None, "$0.00"),
        (0, "$0.00"),
        (310_000, "$0.31"),
        (1_234_567_890, "$1,234.57"),
        (4_000, "under $0.01"),
        (-50_000, "-$0.05"),
    ],
)
def test_money(microusd: int | None, said: str) -> None:
    assert plain(filters.money(microusd)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0.2, "under 1 s"),
        (14, "14 s"),
        (112, "1 min 52 s"),
        (120, "2 min"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_duration(seconds: float | None, said: str) -> None:
    assert plain(filters.duration(seconds)) == said


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (timedelta(seconds=-10), "just now"),
        (timedelta(minutes=-40), "40 min ago"),
        (timedelta(hours=-2), "2 h ago"),
        (timedelta(hours=-18), "yesterday, 16:00"),
        (timedelta(days=-3), "Tue, 10:00"),
        (timedelta(days=-20), "31 Oct, 11:00"),
        (timedelta(days=-400), "16 Oct 2025, 11:00"),
        (timedelta(minutes=30), "in 30 min"),
        (timedelta(hours=13), "today, 23:00"),
        (timedelta(hours=23), "tomorrow, 09:00"),
        (timedelta(days=3), "Mon, 10:00"),
    ],
)
def test_moments_as_people_say_them(away: timedelta, said: str) -> None:
    with freeze_time(NOW):
        assert plain(filters.spoken(NOW + away, NEW_YORK)) == said


@pytest.mark.parametrize("away", [timedelta(days=-400), timedelta(days=-20), timedelta(days=3), timedelta(hours=23)])
def test_a_moment_is_said_alike_by_pages_lists_and_approvals(away: timedelta) -> None:
    with freeze_time(NOW):
        said = filters.spoken(NOW + away, NEW_YORK)
    assert runs.moment(NOW + away, NEW_YORK, NOW) == said
    assert approvals.when(NOW + away, NEW_YORK, NOW) == said


def test_pictures_that_are_told_alike_are_numbered() -> None:
    assert filters.told_apart(["A red car", "Snow", "A red car"]) == ["A red car, 1 of 2", "Snow", "A red car, 2 of 2"]
    assert filters.told_apart(["", ""]) == ["Picture, 1 of 2", "Picture, 2 of 2"]
    assert filters.told_apart([]) == []


def test_ago_keeps_the_exact_moment() -> None:
    with freeze_time(NOW):
        tag = filters.ago(NOW - timedelta(minutes=40), NEW_YORK)
    said = '<time datetime="2026-11-20T14:20:00Z" title="20 Nov 2026, 09:20">40 min ago</time>'
    assert plain(str(tag)) == said
    assert filters.ago(None) == ""


def test_names_of_models_stay_on_one_line() -> None:
    kept = '<span class="nowrap">{}</span>'.format
    assert filters.unbroken("A <CR-V EX-L> co-op") == f"A &lt;{kept('CR-V')} {kept('EX-L')}&gt; co-op"
    assert filters.unbroken("E-mail, 2 e-mails") == f"{kept('E-mail')}, 2 {kept('e-mails')}"
    assert filters.unbroken(None) == ""


def test_an_address_may_break_after_its_at_and_nothing_else_does() -> None:
    written = filters.addresses("the.boss@elsewhere.example <b> decides @ 9")
    assert written == "the.boss@<wbr>elsewhere.example &lt;b&gt; decides @ 9"
    assert filters.addresses(None) == ""


def test_a_number_that_was_counted_up_to_a_limit() -> None:
    assert [filters.up_to(number, 1000) for number in (0, 999, 1000)] == ["0", "999", "1,000+"]


def test_plural_and_spelled() -> None:
    assert [plain(filters.plural(n, "step")) for n in (0, 1, 2, 1200)] == [
        "0 steps",
        "1 step",
        "2 steps",
        "1,200 steps",
    ]
    said = [plain(filters.spelled(n, "copy", "copies")) for n in (0, 1, 3, 12)]
    assert said == ["no copies", "one copy", "three copies", "12 copies"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("Marketing coordinator", "MC"), ("Cher", "C"), ("ann.b.lee@x.example", "AE"), ("", "?"), ("— —", "?")],
)
def test_initials(name: str, said: str) -> None:
    assert filters.initials(name) == said


HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "<a hx-get='/x'>y</a>",
    "![x](https://evil.example/pixel.png)", "<div style='x' data-hx-get='/x'>y</div>", "[x](data:text/html,x)",
    "<form action=/sign-out><button>x</button></form>", "<svg onload=alert(1)>", "`</code><script>`",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_lets_nothing_hostile_through(text: str) -> None:
    html = str(filters.markdown(text)).lower()
    for part in (
        "<script",
        "<img",
        "<form",
        "<svg",
        "<div",
        'href="javascript',
        'href="data',
        "<a hx-",
        "<button",
    ):
        assert part not in html


def test_markdown_keeps_text_lists_and_links() -> None:
    html = str(filters.markdown("**Ten** ads\n\n- one\n- [two](https://x.example)"))
    assert "<strong>Ten</strong> ads" in html
    assert '<a href="https://x.example" rel="noopener noreferrer nofollow">two</a>' in html


def test_lines_escapes_and_keeps_line_ends() -> None:
    assert str(filters.lines("a <b>\nc")) == "a &lt;b&gt;<br>c"


def test_sizes_and_shares() -> None:
    assert [plain(filters.size(n)) for n in (10, 480_000, 2_100_000)] == ["1 KB", "480 KB", "2.1 MB"]
    assert plain(filters.percent(0.974)) == "97 %"
