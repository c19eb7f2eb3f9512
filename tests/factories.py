"""Rows for tests of pages: workflows, and runs in every state, written as the engine writes them."""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import sqlalchemy as sa
from PIL import Image as Picture
from sqlalchemy.orm import Session

from app.core import clock, yaml
from app.core.ids import new_id
from app.engine import catalog
from app.engine.enums import CallStatus, RunStatus, StepStatus, WaitStatus
from app.engine.models import Call, Run, RunLog, StepRun, WaitRow
from app.features.accounts.service import Actor
from app.features.files import service as files
from app.features.files.images import PreparedImage, prepare
from app.features.files.models import Document, Image
from app.features.runs import service as runs
from app.features.workflows import queries as workflow_queries
from app.features.workflows import service as workflows
from app.features.workflows.models import Workflow

ADS: dict[str, Any] = yaml.load(
    """
schema: 1
inputs:
  - {key: offer, label: "What is the offer?", type: long_text, required: true}
  - {key: approver, label: "Who approves?", type: email}
steps:
  - id: ads
    type: generate_copy
    name: Write the ads
    config: {prompt: "Write Facebook ads for {{ inputs.offer }}", count: 10, max_chars: 125, title_max_chars: 40,
             channel: facebook}
  - id: pictures
    type: generate_image
    name: Make 5 pictures
    config: {prompt: "{{ inputs.offer }} on a coast road", count: 5, size: square, style: showroom}
  - {id: attach, type: attach_images, name: Give each ad a picture, after: [ads, pictures],
     config: {documents: ads, images: pictures, strategy: one_each}}
  - {id: check, type: review, name: The sales manager decides, after: [attach],
     config: {documents: ads, approvers: ["{{ inputs.approver }}"], expires_after_hours: 72}}
  - {id: tell, type: notify, name: Mail the finished ads, after: ["check:approved"],
     config: {channel: email, to: ["{{ run.started_by.email }}"], subject: Your ads are ready, body: They are.}}
  - {id: tell_rejected, type: notify, name: Say why not, after: ["check:rejected", "check:expired"], join: any,
     config: {channel: email, to: ["{{ run.started_by.email }}"], subject: Not approved,
              body: "{{ steps.check.reason }}"}}
limits: {cost_usd: "5.00", minutes: 60}
"""
)
OFFER = "the 2023 Toyota RAV4 XLE, 0 % for 36 months, ends 30 Nov"
ALICE = Actor(None, "Alice Owner", "alice@northfield.example")
TEXTS = (
    "All-wheel drive before the first snow. The 2023 RAV4 XLE, 0 % for 36 months, until 30 Nov.",
    "No waiting list: this RAV4 XLE is on our lot today. 0 % for 36 months, come and drive it this week.",
    "Boots in the back, heat in the seats. 2023 RAV4 XLE at 0 % for 36 months.",
    "New tyres of the season, new car of the year: 2023 RAV4 XLE, 0 % for 36 months.",
    "Room for five, and the stroller. See the 2023 RAV4 XLE, stock T1192, this weekend.",
    "Take the RAV4 XLE home for a night, then decide. 0 % for 36 months until 30 Nov.",
    "Cameras, sensors and easy parking: the 2023 RAV4 XLE is ready for the city.",
    "Your commute, warmer. Heated seats and all-wheel drive in the 2023 RAV4 XLE.",
    "Three days to change your mind. 2023 RAV4 XLE, 0 % for 36 months.",
    "The weekend car that starts on Monday. 2023 RAV4 XLE, stock T1192.",
)


def workflow(
    session: Session, workspace_id: str, *, name: str = "Facebook Ads", definition: Mapping[str, Any] = ADS
) -> Workflow:
    """Publish a workflow; the ads one unless told otherwise."""
    return workflows.create(
        session, workspace_id=workspace_id, name=name, definition=dict(definition), actor_id=None
    )


def queued_run(
    session: Session,
    of: Workflow,
    *,
    label: str = "Facebook ads: 2023 Toyota RAV4, stock T1192",
    inputs: Mapping[str, Any] | None = None,
    starter: Actor = ALICE,
    age_s: float = 120.0,
    **options: Any,
) -> Run:
    """Start a run the way pages do; it began *age_s* seconds ago and nothing has touched it."""
    answers = {"offer": OFFER, "approver": "bob@northfield.example"} if inputs is None else dict(inputs)
    run = runs.start(
        session, workspace_id=of.workspace_id, workflow=of, inputs=answers, actor=starter, label=label, **options
    )
    run.created_at = clock.now() - timedelta(seconds=age_s)
    session.flush()
    return run


@dataclass
class Story:
    """A run whose rows are written one after the other, each a little later than the one before."""

    session: Session
    run: Run
    at: datetime

    def step(self, step_id: str, status: StepStatus, *, took_s: float = 2.0, **columns: Any) -> StepRun:
        """Write one step run."""
        definition = workflow_queries.load_definition(self.session, self.run.version_id)
        kind = definition.step(step_id).type
        columns.setdefault("effect", catalog.step_types()[kind].effect.value)
        begun = status not in (StepStatus.PENDING, StepStatus.SKIPPED)
        settled = status.is_settled
        row = StepRun(
            workspace_id=self.run.workspace_id,
            run_id=self.run.id,
            step_id=step_id,
            type=kind,
            status=status.value,
            created_at=self.at,
            started_at=self.at if begun else None,
            finished_at=self.at + timedelta(seconds=took_s) if settled else None,
            attempts=1 if begun else 0,
            **columns,
        )
        self.session.add(row)
        self.session.flush()
        self.at += timedelta(seconds=took_s)
        return row

    def call(self, step: StepRun, name: str, **columns: Any) -> Call:
        """Write one outward request of a step."""
        values = {"status": CallStatus.ANSWERED.value, "finished_at": self.at, **columns}
        call = Call(
            workspace_id=step.workspace_id, run_id=step.run_id, step_run_id=step.id, name=name,
            key=f"gl-{step.run_id}-{step.step_id}-0-{name}", fence=1, started_at=self.at, **values,
        )  # fmt: skip
        self.session.add(call)
        self.session.flush()
        return call

    def wait(self, step: StepRun, *, kind: str = "approval", **columns: Any) -> WaitRow:
        """Let a step wait."""
        wait = WaitRow(
            workspace_id=step.workspace_id, run_id=step.run_id, step_run_id=step.id, kind=kind,
            status=WaitStatus.WAITING.value, created_at=self.at, **columns,
        )  # fmt: skip
        self.session.add(wait)
        self.session.flush()
        return wait

    def log(self, message: str, *, level: str = "info", step_id: str | None = None) -> None:
        """Write a line of the log."""
        self.session.add(
            RunLog(workspace_id=self.run.workspace_id, run_id=self.run.id, step_id=step_id, level=level,
                   event="note", message=message, at=self.at)
        )  # fmt: skip

    def documents(self, step: StepRun, texts: Sequence[str] = TEXTS, **options: Any) -> list[Document]:
        """Let a step write documents."""
        fields = {"max_chars": 125, "title_max_chars": 40, "channel": "facebook"}
        values = {"status": "draft", "fields": fields, "written_at": clock.now(), **options}
        return [
            files.create_document(
                self.session, workspace_id=self.run.workspace_id, run_id=self.run.id, step_run_id=step.id,
                title=text.split(".")[0][:40], body=text, position=number, written_by="Sample writer",
                test=self.run.test, **values,
            )
            for number, text in enumerate(texts, 1)
        ]  # fmt: skip

    def pictures(self, step: StepRun, number: int) -> list[Image]:
        """Let a step make pictures."""
        return [
            files.store_image(
                self.session, prepared=picture(place), workspace_id=self.run.workspace_id, run_id=self.run.id,
                step_run_id=step.id, position=place, prompt=f"The car on a coast road, view {place}", model="sample",
            )
            for place in range(1, number + 1)
        ]  # fmt: skip

    def now(self, status: RunStatus, *, done: int = 0, doing: str = "", cost_microusd: int = 0) -> Run:
        """Leave the run in *status*."""
        run = self.run
        run.status, run.steps_done, run.doing, run.cost_microusd = status.value, done, doing, cost_microusd
        run.started_at = run.created_at + timedelta(seconds=1)
        run.changed_at = self.at
        run.due_at = None
        run.finished_at = None if status.is_open else self.at
        self.session.flush()
        return run


def story(session: Session, run: Run) -> Story:
    """Begin to tell what became of a run."""
    return Story(session, run, run.created_at + timedelta(seconds=1))


def running_run(session: Session, of: Workflow, **options: Any) -> Run:
    """Return a run that makes picture 4 of 5, with ten ads written."""
    told = story(session, queued_run(session, of, **options))
    _ads(told)
    step = told.step(
        "pictures", StepStatus.RUNNING, done=3, total=5, doing="Making picture 4 of 5: the car on a coast road",
        went_in={"prompt": "…", "count": 5, "size": "square", "style": "showroom"}, cost_microusd=230_000,
    )  # fmt: skip
    told.pictures(step, 3)
    return told.now(RunStatus.RUNNING, done=1, doing=step.doing, cost_microusd=310_000)


def waiting_run(session: Session, of: Workflow, **options: Any) -> Run:
    """Return a run that waits for Bob's answer."""
    told = story(session, queued_run(session, of, **options))
    _up_to_the_review(told)
    step = told.step("check", StepStatus.WAITING, went_in={"approvers": ["bob@northfield.example"]})
    told.wait(
        step, until=clock.now() + timedelta(hours=72), on_until="rejected",
        detail={"title": "Approve 10 Facebook ads", "approvers": ["bob@northfield.example"], "documents": []},
    )  # fmt: skip
    return told.now(RunStatus.WAITING, done=3, cost_microusd=460_000)


def finished_run(session: Session, of: Workflow, **options: Any) -> Run:
    """Return a run that is ready: ten approved ads, each with a picture."""
    told = story(session, queued_run(session, of, **options))
    documents, _ = _up_to_the_review(told)
    files.set_status(session, [document.id for document in documents], "approved", by="Bob Approver")
    output = {"decision": "approved", "reason": "", "by": "Bob Approver", "answers": {}}
    told.step("check", StepStatus.COMPLETED, outcome="approved", output=output, took_s=40)
    told.step("tell", StepStatus.COMPLETED, outcome="done", output={"sent_to": ["alice@northfield.example"]})
    told.step(
        "tell_rejected", StepStatus.SKIPPED, reason="“The sales manager decides” ended with “approved”, not “rejected”"
    )
    told.log("Text 6 was too long and was asked for again.", step_id="ads", level="warning")
    return told.now(RunStatus.COMPLETED, done=6, cost_microusd=460_000)


def rejected_run(session: Session, of: Workflow, *, by: str = "", outcome: str = "rejected", **options: Any) -> Run:
    """Return a run that got no yes: Bob's no (*by*), or nobody answered in time."""
    told = story(session, queued_run(session, of, **options))
    _up_to_the_review(told)
    output = {"decision": outcome, "reason": "Too loud." if by else "Nobody answered in time.", "by": by, "answers": {}}
    told.step("check", StepStatus.COMPLETED, outcome=outcome, output=output, took_s=40)
    told.step("tell", StepStatus.SKIPPED, reason=f"“The sales manager decides” ended with “{outcome}”")
    told.step("tell_rejected", StepStatus.COMPLETED, outcome="done", output={"sent_to": ["alice@northfield.example"]})
    told.run.last_no = outcome
    return told.now(RunStatus.COMPLETED, done=6, cost_microusd=460_000)


def failed_run(session: Session, of: Workflow, *, category: str = "ai_answer", **options: Any) -> Run:
    """Return a run whose pictures were refused: ten texts and three pictures are kept."""
    told = story(session, queued_run(session, of, **options))
    _ads(told)
    error = {
        "category": category, "code": "refused", "fix": "Leave the logo out and continue.",
        "message": "The picture service would not draw two of the five pictures.",
    }  # fmt: skip
    step = told.step(
        "pictures", StepStatus.FAILED, done=3, total=5, outcome="failed", error=error, took_s=68,
        went_in={"prompt": "…", "count": 5}, cost_microusd=210_000,
    )  # fmt: skip
    told.pictures(step, 3)
    for step_id in ("attach", "check", "tell", "tell_rejected"):
        told.step(step_id, StepStatus.SKIPPED, reason="“Make 5 pictures” failed", took_s=0)
    told.log(error["message"], level="error", step_id="pictures")
    return told.now(RunStatus.FAILED, done=6, cost_microusd=290_000)


def _ads(told: Story) -> tuple[StepRun, list[Document]]:
    row_id = new_id()
    documents_of = {"id": row_id}
    step = told.step(
        "ads", StepStatus.COMPLETED, outcome="done", took_s=14, cost_microusd=80_000, tokens_in=1840, tokens_out=612,
        went_in={"prompt": f"Write Facebook ads for {OFFER}", "count": 10, "max_chars": 125}, **documents_of,
    )  # fmt: skip
    documents = told.documents(step)
    step.output = {"documents": [document.id for document in documents], "texts": list(TEXTS)}
    told.call(
        step, "copy", about="Writing 10 texts", cost_microusd=80_000, tokens_in=1840, tokens_out=612, model="sample"
    )
    return step, documents


def _up_to_the_review(told: Story) -> tuple[list[Document], list[Image]]:
    _, documents = _ads(told)
    step = told.step(
        "pictures", StepStatus.COMPLETED, outcome="done", took_s=96, done=5, total=5, cost_microusd=380_000,
        went_in={"prompt": "…", "count": 5},
    )  # fmt: skip
    pictures = told.pictures(step, 5)
    step.output = {"images": [each.id for each in pictures]}
    told.step("attach", StepStatus.COMPLETED, outcome="done", output={"attached": 10})
    for place, document in enumerate(documents):
        files.attach(told.session, document.id, [pictures[place % len(pictures)].id])
    return documents, pictures


@functools.cache
def picture(number: int = 1) -> PreparedImage:
    """Return a small real picture, another colour for each number."""
    colour = [(11, 122, 75), (26, 86, 176), (91, 52, 173), (133, 71, 0), (174, 35, 28)][number % 5]
    out = BytesIO()
    Picture.new("RGB", (640, 640), colour).save(out, "PNG")
    return prepare(out.getvalue())


def until_locked(engine: sa.Engine, *, limit_s: float = 20) -> None:
    """Wait until a connection of this PostgreSQL database waits for what another holds."""
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    end = time.monotonic() + limit_s
    aside = sa.create_engine(engine.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")  # the pool may be in use
    with aside.connect() as connection:
        while not connection.scalar(waiting):
            if time.monotonic() > end:
                raise TimeoutError("nobody waits")
            time.sleep(0.01)
