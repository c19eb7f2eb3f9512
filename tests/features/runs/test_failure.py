"""The kinds of a failure, and the code to quote."""

import re

import pytest
import sqlalchemy as sa

from app.core.db import db
from app.engine.enums import Category, StepStatus
from app.engine.models import Run, StepRun
from app.features.runs import failure
from app.features.runs.chips import Chip
from app.features.runs.trace import Entry
from tests.features.runs.conftest import Yard
from tests.page import Page


def _failed(category: str, step_type: str = "generate_copy", code: str = "x") -> failure.Failure:
    entry = Entry("s", "Step", step_type, "x", StepStatus.FAILED, Chip("bad", "x", "Failed"), "failed", "Failed",
                  error={"category": category, "code": code, "message": "It broke."}, step_run_id="row")  # fmt: skip
    found = failure.failure([entry], ["2 texts"], "Nothing was sent.")
    assert found is not None
    return found


@pytest.mark.parametrize("category", Category)
def test_every_category_is_one_of_the_eight_kinds(category: Category) -> None:
    kinds = {"Your answers", "Missing permission", "AI refused or unreadable", "AI busy", "Outside system down",
             "Money limit", "Waited too long", "Our fault"}  # fmt: skip

    assert {kind.name for kind in failure.KINDS.values()} == kinds
    assert _failed(category.value).kind.name in kinds


def test_busy_is_ai_only_where_ai_was_asked(yard: Yard) -> None:  # the application knows the step types
    assert _failed("busy").kind.name == "AI busy"
    assert _failed("busy", "notify").kind.name == "Outside system down"
    assert _failed("busy").fix.endswith("Wait some minutes, then try this step again.")
    assert _failed("never heard of").kind.name == "Our fault"


@pytest.mark.parametrize(
    ("category", "code", "same_fails"),
    [
        ("input", "rejected", True),
        ("ai_answer", "refused", True),
        ("ai_answer", "truncated", True),
        ("ai_answer", "unusable", False),
        ("ai_answer", "text_limit", False),
        ("budget", "budget", True),
        ("budget", "insufficient_quota", False),
        ("outside", "x", False),
    ],
)
def test_other_answers_come_first_only_where_the_same_again_would_fail(
    category: str, code: str, same_fails: bool
) -> None:
    assert _failed(category, code=code).wants_other_answers == same_fails


def test_the_code_is_that_of_a_fault_of_ours_else_the_same_every_time() -> None:
    assert _failed("internal", code="GL-7F3K9Q").code == "GL-7F3K9Q"
    assert _failed("input").code == _failed("busy").code
    assert _failed("input").code.startswith("GL-")


def test_the_code_on_the_page_is_found_in_the_log(yard: Yard) -> None:
    run_id, = yard.make("failed")
    alice = yard.cast.browser(yard.cast.alice)
    code = Page(alice.get(f"/runs/{run_id}").text).text.partition("quote ")[2][:9]

    found = Page(alice.get(f"/runs/{run_id}/log?q={code}").text)

    assert len([a for a in found.attributes("details") if a.get("id", "").startswith("line-")]) == 1


@pytest.mark.parametrize(
    ("category", "first"), [("ai_answer", "Change answers and continue from here"), ("network", "Try this step again")]
)
def test_the_most_useful_button_is_first_and_the_only_green_one(yard: Yard, category: str, first: str) -> None:
    run_id, = yard.make("failed", category=category)

    html = yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text
    card = html.partition('id="run-now"')[2].partition("</section>")[0]
    buttons = re.findall(r'<(?:button|a)[^>]*class="(btn[^"]*)"[^>]*>(?:<svg.*?</svg>)?([^<]+)', card, re.DOTALL)

    assert buttons[0][1].strip() == first
    assert ["btn-primary" in classes for classes, _ in buttons] == [True, False, False]
    assert "Going on from here makes and pays for none of it again. Nothing was sent." in Page(html).text
    bob = yard.cast.browser(yard.cast.bob).get(f"/runs/{run_id}").text
    assert "Try this step again" not in bob


def test_a_run_is_told_by_the_step_that_it_failed_by_not_by_one_that_failed_before(yard: Yard) -> None:
    run_id, = yard.make("failed")

    def fail_before(run: Run) -> None:
        session = db.session()
        ads = session.scalars(sa.select(StepRun).where(StepRun.run_id == run_id, StepRun.step_id == "ads")).one()
        ads.status, ads.outcome = "failed", "failed"
        ads.error = {"category": "busy", "message": "The ads were not written at first."}
        run.error = {"category": "permission", "message": "The picture service let nobody in.", "step": "pictures"}

    yard.change(run_id, fail_before)
    alice = yard.cast.browser(yard.cast.alice)

    card = Page(alice.get(f"/runs/{run_id}").text).text
    assert "It happened in Make 5 pictures (and 1 other step failed too)" in card
    assert "The picture service let nobody in." in Page(alice.get("/runs").text).text
    assert '<option value="pictures" selected>' in alice.get(f"/runs/{run_id}/continue").text
