"""The first page: greeting, how things stand, the panels' places; More and Help."""

from datetime import UTC, datetime

import pytest

from app.features.home.rules import greeting, summary
from tests.cast import Cast
from tests.features.runs.conftest import statements
from tests.page import Page


@pytest.mark.parametrize("path", ["/", "/more", "/help"])
def test_members_see_the_page_and_strangers_sign_in(cast: Cast, path: str) -> None:
    for who in (cast.alice, cast.bob):
        response = cast.browser(who).get(path)
        assert (response.status_code, Page(response.text).faults) == (200, [])
    assert cast.browser(None).get(path).location.startswith("/sign-in")


def test_the_owner_may_start_something_and_the_approver_not(cast: Cast) -> None:
    alice, bob = (Page(cast.browser(who).get("/").text) for who in (cast.alice, cast.bob))
    assert "/gallery" in [
        attrs["href"] for attrs in alice.attributes("a") if "btn-primary" in attrs.get("class", "")
    ]
    assert [attrs for attrs in bob.attributes("a") if "btn-primary" in attrs.get("class", "")] == []


def test_the_panels_are_asked_for_and_each_has_a_way_without_script(cast: Cast) -> None:
    page = Page(cast.browser(cast.alice).get("/").text)
    asked = {attrs["id"]: attrs for _, attrs in page.tags if attrs.get("hx-trigger") == "load"}
    assert [asked[name]["hx-get"] for name in asked] == ["/runs/panel", "/documents/panel"]
    assert {attrs["hx-target"] for attrs in asked.values()} == {"this"}
    assert len(page.attributes("noscript")) == 2


def test_every_panel_answers_with_the_root_it_replaces(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    for _, attrs in Page(client.get("/").text).tags:
        if "hx-get" in attrs:
            panel = client.get(attrs["hx-get"].replace("seen=", "seen=x"), headers={"HX-Request": "true"})
            assert (attrs["id"], panel.status_code) == (attrs["id"], 200)
            parsed = Page(panel.text)
            assert parsed.faults == []
            assert parsed.tags[0][1]["id"] == attrs["id"]


def test_the_counts_of_the_frame_are_read_once(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    with statements(client.application) as seen:
        client.get("/")
    assert len([statement for statement in seen if "AS approvals" in statement]) == 1


@pytest.mark.parametrize(
    ("hour", "said"),
    [(4, "evening"), (5, "morning"), (11, "morning"), (12, "afternoon"), (17, "afternoon"), (18, "evening")],
)
def test_the_greeting_follows_the_workspaces_clock(hour: int, said: str) -> None:
    moment = datetime(2026, 11, 20, hour + 5 if hour < 19 else hour - 19, 30, tzinfo=UTC)
    assert greeting(moment, "America/New_York", "Alice Ames") == f"Good {said}, Alice"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((3, 2, 0, 0, 0), "Three things wait for you. Two runs are working, nothing failed today."),
        (
            (1, 1, 0, 1, 1),
            "One thing waits for you. One run is working, one run waits for somebody or a time, one run failed today.",
        ),
        ((0, 0, 0, 0, 0), "Nothing waits for you. No runs are working, nothing failed today."),
        (
            (0, 12, 54, 1, 2),
            (
                "Nothing waits for you. 12 runs are working, 54 runs stand in line, "
                "one run waits for somebody or a time, two runs failed today."
            ),
        ),
        (
            (100, 1, 0, 1000, 0),
            (
                "More than 99 things wait for you. One run is working, more than 999 runs wait for somebody or a time, "
                "nothing failed today."
            ),
        ),
    ],
)
def test_the_summary_reads_like_a_sentence(counts: tuple[int, int, int, int, int], said: str) -> None:
    waiting, working, line, idle, failed = counts
    found = summary(
        waiting=waiting, runs_working=working, runs_in_line=line, runs_waiting=idle, failed_today=failed
    )
    assert found.replace("\u00a0", " ") == said
