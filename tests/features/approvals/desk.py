"""A desk to test approvals at: a workspace with people, a run that has come to its review, and its mails."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from io import BytesIO
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image as Pillow
from sqlalchemy.orm import Session

from app.core import clock, events
from app.core.db import db, transaction
from app.core.ids import new_id
from app.core.outbox import OutboxRow
from app.engine.events import WaitEnded, WaitStarted
from app.engine.models import Run, StepRun, WaitRow
from app.features.accounts import service as accounts
from app.features.accounts.models import User, Workspace
from app.features.approvals.models import Approval, Approver
from app.features.files import images
from app.features.files import service as files
from app.features.files.models import Document
from app.features.workflows.models import Version, Workflow

TEXTS = [
    (
        "Your next adventure, sorted",
        "One owner. All-wheel drive. 21,400 easy miles. Here for $28,990 until 30 Nov.",
    ),
    (
        "A CR-V that skips the wait",
        "No waiting list: this 2022 CR-V EX-L is on our lot today. Come and drive it.",
    ),
    (
        "Weekend-ready, winter-ready",
        "Boots in the back, heat in the seats. One owner, and two oil changes on us.",
    ),
    ("Snow? Bring it on.", "All-wheel drive before the first snow: 2022 CR-V EX-L for $28,990."),
]
STEPS = [
    {
        "id": "check",
        "type": "review",
        "name": "Sales manager decides",
        "config": {"approvers": ["x@y.example"]},
    },
    {
        "id": "tell",
        "type": "notify",
        "name": "Send the ads to sales",
        "after": ["check:approved"],
        "config": {},
    },
]
LINK = re.compile(r"http://localhost/a/([\w-]{43})")
COLOURS = [(11, 122, 75), (26, 86, 176), (174, 35, 28)]


@lru_cache
def picture(number: int) -> images.PreparedImage:
    out = BytesIO()
    Pillow.new("RGB", (600, 500), COLOURS[number % 3]).save(out, "PNG")
    return images.prepare(out.getvalue())


@dataclass
class Asked:
    """One request: its ids and, by address, the token of each link."""

    approval_id: str
    run_id: str
    step_run_id: str
    wait_id: str
    document_ids: list[str]
    image_ids: list[str]
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return next(iter(self.tokens.values()))

    @property
    def path(self) -> str:
        return f"/a/{self.token}"


class Desk:
    """One workspace; every helper opens and commits a transaction of its own."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.number = 0
        self.workspace_id = self._workspace("Northfield Motors")

    def _workspace(self, name: str) -> str:
        with self.session() as session:
            return accounts.create_workspace(session, name=name, timezone="America/New_York").id

    def session(self) -> Any:
        with self.app.app_context():
            engine = db.engine
        return transaction(engine)

    def person(self, email: str, role: str, *, name: str = "", workspace_id: str = "") -> FlaskClient:
        """Make a person and return their signed-in browser."""
        with self.session() as session:
            user = accounts.create_user(
                session, email=email, name=name or email.partition("@")[0].title(), password="-",
                workspace_id=workspace_id or self.workspace_id, role=role, check_password=False, password_hash="-",
            )  # fmt: skip
            opened = accounts.sign_in(session, session.get_one(User, user.id))
        client = self.app.test_client()
        client.set_cookie("gl", opened.token)
        client.csrf = opened.csrf  # type: ignore[attr-defined]
        return client

    def stranger(self) -> FlaskClient:
        """Make somebody of another workspace who may do everything there."""
        return self.person("charlie@other.example", "owner", workspace_id=self._workspace("Elsewhere"))

    def ask(
        self,
        *approvers: str,
        texts: int = 3,
        policy: str = "any",
        max_chars: int | None = 125,
        expires: datetime | None = None,
        on_expiry: str = "reject",
        **detail: Any,
    ) -> Asked:
        """Bring a run to its review as the engine does, and read the links from the mails."""
        now = clock.now()
        self.number += 1
        with self.session() as session:
            run, step, wait = self._run(session, now, expires)
            documents, pictures = self._documents(session, run, step, texts, max_chars)
            wait.detail = {
                "title": "10 Facebook ads: 2022 Honda CR-V", "documents": documents, "text": "Stock H2417, at $28,990.",
                "approvers": list(approvers) or ["sam@northfield.example"], "policy": policy,
                "expires_at": clock.iso(expires), "on_expiry": on_expiry, "undo_s": 0, **detail,
            }  # fmt: skip
            session.flush()
            events.publish(
                session,
                WaitStarted(
                    wait.id,
                    run.workspace_id,
                    run.id,
                    step.id,
                    "check",
                    "approval",
                    wait.detail,
                    expires,
                    "rejected",
                ),
            )
            approval_id = session.scalars(sa.select(Approval.id).where(Approval.wait_id == wait.id)).one()
            asked = Asked(approval_id, run.id, step.id, wait.id, documents, pictures)
            for row in session.scalars(
                sa.select(OutboxRow).where(OutboxRow.run_id == run.id).order_by(OutboxRow.id)
            ):
                asked.tokens[row.recipient] = LINK.findall(row.content["text"])[0]
        return asked

    def end(self, asked: Asked, why: str, outcome: str = "rejected") -> None:
        """End the wait as the engine does when time runs out or the run is stopped."""
        with self.session() as session:
            events.publish(
                session, WaitEnded(asked.wait_id, self.workspace_id, asked.run_id, "approval", outcome, why)
            )

    def approval(self, asked: Asked) -> Approval:
        with self.session() as session:
            return session.get_one(Approval, asked.approval_id)

    def people(self, asked: Asked) -> dict[str, Approver]:
        with self.session() as session:
            rows = session.scalars(sa.select(Approver).where(Approver.approval_id == asked.approval_id))
            return {row.email: row for row in rows}

    def documents(self, asked: Asked) -> list[Document]:
        with self.session() as session:
            return [session.get_one(Document, document_id) for document_id in asked.document_ids]

    def wait(self, asked: Asked) -> WaitRow:
        with self.session() as session:
            return session.get_one(WaitRow, asked.wait_id)

    def mails(self, asked: Asked) -> list[OutboxRow]:
        with self.session() as session:
            return list(session.scalars(sa.select(OutboxRow).where(OutboxRow.run_id == asked.run_id)))

    def _run(self, session: Session, now: datetime, expires: datetime | None) -> tuple[Run, StepRun, WaitRow]:
        workspace = session.get_one(Workspace, self.workspace_id)
        workflow = Workflow(
            id=new_id(), workspace_id=workspace.id, name="Facebook ads", created_at=now, updated_at=now
        )
        session.add(workflow)
        session.flush()
        version = Version(
            id=new_id(), workspace_id=workspace.id, workflow_id=workflow.id, number=1,
            definition={"schema": 1, "inputs": [], "steps": STEPS}, published_at=now,
        )  # fmt: skip
        session.add(version)
        session.flush()
        run = Run(
            id=new_id(), workspace_id=workspace.id, number=self.number, workflow_id=workflow.id, version_id=version.id,
            label="Facebook ads for the CR-V", status="waiting",
            facts={"started_by": {"name": "Alice Reed", "email": "a@x.example"}},
            steps_total=2, created_at=now, changed_at=now,
        )  # fmt: skip
        session.add(run)
        session.flush()
        step = StepRun(
            id=new_id(), workspace_id=workspace.id, run_id=run.id, step_id="check", type="review", status="waiting",
            created_at=now,
        )  # fmt: skip
        session.add(step)
        session.flush()
        wait = WaitRow(
            id=new_id(), workspace_id=workspace.id, run_id=run.id, step_run_id=step.id, kind="approval",
            status="waiting", until=expires, on_until="rejected", created_at=now,
        )  # fmt: skip
        session.add(wait)
        session.flush()
        return run, step, wait

    def _documents(
        self, session: Session, run: Run, step: StepRun, count: int, max_chars: int | None
    ) -> tuple[list[str], list[str]]:
        documents, pictures = [], []
        for number, (title, body) in enumerate((TEXTS * 25)[:count], start=1):
            document = files.create_document(
                session, workspace_id=run.workspace_id, run_id=run.id, step_run_id=step.id, title=title, body=body,
                fields={"max_chars": max_chars, "title_max_chars": 40}, status="draft", position=number,
                written_by="Sample writer", test=False,
            )  # fmt: skip
            image = files.store_image(
                session, prepared=picture(number), workspace_id=run.workspace_id, run_id=run.id, step_run_id=step.id,
                position=number, prompt=f"The car, picture {number}", model="sample",
            )  # fmt: skip
            files.attach(session, document.id, [image.id])
            documents.append(document.id)
            pictures.append(image.id)
        return documents, pictures


def form_of(html: str) -> dict[str, str]:
    """Return what a browser would send of the page's decision form, without a button."""
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        values: dict[str, str]
        name = ""

        def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
            found = {key: value or "" for key, value in attrs}
            if tag == "input" and found.get("name") and found.get("type") == "hidden":
                self.values[found["name"]] = found.get("value", "")
            if tag == "input" and found.get("type") == "radio" and "checked" in found:
                self.values[found["name"]] = found["value"]
            if tag == "textarea":
                self.name = found["name"]
                self.values[self.name] = ""

        def handle_endtag(self, tag: str) -> None:
            if tag == "textarea":
                self.values[self.name] = self.values[self.name].removeprefix("\n")
                self.name = ""

        def handle_data(self, data: str) -> None:
            if self.name:
                self.values[self.name] += data

    reader = Reader()
    reader.values = {}
    reader.feed(html)
    return reader.values


def in_two_days() -> datetime:
    return clock.now() + timedelta(days=2)
