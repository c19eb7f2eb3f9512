"""Reads of approvals, always within one workspace, or by a link's token."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from app.core.db import Value
from app.core.errors import NotFound
from app.core.ids import token_hash
from app.core.lookup import among
from app.engine.models import Run
from app.features.accounts.models import AuditEntry, Workspace
from app.features.approvals.enums import ApprovalStatus, Decision
from app.features.approvals.models import HAS_NO_END, IS_OPEN, IS_OVER, Approval, Approver
from app.features.files.models import Attachment, Document, DocumentRevision, Image, ImageBlob

OPEN = ApprovalStatus.OPEN.value
MOST = 200
MOST_COUNTED = 1000
MOST_WAITING = 100  # the counts of the frame end here: "99+"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of an item."""

    id: str
    alt: str


@dataclass(frozen=True, slots=True)
class Item:
    """One document to decide on, with its limits in characters (None: no limit) and its pictures, the primary first.

    *title* is empty where the channel has no headline.
    """

    id: str
    number: int
    version: int
    title: str
    body: str
    max_chars: int | None
    title_max_chars: int | None
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """An approval as lists show it."""

    approval: Approval
    people: tuple[Approver, ...]
    run: Run
    pictures: tuple[Picture, ...]
    mine: bool = False

    @property
    def waiting_for(self) -> list[str]:
        """Names of those who have not answered."""
        return [shown(person) for person in self.people if person.decision is None]

    @property
    def asked_by(self) -> str:
        """Who started the run."""
        return starter(self.run)


@dataclass(frozen=True, slots=True)
class Review:
    """Everything that the decision page and the mail say of a request."""

    approval: Approval
    people: tuple[Approver, ...]
    run: Run
    workspace: Workspace
    items: tuple[Item, ...] = field(default=())

    @property
    def asked_by(self) -> str:
        """Who started the run."""
        return starter(self.run)

    @property
    def asked_by_email(self) -> str:
        """Where that person reads mail; "" where a machine started the run."""
        return str((self.run.facts.get("started_by") or {}).get("email") or "")


def approval(session: Session, workspace_id: str, approval_id: str) -> Approval:
    """Return one request. Raises NotFound for a missing or a stranger's one."""
    found = session.execute(
        sa.select(Approval).where(Approval.workspace_id == workspace_id, Approval.id == approval_id)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("This request does not exist.")
    return found


def of_wait(session: Session, workspace_id: str, wait_id: str) -> Approval:
    """Return the request that a run's wait made. Raises NotFound."""
    found = session.execute(
        sa.select(Approval).where(Approval.workspace_id == workspace_id, Approval.wait_id == wait_id)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("This request does not exist.")
    return found


def by_token(session: Session, token: str) -> tuple[Approval, Approver] | None:
    """Return the request and the person that a link was made for; None for any link that we did not make."""
    row = session.execute(
        sa.select(Approval, Approver)
        .join(Approver, Approver.approval_id == Approval.id)
        .where(Approver.token_hash == token_hash(token))
    ).first()
    return None if row is None else (row[0], row[1])


def approver_for(session: Session, approval: Approval, email: str) -> Approver | None:
    """Return the person of that address among those asked; None when they were not asked."""
    return session.execute(
        sa.select(Approver).where(Approver.approval_id == approval.id, Approver.email == email.lower())
    ).scalar_one_or_none()


def people(session: Session, approval_id: str) -> tuple[Approver, ...]:
    """Return those who are asked, in the order of asking."""
    asked = sa.select(Approver).where(Approver.approval_id == approval_id).order_by(Approver.id)
    return tuple(session.execute(asked).scalars())


def open_approvals(
    session: Session,
    workspace_id: str,
    *,
    email: str | None = None,
    is_mine: bool = True,
    limit: int = MOST,
    before: str | None = None,
) -> Sequence[Approval]:
    """Return what is open, the most urgent first; *before* is the id of the last one already seen.

    With *email* only what waits for that person's answer, or with not *is_mine* only the rest.
    """
    wanted = (
        sa.select(Approval)
        .where(Approval.workspace_id == workspace_id, IS_OPEN)
        .order_by(HAS_NO_END, Approval.expires_at, Approval.requested_at, Approval.id)
        .limit(limit)
    )
    if email is not None:
        mine = _is_unanswered(workspace_id, email.lower())
        wanted = wanted.where(mine if is_mine else sa.not_(mine))
    if before is not None:
        wanted = wanted.where(_is_less_urgent(approval(session, workspace_id, before)))
    return session.execute(wanted).scalars().all()


def decided(session: Session, workspace_id: str, *, limit: int, before: str | None = None) -> Sequence[Approval]:
    """Return what is over, the newest end first; *before* is the id of the last one already seen."""
    wanted = (
        sa.select(Approval)
        .where(Approval.workspace_id == workspace_id, IS_OVER)
        .order_by(Approval.decided_at.desc(), Approval.id.desc())
        .limit(limit)
    )
    if before is not None:
        last = approval(session, workspace_id, before)
        anchor = sa.tuple_(sa.literal(last.decided_at, Approval.decided_at.type), sa.literal(last.id))
        wanted = wanted.where(sa.tuple_(Approval.decided_at, Approval.id) < anchor)
    return session.execute(wanted).scalars().all()


def count_for(workspace_id: Value[str], email: Value[str]) -> sa.ScalarSelect[int]:
    """Count what waits for this person's answer, up to :data:`MOST_WAITING`; *email* in lower case.

    A part of a statement that every page asks.
    """
    mine = sa.select(Approval.id).where(
        Approval.workspace_id == workspace_id, IS_OPEN, _is_unanswered(workspace_id, email)
    )
    return sa.select(sa.func.count()).select_from(mine.limit(MOST_WAITING).subquery()).scalar_subquery()


def counts(session: Session, workspace_id: str) -> tuple[int, int]:
    """Count the open and the ended requests of a workspace, each up to :data:`MOST_COUNTED`."""
    ours = sa.select(Approval.id).where(Approval.workspace_id == workspace_id).limit(MOST_COUNTED)
    some = (sa.select(sa.func.count()).select_from(ours.where(those).subquery()) for those in (IS_OPEN, IS_OVER))
    open_count, over_count = session.execute(sa.select(*(each.scalar_subquery() for each in some))).one()
    return open_count, over_count


def rows(session: Session, approvals: Sequence[Approval], *, email: str = "") -> list[Row]:
    """Return what a list shows of these requests: three more queries, however many there are."""
    if not approvals:
        return []
    asked: dict[str, list[Approver]] = {approval.id: [] for approval in approvals}
    wanted = sa.select(Approver).where(Approver.approval_id.in_(asked)).order_by(Approver.id)
    for person in session.execute(wanted).scalars():
        asked[person.approval_id].append(person)
    run_ids = {approval.run_id for approval in approvals}
    runs = {run.id: run for run in session.execute(sa.select(Run).where(Run.id.in_(run_ids))).scalars()}
    pictures = _pictures(session, [str(i) for approval in approvals for i in approval.document_ids])
    return [
        Row(
            approval=one,
            people=tuple(asked[one.id]),
            run=runs[one.run_id],
            pictures=_four(pictures.get(str(i), ()) for i in one.document_ids),
            mine=one.status == OPEN
            and any(person.email == email.lower() and person.decision is None for person in asked[one.id]),
        )
        for one in approvals
    ]


def review(session: Session, approval: Approval) -> Review:
    """Return the whole of one request: people, run, workspace, documents with pictures."""
    return Review(
        approval=approval,
        people=people(session, approval.id),
        run=session.get_one(Run, approval.run_id),
        workspace=session.get_one(Workspace, approval.workspace_id),
        items=items(session, approval.workspace_id, approval.document_ids),
    )


def items(session: Session, workspace_id: str, document_ids: Sequence[str]) -> tuple[Item, ...]:
    """Return the documents in the order asked; one that was deleted meanwhile is left out."""
    wanted = sa.select(Document).where(among(Document, workspace_id, document_ids))
    found = {document.id: document for document in session.execute(wanted).scalars()}
    pictures = _pictures(session, list(found))
    kept = [found[document_id] for document_id in document_ids if document_id in found]
    return tuple(
        Item(
            id=document.id,
            number=number,
            version=document.version,
            title="" if document.fields.get("title_max_chars") == 0 else document.title,
            body=document.body,
            max_chars=_limit(document.fields, "max_chars"),
            title_max_chars=_limit(document.fields, "title_max_chars"),
            pictures=pictures.get(document.id, ()),
        )
        for number, document in enumerate(kept, start=1)
    )


def picture(session: Session, approval: Approval, image_id: str) -> bytes:
    """Return the small JPEG of a picture of this request's documents. Raises NotFound for any other picture."""
    wanted = (
        sa.select(ImageBlob)
        .join(Attachment, Attachment.image_id == ImageBlob.image_id)
        .join(Document, Document.id == Attachment.document_id)
        .where(
            ImageBlob.image_id == image_id,
            ImageBlob.variant == "small",
            Document.workspace_id == approval.workspace_id,
            Attachment.document_id.in_(approval.document_ids),
        )
        .options(undefer(ImageBlob.content))
    )
    found = session.execute(wanted).scalars().first()
    if found is None:
        raise NotFound("This picture does not exist.")
    return found.content


def text_at(session: Session, document_id: str, version: int) -> tuple[str, str] | None:
    """Return title and body of a document as they were at *version*."""
    found = session.get(DocumentRevision, (document_id, version))
    return None if found is None else (found.title, found.body)


def small_pictures(session: Session, image_ids: Sequence[str]) -> Mapping[str, bytes]:
    """Return the small JPEG of each picture."""
    wanted = sa.select(ImageBlob.image_id, ImageBlob.content).where(
        ImageBlob.image_id.in_(image_ids), ImageBlob.variant == "small"
    )
    return {row.image_id: row.content for row in session.execute(wanted)}


def shown(person: Approver) -> str:
    """Return the person's name, else the address."""
    return person.name or person.email


def starter(run: Run) -> str:
    """Return who started a run, as people read it."""
    by = run.facts.get("started_by") or {}
    return str(by.get("name") or by.get("email") or "Greenlight")


def is_decided_by(person: Approver) -> bool:
    """Tell whether the person has answered."""
    return person.decision in tuple(Decision)


def is_taken_back_since(session: Session, approval: Approval, moment: datetime) -> bool:
    """Tell whether a decision was taken back after a moment: what was done is written down with its time."""
    since = max(moment, approval.requested_at)
    found = sa.select(AuditEntry.id).where(
        AuditEntry.workspace_id == approval.workspace_id, AuditEntry.at > since, AuditEntry.action == "approval.undone",
        AuditEntry.subject_id == approval.id,
    )  # fmt: skip
    return session.execute(found.limit(1)).first() is not None


def _is_unanswered(workspace_id: Value[str], email: Value[str]) -> sa.ColumnElement[bool]:
    """Whether the request at hand waits for this person; looked up for each that is open, however many there were."""
    return sa.exists().where(
        Approver.workspace_id == workspace_id, Approver.email == email, Approver.decision.is_(None),
        Approver.approval_id == Approval.id,
    )  # fmt: skip


def _is_less_urgent(last: Approval) -> sa.ColumnElement[bool]:
    """Whether the request at hand comes after *last* in the order of urgency; those without an end are last."""
    key = (Approval.requested_at, Approval.id)
    seen = (sa.literal(last.requested_at, Approval.requested_at.type), sa.literal(last.id))
    if last.expires_at is None:
        return sa.and_(HAS_NO_END, sa.tuple_(*key) > sa.tuple_(*seen))
    end = sa.literal(last.expires_at, Approval.expires_at.type)
    return sa.or_(HAS_NO_END, sa.tuple_(Approval.expires_at, *key) > sa.tuple_(end, *seen))


def _pictures(session: Session, document_ids: Sequence[str]) -> dict[str, tuple[Picture, ...]]:
    wanted = (
        sa.select(Attachment.document_id, Image.id, Image.alt)
        .join(Image, Image.id == Attachment.image_id)
        .where(Attachment.document_id.in_(document_ids))
        .order_by(Attachment.document_id, Attachment.is_primary.desc(), Attachment.position)
    )
    found: dict[str, list[Picture]] = {}
    for row in session.execute(wanted):
        found.setdefault(row.document_id, []).append(Picture(row.id, row.alt))
    return {document_id: tuple(pictures) for document_id, pictures in found.items()}


def _four(groups: Iterable[Sequence[Picture]]) -> tuple[Picture, ...]:
    firsts = {group[0].id: group[0] for group in groups if group}
    return tuple(firsts.values())[:4]


def _limit(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
