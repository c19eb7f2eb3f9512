"""The history: filters in the address, order, pages by key, views, files."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.features.runs import history, search
from app.features.runs.history import Wanted
from app.features.runs.kinds import Kind
from app.features.runs.models import RunView
from app.features.runs.orders import Sort
from tests import factories
from tests.cast import add_editor
from tests.features.runs.conftest import Yard, statements
from tests.page import Page


def _rows(html: str) -> list[str]:
    return [a["id"].removeprefix("run-") for a in Page(html).attributes("article")]


def _page(yard: Yard, wanted: Wanted, **options: Any) -> list[str]:
    with yard.app.app_context():
        options = {"zone": "America/New_York", "limit": 50, **options}
        return [run.id for run in history.page(db.session(), yard.cast.alice.workspace_id, wanted, **options)]


def test_filters_are_read_from_the_address_and_written_back() -> None:
    given = {"status": "failed", "person": "nobody", "label": " Honda  CR-V ", "q": "x" * 300, "since": "2026-11-01",
             "until": "2026-11-30", "sort": "cost", "size": "50", "workflow": new_id(), "kind": "tests"}  # fmt: skip
    wanted = history.asked(given)

    assert wanted.query == {**given, "label": "Honda CR-V", "q": "x" * 200}
    assert (wanted.statuses, wanted.narrowing, wanted.narrows) == (("failed",), 5, True)
    assert history.asked(wanted.query) == wanted
    assert wanted.but(status="", size=25)["sort"] == "cost"


def test_what_cannot_be_read_is_left_out_and_a_wrong_day_is_said() -> None:
    wanted = history.asked({"status": "odd", "workflow": "1 or 1=1", "person": "x", "sort": "up", "size": "9999",
                            "since": "yesterday", "until": "0001-01-01", "q": "a\0b"})  # fmt: skip

    assert wanted.query == {"q": "ab"}
    assert set(wanted.problems) == {"status", "workflow", "person", "sort", "size", "since", "until"}
    turned = history.asked({"since": "2026-11-02", "until": "2026-11-01"})
    assert "until" in turned.problems
    assert (turned.until, turned.refused) == (None, date(2026, 11, 1))


def test_the_days_that_people_ask_for_most_are_those_of_the_workspace() -> None:
    new_year_in_london = datetime(2027, 1, 1, 2, tzinfo=UTC)
    assert history.ranges(new_year_in_london, "America/New_York") == [
        ("Today", date(2026, 12, 31), date(2026, 12, 31)),
        ("Last 7 days", date(2026, 12, 25), date(2026, 12, 31)),
        ("Last 30 days", date(2026, 12, 2), date(2026, 12, 31)),
        ("This month", date(2026, 12, 1), date(2026, 12, 31)),
        ("Last month", date(2026, 11, 1), date(2026, 11, 30)),
    ]


def test_samples_are_left_out_and_tests_can_be(yard: Yard) -> None:
    sample, test, no, mine = yard.make("finished", "finished", "rejected", "finished", label="Car")
    yard.change(sample, lambda run: setattr(run, "trigger_kind", "seed"))
    for run_id in (test, no):
        yard.change(run_id, lambda run: setattr(run, "test", True))
    kept = {
        "": [mine, no, test], "real": [mine], "tests": [no, test], "samples": [sample], "all": [mine, no, test, sample],
    }  # fmt: skip

    for kind, found in kept.items():
        for more in ({}, {"sort": "cost"}, {"q": "car"}, {"status": "completed"}, {"status": "rejected"}):
            wanted = history.asked({"kind": kind, **more})
            those = [run_id for run_id in found if more.get("status") not in ("completed", "rejected")
                     or (run_id == no) is (more["status"] == "rejected")]  # fmt: skip
            assert sorted(_page(yard, wanted)) == sorted(those), (kind, more)
    alice = yard.cast.browser(yard.cast.alice)
    page = alice.get("/runs").text
    assert Page(page).faults == []
    assert "samples are left out: show them too" in " ".join(Page(page).text.split())
    assert ' <span class="tag">TEST</span></h2>' in page
    assert ' <span class="tag">SAMPLE</span></h2>' in alice.get("/runs?kind=all").text
    assert "All 3 Ready 2 Not approved 1" in " ".join(Page(page).text.split())


def test_before_anything_of_ours_ran_the_samples_are_shown(yard: Yard) -> None:
    sample, = yard.make("finished")
    yard.change(sample, lambda run: setattr(run, "trigger_kind", "seed"))
    alice = yard.cast.browser(yard.cast.alice)

    page = alice.get("/runs").text
    assert _rows(page) == [sample]
    assert "These samples came with the workspace" in Page(page).text
    mine, = yard.make("queued")
    assert _rows(alice.get("/runs").text) == [mine]
    assert "look among them too" in alice.get("/runs?q=rav4x").text


def test_each_filter_keeps_what_it_says(yard: Yard) -> None:
    dana = add_editor(yard.cast)
    mine, = yard.make("finished", label="Honda CR-V")
    failed, = yard.make("failed", label="Honda Civic")
    with yard.app.app_context():
        other = factories.workflow(db.session(), yard.cast.alice.workspace_id, name="Letters")
        recall = factories.queued_run(db.session(), other, label="Recall", starter=factories.ALICE).id
        db.session.commit()
        other_id = other.id
    yard.change(failed, lambda run: setattr(run, "started_by", dana.user_id))
    # 04:30 in UTC is still the day before in New York
    yard.change(mine, lambda run: setattr(run, "created_at", datetime(2026, 3, 2, 4, 30, tzinfo=UTC)))

    assert _page(yard, Wanted(status="failed")) == [failed]
    assert _page(yard, Wanted(workflow=other_id)) == [recall]
    assert _page(yard, Wanted(person=dana.user_id)) == [failed]
    assert _page(yard, Wanted(person=history.BY_ITSELF)) == [recall]
    assert _page(yard, Wanted(label="honda c")) == [failed, mine]
    assert _page(yard, Wanted(label="CR-V")) == [mine]
    assert _page(yard, Wanted(since=date(2026, 3, 1), until=date(2026, 3, 1))) == [mine]
    assert _page(yard, Wanted(since=date(2026, 3, 2), until=date(2026, 3, 2))) == []
    assert _page(yard, Wanted(q="honda", person=dana.user_id, status="failed")) == [failed]


@pytest.mark.parametrize("wanted", [Wanted(sort=sort, q=q) for sort in Sort for q in ("", "car")], ids=str)
@pytest.mark.parametrize("rare", [0, 1000])
def test_every_order_pages_without_gaps_or_doubles(
    yard: Yard, wanted: Wanted, rare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "RARE", rare)
    made = yard.make(*["finished"] * 7, label="Car")
    at = clock.now() - timedelta(days=1)
    for place, run_id in enumerate(made):
        began = at + timedelta(hours=place // 3)
        values = {"created_at": began, "started_at": began, "cost_microusd": place // 2 * 1000,
                  "finished_at": began + timedelta(seconds=place // 2), "label": f"Car {place // 2}"}
        yard.change(run_id, lambda run, values=values: [setattr(run, key, value) for key, value in values.items()])

    # ties are settled by the id, and ids sort by their making
    expected = made[::-1] if wanted.sort in (Sort.NEWEST, Sort.COST, Sort.LONGEST) else made
    for looked_at in (4, 2):
        monkeypatch.setattr(history, "LOOKED_AT", looked_at)
        found: list[str] = []
        while page := _page(yard, wanted, limit=3, before=found[-1] if found else None):
            found += page
        assert found == expected


def test_a_run_without_a_duration_is_in_no_order_of_durations(yard: Yard) -> None:
    finished, queued = yard.make("finished", "queued")

    assert _page(yard, Wanted(sort=Sort.LONGEST)) == [finished]
    assert _page(yard, Wanted(sort=Sort.NAME)) == [finished, queued]


def test_few_runs_are_sorted_by_themselves_and_many_by_the_index(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = yard.make(*["finished"] * 4)
    for place, run_id in enumerate(made):
        yard.change(run_id, lambda run, place=place: setattr(run, "cost_microusd", place % 2))
    expected = [made[3], made[1], made[2], made[0]]

    for most in (0, 3, 4, 5):
        monkeypatch.setattr(history, "MOST_SORTED", most)
        assert _page(yard, Wanted(sort=Sort.COST, status="completed")) == expected
        assert _page(yard, Wanted(sort=Sort.COST, status="completed"), before=made[1]) == expected[2:]
        assert _page(yard, Wanted(sort=Sort.COST, status="completed"), before=made[0]) == []


def test_few_runs_are_gone_through_once_to_count_and_sort_them(yard: Yard) -> None:
    yard.make("finished", "failed")

    with statements(yard.app) as seen:
        assert len(_page(yard, Wanted(sort=Sort.COST, status="completed"))) == 1
        assert _page(yard, Wanted(sort=Sort.LONGEST, status="running")) == []

    looked = [statement for statement in seen if "'seed'" not in statement]  # which runs are samples is asked apart
    assert [statement.count("FROM run") for statement in looked] == [1, 1, 1]


def test_page_shows_filters_and_pages_keep_them(yard: Yard) -> None:
    yard.make(*["queued"] * 27, label="Honda")
    alice = yard.cast.browser(yard.cast.alice)

    page = Page(alice.get("/runs?label=honda&sort=oldest&since=2020-01-01").text)
    next_page, = (a["href"] for a in page.attributes("a") if "before=" in a.get("href", ""))

    assert page.faults == []
    assert {"label=honda", "sort=oldest", "since=2020-01-01"} <= set(next_page.partition("?")[2].split("&"))
    assert len(_rows(alice.get(next_page).text)) == 2
    assert "First page" in Page(alice.get(next_page).text).text
    assert "“soon” is not a day." in Page(alice.get("/runs?since=soon").text).text
    assert "No runs fit these filters" in Page(alice.get("/runs?label=zebra").text).text
    assert alice.get(f"/runs?before={new_id()}").status_code == 200


def test_a_view_is_kept_by_name_for_its_person_alone(yard: Yard) -> None:
    yard.make("failed")
    alice, bob = yard.cast.browser(yard.cast.alice), yard.cast.browser(yard.cast.bob)

    kept = alice.post("/runs/views", data={"name": " Failed  ads ", "status": "failed", "sort": "cost", "odd": "1"})
    again = alice.post("/runs/views", data={"name": "failed ADS", "status": "failed"})

    assert (kept.status_code, again.status_code) == (303, 303)
    with yard.app.app_context():
        view = db.session.execute(sa.select(RunView)).scalar_one()
        assert (view.name, view.filters, view.user_id) == ("failed ADS", {"status": "failed"}, yard.cast.alice.user_id)
        view_id = view.id
    assert "failed ADS" in Page(alice.get("/runs").text).text
    assert "failed ADS" not in bob.get("/runs").text
    for stranger in (bob, yard.cast.browser(yard.cast.charlie)):
        assert stranger.post(f"/runs/views/{view_id}/deletion").status_code == 404
    assert alice.delete(f"/runs/views/{view_id}").status_code == 303
    assert alice.post(f"/runs/views/{view_id}/deletion").status_code == 404


@pytest.mark.parametrize(("name", "said"), [(" ", "A view needs a name."), ("x" * 61, "This name has 61 characters.")])
def test_a_view_without_a_good_name_is_refused_and_the_filters_stay(yard: Yard, name: str, said: str) -> None:
    alice = yard.cast.browser(yard.cast.alice)

    answer = alice.post("/runs/views", data={"name": name, "status": "failed"})

    page = Page(answer.text)
    assert answer.status_code == 422
    assert page.faults == []
    assert said in page.text
    assert page.fields()["status"] == "failed"


def test_a_person_keeps_a_bounded_number_of_views(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    for number in range(20):
        assert alice.post("/runs/views", data={"name": f"View {number}", "q": "x"}).status_code == 303

    assert alice.post("/runs/views", data={"name": "One more", "q": "x"}).status_code == 422


def test_csv_holds_every_run_that_fits_and_no_formula(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BATCH", 2)
    yard.make("finished", "finished", "finished", label="=HYPERLINK(“x”)")
    yard.make("failed", label="Honda")

    answer = yard.cast.browser(yard.cast.alice).get("/runs.csv?status=completed")

    rows = list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert answer.content_type == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert [row["number"] for row in rows] == ["3", "2", "1"]
    assert {row["name"] for row in rows} == {"'=HYPERLINK(“x”)"}
    assert rows[0]["workflow"] == "Facebook Ads"
    assert (rows[0]["status"], rows[0]["cost_usd"], rows[0]["steps"]) == ("completed", "0.460000", "6")


def test_json_holds_the_answers_and_nothing_of_strangers(yard: Yard) -> None:
    run_id, = yard.make("finished")
    alice, charlie = yard.cast.browser(yard.cast.alice), yard.cast.browser(yard.cast.charlie)

    found = json.loads(alice.get("/runs.json").get_data())

    assert [run["id"] for run in found] == [run_id]
    assert found[0]["inputs"]["approver"] == "bob@northfield.example"
    assert json.loads(charlie.get("/runs.json").get_data()) == []
    assert yard.cast.browser(None).get("/runs.csv").status_code == 303
    assert alice.get("/runs.xml").status_code == 404


def test_numbers_above_the_list_are_counted_up_to_a_limit(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_COUNTED", 2)
    yard.make("failed", "failed", "failed", "waiting")

    said = {each.key: each.said for each in _filters(yard)}

    assert {key: number for key, number in said.items() if number != "0"} == {"": "2+", "waiting": "1", "failed": "2+"}
    assert set(said) == {"", "running", "waiting", "completed", "rejected", "failed", "stopped"}


def _filters(yard: Yard) -> list[Any]:
    with yard.app.app_context():
        return history.filters(db.session(), yard.cast.alice.workspace_id, Kind.OWN)


@pytest.mark.parametrize(
    "path", ["/runs?q=rav4", "/runs?label=rav4&sort=cost&status=completed", "/runs?q=zebra+rav4", "/runs?q=rav4+brief"]
)
def test_reads_as_often_for_three_runs_as_for_one(
    yard: Yard, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = yard.cast.browser(yard.cast.alice)
    yard.make("finished")
    alice.get(path)
    with statements(yard.app) as one:
        alice.get(path)
    yard.make("finished", "finished")
    with statements(yard.app) as three:
        alice.get(path)
    monkeypatch.setattr(search, "RARE", 0)
    with statements(yard.app) as many:
        alice.get(path)

    assert len(many) == len(three) == len(one)


def test_many_runs_are_read_by_an_index(yard: Yard) -> None:
    """Every kind of list goes through an index, whatever the planner of the embedded database thinks of it."""
    yard.make("finished")
    person, workflow = yard.cast.alice.user_id, yard.workflow_id
    for wanted in (
        Wanted(), Wanted(status="failed"), Wanted(status="running"), Wanted(sort=Sort.COST), Wanted(person=person),
        Wanted(workflow=workflow),
        Wanted(since=date(2026, 1, 1)), Wanted(q="zebra"), Wanted(q="rav4"), Wanted(sort=Sort.COST, status="failed"),
        Wanted(sort=Sort.LONGEST), Wanted(sort=Sort.SHORTEST), Wanted(sort=Sort.NAME), Wanted(sort=Sort.NAME, q="car"),
    ):  # fmt: skip
        with statements(yard.app) as seen:
            _page(yard, wanted)
        for statement in seen:
            if "FROM run" in statement and "count" not in statement:
                assert _scans(yard, statement) == [], (wanted, statement)


@pytest.mark.parametrize(
    "more",
    [
        {"since": date(2026, 1, 1)}, {"sort": Sort.OLDEST}, {"status": "finished"}, {"status": "failed"},
        {"person": "somebody"},
    ],
)  # fmt: skip
def test_the_runs_of_a_workflow_with_few_are_read_by_its_own_index(yard: Yard, more: dict[str, Any]) -> None:
    """And not by that of all runs by time, of a status or a person, which must be gone through for them."""
    yard.make("finished")
    with statements(yard.app) as seen:
        _page(yard, Wanted(workflow=yard.workflow_id, **more))
    (listed,) = (each for each in seen if each.startswith("SELECT run.id, run.workspace_id") and "ORDER BY" in each)
    assert any("USING INDEX ix_run_workflow_id_created_at" in line for line in _plan(yard, listed))


@pytest.mark.parametrize("sort", [Sort.LONGEST, Sort.NAME, Sort.COST])
@pytest.mark.parametrize("status", ["", "completed"])
def test_few_runs_of_a_workflow_are_sorted_and_not_those_of_the_workspace_gone_through(
    yard: Yard, sort: Sort, status: str
) -> None:
    made = yard.make("finished")
    with statements(yard.app) as seen:
        assert _page(yard, Wanted(workflow=yard.workflow_id, sort=sort, status=status)) == made
    (sorted_,) = (each for each in seen if each.startswith("WITH"))
    assert "SEARCH run USING INDEX ix_run_workflow_id_created_at (workflow_id=?)" in _plan(yard, sorted_)


@pytest.mark.parametrize("more", [{"person": "somebody"}, {"person": history.BY_ITSELF}, {"q": "rav4"}], ids=str)
def test_what_runs_or_waits_is_read_by_its_status_whoever_else_has_many_runs(
    yard: Yard, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not by the index of a person's runs, nor by that of numbers, between which nearly all may be."""
    monkeypatch.setattr(search, "RARE", 0)
    monkeypatch.setattr(history, "LOOKED_AT", 0)
    yard.make("finished", "waiting", "waiting")
    _let_a_person_seem_rarer_than_a_status(yard)
    with statements(yard.app) as seen:
        _page(yard, Wanted(status="waiting", **more))
    listed = next(each for each in reversed(seen) if each.startswith("SELECT run.id, run.workspace_id"))
    read = [line for line in _plan(yard, listed) if line.startswith("SEARCH run USING") and "(id=?)" not in line]
    assert listed.count("UNION ALL") == 2
    assert len(read) == 3
    assert all("INDEX ix_run_workspace_id_status (workspace_id=? AND status=?)" in line for line in read)


def test_a_workflow_with_many_runs_leaves_the_index_to_who_has_few(yard: Yard, monkeypatch: Any) -> None:
    yard.make("finished", "finished")
    monkeypatch.setattr(history, "FEW", 1)
    for more, index in (({"person": "somebody"}, "workspace_id_started_by"), ({"kind": Kind.TESTS}, "other")):
        with statements(yard.app) as seen:
            _page(yard, Wanted(workflow=yard.workflow_id, **more))
        (listed,) = (each for each in seen if each.startswith("SELECT run.id, run.workspace_id") and "ORDER BY" in each)
        assert any(f"USING INDEX ix_run_{index}" in line for line in _plan(yard, listed))


def _let_a_person_seem_rarer_than_a_status(yard: Yard) -> None:
    """Give SQLite's planner such figures of the indexes of runs: without them it takes none for runs of nobody."""
    rows = {"ix_run_workspace_id_status": "90000 90000 9000 1 1", "ix_run_workspace_id_started_by": "90000 90000 9 1 1"}
    with yard.app.app_context(), db.engine.begin() as connection:
        connection.execute(sa.text("ANALYZE"))
        connection.execute(sa.text("UPDATE sqlite_stat1 SET stat = '90000 90000 1 1 1' WHERE tbl = 'run'"))
        for index, figures in rows.items():
            connection.execute(sa.text(f"UPDATE sqlite_stat1 SET stat = '{figures}' WHERE idx = '{index}'"))
        connection.execute(sa.text("ANALYZE sqlite_schema"))


def _scans(yard: Yard, statement: str) -> list[str]:
    return [line for line in _plan(yard, statement) if line.startswith("SCAN run") and "INDEX" not in line]


def _plan(yard: Yard, statement: str) -> list[str]:
    with yard.app.app_context(), db.engine.connect() as connection:
        given = ["x"] * statement.count("?")
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(given))
        return [row[3] for row in plan]
