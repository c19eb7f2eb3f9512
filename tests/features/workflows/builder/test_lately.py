"""What a condition would have said in the last runs, at the condition."""

from typing import Any

import pytest

from app.core.db import db
from app.engine.enums import StepStatus
from app.features.workflows import service
from app.features.workflows.models import Workflow
from tests import factories
from tests.features.runs.conftest import statements
from tests.features.workflows.builder.conftest import HTMX, Bench
from tests.page import Page

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

APPROVED = {"s-when~value": "{{ steps.check.decision }}", "s-when~op": "eq", "s-when~than": "approved"}


def run(bench: Bench, decision: str = "", **options: Any) -> None:
    """Leave a run that was decided so, or that did not come so far."""
    with bench.cast.app.app_context():
        session = db.session()
        workflow = session.get_one(Workflow, bench.workflow_id)
        if not workflow.published_number:
            service.publish(session, workflow, factories.ADS, actor_id=None)
        test = options.pop("test", False)
        begun = factories.queued_run(session, workflow, **options)
        begun.test = test
        if decision:
            factories.story(session, begun).step("check", StepStatus.COMPLETED, output={"decision": decision})
        session.commit()


def at_condition(bench: Bench) -> str:
    """Return the sentence at the condition of the step's page."""
    html = bench.browser.get(f"{bench.url}/steps/tell").text
    assert Page(html).faults == []
    return html.partition('id="s-when-lately">')[2].partition("<")[0]


def set_condition(bench: Bench, pairs: dict[str, str]) -> str:
    """Save the condition and return the fragment's answer."""
    form = bench.form("/steps/tell") | {"s-when~kind": "compare", **pairs}
    answer: str = bench.post("/steps/tell", form, htmx=True).text
    return answer


def test_a_condition_says_in_how_many_of_the_last_runs_it_was_true(bench: Bench) -> None:
    run(bench, "approved", test=True)
    set_condition(bench, APPROVED)
    assert at_condition(bench) == ""
    run(bench, "approved", age_s=700)
    assert at_condition(bench) == "True in your last run."
    for age, decision in ((600, "approved"), (500, "rejected"), (400, ""), (300, "approved"), (200, "rejected")):
        run(bench, decision, age_s=age)
    assert at_condition(bench) == "True in 2 of your last 5 runs. In 1 of them it could not be told."


def test_the_draft_condition_counts_and_is_told_when_it_is_saved(bench: Bench) -> None:
    run(bench, "approved")
    run(bench, "rejected", age_s=300)
    answer = set_condition(bench, APPROVED)
    assert 'id="s-when-lately" hx-swap-oob="true">True in 1 of your last 2 runs.</p>' in answer
    answer = set_condition(bench, APPROVED | {"s-when~op": "is_empty", "s-when~than": ""})
    assert 'id="s-when-lately" hx-swap-oob="true">True in 0 of your last 2 runs.</p>' in answer
    answer = set_condition(bench, APPROVED | {"s-when~value": "{{ inputs.gone }}"})
    assert 'id="s-when-lately" hx-swap-oob="true"></p>' in answer


def test_more_runs_ask_the_database_no_more(bench: Bench) -> None:
    run(bench, "approved")
    set_condition(bench, APPROVED)
    counts = []
    for _ in range(2):
        with statements(bench.cast.app) as seen:
            bench.browser.get(f"{bench.url}/steps/tell", headers=HTMX)
        counts.append(len(seen))
        run(bench, "rejected")
        run(bench, "approved")
    assert counts[0] == counts[1]
