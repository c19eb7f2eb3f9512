"""The page of one run."""

import copy
import re
from typing import Any

import pytest

from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.engine import catalog
from app.engine.enums import RunStatus, StepStatus
from app.engine.models import Run, WaitRow
from app.features.accounts.service import Actor
from tests import factories
from tests.features.runs.conftest import Yard, statements
from tests.page import Page


@pytest.mark.parametrize("kind", ["queued", "running", "waiting", "finished", "failed"])
def test_show_is_a_sound_page_in_every_state(yard: Yard, kind: str) -> None:
    run_id, = yard.make(kind)

    answer = yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}")

    assert answer.status_code == 200
    page = Page(answer.text)
    assert page.faults == []
    assert "Facebook ads: 2023 Toyota RAV4, stock T1192" in page.text
    assert {f"step-{step}" for step in ("ads", "pictures", "attach", "check", "tell", "tell_rejected")} <= {
        attrs.get("id") for attrs in page.attributes("details")
    }


def test_show_says_what_a_running_run_does_now(yard: Yard) -> None:
    run_id, = yard.make("running")

    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)

    assert "Making picture 4 of 5: the car on a coast road." in page.text
    assert "1 of 6 steps done" in page.text
    assert "$0.31 of at most $5.00" in page.text
    assert "Nothing has left the house yet" in page.text
    assert "10 texts, 3 of 5 pictures" in page.text.replace("\u00a0", " ")
    assert [attrs["href"] for attrs in page.attributes("a") if attrs.get("id", "").startswith("box-")] == [
        "#step-ads", "#step-attach", "#step-check", "#step-tell", "#step-pictures", "#step-tell_rejected",
    ]  # fmt: skip
    labels = [attrs.get("aria-label") for attrs in page.attributes("a")]
    assert "Make 5 pictures: Running · 3 of 5" in labels
    assert page.text.count("Making") >= 2  # the sentence and the reserved place
    assert "Next" in page.text


def test_show_says_that_no_program_here_knows_a_step(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    with yard.cast.app.app_context():
        session = db.session()
        told = factories.story(
            session, factories.queued_run(session, factories.workflow(session, yard.cast.alice.workspace_id))
        )
        told.step("tell", StepStatus.PENDING)
        run_id = told.now(RunStatus.RUNNING, done=4).id
        session.commit()
    client = yard.cast.browser(yard.cast.alice)
    assert "Not known here" not in client.get(f"/runs/{run_id}").text
    monkeypatch.delitem(catalog._types, "notify")  # its package is taken away

    page = Page(client.get(f"/runs/{run_id}").text)

    assert page.faults == []
    assert "cannot begin: no program here knows this kind of step (“notify”)." in page.text
    assert "It begins by itself as soon as one does" in page.text
    assert "Not known here" in page.text


def test_show_gives_the_values_that_went_in_their_origin(yard: Yard) -> None:
    run_id, = yard.make("running")

    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)

    chips = [attrs for attrs in page.attributes("span") if attrs.get("class", "").startswith("chipv")]
    assert {attrs["title"] for attrs in chips} == {"Answer to “What is the offer?”"}
    lengths = [len(text) for text in factories.TEXTS]
    assert f"10 texts, {min(lengths)} to {max(lengths)} characters." in page.text.replace("\u00a0", " ")


def test_show_says_whom_a_waiting_run_waits_for_by_name(yard: Yard) -> None:
    run_id, = yard.make("waiting")
    with yard.app.app_context():
        from app.core.db import db
        from app.engine.models import WaitRow

        wait = db.session.query(WaitRow).one()
        wait.detail = {**wait.detail, "approvers": [yard.cast.bob.email]}
        wait_id = wait.id
        db.session.commit()

    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)

    assert "Waiting for Bob Brown" in page.text
    assert "Bob Brown decides: “Approve 10 Facebook ads”." in page.text
    assert f"/approvals/of/{wait_id}" in [attrs.get("href") for attrs in page.attributes("a")]


def test_show_says_of_a_failed_run_what_happened_what_is_kept_and_a_code(yard: Yard) -> None:
    run_id, = yard.make("failed")

    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)

    text = page.text.replace("\u00a0", " ")
    assert "The picture service would not draw two of the five pictures." in text
    assert "Leave the logo out and continue." in text
    assert "Kept: 10 texts and 3 pictures. Going on from here makes and pays for none of it again." in text
    assert "AI refused or unreadable · quote GL-" in text
    assert text.count("Missing") == 2
    assert [a["id"] for a in page.attributes("details") if "open" in a] == ["step-pictures"]


KINDS = {
    "input": "Your answers", "permission": "Missing permission", "ai_answer": "AI refused or unreadable",
    "busy": "AI busy", "network": "Outside system down", "budget": "Money limit", "timeout": "Waited too long",
    "internal": "Our fault",
}  # fmt: skip


def test_show_knows_eight_kinds_of_failure(yard: Yard) -> None:
    alice = yard.cast.browser(yard.cast.alice)

    for category, kind in KINDS.items():
        run_id = yard.make("failed", category=category)[0]
        assert f"{kind} · quote GL-" in Page(alice.get(f"/runs/{run_id}").text).text


def test_show_of_a_finished_run_offers_the_documents_and_polls_no_more(yard: Yard) -> None:
    run_id, = yard.make("finished")

    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)

    assert "Ready: 10 texts and 5 pictures." in page.text.replace("\u00a0", " ")
    assert "Approved by Bob Approver." in page.text
    assert f"/documents.zip?run={run_id}" in [attrs.get("href") for attrs in page.attributes("a")]
    assert [attrs["id"] for attrs in page.attributes("div") if "data-poll" in attrs] == ["active-mark"]
    assert "Pause" not in page.text


def test_show_says_when_a_newer_version_exists(yard: Yard) -> None:
    run_id, = yard.make("finished")
    with yard.app.app_context():
        from app.core.db import db
        from app.features.workflows import service as workflows
        from app.features.workflows.models import Workflow

        workflows.publish(db.session(), db.session.get_one(Workflow, yard.workflow_id), factories.ADS, actor_id=None)
        db.session.commit()

    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)

    assert "version 1 (2 is newer)." in page.text
    assert f"/workflows/{yard.workflow_id}" in [attrs.get("href") for attrs in page.attributes("a")]
    with yard.app.app_context():
        db.session.get_one(Workflow, yard.workflow_id).deleted_at = clock.now()
        db.session.commit()
    gone = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)
    assert f"/workflows/{yard.workflow_id}" not in [attrs.get("href") for attrs in gone.attributes("a")]


def test_show_escapes_what_people_and_models_wrote(yard: Yard) -> None:
    run_id, = yard.make("running", label="<img src=x onerror=alert(1)>", inputs={"offer": "<script>alert(2)</script>"})
    yard.change(run_id, lambda run: setattr(run, "doing", "<b>bold</b>"))

    html = yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text

    assert "<img src=x" not in html
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(2)" in html


def test_show_to_bob_has_no_buttons_that_he_may_not_use(yard: Yard) -> None:
    run_id, = yard.make("running")

    page = Page(yard.cast.browser(yard.cast.bob).get(f"/runs/{run_id}").text)

    assert page.attributes("form") == [attrs for attrs in page.attributes("form") if attrs.get("role") == "search"]


def test_show_to_a_stranger_is_404_and_to_nobody_the_sign_in(yard: Yard) -> None:
    run_id, = yard.make("running")

    charlie = yard.cast.browser(yard.cast.charlie)
    parts = ("", "/live", "/log", "/made/ads")
    for path in (*(f"/runs/{run_id}{part}" for part in parts), f"/runs/{new_id()}", "/runs/x"):
        answer = charlie.get(path)
        assert answer.status_code == 404
        assert "RAV4" not in answer.text
    assert yard.cast.browser(None).get(f"/runs/{run_id}").status_code == 303


def test_made_is_what_a_step_wrote_as_plain_text(yard: Yard) -> None:
    run_id, = yard.make("running")
    with yard.app.app_context():
        from app.core.db import db
        from app.features.files.models import Document

        first = db.session.query(Document).filter_by(run_id=run_id, position=1).one()
        first.title, first.body = "A title of its own", "Two lines.\nThe second."
        db.session.query(Document).filter_by(run_id=run_id, position=2).one().test = True
        db.session.commit()

    answer = yard.cast.browser(yard.cast.bob).get(f"/runs/{run_id}/made/ads")

    assert answer.content_type == "text/plain; charset=utf-8"
    said = answer.text.split("\n\n\n")
    assert said[0] == "A title of its own\n\nTwo lines.\nThe second."
    assert said[1].startswith("TEST: ")
    assert said[1].endswith(f"\n\n{factories.TEXTS[1]}")
    assert said[2] == factories.TEXTS[2]
    for nothing in ("attach", "no-such-step"):
        assert yard.cast.browser(yard.cast.bob).get(f"/runs/{run_id}/made/{nothing}").status_code == 404


def test_show_reads_as_often_for_a_run_with_much_as_with_little(yard: Yard) -> None:
    little, much = yard.make("running")[0], yard.make("finished")[0]
    few, many = asked_for(yard, little, much)
    # only the names of those asked are read where somebody is asked
    assert many <= few + 1
    assert many <= 16


def test_show_reads_less_for_a_run_that_nobody_has_begun(yard: Yard) -> None:
    untouched, begun = yard.make("queued")[0], yard.make("running")[0]
    few, more = asked_for(yard, untouched, begun)
    assert few <= more - 4  # no calls, waits, documents, pictures or messages; where it stands in line


def test_show_reads_no_calls_and_messages_where_no_step_goes_out(yard: Yard) -> None:
    pure, outward = yard.make("queued")[0], yard.make("running")[0]
    with yard.app.app_context():
        factories.story(db.session(), db.session.get_one(Run, pure)).step("attach", StepStatus.COMPLETED)
        db.session.commit()
    alice, read = yard.cast.browser(yard.cast.alice), []
    for run_id in (pure, outward):
        with statements(yard.app) as seen:
            alice.get(f"/runs/{run_id}")
        said = " ".join(" ".join(seen).split())
        read.append({table for table in ("call", "outbox") if f" FROM {table} " in said})

    assert read == [set(), {"call", "outbox"}]


def asked_for(yard: Yard, *run_ids: str) -> list[int]:
    """Return how many statements the page of each run takes."""
    alice = yard.cast.browser(yard.cast.alice)
    alice.get(f"/runs/{run_ids[-1]}")
    counts = []
    for run_id in run_ids:
        with statements(yard.app) as seen:
            alice.get(f"/runs/{run_id}")
        counts.append(len(seen))
    return counts


def test_progress_of_a_run_counts_the_parts_of_a_step(yard: Yard) -> None:
    run_id, = yard.make("running")

    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)

    # one of six steps, and three fifths of another
    assert [attrs["value"] for attrs in page.attributes("progress")] == ["27"]
    with yard.app.app_context():
        from app.core.db import db

        assert db.session.get_one(Run, run_id).status == "running"


def test_show_says_you_to_the_one_it_waits_for(yard: Yard) -> None:
    run_id, = yard.make("waiting")
    with yard.app.app_context():
        from app.core.db import db
        from app.engine.models import WaitRow

        wait = db.session.query(WaitRow).one()
        wait.detail = {**wait.detail, "approvers": [yard.cast.alice.email]}
        db.session.commit()

    here = yard.cast.browser(yard.cast.alice)
    page, home, listed = (Page(here.get(path).text) for path in (f"/runs/{run_id}", "/runs/panel", "/runs"))

    assert "You decide: “Approve 10 Facebook ads”." in page.text
    for each in (page, home, listed):
        assert "Waiting for you" in each.text


def _with_step(yard: Yard, step_id: str, **changes: Any) -> factories.Story:
    """Start a run of Alice's in which one step is another; call it within the application."""
    definition = copy.deepcopy(factories.ADS)
    next(step for step in definition["steps"] if step["id"] == step_id).update(changes)
    alice = yard.cast.alice
    flow = factories.workflow(db.session(), alice.workspace_id, name="Around it", definition=definition)
    starter = Actor(alice.user_id, alice.name, alice.email)
    return factories.story(db.session(), factories.queued_run(db.session(), flow, starter=starter))


def _page(yard: Yard, run_id: str) -> Page:
    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)
    assert page.faults == []
    return page


CALLS: dict[str, Any] = {"type": "run_workflow", "config": {"workflow": "Ads"}}


def test_a_run_that_waits_for_another_run_says_so_and_leads_there(yard: Yard) -> None:
    other_id, = yard.make("running")
    with yard.app.app_context():
        told = _with_step(yard, "ads", name="Make the ads", **CALLS)
        step = told.step("ads", StepStatus.WAITING)
        told.wait(step, kind="sub_run", detail={"workflow": "Ads", "inputs": {}})
        other = db.session.get_one(Run, other_id)
        other.parent_step_run_id, number = step.id, other.number
        run_id = told.now(RunStatus.WAITING).id
        db.session.commit()
    page = _page(yard, run_id)

    assert f"“Make the ads” waits for run {number}. It goes on by itself when that one is finished." in page.text
    assert [a["href"] for a in page.attributes("a")].count(f"/runs/{other_id}") == 2  # above, and at the step
    assert page.text.count(f"Open run {number}") == 2


def test_an_item_that_needs_an_answer_is_asked_about_above_and_at_its_step(yard: Yard) -> None:
    error = {"category": "unsure", "code": "unsure", "message": "We cannot tell if this was sent.", "fix": "Look."}
    with yard.app.app_context():
        told = _with_step(yard, "pictures", name="Draw them", for_each={"items": ["CR-V", "Civic", "Pilot"]})
        told.step("pictures", StepStatus.RUNNING, total=3, went_in={"items": ["CR-V", "Civic", "Pilot"]})
        told.step("pictures", StepStatus.COMPLETED, item=0, outcome="done")
        asking = told.step("pictures", StepStatus.NEEDS_ATTENTION, item=1, error=error).id
        told.step("pictures", StepStatus.NEEDS_ATTENTION, item=2, error=error)
        run_id = told.now(RunStatus.NEEDS_ATTENTION).id
        db.session.commit()
    page = _page(yard, run_id)

    above, _, _ = page.text.partition("Every step")
    assert "We cannot tell if this was sent. It is “Draw them 2” (Civic) that asks. Look." in above
    assert "Draw them 3 (Pilot)" in page.text
    assert "Your answer is noted" not in page.text
    assert "Needs an answer · 1 of 3" in above  # the diagram
    assert "Making" not in above  # nothing is, before somebody answers
    actions = [form.get("action") for form in page.attributes("form")]
    assert actions.count(f"/runs/{run_id}/steps/{asking}/answer") == 6  # three answers, above and at the step
    opened = [step["id"] for step in page.attributes("details") if "open" in step and step["id"].startswith("step-")]
    assert opened == ["step-pictures"]


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_run_that_has_ended_leads_to_the_run_that_it_started(yard: Yard, status: str) -> None:
    other_id, = yard.make(status.replace("completed", "finished"))
    with yard.app.app_context():
        told = _with_step(yard, "ads", name="Make the ads", **CALLS)
        error = {"category": "outside", "message": "Run 1 did not get to its end.", "fix": "Open run 1 to see why."}
        step = told.step("ads", StepStatus(status), outcome="done", error=error if status == "failed" else None)
        db.session.get_one(Run, other_id).parent_step_run_id = step.id
        run_id = told.now(RunStatus(status)).id
        db.session.commit()
    page = _page(yard, run_id)

    links = [a["href"] for a in page.attributes("a")]
    assert links.count(f"/runs/{other_id}") == 2  # above, and at the step
    assert links.index(f"/runs/{other_id}") < links.index(f"/runs/{run_id}/timeline")
    assert "What was made is in the runs that this one started." in page.text


def test_of_many_requests_three_have_buttons_and_the_others_are_led_to(yard: Yard) -> None:
    with yard.app.app_context():
        told = _with_step(yard, "ads", for_each={"items": ["CR-V", "Civic", "Pilot", "Fit", "HR-V"]})
        told.step("ads", StepStatus.RUNNING, total=5)
        for item in range(5):
            told.wait(told.step("ads", StepStatus.WAITING, item=item), detail={"title": f"Car {item + 1}"})
        run_id = told.now(RunStatus.WAITING).id
        db.session.commit()
    page = _page(yard, run_id)

    above, _, _ = page.text.partition("Every step")
    assert "Open “Car 3” and 2 more" in above
    assert "#step-ads" in [a["href"] for a in page.attributes("a") if a.get("class") == "small alone"]


def test_a_step_between_two_items_does_not_run_in_a_run_that_is_paused(yard: Yard) -> None:
    with yard.app.app_context():
        told = _with_step(yard, "ads", for_each={"items": ["CR-V", "Civic", "Pilot"]})
        told.step("ads", StepStatus.RUNNING, total=3)
        told.step("ads", StepStatus.COMPLETED, item=0)
        run_id = told.now(RunStatus.PAUSED).id
        db.session.commit()
    paused = _page(yard, run_id)
    yard.change(run_id, lambda run: setattr(run, "status", "running"))
    running = _page(yard, run_id)

    assert ("Paused · 1 of 3" in paused.text, "Running" in paused.text) == (True, False)
    assert "Running · 1 of 3" in running.text
    spins = ["spin" in (svg.get("class") or "") for svg in paused.attributes("svg")]
    assert not any(spins)


def test_a_run_that_is_ready_says_what_it_lacks(yard: Yard) -> None:
    with yard.app.app_context():
        told = _with_step(yard, "ads", name="Write them", for_each={"items": ["CR-V", "Civic", "Pilot"]})
        told.step("ads", StepStatus.COMPLETED, outcome="done", total=3)
        for item, status in enumerate((StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.COMPLETED)):
            told.step("ads", status, item=item)
        run_id = told.now(RunStatus.COMPLETED, done=6).id
        db.session.commit()
    above, _, below = _page(yard, run_id).text.partition("Every step")

    assert "Done: every step has finished. “Write them”: 1 of 3 failed." in above
    assert "Write them 1 of 3 failed" in below


def test_each_item_that_runs_another_workflow_leads_to_its_run(yard: Yard) -> None:
    children = yard.make("running", "finished")
    with yard.app.app_context():
        told = _with_step(yard, "ads", for_each={"items": ["CR-V", "Civic"]}, **CALLS)
        told.step("ads", StepStatus.RUNNING, total=2)
        for item, child_id in enumerate(children):
            step = told.step("ads", StepStatus.COMPLETED if item else StepStatus.WAITING, item=item)
            db.session.get_one(Run, child_id).parent_step_run_id = step.id
        run_id = told.now(RunStatus.RUNNING).id
        db.session.commit()
    links = [a["href"] for a in _page(yard, run_id).attributes("a")]

    assert [links.count(f"/runs/{child}") for child in children] == [1, 1]


def test_a_review_of_each_item_says_who_decides_and_opens_every_request(yard: Yard) -> None:
    run_id, = yard.make("queued")
    with yard.app.app_context():
        told = factories.story(db.session(), db.session.get_one(Run, run_id))
        told.step("check", StepStatus.RUNNING, total=2)
        waits = [
            told.wait(
                told.step("check", StepStatus.WAITING, item=item),
                detail={"title": f"Car {item + 1}", "approvers": ["bob@northfield.example"]},
            ).id
            for item in (0, 1)
        ]
        told.now(RunStatus.WAITING)
        db.session.commit()
    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)
    assert page.faults == []
    assert "decides: “Car 1”." in page.text
    links = [a.get("href") for a in page.attributes("a")]
    assert [links.count(f"/approvals/of/{wait}") for wait in waits] == [2, 2]
    assert "more Download" not in page.text
    html = yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text
    assert [len(re.findall(rf'\S<a class="text" href="/approvals/of/{wait}"', html)) for wait in waits] == [0, 0]
    assert "Open “Car 1” Open “Car 2”" in page.text
    with yard.app.app_context():
        for wait in waits:
            row = db.session.get_one(WaitRow, wait)
            row.detail = {**row.detail, "title": "Is this car right?"}
        db.session.commit()
    alike = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text).text
    assert re.search(r"Open “[^”]+ 1” Open “[^”]+ 2”", alike)
