"""Reads of workflows, always within one workspace; definitions are cached by version, since a version never changes."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, defer

from app.core import lookup
from app.core.errors import NotFound
from app.core.ids import is_id
from app.definition import schema
from app.definition.parts import in_words
from app.definition.schema import Definition
from app.definition.sentences import Names
from app.features.accounts.models import User
from app.features.workflows.models import DraftRevision, Version, Workflow

_CACHED = 256
LOOKED_BACK = 30


class _Definitions:
    """The definitions used last, by version id; safe to share between threads, and never wrong: versions stay."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Definition] = OrderedDict()
        self._lock = Lock()

    def get(self, version_id: str) -> Definition | None:
        with self._lock:
            found = self._kept.get(version_id)
            if found is not None:
                self._kept.move_to_end(version_id)
            return found

    def keep(self, version_id: str, definition: Definition) -> None:
        with self._lock:
            self._kept[version_id] = definition
            self._kept.move_to_end(version_id)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


_definitions = _Definitions(_CACHED)


def load_definition(session: Session, version_id: str) -> Definition:
    """Return a version's definition, the same object every time. Raises NotFound when there is no such version."""
    kept = _definitions.get(version_id)
    if kept is not None:
        return kept
    data = session.execute(sa.select(Version.definition).where(Version.id == version_id)).scalar_one_or_none()
    if data is None:
        raise NotFound("This version of the workflow does not exist.")
    definition = Definition.model_validate(data)
    _definitions.keep(version_id, definition)
    return definition


def workflow(session: Session, workspace_id: str, workflow_id: str) -> Workflow:
    """Return one workflow. Raises NotFound for a missing, deleted or stranger's one; of a deleted one it says so."""
    try:
        return lookup.by_id(session, _alive(workspace_id), Workflow, workflow_id, "workflow")
    except NotFound as missing:
        gone = sa.select(Workflow.name).where(Workflow.workspace_id == workspace_id, Workflow.id == workflow_id)
        name = session.scalar(gone) if is_id(workflow_id) else None
        if name is None:
            raise
        fix = "Under Workflows, Deleted, it can be brought back for 30 days."
        raise NotFound(f"“{name}” was deleted.", fix=fix) from missing


def named(session: Session, workspace_id: str, reference: str) -> Workflow:
    """Return the workflow with this id, or the one with this name; where none has it, the one that had it last.

    So a version that runs another workflow by its name still finds it when it was renamed. Raises NotFound; Conflict
    where several have the name.
    """
    try:
        return lookup.by_name(session, _alive(workspace_id), Workflow, reference, "workflow")
    except NotFound:
        former = _formerly(session, workspace_id, reference)
        if former is None:
            raise
        return former


def _formerly(session: Session, workspace_id: str, name: str) -> Workflow | None:
    """Return the workflow that had a name; of several the one that was called so last."""
    renamed = _alive(workspace_id).where(sa.cast(Workflow.former_names, sa.Text) != "[]")
    wanted = name.strip().lower()
    places = {
        each: [former.lower() for former in each.former_names].index(wanted)
        for each in session.scalars(renamed.order_by(Workflow.updated_at.desc()).limit(500))
        if wanted in (former.lower() for former in each.former_names)
    }
    return min(places, key=places.__getitem__, default=None)


def references(workflow: Workflow) -> tuple[str, ...]:
    """Return by what a step may name a workflow: its id, its name, the names that it had."""
    return (workflow.id, workflow.name, *workflow.former_names)


def run_by(session: Session, workflow: Workflow, *references: str) -> list[str]:
    """Return what the other workflows are called whose current version runs this one by one of *references*."""
    current = (Version.workflow_id == Workflow.id) & (Version.number == Workflow.published_number)
    runs_another = sa.cast(Version.definition, sa.Text).contains("run_workflow")
    others = sa.select(Workflow.name, Version.definition).join(Version, current).where(
        Workflow.workspace_id == workflow.workspace_id, Workflow.deleted_at.is_(None), Workflow.id != workflow.id,
        runs_another,
    )  # fmt: skip
    wanted = {each.strip().lower() for each in references}
    return [
        row.name
        for row in session.execute(others.order_by(Workflow.name).limit(500))
        if any(str((step.get("config") or {}).get("workflow", "")).strip().lower() in wanted
               for step in row.definition["steps"] if step["type"] == "run_workflow")
    ]  # fmt: skip


def workflows(
    session: Session, workspace_id: str, *, before: str | None = None, limit: int = 500
) -> Sequence[Workflow]:
    """Return the workspace's workflows, the last changed first. *before* is the id of the last one already seen."""
    newest = _alive(workspace_id).order_by(Workflow.updated_at.desc(), Workflow.id.desc()).limit(limit)
    if before:
        last = workflow(session, workspace_id, before)
        place = sa.tuple_(Workflow.updated_at, Workflow.id)
        newest = newest.where(place < sa.tuple_(sa.literal(last.updated_at), sa.literal(last.id)))
    return session.execute(newest).scalars().all()


def names(session: Session, workspace_id: str) -> dict[str, str]:
    """Return the names of all the workspace's workflows by id, the last changed first."""
    alive = _alive(workspace_id).with_only_columns(Workflow.id, Workflow.name)
    rows = session.execute(alive.order_by(Workflow.updated_at.desc(), Workflow.id.desc()))
    return {row.id: row.name for row in rows}


_for_template = (
    sa.select(Workflow)
    .where(
        Workflow.workspace_id == sa.bindparam("b_workspace_id"),
        Workflow.deleted_at.is_(None),
        Workflow.template_slug == sa.bindparam("b_slug"),
    )
    .order_by(Workflow.created_at)
)
# Built once: they stand in the way of every start. The definition is large, and mostly known already.
_current_version = (
    sa.select(Version)
    .where(Version.workflow_id == sa.bindparam("b_workflow_id"), Version.number == sa.bindparam("b_number"))
    .options(sa.orm.defer(Version.definition))
)


def for_template(session: Session, workspace_id: str, slug: str) -> Workflow | None:
    """Return the workflow that follows a template in this workspace; None before its first use."""
    return session.execute(_for_template, {"b_workspace_id": workspace_id, "b_slug": slug}).scalars().first()


def versions(session: Session, workflow: Workflow) -> Sequence[Version]:
    """Return a workflow's published versions, the newest first, without their definitions."""
    mine = sa.select(Version).where(Version.workflow_id == workflow.id, Version.number > 0)
    newest = mine.order_by(Version.number.desc()).options(defer(Version.definition))
    return session.execute(newest).scalars().all()


def publishers(session: Session, listed: Sequence[Version]) -> dict[str, str]:
    """Return the names of who published these versions, by user id. One statement."""
    ids = {version.published_by for version in listed if version.published_by}
    rows = session.execute(sa.select(User.id, User.name).where(User.id.in_(ids)))
    return {row.id: row.name for row in rows}


def current_version(session: Session, workflow: Workflow) -> Version:
    """Return the version that the next run uses. Raises NotFound when nothing is published."""
    wanted = {"b_workflow_id": workflow.id, "b_number": workflow.published_number}
    found = session.execute(_current_version, wanted).scalar_one_or_none()
    if found is None:
        raise NotFound("This workflow has not been published yet.")
    return found


@dataclass(frozen=True, slots=True)
class Draft:
    """What is being worked on: a *definition* that may have problems, as its revision left it.

    *revision* is what a save names as its base; 0 stands for the published version, or for an empty workflow.
    *author* is "" where nobody in particular made it. *has_changes*: it is not what the current version is.
    """

    revision: int
    definition: dict[str, Any]
    summary: str = ""
    author: str = ""
    saved_at: datetime | None = None
    can_undo: bool = False
    can_redo: bool = False
    has_changes: bool = False


def draft_of(session: Session, workflow: Workflow) -> Draft:
    """Return a workflow's draft. A workflow nobody has edited has its current version as draft."""
    if not workflow.draft_number:
        return Draft(0, _published(session, workflow))
    row, author = session.execute(
        sa.select(DraftRevision, User.name)
        .outerjoin(User, User.id == DraftRevision.saved_by)
        .where(DraftRevision.workflow_id == workflow.id, DraftRevision.number == workflow.draft_number)
    ).one()
    return Draft(
        revision=row.number,
        definition=row.definition,
        summary=row.summary,
        author=author or "",
        saved_at=row.saved_at,
        can_undo=row.parent is not None and revision(session, workflow, row.parent) is not None,
        can_redo=following(session, workflow) is not None,
        has_changes=workflow.draft_number != workflow.draft_base,
    )


def revision(session: Session, workflow: Workflow, number: int) -> DraftRevision | None:
    """Return one revision of the draft; None when it never was or was pruned."""
    wanted = sa.select(DraftRevision).where(
        DraftRevision.workflow_id == workflow.id, DraftRevision.number == number
    )
    return session.execute(wanted).scalar_one_or_none()


def changers(
    session: Session,
    workflow: Workflow,
    since: int,
    read: Callable[[dict[str, Any]], Mapping[str, Any]],
) -> dict[str, str]:
    """Return who was the last to change each of what *read* finds in a definition, since the revision *since*.

    What nobody is known to have changed is left out: that which an undo took back, or what is too old to be kept.
    """
    found: dict[str, str] = {}
    for row, before in pairwise(_back_to(session, workflow, since)):
        new, old = read(row.definition), read(before.definition)
        for name in (new.keys() | old.keys()) - found.keys():
            if new.get(name) != old.get(name):
                found[name] = _author(session, row)
    return {name: author for name, author in found.items() if author}


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a thing of a draft that is not there under its name: it is called *now*, or deleted ("").

    *author* is who did that, "" where nobody is known to have; *is_last*: nothing was changed since.
    """

    now: str
    author: str
    is_last: bool


def fate(
    session: Session,
    workflow: Workflow,
    since: int,
    name: str,
    read: Callable[[dict[str, Any]], Sequence[tuple[str, str]]],
) -> Fate:
    """Return what became of that which was called *name* at the revision *since*.

    *read* finds names and kinds in a definition, in order. Nobody is the author of an undo, nor of what is too old to
    be kept.
    """
    rows = list(_back_to(session, workflow, since))[::-1]
    opened = revision(session, workflow, since)
    if opened is not None and rows and rows[0].number != since:
        rows.insert(0, opened)
    found = Fate("", "", is_last=False)
    known = name
    for before, row in pairwise(rows):
        old, new = read(before.definition), read(row.definition)
        place = next((place for place, (each, _) in enumerate(old) if each == known), -1)
        if place < 0 or known in dict(new):
            continue
        author = _author(session, row) if row.parent == before.number else ""
        if len(new) != len(old) or new[place][0] in dict(old) or new[place][1] != old[place][1]:
            return Fate("", author, is_last=row is rows[-1])
        known = new[place][0]
        found = Fate(known, author, is_last=row is rows[-1])
    return found


def _back_to(session: Session, workflow: Workflow, since: int) -> Iterator[DraftRevision]:
    """Yield the draft's revision and those that it was made from, back to the revision *since* or what is kept."""
    row = revision(session, workflow, workflow.draft_number)
    while row is not None:
        yield row
        row = revision(session, workflow, row.parent) if row.parent and row.number > since else None


def _author(session: Session, row: DraftRevision) -> str:
    author = session.get(User, row.saved_by) if row.saved_by else None
    return author.name if author else ""


def following(session: Session, workflow: Workflow) -> int | None:
    """Return the number of the revision that redo leads to: the newest made from the current one."""
    wanted = sa.select(sa.func.max(DraftRevision.number)).where(
        DraftRevision.workflow_id == workflow.id, DraftRevision.parent == workflow.draft_number
    )
    return session.execute(wanted).scalar_one_or_none()


def former_names(session: Session, workflow: Workflow, keys: set[str], ids: set[str]) -> Names:
    """Return what the questions *keys* and the steps *ids* were called when they were last there.

    Looks back a few revisions only; who is not found there is left out.
    """
    questions: dict[str, str] = {}
    steps: dict[str, str] = {}
    for data in islice(_revisions(session, workflow), LOOKED_BACK):
        for names, part, key, label in ((questions, "inputs", "key", "label"), (steps, "steps", "id", "name")):
            missing = (keys if part == "inputs" else ids) - names.keys()
            names.update(_called(data.get(part), key, label, missing))
        if len(questions) == len(keys) and len(steps) == len(ids):
            break
    return Names(questions, steps)


def _revisions(session: Session, workflow: Workflow) -> Iterator[dict[str, Any]]:
    """Yield what the workflow's draft was, the newest first; each is read when it is asked for, it may be large."""
    newest = (
        sa.select(DraftRevision.number, DraftRevision.definition)
        .where(DraftRevision.workflow_id == workflow.id)
        .order_by(DraftRevision.number.desc())
        .limit(1)
    )
    row = session.execute(newest).first()
    while row is not None:
        yield row.definition
        row = session.execute(newest.where(DraftRevision.number < row.number)).first()


def _called(listed: object, key: str, label: str, wanted: set[str]) -> dict[str, str]:
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) and wanted else []
    return {
        each[key]: str(each.get(label) or in_words(each[key]))
        for each in found
        if isinstance(each.get(key), str) and each[key] in wanted
    }


def first_made_from(session: Session, workflow: Workflow, number: int) -> datetime | None:
    """Return when the first revision was saved that undo leads to *number* from."""
    wanted = sa.select(sa.func.min(DraftRevision.saved_at)).where(
        DraftRevision.workflow_id == workflow.id, DraftRevision.parent == number
    )
    return session.execute(wanted).scalar_one_or_none()


def _published(session: Session, workflow: Workflow) -> dict[str, Any]:
    if not workflow.published_number:
        return schema.dump(Definition())
    return current_version(session, workflow).definition


def _alive(workspace_id: str) -> sa.Select[Workflow]:
    return sa.select(Workflow).where(Workflow.workspace_id == workspace_id, Workflow.deleted_at.is_(None))
