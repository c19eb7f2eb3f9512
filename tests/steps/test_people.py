"""Review and notify: who is asked, who is told, and what is wrong with the addresses."""

from datetime import timedelta
from typing import Any

import pytest

from app.core import clock
from app.definition.parts import TypeFacts
from app.definition.schema import check_config
from app.engine.contract import Category, Done, StepError, Wait
from app.steps import notify, review
from app.steps.testing import Bench


def ask(bench: Bench | None = None, **config: Any) -> Wait:
    wait = (bench or Bench()).do(
        review.STEP, {"text": "Is this right?", "approvers": ["maria@example.com"], **config}
    )
    assert isinstance(wait, Wait)
    return wait


def test_a_review_waits_for_approval_and_says_what_is_asked() -> None:
    bench = Bench(inputs={"approver": "Maria@Example.com"})
    document = bench.documents.create(title="A", body="b", fields={}, status="draft", position=1, model="")
    bench.outputs["ads"] = {"documents": [document]}
    began = clock.now()
    wait = ask(bench, documents="ads", approvers=["{{ inputs.approver }}"], title="Ten ads")
    assert wait.kind == "approval"
    assert wait.detail["documents"] == [document]
    assert wait.detail["approvers"] == ["Maria@example.com"]
    assert (wait.detail["title"], wait.detail["policy"], wait.detail["undo_s"]) == ("Ten ads", "any", None)
    assert wait.until is not None
    assert began <= wait.until - timedelta(hours=72) <= clock.now()
    assert wait.detail["expires_at"] == clock.iso(wait.until)


@pytest.mark.parametrize(
    ("on_expiry", "outcome"), [("reject", "rejected"), ("approve", "approved"), ("expire", "expired")]
)
def test_nobody_answers_in_time(on_expiry: str, outcome: str) -> None:
    wait = ask(on_expiry=on_expiry, expires_after_hours=1)
    assert wait.on_until == outcome
    assert wait.detail["on_until_output"] == {
        "decision": outcome, "reason": "Nobody answered in time.", "by": "", "answers": {}
    }  # fmt: skip


@pytest.mark.parametrize("config", [{"on_expiry": "keep"}, {"expires_after_hours": None}])
def test_it_may_wait_for_ever(config: dict[str, Any]) -> None:
    wait = ask(**config)
    assert wait.until is None
    assert wait.detail["expires_at"] is None


@pytest.mark.parametrize(
    "given",
    [
        "a@x.example, b@x.example",
        ["a@x.example", "b@x.example", "A@x.example"],
        "{{ inputs.people }}",
        ["{{ inputs.people }}"],
    ],
)
def test_approvers_come_in_many_forms(given: Any) -> None:
    wait = ask(Bench(inputs={"people": ["a@x.example", "b@x.example"]}), approvers=given, policy="all")
    assert wait.detail["approvers"] == ["a@x.example", "b@x.example"]
    assert wait.detail["policy"] == "all"


@pytest.mark.parametrize(
    ("approvers", "says"),
    [
        (["maria"], "“maria” is not an e-mail address"),
        (["maria@"], "“maria@” is not an e-mail address"),
        (["a@x.example\nBcc: b@x.example"], "not an e-mail address"),
        ([f"p{number}@x.example" for number in range(21)], "21 people are named; at most 20"),
    ],
)
def test_what_is_wrong_with_an_approver_is_named(approvers: list[str], says: str) -> None:
    with pytest.raises(StepError, match=says) as raised:
        ask(approvers=approvers)
    assert (raised.value.category, raised.value.code) == (Category.INPUT, "approvers")


@pytest.mark.parametrize(
    ("approvers", "wrong"),
    [
        (["boss"], ["“boss” is not an e-mail address."]),
        ("a@x.example, boss@", ["“boss@” is not an e-mail address."]),
        (["a@x.example", "{{ inputs.approver }}", "{{ inputs.other | default('b, c') }}"], []),
    ],
)
def test_an_address_that_is_none_is_found_when_it_is_written(approvers: str | list[str], wrong: list[str]) -> None:
    found = check_config(TypeFacts("review", review.Config), {"approvers": approvers})
    assert [(problem.path, problem.message) for problem in found] == [("/approvers", each) for each in wrong]


def test_nothing_to_decide_on_is_said() -> None:
    bench = Bench()
    bench.outputs["ads"] = {}
    with pytest.raises(StepError) as raised:
        ask(bench, documents="ads", text="")
    assert raised.value.code == "nothing_to_review"


def test_the_card_of_a_review() -> None:
    config = {"documents": "ads", "approvers": ["{{ inputs.approver }}"]}
    assert review.STEP.summary(config) == "**The answer “approver”** decides on **ads** within **72** hours"
    one = "the answer “Who?”, or whoever started the run where there is none"
    said = review.STEP.summary(config | {"approvers": [one, "a@b.example; c@d.example"]})
    assert said == f"**T{one[1:]} or 2 more** decides on **ads** within **72** hours"
    said = review.STEP.summary(config | {"approvers": ["a@b.example", "c@d.example"], "policy": "all"})
    assert said == "**a@b.example and c@d.example** decide on **ads** (all must agree) within **72** hours"


# --- notify ---


def test_one_mail_a_recipient() -> None:
    bench = Bench(inputs={"who": "b@x.example"})
    done = bench.do(
        notify.STEP,
        {
            "to": ["a@x.example", "{{ inputs.who }}", "A@x.example"],
            "subject": "Ready\nnow",
            "body": "Ten ads",
        },
    )
    assert isinstance(done, Done)
    assert done.output == {"to": ["a@x.example", "b@x.example"], "subject": "Ready now"}
    assert [(mail.to, mail.subject, mail.body) for mail in bench.mails] == [
        ("a@x.example", "Ready now", "Ten ads"), ("b@x.example", "Ready now", "Ten ads")
    ]  # fmt: skip
    assert bench.mails[0].link == ("Open the run", f"/runs/{bench.run.id}")


def test_a_mail_without_a_button() -> None:
    bench = Bench()
    bench.do(notify.STEP, {"to": "a@x.example", "subject": "Ready", "button": ""})
    assert bench.mails[0].link is None


def test_a_wrong_recipient_stops_all_mails() -> None:
    bench = Bench()
    with pytest.raises(StepError, match="“nobody” is not an e-mail address"):
        bench.do(notify.STEP, {"to": ["a@x.example", "nobody"], "subject": "Ready"})
    assert bench.mails == []


def test_the_card_of_a_mail() -> None:
    config = {"to": ["{{ run.started_by.email }}"], "subject": "Your ads are ready"}
    assert notify.STEP.summary(config) == "Tell **whoever started the run** by e-mail: Your ads are ready"
