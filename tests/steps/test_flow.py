"""Ways, waits and values."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from app.core import clock
from app.engine.contract import Category, Done, StepError, Wait
from app.steps import condition, delay, merge, parallel, transform
from app.steps.testing import Bench

DEAR = {"if": {"value": "{{ inputs.price }}", "op": "gt", "than": 30000}}


@pytest.mark.parametrize(("price", "outcome"), [(31000, "yes"), (30000, "no")])
def test_a_condition_leaves_by_yes_or_no_and_says_why(price: int, outcome: str) -> None:
    done = Bench(inputs={"price": price}).do(condition.STEP, DEAR)
    assert isinstance(done, Done)
    assert done.outcome == outcome
    assert done.output["value"] is (outcome == "yes")
    assert str(price)[:2] in str(done.output["because"])


@pytest.mark.parametrize("inputs", [{}, {"price": None}, {"price": "a lot"}])
def test_an_unclear_condition_is_never_guessed(inputs: dict[str, Any]) -> None:
    with pytest.raises(StepError) as raised:
        Bench(inputs=inputs).do(condition.STEP, DEAR)
    assert (raised.value.category, raised.value.code) == (Category.CONDITION, "unclear")


def test_an_answer_that_looks_like_a_value_is_only_text() -> None:
    tree = {"if": {"value": "{{ inputs.note }}", "op": "eq", "than": "{{ inputs.other }}"}}
    done = Bench(inputs={"note": "{{ inputs.secret }}", "other": "x", "secret": "x"}).do(condition.STEP, tree)
    assert done.outcome == "no"


def test_the_card_of_a_condition() -> None:
    tree = {"all": [DEAR["if"], {"value": "{{ inputs.make }}", "op": "in", "than": ["Honda", "Toyota"]}]}
    assert (
        condition.STEP.summary({"if": tree})
        == "Yes if the answer “price” is more than 30,000 and the answer “make” is one of Honda and Toyota"
    )


@pytest.mark.parametrize("step", [parallel.STEP, merge.STEP])
def test_these_only_pass_on(step: Any) -> None:
    assert Bench().do(step, {}) == Done()


# --- delay ---


def test_a_delay_waits_so_many_seconds() -> None:
    began = clock.now()
    wait = Bench().do(delay.STEP, {"seconds": 90})
    assert isinstance(wait, Wait)
    assert (wait.kind, wait.on_until) == ("time", "done")
    assert wait.until is not None
    assert began <= wait.until - timedelta(seconds=90) <= clock.now()
    assert wait.detail["on_until_output"] == {"until": clock.iso(wait.until)}


@pytest.mark.parametrize(
    ("until", "moment"),
    [
        ("2027-01-04", datetime(2027, 1, 4, 5, tzinfo=UTC)),
        ("2027-01-04T09:30", datetime(2027, 1, 4, 14, 30, tzinfo=UTC)),
        ("2027-01-04T09:30:00Z", datetime(2027, 1, 4, 9, 30, tzinfo=UTC)),
        ("{{ inputs.post_at }}", datetime(2027, 1, 4, 14, 30, tzinfo=UTC)),
    ],
)
def test_a_delay_waits_until_a_moment_in_the_workspaces_zone(
    until: str, moment: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 20, tzinfo=UTC))
    bench = Bench(
        facts={"workspace": {"timezone": "America/New_York"}}, inputs={"post_at": "2027-01-04T09:30"}
    )
    wait = bench.do(delay.STEP, {"until": until})
    assert isinstance(wait, Wait)
    assert wait.until == moment


@pytest.mark.parametrize(
    ("until", "moment"),
    [
        ("2026-11-01T01:30", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # comes twice: the first one
        ("2026-11-01T02:30", datetime(2026, 11, 1, 7, 30, tzinfo=UTC)),
        ("2027-03-14T01:30", datetime(2027, 3, 14, 6, 30, tzinfo=UTC)),
        ("2027-03-14T02:30", datetime(2027, 3, 14, 7, 30, tzinfo=UTC)),  # does not come: 3:30, as the clocks say then
        ("2027-03-14", datetime(2027, 3, 14, 5, tzinfo=UTC)),
    ],
)
def test_f26_a_delay_until_a_time_of_the_night_when_the_clocks_change(
    until: str, moment: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 10, 20, tzinfo=UTC))
    wait = Bench(facts={"workspace": {"timezone": "America/New_York"}}).do(delay.STEP, {"until": until})
    assert isinstance(wait, Wait)
    assert wait.until == moment


@pytest.mark.parametrize(
    ("config", "moment"),
    [
        ({"next": "monday"}, datetime(2026, 11, 23, 14, tzinfo=UTC)),
        ({"next": "friday", "at": "17:30"}, datetime(2026, 11, 20, 22, 30, tzinfo=UTC)),  # later today
        ({"next": "friday", "at": "{{ inputs.at }}"}, datetime(2026, 11, 27, 12, 15, tzinfo=UTC)),  # passed today
        ({"next": "any_day", "at": "7:15"}, datetime(2026, 11, 21, 12, 15, tzinfo=UTC)),
        ({"next": "working_day", "at": "7:15"}, datetime(2026, 11, 23, 12, 15, tzinfo=UTC)),
        ({"seconds": 0, "open_days": "five_days"}, None),  # it is Friday, 16:00
        ({"seconds": 3 * 3600, "open_days": "five_days"}, datetime(2026, 11, 23, 14, tzinfo=UTC)),
        ({"seconds": 3 * 3600, "open_days": "six_days"}, datetime(2026, 11, 21, 14, tzinfo=UTC)),
        ({"seconds": 0, "open_days": "six_days", "closes": "15:00"}, datetime(2026, 11, 21, 14, tzinfo=UTC)),
        ({"until": "2026-11-22T05:00", "open_days": "seven_days"}, datetime(2026, 11, 22, 14, tzinfo=UTC)),
        ({"until": "2020-01-01", "open_days": "seven_days", "opens": "17:00"}, datetime(2026, 11, 20, 22, tzinfo=UTC)),
    ],
)
def test_a_delay_waits_until_a_day_of_the_week_and_while_the_house_is_open(
    config: dict[str, Any], moment: datetime | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "now", lambda _: datetime(2026, 11, 20, 21, tzinfo=UTC))  # Friday, 16:00 there
    done = Bench(facts={"workspace": {"timezone": "America/New_York"}}, inputs={"at": "7:15"}).do(delay.STEP, config)
    assert (done.until if isinstance(done, Wait) else None) == moment


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "one of them"), ({"seconds": 1, "next": "monday"}, "one of them"),
        ({"next": "monday", "at": "9"}, "not a time of the day"), ({"next": "monday", "at": "25:00"}, "not a time"),
        ({"seconds": 1, "opens": "18:00"}, "close before you open"),
    ],
)
def test_a_delay_that_cannot_be_is_refused_in_words(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        delay.Config.model_validate(config)


@pytest.mark.parametrize("beyond", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_a_delay_until_a_time_that_no_calendar_has_is_refused_in_words(beyond: str) -> None:
    with pytest.raises(ValidationError, match="This is not a date"):
        delay.Config.model_validate({"until": beyond})


def test_a_delay_counts_by_the_databases_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr(Bench, "now", lambda _: datetime(2026, 11, 20, 9, tzinfo=UTC))
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 20, 10, tzinfo=UTC))  # ours is an hour ahead
    wait = bench.do(delay.STEP, {"seconds": 90})
    assert isinstance(wait, Wait)
    assert wait.until == datetime(2026, 11, 20, 9, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("config", [{"seconds": 0}, {"until": "2020-01-01"}])
def test_a_time_that_has_passed_does_not_wait(config: dict[str, Any]) -> None:
    assert isinstance(Bench().do(delay.STEP, config), Done)


def test_a_wait_lasts_a_year_at_most() -> None:
    with pytest.raises(StepError, match="a year at most"):
        Bench().do(delay.STEP, {"until": "2150-01-01"})


def test_an_answer_that_is_no_date_is_refused() -> None:
    with pytest.raises(ValidationError, match="not a date"):
        Bench(inputs={"when": "soon"}).do(delay.STEP, {"until": "{{ inputs.when }}"})


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"seconds": 172_800}, "Wait **2 days**"), ({"seconds": 3600}, "Wait **1 hour**"),
        ({"seconds": 90}, "Wait **90 seconds**"),
        ({}, "Choose how long to wait"),
        ({"until": "{{ inputs.post_at }}"}, "Wait until **the answer “post at”**"),
        ({"next": "monday"}, "Wait until the next **Monday, 9:00**"),
        ({"next": "working_day", "at": "8:30"}, "Wait until the next **working day, 8:30**"),
        (
            {"seconds": 3600, "open_days": "six_days", "closes": "19:00"},
            "Wait **1 hour**, then until you are open (**Monday to Saturday, 9:00 to 19:00**)",
        ),
    ],
)  # fmt: skip
def test_the_card_of_a_delay(config: dict[str, Any], sentence: str) -> None:
    assert delay.STEP.summary(config) == sentence


# --- transform ---


def test_a_transform_gives_values_with_their_types() -> None:
    bench = Bench(inputs={"price": 28990, "name": "  ana "})
    done = bench.do(
        transform.STEP,
        {
            "set": {
                "price": "{{ inputs.price }}",
                "said": "For {{ inputs.name | trim | title }}",
                "list": [1, True],
            }
        },
    )
    assert done.output == {"price": 28990, "said": "For Ana", "list": [1, True]}


def test_later_steps_know_its_names() -> None:
    assert transform.STEP.outputs_of is not None
    assert transform.STEP.outputs_of({"set": {"a": 1, "b": 2}}) == frozenset({"a", "b"})
