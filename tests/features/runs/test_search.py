"""The words that runs are found by."""

import importlib
import itertools
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.words import words
from app.engine.events import WaitStarted
from app.engine.models import RUN_NAME, Run
from app.features.runs import history, listeners, queries, search
from app.features.runs.history import Wanted
from app.features.runs.models import RunWord
from app.features.runs.orders import Sort
from tests import factories
from tests.cast import Cast, enter

FORM: dict[str, Any] = {
    "schema": 1,
    "inputs": [
        {"key": "customer", "label": "Customer", "type": "text"},
        {"key": "email", "label": "E-mail", "type": "email"},
        {"key": "phone", "label": "Phone", "type": "phone"},
        {"key": "vin", "label": "VIN", "type": "vin"},
        {"key": "stock", "label": "Stock", "type": "integer"},
        {"key": "car", "label": "Car", "type": "vehicle"},
        {"key": "story", "label": "Story", "type": "long_text"},
        {"key": "notes", "label": "Notes", "type": "json"},
        {"key": "owners", "label": "Owners", "type": "csv"},
        {"key": "cars", "label": "Cars", "type": "csv"},
    ],
    "steps": [{"id": "say", "type": "transform", "config": {"set": {"said": "yes"}}}],
}
LONG = "word " + " ".join(f"filler{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60))


@pytest.fixture
def people(app: Any) -> Cast:
    return enter(app)


def _start(session: Session, people: Cast, **answers: Any) -> Run:
    flow = factories.workflow(session, people.alice.workspace_id, name="Letters", definition=FORM)
    return factories.queued_run(session, flow, label="Zoë’s CR-V letter", inputs=answers)


def _found(session: Session, people: Cast, text: str, **options: Any) -> list[int]:
    match = search.narrowed(session, search.matching(session, people.alice.workspace_id, text), **options)
    wanted = sa.select(Run.number).where(Run.workspace_id == people.alice.workspace_id, match.condition)
    return sorted(session.execute(wanted).scalars())


def test_words_are_lower_case_without_accents_and_marks() -> None:
    assert words("Zoë’s CR-V, $28,990 — Zoë!") == ["zoe", "cr", "28", "990"]
    assert words("x 7 _") == ["7"]
    assert words("ß" * 60) == ["s" * 40]


def test_a_run_is_found_by_what_people_know_of_it(session: Session, people: Cast) -> None:
    run = _start(
        session, people, customer="Dana Whitfield", email="dana.whitfield@example.com", phone="(555) 010-2345",
        vin="1HGCM82633A004352", stock=41187, story=f"{LONG} stock H2417, call me", notes={"secret": "hidden"},
    )  # fmt: skip
    run.started_by = people.alice.user_id
    other = _start(session, people, customer="Eve")
    session.flush()

    for typed in (
        "dana whit", "DANA.WHITFIELD@example.com", "5550102345", "555 010", "1HGCM82633A004352", "3A004352", "004352",
        "h2417", "41187", "letter dana", "alice",
    ):  # fmt: skip
        assert _found(session, people, typed) == [run.number], typed
    for typed in ("zoe", "letters"):
        assert _found(session, people, typed) == [run.number, other.number], typed
    for typed in ("hidden", "fillercc", "whitfield eve", "", "%", "'; drop table run; --"):
        assert _found(session, people, typed) == [], typed


@pytest.mark.parametrize("typed", ["5TDDZRBH1MS104417", "ms104417", "104417", "p2208", "highlander", "2021 toyota"])
def test_a_run_is_found_by_its_vehicle(session: Session, people: Cast, typed: str) -> None:
    run = _start(session, people, car={"vin": "5TDDZRBH1MS104417", "stock": "P2208", "model": "Highlander"})
    assert _found(session, people, typed) == [run.number]
    assert _found(session, people, "p2209") == []


def test_an_amount_is_found_however_it_is_written(session: Session, people: Cast) -> None:
    told = _start(session, people, story="The dealer asks $22,500 for it, 1,234,567 in all; see 2024,2025.")
    number = _start(session, people, stock=22500)
    cents = _start(session, people, customer="22500.00")
    parts = _start(session, people, customer="22 boxes, 500 sheets")
    for typed in ("22500", "22,500", "$22,500", "$22,500.00"):
        assert _found(session, people, typed) == [told.number, number.number, cents.number], typed
    assert _found(session, people, "1,234,567") == _found(session, people, "1234567") == [told.number]
    assert _found(session, people, "22 500") == [told.number, parts.number]
    assert _found(session, people, "20242025") == []


def test_a_stranger_finds_nothing_of_ours(session: Session, people: Cast) -> None:
    _start(session, people, customer="Dana Whitfield")

    match = search.matching(session, people.charlie.workspace_id, "dana")
    wanted = sa.select(Run.id).where(Run.workspace_id == people.charlie.workspace_id, match.condition)
    assert session.execute(wanted).all() == []


def test_words_that_many_runs_have_find_the_same_as_rare_ones(
    session: Session, people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [_start(session, people, customer=name) for name in ("Dana Ames", "Dana Berg", "Eve Ames", "Eve Berg")]
    numbers = [run.number for run in runs]
    expected = {
        "dana": numbers[:2], "ames": numbers[0::2], "dana berg": numbers[1:2], "dana ames berg": [],
        "letters eve": numbers[2:], f"{numbers[3]}": numbers[3:], "zoe cr": numbers,
    }  # fmt: skip
    assert {typed: _found(session, people, typed) for typed in expected} == expected

    for rare in (0, 1, 2, 3):
        monkeypatch.setattr(search, "RARE", rare)
        assert {typed: _found(session, people, typed) for typed in expected} == expected
        assert {typed: _found(session, people, typed, far_apart=True) for typed in expected} == expected


@pytest.mark.parametrize("column", [Run.created_at, RUN_NAME], ids=["by time", "by name"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_runs_of_a_rare_word_are_looked_up_by_their_numbers(session: Session, people: Cast, column: Any) -> None:
    named = search._named(session, frozenset(range(1, 1_101)))
    wanted = sa.select(Run.id).where(Run.workspace_id == people.alice.workspace_id, named)
    sorted_ = wanted.order_by(queries.without_index(column).desc(), Run.id.desc())
    text = str(sorted_.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))

    plan = "\n".join(str(row) for row in session.execute(sa.text(f"EXPLAIN QUERY PLAN {text}")))

    assert "(workspace_id=? AND number=?)" in plan
    assert "ix_run_" not in plan


def test_names_with_a_common_word_are_found_without_reading_runs_or_looking_up_words_of_each(
    session: Session, people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "RARE", 0)
    monkeypatch.setattr(history, "LOOKED_AT", 0)
    _start(session, people, customer="Dana Ames")
    is_postgresql = session.get_bind().dialect.name == "postgresql"

    _edge, first, plan = _plans(session, people.alice.workspace_id, Wanted(q="dana", sort=Sort.NAME))

    assert ("Index Only Scan using ix_run_name" if is_postgresql else "INDEX ix_run_name") in first
    assert "TEMP B-TREE" not in first.partition("SCAN page")[0]  # only the page itself is sorted
    assert ("Index Only Scan using ix_run_name" if is_postgresql else "INDEX ix_run_name") in plan
    assert ("LIST SUBQUERY" in plan) is not is_postgresql
    assert ("hashed SubPlan" in plan) is is_postgresql
    assert "CORRELATED" not in plan
    assert "TEMP B-TREE" not in plan


def _plans(session: Session, workspace_id: str, wanted: Wanted) -> list[str]:
    """Return the plans of a page's sorted statements, as if there were too many runs to go through."""
    statements, is_postgresql = list[tuple[str, Any]](), session.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        session.execute(sa.text("SET LOCAL enable_bitmapscan = off"))
    connection = session.connection()

    @sa.event.listens_for(connection, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        statements.append((statement, parameters))

    assert len(history.page(session, workspace_id, wanted, zone="UTC", limit=26)) == 1
    explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
    return [
        "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))
        for statement, parameters in list(statements)
        if "ORDER BY" in statement
    ]


def test_runs_by_time_are_looked_at_without_reading_them(
    session: Session, people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "RARE", 0)
    _start(session, people, customer="Dana Ames")

    _edge, page = _plans(session, people.alice.workspace_id, Wanted(q="dana"))

    is_postgresql = session.get_bind().dialect.name == "postgresql"
    by_index = "Index Only Scan Backward using" if is_postgresql else "USING COVERING INDEX"
    assert f"{by_index} ix_run_workspace_id_created_at" in page


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_runs_that_have_common_words_are_gathered_by_the_words_and_not_by_all_numbers(
    session: Session, people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "RARE", 0)
    monkeypatch.setattr(search, "FEW", 0)
    _start(session, people, customer="Dana Berg")
    connection, asked = session.connection(), list[tuple[str, Any]]()
    note = "before_cursor_execute"
    sa.event.listen(connection, note, lambda _c, _k, text, given, *_r: asked.append((text, given)))

    assert len(_found(session, people, "dana berg")) == 1

    (gathered, given), = (each for each in asked if "INTERSECT" in each[0])
    plan = [str(row[-1]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {gathered}", given)]
    read = [line for line in plan if line.startswith("SEARCH run_word")]
    assert len(read) == 2
    assert all("COVERING INDEX ix_run_word_workspace_id_word" in line for line in read)


def test_common_words_of_few_runs_are_read_by_their_numbers_once(
    session: Session, people: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Dana Ames", "Dana Berg"):
        _start(session, people, customer=name)
    monkeypatch.setattr(search, "RARE", 1)

    plan, = _plans(session, people.alice.workspace_id, Wanted(q="dana berg"))

    if session.get_bind().dialect.name == "postgresql":
        assert "SubPlan" not in plan  # else the words of each run are looked up
        assert "InitPlan" in plan
    assert "run_word" in plan


def test_words_go_with_their_run_and_are_added_once(session: Session, people: Cast) -> None:
    run = _start(session, people, customer="Dana")
    search.add(session, run.workspace_id, run.number, ["dana", "boss"])
    search.add(session, run.workspace_id, run.number, ["boss"])
    assert _found(session, people, "boss") == [run.number]

    session.execute(sa.delete(Run).where(Run.id == run.id))
    assert session.execute(sa.select(RunWord.word)).all() == []


def test_a_run_keeps_a_bounded_number_of_words(session: Session, people: Cast) -> None:
    story = " ".join(f"A{number}B" for number in range(100, 900))
    run = _start(session, people, story=story)

    kept = session.execute(sa.select(sa.func.count()).where(RunWord.number == run.number)).scalar_one()
    assert kept == search.MOST_WORDS


def test_a_run_is_found_by_the_addresses_and_numbers_in_its_tables(session: Session, people: Cast) -> None:
    owners = (
        "name;VIN #;E-Mail Address;Mobile;visited;miles\n"
        "Dana W.;1HGCM82633A004352;dana.whitfield@mail.example;(555) 010-2345;2026-11-30;28990\n"
        'Eve B.;;"; eve@berg.example";;never;31750\n'
    )
    cars = "Unit,Stock No,seen by\n2021 Kia Sportage,H-2417,555 013 9876\nFord,5UXCR6C05L9B12345,zoe@ames.example\n"
    run = _start(session, people, customer="Northside", owners=owners, cars=cars)

    for typed in (
        "dana.whitfield@mail.example", "whitfield", "1hgcm82633a004352", "3A004352", "004352", "5550102345",
        "(555) 010-2345", "eve@berg.example", "H-2417", "2417", "555 013 9876", "L9B12345", "zoe@ames.example",
        "northside",
    ):  # fmt: skip
        assert _found(session, people, typed) == [run.number], typed
    for typed in ("sportage", "28990", "11", "never", "ford"):
        assert _found(session, people, typed) == [], typed


def test_of_a_long_table_the_first_rows_are_found_and_the_answers_stay(session: Session, people: Cast) -> None:
    rows = [f"{number:05d}@long.example,1HGCM82633A{number:06d},555 010 {number:05d}" for number in range(10_000)]
    run = _start(session, people, customer="Northside", owners="\n".join(["email,vin,phone", *rows]))

    kept = session.execute(sa.select(sa.func.count()).where(RunWord.number == run.number)).scalar_one()
    assert kept == len(words("Zoë’s CR-V letter Northside")) + search.MOST_TABLE_WORDS
    for typed in ("northside", "00100@long.example", "1HGCM82633A000100", "55501000100"):
        assert _found(session, people, typed) == [run.number], typed
    for typed in ("09999@long.example", "1HGCM82633A009999"):
        assert _found(session, people, typed) == [], typed


@pytest.mark.parametrize("odd", ["  ", "a,a\n1,2", '"', "email\n\n@\n@@,,,", "x" * 200_000])
def test_a_table_that_is_none_does_not_keep_a_run_from_starting(session: Session, people: Cast, odd: str) -> None:
    run = _start(session, people, customer="Northside", owners=odd)

    assert _found(session, people, "northside") == [run.number]


def test_a_table_costs_a_start_no_statement(session: Session, people: Cast) -> None:
    seen: list[str] = []
    sa.event.listen(session.connection(), "before_cursor_execute", lambda *about: seen.append(about[2]))

    _start(session, people, owners="")
    without = len(seen)
    _start(session, people, owners="email\nzoe@ames.example\neve@berg.example")

    assert seen[without:] == seen[:without] != []


def test_a_run_is_found_by_whom_it_asks(session: Session, people: Cast) -> None:
    run = _start(session, people, customer="Dana")
    detail = {"approvers": ["gm@northfield.example", None]}
    for _ in range(2):
        asked = WaitStarted("w", run.workspace_id, run.id, "s", "check", "approval", detail, None, "expired")
        listeners.wait_started(session, asked)

    assert _found(session, people, "gm@northfield.example") == [run.number]


def test_runs_of_before_are_found_by_their_amounts_too(session: Session, people: Cast) -> None:
    run = _start(session, people, story="It costs $22,500.", owners="price,stock\n1,200\n")
    _start(session, people, customer="500 of 22")
    session.execute(sa.delete(RunWord).where(RunWord.word == "22500"))  # as it was written before
    assert _found(session, people, "22,500") == []

    for _ in range(2):
        importlib.import_module("migrations.versions.0030_waits_by_day")._write_amounts(session.connection())

    assert _found(session, people, "22,500") == _found(session, people, "22500") == [run.number]
    assert _found(session, people, "1200") == []


GLANCE = 60  # instructions of SQLite at most; looking two words up takes about 90
LETTERS = ("ames", "amber", "berg", "bell", "cole", "dana")


@pytest.mark.parametrize(("rare", "seed"), [(0, 1), (0, 2), (3, 3), (1_000, 4)])
def test_pages_of_a_search_are_what_looking_through_all_runs_finds(
    session: Session, people: Cast, monkeypatch: pytest.MonkeyPatch, rare: int, seed: int
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(search, "RARE", rare)
    monkeypatch.setattr(search, "MOST_SPELLED", chance.choice((1, 16)))
    monkeypatch.setattr(history, "LOOKED_AT", chance.choice((4, 20, 100)))
    flow = factories.workflow(session, people.alice.workspace_id, name="Letters", definition=FORM)
    begun, had = datetime(2026, 11, 1, tzinfo=UTC), dict[str, tuple[Run, set[str]]]()
    for at in range(40):  # what has a word stands together, and times are not quite in the order of numbers
        known = chance.sample(LETTERS[at // 14 : at // 14 + 4], k=chance.randint(0, 3))
        label = f"Mail {chance.choice('xyz')}"
        run = factories.queued_run(session, flow, label=label, inputs={"story": " ".join(known)})
        run.created_at = begun + timedelta(minutes=at + chance.choice((0, 0, -9, 9)))
        had[run.id] = run, {*known, *words(run.label)}
    session.flush()

    for typed in ("ames", "am", "ames berg", "am be", "dana be", "cole ames", "mail dana", "mail x", "zebra mail"):
        fits = [
            run for run, known in had.values()
            if all(any(word.startswith(part) for word in known) for part in words(typed))
        ]  # fmt: skip
        for sort, key, is_down in (
            (Sort.NEWEST, lambda run: (run.created_at, run.id), True),
            (Sort.OLDEST, lambda run: (run.created_at, run.id), False),
            (Sort.NAME, lambda run: (run.label.lower(), run.id), False),
        ):
            expected = [run.id for run in sorted(fits, key=key, reverse=is_down)]
            assert _paged(session, people, Wanted(q=typed, sort=sort)) == expected, (typed, sort)


def _paged(session: Session, people: Cast, wanted: Wanted) -> list[str]:
    """Return the ids of all pages of four runs, one after the other."""
    shown: list[str] = []
    while len(shown) % 4 == 0:
        last = shown[-1] if shown else None
        found = history.page(session, people.alice.workspace_id, wanted, zone="UTC", limit=4, before=last)
        shown += [run.id for run in found]
        if not found:
            break
    return shown


SORTS = pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.OLDEST, Sort.NAME])


@SORTS
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_runs_before_or_after_all_that_have_a_word_no_word_is_looked_up(
    session: Session, people: Cast, monkeypatch: pytest.MonkeyPatch, sort: Sort
) -> None:
    monkeypatch.setattr(search, "RARE", 0)
    for name in ("Eve Ames", "Dana Ames", "Eve Ames"):
        _start(session, people, customer=name)
    plans = _plans_of_pages(session)

    found = history.page(session, people.alice.workspace_id, Wanted(q="dana ames", sort=sort), zone="UTC", limit=26)

    assert len(found) == 1
    assert [sum(_loops(plan)) for plan in plans] == [2]  # both words of the one run


@SORTS
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_runs_outside_of_those_that_have_a_word_are_not_read_to_see_who_started_them(
    session: Session, people: Cast, monkeypatch: pytest.MonkeyPatch, sort: Sort
) -> None:
    monkeypatch.setattr(search, "RARE", 0)
    for name in ("Eve Berg", "Dana Ames", "Eve Berg"):
        _start(session, people, customer=name).started_by = people.alice.user_id
    session.flush()
    session.execute(sa.text("SET LOCAL enable_seqscan = off"))
    session.execute(sa.text("SET LOCAL enable_bitmapscan = off"))
    plans = _plans_of_pages(session)

    found = history.page(session, people.alice.workspace_id, Wanted(q="dana alice", sort=sort), zone="UTC", limit=26)

    assert len(found) == 1
    assert [sum(_left_out(plan)) for plan in plans] == [0]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_numbers_of_a_word_are_read_once_a_statement_and_not_once_a_run(session: Session, people: Cast) -> None:
    _start(session, people, customer="29 Palms")
    session.execute(sa.text("SET LOCAL enable_seqscan = off"))
    plans = _plans_of_pages(session, "number = ANY")

    history.page(session, people.alice.workspace_id, Wanted(label="29"), zone="UTC", limit=26)

    (plan,) = map(str, plans)
    assert "number = ANY ('{1}'::integer[])" in plan, plan


def _left_out(plan: dict[str, Any]) -> Iterator[int]:
    """Yield how many runs each part of a plan read for nothing."""
    if plan.get("Relation Name") == "run":
        yield plan.get("Rows Removed by Filter", 0)
    for part in plan.get("Plans", ()):
        yield from _left_out(part)


def _plans_of_pages(session: Session, asks: str = "run_word") -> list[dict[str, Any]]:
    """Return a list that gets how PostgreSQL went through each page of runs with words that is read from now on."""
    connection, plans = session.connection(), list[dict[str, Any]]()

    @sa.event.listens_for(connection, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if "ORDER BY" in statement and asks in statement and "EXPLAIN" not in statement:
            plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
            plans.append(plan[0]["Plan"])

    return plans


def _loops(plan: dict[str, Any]) -> Iterator[int]:
    """Yield how often each part of a plan went to the words."""
    if plan.get("Relation Name") == "run_word":
        yield plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from _loops(part)


@SORTS
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_run_outside_of_those_that_have_a_word_takes_a_glance_at_its_number(
    session: Session, people: Cast, monkeypatch: pytest.MonkeyPatch, sort: Sort
) -> None:
    monkeypatch.setattr(search, "RARE", 0)
    _start(session, people, customer="Dana Ames")
    wanted, took = Wanted(q="dana ames", sort=sort), list[int]()

    for more in (0, 50):
        for _ in range(more):
            _start(session, people, customer="Eve Ames")
        session.flush()
        took.append(_instructions(session, lambda: history.page(
            session, people.alice.workspace_id, wanted, zone="UTC", limit=26
        )))  # fmt: skip

    assert took[1] - took[0] < 50 * GLANCE


def _instructions(session: Session, ask: Callable[[], object]) -> int:
    """Count what SQLite's machine did."""
    driver, counted = session.connection().connection.driver_connection, itertools.count()
    assert driver is not None
    driver.set_progress_handler(lambda: next(counted) and None, 1)
    ask()
    driver.set_progress_handler(None, 0)
    return next(counted)
