"""The list of runs."""

import re
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import db
from app.engine.models import Run, StepRun, WaitRow
from app.features.limits import service as limits
from tests.features.runs.conftest import Yard, statements
from tests.page import Page
from tests.speed import took_s


def _rows(html: str) -> list[str]:
    return [a["id"].removeprefix("run-") for a in Page(html).attributes("article")]


def test_index_lists_the_newest_first_with_whom_a_run_waits_for(yard: Yard) -> None:
    old, new = yard.make("finished", age_s=900) + yard.make("waiting", age_s=60)

    answer = yard.cast.browser(yard.cast.alice).get("/runs")

    page = Page(answer.text)
    assert page.faults == []
    assert _rows(answer.text) == [new, old]
    assert "Waiting for bob@northfield.example" in page.text
    assert "“Approve 10 Facebook ads”, asked" in page.text


def test_a_long_address_in_a_chip_ends_early_and_can_be_read_whole(yard: Yard) -> None:
    yard.make("waiting")
    page = Page(yard.cast.browser(yard.cast.alice).get("/runs").text)
    whole = "Waiting for bob@northfield.example"
    assert [(a["class"], a["title"]) for a in page.attributes("span") if whole in a.get("title", "")] == [
        ("chip-long", whole)
    ]


def test_a_waiting_run_does_not_say_its_own_name_twice(yard: Yard) -> None:
    run_id, = yard.make("waiting", label="Facebook ads: 2023 Toyota RAV4, stock…")
    with yard.app.app_context():
        wait = db.session.scalars(sa.select(WaitRow)).one()
        title = "10 Facebook ads: 2023 Toyota RAV4, stock T1192"
        wait.detail = {**wait.detail, "title": title, "documents": ["a", "b"]}
        db.session.commit()
    browser = yard.cast.browser(yard.cast.alice)

    listed, shown = (Page(browser.get(path).text).text for path in ("/runs", f"/runs/{run_id}"))

    assert re.search(r"Asked today, \d\d:\d\d, due \w{3}, \d\d:\d\d\.", listed)
    assert "bob@northfield.example decides about 2 texts." in shown
    assert "10 Facebook ads" not in listed


def test_a_run_whose_decision_can_be_undone_says_when_it_goes_on(yard: Yard) -> None:
    yard.make("waiting")
    with yard.app.app_context():
        wait = db.session.scalars(sa.select(WaitRow)).one()
        wait.status, wait.decided_at = "decided", clock.now()
        wait.effective_at = clock.now() + timedelta(minutes=10)
        db.session.commit()
    alice = yard.cast.browser(yard.cast.alice)
    for path in ("/runs", "/runs/panel"):
        said = Page(alice.get(path, headers={"HX-Request": "true"} if "panel" in path else {}).text).text
        assert re.search(r"Decided, goes on (today|tomorrow), \d\d:\d\d", said), path
        assert re.search(r"“Approve 10 Facebook ads”, decided today, \d\d:\d\d\.", said), path
    with yard.app.app_context():
        db.session.scalars(sa.select(WaitRow)).one().effective_at = clock.now() - timedelta(seconds=1)
        db.session.commit()
    assert "Decided" not in Page(alice.get("/runs").text).text


def test_a_run_that_only_sending_holds_says_so_in_every_list(yard: Yard) -> None:
    held_id, busy_id = yard.make("running", "running")
    with yard.app.app_context():
        for step in db.session.scalars(sa.select(StepRun).where(StepRun.status == "running")):
            if step.run_id == held_id:
                step.status, step.effect = "pending", "sends"
        limits.hold_sending(db.session(), yard.cast.alice.workspace_id, by="Alice", by_id=yard.cast.alice.user_id)
        db.session.commit()
    alice = yard.cast.browser(yard.cast.alice)
    for path in ("/runs", "/runs/panel"):
        said = Page(alice.get(path, headers={"HX-Request": "true"} if "panel" in path else {}).text).text
        assert said.count("Held: sending is switched off for this workspace.") == 1, path
        assert "Making picture" in said, path
    assert "Held: sending is switched off for this workspace." in Page(alice.get(f"/runs/{held_id}").text).text
    assert "Held" not in Page(alice.get(f"/runs/{busy_id}").text).text.partition("Every step")[0]


def test_what_was_cut_in_what_a_run_does_ends_once(yard: Yard) -> None:
    run_id, = yard.make("running")
    yard.change(run_id, lambda run: setattr(run, "doing", "Making picture 4 of 5: the car on a coast…"))

    listed = Page(yard.cast.browser(yard.cast.alice).get("/runs").text).text

    assert "the car on a coast… " in listed


def test_index_filters_and_searches_together(yard: Yard) -> None:
    failed, = yard.make("failed", label="Honda")
    yard.make("finished", label="Honda")
    yard.make("failed", label="Subaru")
    alice = yard.cast.browser(yard.cast.alice)

    answer = alice.get("/runs?status=failed&q=honda")

    assert _rows(answer.text) == [failed]
    assert "The picture service would not draw two of the five pictures." in Page(answer.text).text
    assert alice.get("/runs?status=nonsense").status_code == 200


@pytest.mark.parametrize(
    ("options", "chip", "said", "title", "now"),
    [
        ({"by": "Bob Approver"}, "Rejected", "Finished after", "Rejected", "Finished without a yes."),
        ({}, "Rejected", "Nobody answered in time.", "Rejected", "That counts as rejected."),
        ({"outcome": "expired"}, "Nobody answered", "Nobody answered in time.", "Not approved", "without a yes."),
    ],
)
def test_a_run_without_a_yes_is_nowhere_called_ready(
    yard: Yard, options: dict[str, str], chip: str, said: str, title: str, now: str
) -> None:
    run_id, = yard.make("rejected", **options)
    alice = yard.cast.browser(yard.cast.alice)

    row = Page(alice.get("/runs").text).text
    page = alice.get(f"/runs/{run_id}").text

    assert chip in row
    assert said in row
    assert f'<h2 id="run-arriving-title">{title}</h2>' in page
    assert now in Page(page).text
    assert ("Nobody answered in time" in Page(page).text) is ("by" not in options)
    assert f"documents-panel-{run_id}" not in alice.get("/documents/panel").text
    ready, = yard.make("finished")
    assert _rows(alice.get("/runs?status=completed").text) == [ready]
    assert _rows(alice.get("/runs?status=rejected").text) == [run_id]
    assert _rows(alice.get("/runs?status=rejected&sort=cost").text) == [run_id]
    assert "Ready 1 Not approved 1" in " ".join(Page(alice.get("/runs").text).text.split())
    assert f"documents-panel-{ready}" in alice.get("/documents/panel").text


def test_index_numbers_its_buttons_only_where_nothing_narrows_it(yard: Yard) -> None:
    yard.make("finished", "failed")
    alice = yard.cast.browser(yard.cast.alice)

    def buttons(path: str) -> list[str]:
        html = alice.get(path).text.partition('aria-label="Filter by status">')[2].partition("</nav>")[0]
        return Page(html).text.split()

    assert buttons("/runs") == ["All", "2", "Ready", "1", "Failed", "1"]
    assert buttons("/runs?status=failed") == ["All", "2", "Ready", "1", "Failed", "1"]
    assert buttons("/runs?q=winter") == ["All", "Ready", "Failed"]
    turned = alice.get("/runs?since=2026-11-02&until=2026-11-01").text
    assert 'name="until" value="2026-11-01"' in turned
    assert "This day is before the first one." in turned


def test_a_filter_that_is_not_understood_is_said_and_the_rest_is_kept(yard: Yard) -> None:
    yard.make("finished", label="Winter letters")
    yard.make("failed", label="Summer letters")
    alice = yard.cast.browser(yard.cast.alice)

    page = Page(alice.get("/runs?status=failed&since=2026-02-30&sort=<b>&from=monday").text)
    assert page.faults == []
    assert "Summer letters" in page.text
    assert "Winter letters" not in page.text
    assert "From: “2026-02-30” is not a day." in page.text
    assert "Order: “<b>” is not one of the choices." in page.text
    assert "There is no filter “from”." in page.text
    assert "is understood" not in Page(alice.get("/runs?status=failed&before=x").text).text
    refused = alice.get("/runs.csv?since=2026-02-30")
    assert refused.status_code == 422
    assert "“2026-02-30” is not a day" in refused.text


def test_index_says_what_is_missing(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)

    assert "Nothing has run yet" in alice.get("/runs").text
    yard.make("finished")
    assert "No runs match “winter”" in Page(alice.get("/runs?q=winter").text).text
    assert "No runs here" in Page(alice.get("/runs?status=stopped").text).text


def test_index_pages_by_key(yard: Yard) -> None:
    yard.make(*["queued"] * 27)
    alice = yard.cast.browser(yard.cast.alice)

    first = alice.get("/runs?status=running").text
    older, = (a["href"] for a in Page(first).attributes("a") if "before=" in a.get("href", ""))
    second = alice.get(older).text

    assert (len(_rows(first)), len(_rows(second))) == (25, 2)
    assert not set(_rows(first)) & set(_rows(second))
    assert "status=running" in older


def test_index_reads_as_often_for_three_runs_as_for_one(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    yard.make("waiting")
    alice.get("/runs")
    with statements(yard.app) as one:
        alice.get("/runs")
    yard.make("waiting", "waiting")
    with statements(yard.app) as three:
        alice.get("/runs")

    assert len(three) == len(one)


def test_index_of_a_stranger_shows_nothing_of_ours(yard: Yard) -> None:
    yard.make("finished")

    charlie = yard.cast.browser(yard.cast.charlie)
    assert "RAV4" not in charlie.get("/runs").text
    assert _rows(charlie.get("/runs?q=RAV4").text) == []


MANY = 100_000


def _add_many(yard: Yard, run_id: str) -> None:
    """Add copies of a run, one a minute before the other, with words to be found by."""
    others = {
        "id": "printf('%08x-0000-7000-8000-%012x', n, n)",
        "number": "n",
        "label": "label || ' stock ' || n",
        "dedupe_key": "NULL",
        "status": "CASE n % 50 WHEN 0 THEN 'failed' ELSE status END",
        "test": "CASE n % 999 WHEN 3 THEN 1 ELSE 0 END",
        "last_no": "CASE n % 25 WHEN 2 THEN 'rejected' END",
        "created_at": "strftime('%Y-%m-%d %H:%M:%f000', created_at, '-' || ({many} - n) || ' minutes')",
    }
    columns = [column.name for column in Run.__table__.columns]
    chosen = ", ".join(others.get(name, f'"{name}"').format(many=MANY) for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    counted = f"WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c WHERE n < {MANY})"
    words = "SELECT 'stock' AS word UNION SELECT 'rav4' UNION SELECT 'no'"
    with yard.app.app_context():
        session = db.session()
        made = f"INSERT INTO run ({names}) {counted} SELECT {chosen} FROM run, c WHERE id = '{run_id}'"
        session.execute(sa.text(made))
        session.execute(
            sa.text(
                f"INSERT INTO run_word (workspace_id, number, word) "
                f"SELECT workspace_id, number, CASE word WHEN 'no' THEN 'n' || number ELSE word END "
                f"FROM run, ({words}) WHERE number > 1"
            )
        )
        session.commit()


def test_index_stays_quick_with_100_000_runs(yard: Yard) -> None:
    (run_id,) = yard.make("finished")
    _add_many(yard, run_id)
    alice = yard.cast.browser(yard.cast.alice)

    def show(path: str) -> None:
        assert alice.get(path).status_code == 200

    def older(path: str) -> str:
        ways = [way.get("href") or "" for way in Page(alice.get(path).text).attributes("a")]
        return next(way for way in ways if "before=" in way)

    day = clock.now() - timedelta(minutes=MANY // 2)
    middle = f"since={day:%Y-%m-%d}&until={day:%Y-%m-%d}"
    for path in (
        "/runs", "/runs?status=failed", "/runs?status=completed", "/runs?status=rejected",
        older("/runs?status=rejected"), "/runs?status=rejected&sort=cost",
        "/runs?kind=tests", "/runs?kind=tests&status=completed", "/runs?kind=samples", "/runs?kind=real&sort=cost",
        "/runs?q=rav4", "/runs?q=n77", f"/runs?q=n{MANY // 2}", f"/runs?{middle}",
        "/runs?q=rav4&sort=name", "/runs?q=stock+rav4", "/runs?q=stock+rav4&sort=name",
        "/runs?sort=longest", "/runs?sort=cost", "/runs?q=rav4&sort=cost",
        older("/runs"), older(f"/runs?{middle}"), "/runs/panel", f"/runs/{run_id}",
    ):  # fmt: skip
        assert took_s(partial(show, path), tries=4) < 0.05, path


def test_a_list_narrowed_by_what_is_gone_says_so_and_stays_narrowed(yard: Yard) -> None:
    yard.make("finished")
    gone = "01a1f900-0000-7000-8000-000000000000"

    html = yard.cast.browser(yard.cast.alice).get(f"/runs?workflow={gone}&person={gone}").text

    for said in ("A workflow that is deleted", "Somebody who left"):
        assert f'<option value="{gone}" selected>{said}</option>' in html
