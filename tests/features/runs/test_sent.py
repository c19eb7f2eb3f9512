"""What of a run has left the house, told without guessing."""

import pytest

from app.core import clock, outbox
from app.core.db import db
from app.engine.enums import CallStatus, RunStatus, StepStatus
from app.engine.models import Call, Run, StepRun
from app.features.runs import sent
from app.features.runs.sent import Sent
from tests.features.runs.conftest import Yard
from tests.page import Page

POST = StepRun(id="post", type="post", effect="sends", status=StepStatus.CANCELLED.value)
UNDER_WAY = StepRun(id="post", type="post", effect="sends", status=StepStatus.RUNNING.value)
REVIEW = StepRun(id="review", type="review", effect="sends", status=StepStatus.COMPLETED.value)


def call(status: CallStatus) -> Call:
    return Call(step_run_id="post", status=status.value, finished_at=clock.now())


@pytest.mark.parametrize(
    ("calls", "messages", "fact", "sentence"),
    [
        ([], [], "Nothing has left the house yet", "Nothing was sent."),
        ([CallStatus.REFUSED], [], "Nothing has left the house yet", "Nothing was sent."),
        ([CallStatus.ANSWERED, CallStatus.LATE], [], "2 messages left the house", "2 messages were already sent."),
        (
            [CallStatus.UNSURE],
            [],
            "1 message may have left the house: nobody can tell",
            "1 message may have been sent: nobody can tell.",
        ),
        (
            [CallStatus.INTENDED, CallStatus.ANSWERED],
            [],
            "1 message left the house, 1 more perhaps",
            "1 message was already sent. 1 more may have been: nobody can tell.",
        ),
        (
            [],
            [("post", "unsure", 2), ("post", "withdrawn", 3), ("review", "sent", 1)],
            "2 messages may have left the house: nobody can tell, 3 withdrawn",
            "2 messages may have been sent: nobody can tell.",
        ),
        (
            [],
            [("review", "sent", 1), ("post", "withdrawn", 1)],
            "Nothing left: but the request for approval, 1 mail withdrawn",
            "Nothing was sent but the request for approval.",
        ),
        (
            [],
            [("review", "sent", 1)],
            "1 request mailed, nothing else left",
            "Nothing was sent but the request for approval.",
        ),
    ],
)
def test_what_has_left_is_counted_and_what_may_have_is_not_denied(
    calls: list[CallStatus], messages: list[tuple[str | None, str, int]], fact: str, sentence: str
) -> None:
    told = sent.sent([POST, REVIEW], [call(status) for status in calls], messages)
    assert (" ".join(told.fact).replace("\u00a0", " "), told.sentence.replace("\u00a0", " ")) == (fact, sentence)


def test_a_call_that_is_under_way_is_not_in_doubt() -> None:
    assert sent.sent([UNDER_WAY], [call(CallStatus.INTENDED)], []) == Sent(0, 0, 0, 0, 0)


def test_a_stopped_run_does_not_deny_a_message_of_which_nobody_can_tell(yard: Yard) -> None:
    (run_id,) = yard.make("finished")

    def lose(run: Run) -> None:
        row_id = outbox.post(
            db.session(), channel="email", recipient="bob@x.example", subject="Ready", content={}, dedupe_key="k",
            run_id=run.id,
        )  # fmt: skip
        db.session.get_one(outbox.OutboxRow, row_id).status = "unsure"
        run.status = RunStatus.STOPPED.value

    yard.change(run_id, lose)
    page = Page(yard.cast.browser(yard.cast.alice).get(f"/runs/{run_id}").text)
    assert "1 message may have left the house: nobody can tell" in page.text
