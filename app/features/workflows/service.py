"""Writes of workflows: making them, working on their drafts, and publishing versions that never change."""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import Conflict, FieldError, Invalid
from app.core.ids import new_id
from app.definition import schema
from app.definition.problems import in_reading_order, listed
from app.definition.schema import MAX_DEPTH, MAX_JSON_BYTES, Definition, Problem
from app.definition.shape import check_shape, is_same, text_fault
from app.engine import catalog
from app.features.accounts import service as accounts
from app.features.accounts.models import User
from app.features.workflows import parts, queries, revisions
from app.features.workflows.models import Version, Workflow
from app.features.workflows.queries import Draft

DESCRIBED = "workflow.described"  # the action of audit entries that name what was ``changed``


class DraftConflict(Conflict):
    """Somebody changed the draft since its revision *base*; *theirs* is what they made of it."""

    code = "draft_changed"

    def __init__(
        self, theirs: Draft, base: int, *, fix: str = "Keep their change, or save yours over it."
    ) -> None:
        self.theirs, self._base = theirs, base
        super().__init__(self.told(""), fix=fix)

    def told(self, name: str) -> str:
        """Say it to the person of this *name*, who may have saved it in another window."""
        if self.theirs.revision < self._base:
            return "Somebody undid a change of this workflow while you were at it."
        is_own = self.theirs.author == name != ""
        who = "You" if is_own else self.theirs.author or "Somebody"
        when = "in another window" if is_own else "while you were at it"
        what = f": {self.theirs.summary}" if self.theirs.summary else ""
        end = "" if what.endswith(("?", "!", ".")) else "."
        return f"{who} saved this workflow {when}{what}{end}"


def create(
    session: Session,
    *,
    workspace_id: str,
    name: str,
    definition: Definition | dict[str, Any],
    actor_id: str | None,
    template_slug: str | None = None,
    template_version: int | None = None,
    category: str = "",
    description: str = "",
) -> Workflow:
    """Make a workflow and publish its version 1; the caller commits. Raises Invalid with every problem."""
    checked = validated(definition)
    workflow = _new(
        session,
        workspace_id=workspace_id,
        name=name,
        actor_id=actor_id,
        template_slug=template_slug,
        template_version=template_version,
        category=category,
        description=description,
    )
    _publish(session, workflow, checked, actor_id=actor_id, note="")
    return workflow


def create_draft(
    session: Session,
    *,
    workspace_id: str,
    name: str,
    actor_id: str | None,
    definition: dict[str, Any] | None = None,
    category: str = "",
    description: str = "",
    summary: str = "",
) -> Workflow:
    """Make a workflow of which nothing is published; the caller commits. *definition* may have problems.

    Raises Invalid when the name is missing, or when *definition* cannot be stored at all.
    """
    workflow = _new(
        session,
        workspace_id=workspace_id,
        name=name,
        actor_id=actor_id,
        category=category,
        description=description,
    )
    accounts.audit(
        session,
        workspace_id=workspace_id,
        actor=_name_of(session, actor_id),
        actor_id=actor_id,
        action="workflow.created",
        subject_kind="workflow",
        subject_id=workflow.id,
        name=workflow.name,
    )
    if definition is not None:
        save_draft(session, workflow, definition, base_revision=0, actor_id=actor_id, summary=summary)
    return workflow


# --- the draft ---


def save_draft(
    session: Session,
    workflow: Workflow,
    definition: dict[str, Any],
    *,
    base_revision: int,
    actor_id: str | None,
    summary: str = "",
    by_itself: bool = False,
) -> Draft:
    """Save *definition*, which may have problems, as the draft's next revision; the caller commits.

    *base_revision* is the revision it was made from: when the draft is at another one, :class:`DraftConflict` says who
    changed what, and nothing is saved. *summary* says what changed, for people. For undo, what a form saves *by_itself*
    is one with the save before when somebody is still changing the same place. Raises Invalid when it is too large or
    no plain JSON. What changes nothing makes no revision.
    """
    data = _storable(definition)
    _lock_draft(session, workflow, base_revision)
    now = queries.draft_of(session, workflow)
    if not is_same(data, now.definition):
        begun = revisions.begun_at(session, workflow, data, now, actor_id) if by_itself else None
        revisions.add(session, workflow, data, now, actor_id=actor_id, summary=summary, parent=begun)
        revisions.prune(session, workflow)
    return queries.draft_of(session, workflow)


def edit_draft(
    session: Session,
    workflow: Workflow,
    change: Callable[[Draft], tuple[dict[str, Any], str]],
    *,
    actor_id: str | None,
    by_itself: bool = False,
) -> Draft:
    """Save what *change* makes of the newest draft; the caller commits. For changes that fit whatever it now is.

    *change* returns the definition and what changed in words. What it raises goes through, and nothing is saved then.
    Raises Invalid like :func:`save_draft`.
    """
    session.refresh(workflow, with_for_update=True)
    new, summary = change(queries.draft_of(session, workflow))
    return save_draft(
        session, workflow, new, base_revision=workflow.draft_number, actor_id=actor_id, summary=summary,
        by_itself=by_itself,
    )  # fmt: skip


def describe(
    session: Session,
    workflow: Workflow,
    *,
    name: str,
    description: str,
    category: str,
    tags: Sequence[str],
    icon: str,
    actor_id: str | None,
) -> None:
    """Say what a workflow is called and about; the caller commits. Raises Invalid when a word is too long.

    It is a revision of the draft of its own, so that undo takes it back. Who changed which of it is written down.
    """
    words = {"name": (" ".join(name.split()), 200), "description": (description.strip(), 2000)}
    words |= {"category": (category.strip(), 40), "icon": (icon.strip(), 40), "tags": (",".join(tags), 2000)}
    for field, (text, most) in words.items():
        if len(text) > most or text_fault(text.replace("\n", " ")) or (field == "name" and not text):
            fix = f"Write 1 to {most} characters." if field == "name" else f"Write at most {most} characters."
            raise Invalid(fix, [FieldError(f"/{field}", "bad_value", f"The {field} cannot be kept like this.", fix)])
    kept = list(dict.fromkeys(tag.strip()[:40] for tag in tags if tag.strip()))[:20]
    told = {name: text for name, (text, _) in words.items()} | {"tags": kept}
    different = [column for column, value in told.items() if getattr(workflow, column) != value]
    if not different:
        return
    before = revisions.begun(session, workflow)
    if "name" in different:
        revisions.keep_name(workflow, str(told["name"]))
    for column in different:
        setattr(workflow, column, told[column])
    summary = f"Changed the {listed(different)}"
    revisions.add(session, workflow, before.definition, before, actor_id=actor_id, summary=summary)
    accounts.audit(
        session,
        workspace_id=workflow.workspace_id,
        actor=_name_of(session, actor_id),
        actor_id=actor_id,
        action=DESCRIBED,
        subject_kind="workflow",
        subject_id=workflow.id,
        changed=different,
    )
    revisions.prune(session, workflow)


def undo(session: Session, workflow: Workflow, *, base_revision: int) -> Draft:
    """Go back to the revision before; the caller commits.

    Raises Conflict when there is none, DraftConflict when the draft is not at *base_revision* any more.
    """
    _lock_draft(session, workflow, base_revision, fix="Nothing was undone yet: look at it, then press Undo again.")
    row = queries.revision(session, workflow, workflow.draft_number)
    before = row and row.parent and queries.revision(session, workflow, row.parent)
    if not before:
        raise Conflict("There is nothing to undo.")
    return revisions.move_to(session, workflow, before.number)


def redo(session: Session, workflow: Workflow, *, base_revision: int) -> Draft:
    """Go to the revision that was undone last; the caller commits. Raises like :func:`undo`."""
    _lock_draft(session, workflow, base_revision, fix="Nothing was done again: look at it first.")
    number = queries.following(session, workflow)
    if number is None:
        raise Conflict("There is nothing to do again.")
    return revisions.move_to(session, workflow, number)


def publish(
    session: Session,
    workflow: Workflow,
    definition: Definition | dict[str, Any],
    *,
    actor_id: str | None,
    note: str = "",
) -> Version:
    """Publish *definition* as the next version; the caller commits. Runs under way keep theirs.

    Two people who publish at once get two numbers: the workflow's row is locked first. Raises Invalid.
    """
    return _publish(session, workflow, validated(definition), actor_id=actor_id, note=note)


def keep_for_test(session: Session, workflow: Workflow, definition: Definition | dict[str, Any]) -> Version:
    """Keep *definition* so that a test can run it; the caller commits. It is published to nobody. Raises Invalid.

    Tested again as it was, it is kept once.
    """
    data = validated(definition)
    session.refresh(workflow, with_for_update=True)
    tested = sa.select(Version).where(Version.workflow_id == workflow.id, Version.number < 1)
    newest = session.scalars(tested.order_by(Version.number).limit(1)).first()
    if newest is not None and is_same(newest.definition, data):
        return newest
    version = Version(
        id=new_id(),
        workspace_id=workflow.workspace_id,
        workflow_id=workflow.id,
        number=(newest.number if newest else 0) - 1,
        definition=data,
        published_at=clock.now(),
    )
    session.add(version)
    session.flush()
    return version


def validated(definition: Definition | dict[str, Any]) -> dict[str, Any]:
    """Return *definition* as JSON data after all checks. Raises Invalid with every problem, in reading order."""
    data = schema.dump(definition) if isinstance(definition, Definition) else definition
    problems = schema.check(data, catalog.facts())
    if problems:
        raise _refused(problems)
    return schema.dump(Definition.model_validate(data))


def validated_here(session: Session, workflow: Workflow, definition: dict[str, Any]) -> dict[str, Any]:
    """Return *definition* after all checks, those of the workflows that its steps run too. Raises Invalid as above."""
    around = parts.problems(session, workflow.workspace_id, definition)
    if around:
        raise _refused(in_reading_order([*schema.check(definition, catalog.facts()), *around]))
    return validated(definition)


def _publish(
    session: Session, workflow: Workflow, data: dict[str, Any], *, actor_id: str | None, note: str
) -> Version:
    session.refresh(workflow, with_for_update=True)
    now = clock.now()
    version = Version(
        id=new_id(),
        workspace_id=workflow.workspace_id,
        workflow_id=workflow.id,
        number=workflow.published_number + 1,
        definition=data,
        note=note,
        published_by=actor_id,
        published_at=now,
    )
    draft = queries.draft_of(session, workflow)
    workflow.published_number = version.number
    workflow.updated_at = now
    session.add(version)
    session.flush()
    _follow(session, workflow, version, draft)
    accounts.audit(
        session,
        workspace_id=workflow.workspace_id,
        actor=_name_of(session, actor_id),
        actor_id=actor_id,
        action="workflow.published",
        subject_kind="workflow",
        subject_id=workflow.id,
        name=workflow.name,
        version=version.number,
    )
    return version


def _follow(session: Session, workflow: Workflow, version: Version, draft: Draft) -> None:
    """Keep the draft in step with what was published; what it was before stays one undo away."""
    if draft.revision and not is_same(draft.definition, version.definition):
        summary = f"Version {version.number} was published"
        revisions.add(
            session, workflow, version.definition, draft, actor_id=version.published_by, summary=summary
        )
    workflow.draft_base = workflow.draft_number


def _lock_draft(session: Session, workflow: Workflow, base_revision: int, **words: str) -> None:
    session.refresh(workflow, with_for_update=True)
    if base_revision != workflow.draft_number:
        raise DraftConflict(queries.draft_of(session, workflow), base_revision, **words)


def _storable(definition: dict[str, Any]) -> dict[str, Any]:
    """Return *definition* as it is stored: with every key where it can be read, else as it was given."""
    faults = check_shape(definition, most_bytes=MAX_JSON_BYTES, most_depth=MAX_DEPTH)
    if faults:
        raise _refused(faults)
    try:
        return schema.dump(Definition.model_validate(definition))
    except ValidationError:
        return definition


def _new(session: Session, *, name: str, actor_id: str | None, **columns: Any) -> Workflow:
    name = " ".join(name.split())
    if not 1 <= len(name) <= 200 or text_fault(name):
        fix = "Give the workflow a name of 1 to 200 characters."
        fault = FieldError("/name", "required", "The name is missing or too long.", fix)
        raise Invalid("The workflow needs a name.", [fault])
    now = clock.now()
    workflow = Workflow(
        id=new_id(), name=name, created_by=actor_id, created_at=now, updated_at=now, **columns
    )
    session.add(workflow)
    session.flush()
    return workflow


def _refused(problems: Sequence[Problem]) -> Invalid:
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    faults = [FieldError(p.path, p.code, p.message, p.fix) for p in problems]
    return Invalid(f"The workflow has {count}.", faults, fix=problems[0].fix, code="definition")


def _name_of(session: Session, actor_id: str | None) -> str:
    user = session.get(User, actor_id) if actor_id else None
    return user.name if user else "system"
