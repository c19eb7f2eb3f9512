"""What the pages of documents read beside the documents: their runs, their neighbours, the sets that are ready."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.core.ids import is_id
from app.core.lookup import among
from app.engine.enums import RUN_OPEN, SEED, RunStatus, WaitStatus
from app.engine.models import RUN_SAMPLE, Run, WaitRow
from app.features.files import queries
from app.features.files.enums import DocumentStatus
from app.features.files.models import Document, Image

MOST_COUNTED = 1000
CLOCKS_DIFFER = timedelta(minutes=5)  # between two machines, at most
_FACTS = (Run.id, Run.number, Run.label, Run.trigger_kind)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a page of documents says of the run they came from."""

    id: str
    number: int
    label: str
    trigger_kind: str

    @property
    def is_sample(self) -> bool:
        """Whether the workspace came with it."""
        return self.trigger_kind == SEED


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A document among those of its run: its place from 1, how many there are, the ids before and after."""

    place: int
    of: int
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ReadySet:
    """The documents of one finished run, as a card."""

    run_id: str
    label: str
    number: int
    approved: int
    approved_by: str
    at: datetime
    image_id: str | None
    alt: str
    first_title: str
    first_body: str


def run(session: Session, workspace_id: str, run_id: str) -> RunFacts:
    """Return the run that documents are asked for. Raises NotFound for a missing or a stranger's one."""
    wanted = sa.select(*_FACTS).where(Run.id == run_id, Run.workspace_id == workspace_id)
    row = session.execute(wanted).one_or_none() if is_id(run_id) else None
    if row is None:
        raise NotFound("This run does not exist.")
    return RunFacts(*row)


def runs_of(session: Session, workspace_id: str, documents: Sequence[Document]) -> dict[str, RunFacts]:
    """Return the runs that these documents came from, by id, in one statement; no documents, no read."""
    ids = {document.run_id for document in documents if document.run_id}
    if not ids:  # else SQLite goes through all runs of the workspace to find none
        return {}
    wanted = sa.select(*_FACTS).where(among(Run, workspace_id, ids))
    return {row.id: RunFacts(*row) for row in session.execute(wanted)}


def not_asked(session: Session, workspace_id: str, documents: Sequence[Document]) -> frozenset[str]:
    """Return which documents stand for review though nobody is asked any more: at most two statements.

    Their run has ended, or is gone, and no review of any open run waits for a decision about them.
    """
    for_review = [each for each in documents if each.status == DocumentStatus.IN_REVIEW]
    if not for_review:
        return frozenset()
    is_open = (Run.workspace_id == workspace_id, Run.status.in_(RUN_OPEN))
    run_ids = {each.run_id for each in for_review if each.run_id}
    going = set(session.scalars(sa.select(Run.id).where(*is_open, Run.id.in_(run_ids)))) if run_ids else set()
    left = [each for each in for_review if each.run_id not in going]
    if not left:
        return frozenset()
    since = min(each.created_at for each in left) - CLOCKS_DIFFER  # nobody is asked about what is not written yet
    waits = (
        sa.select(WaitRow.detail)
        .join(Run, Run.id == WaitRow.run_id)
        .where(*is_open, WaitRow.kind == "approval", WaitRow.status == WaitStatus.WAITING, WaitRow.created_at >= since)
    )
    asked = {str(each) for detail in session.scalars(waits) for each in detail.get("documents") or ()}
    return frozenset({each.id for each in left} - asked)


def status_counts(session: Session, workspace_id: str, *, run_id: str | None = None) -> dict[str, int]:
    """Count documents by status, each up to :data:`MOST_COUNTED`; "" counts all. One statement, of a run two.

    Those that a run took over from another count as its own, as they do in its list.
    """
    those = Document.workspace_id == workspace_id
    if run_id is not None:
        those = sa.and_(those, queries.made_in(Document, run_id, queries.taken_over(session, run_id)))
    counted = (
        sa.select(sa.literal(status.value), sa.func.count()).select_from(
            sa.select(Document.id).where(those, Document.status == status.value).limit(MOST_COUNTED).subquery()
        )
        for status in DocumentStatus
    )
    found: dict[str, int] = {status: number for status, number in session.execute(sa.union_all(*counted)) if number}
    return {**found, "": sum(found.values())}


def neighbours(session: Session, document: Document) -> Neighbours:
    """Return a document's place among those of its run and step, in their order."""
    if document.run_id is None:
        return Neighbours(1, 1, None, None)
    wanted = sa.select(Document.id).where(Document.workspace_id == document.workspace_id)
    ids = list(session.scalars(queries.of_run(session, wanted, Document, document.run_id)))
    place = ids.index(document.id)
    return Neighbours(
        place + 1, len(ids), ids[place - 1] if place else None, ids[place + 1] if place + 1 < len(ids) else None
    )


def ready_sets(session: Session, workspace_id: str, *, limit: int = 4) -> list[ReadySet]:
    """Return the newest finished runs that left documents and were not rejected: four statements, however many.

    Samples are shown where there is nothing else, by one statement more. Nothing is written by a run that began after
    the last document: those are passed over, and a workspace without any document has no sets.
    """
    last = session.scalar(sa.select(sa.func.max(Document.created_at)).where(Document.workspace_id == workspace_id))
    if last is None:
        return []
    kept = sa.exists().where(Document.run_id == Run.id, Document.status != DocumentStatus.REJECTED.value)
    newest = (
        sa.select(Run.id, Run.number, Run.label, Run.finished_at, Run.created_at)
        .where(Run.workspace_id == workspace_id, Run.status == RunStatus.COMPLETED.value, Run.test.is_(False), kept)
        .where(Run.last_no.is_(None), Run.created_at <= last + CLOCKS_DIFFER)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(limit)
    )
    runs = list(session.execute(newest.where(sa.not_(RUN_SAMPLE)))) or list(session.execute(newest))
    ids = [row.id for row in runs]
    documents = _documents(session, ids)
    pictures = _first_pictures(session, ids)
    sets = []
    for row in runs:
        texts = documents.get(row.id, [])
        approved = next((text for text in texts if text.approved_by), None)
        picture = pictures.get(row.id)
        sets.append(
            ReadySet(
                run_id=row.id,
                label=row.label,
                number=len(texts),
                approved=sum(text.status == DocumentStatus.APPROVED for text in texts),
                approved_by=approved.approved_by if approved else "",
                at=row.finished_at or row.created_at,
                image_id=picture[0] if picture else None,
                alt=picture[1] if picture else "",
                first_title=texts[0].title if texts else "",
                first_body=texts[0].body if texts else "",
            )
        )
    return sets


def changed_share(before: str, after: str) -> str:
    """Say how much of the words was changed: "8 % of the words changed"; "the headline only" when none was."""
    if before == after:
        return "the headline only"
    share = 1 - difflib.SequenceMatcher(None, before.split(), after.split(), autojunk=False).ratio()
    return f"{max(1, round(share * 100))}\u00a0% of the words changed"


def _documents(session: Session, run_ids: Sequence[str]) -> dict[str, list[sa.Row[str, str, str, str, str]]]:
    wanted = (
        sa.select(
            Document.run_id,
            Document.title,
            sa.func.substr(Document.body, 1, 240).label("body"),
            Document.status,
            Document.approved_by,
        )
        .where(Document.run_id.in_(run_ids), Document.status != DocumentStatus.REJECTED.value)
        .order_by(Document.created_at, Document.position)
    )
    found: dict[str, list[sa.Row[str, str, str, str, str]]] = {}
    for row in session.execute(wanted):
        found.setdefault(str(row.run_id), []).append(row)
    return found


def _first_pictures(session: Session, run_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    wanted = (
        sa.select(Image.run_id, Image.id, Image.alt)
        .where(Image.run_id.in_(run_ids))
        .order_by(Image.position.desc(), Image.created_at.desc())
    )
    return {str(run_id): (image_id, alt) for run_id, image_id, alt in session.execute(wanted)}
