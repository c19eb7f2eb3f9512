"""Writes of workflows: making them, and publishing versions that never change."""

from typing import Any

from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import FieldError, Invalid
from app.core.ids import new_id
from app.definition import schema
from app.definition.schema import Definition, Problem
from app.engine import catalog
from app.features.accounts import service as accounts
from app.features.accounts.models import User
from app.features.workflows.models import Version, Workflow


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
    name = name.strip()
    if not 1 <= len(name) <= 200:
        fix = "Give the workflow a name of 1 to 200 characters."
        fault = FieldError("/name", "required", "The name is missing or too long.", fix)
        raise Invalid("The workflow needs a name.", [fault])
    checked = validated(definition)
    now = clock.now()
    workflow = Workflow(
        id=new_id(),
        workspace_id=workspace_id,
        name=name,
        description=description,
        category=category,
        template_slug=template_slug,
        template_version=template_version,
        created_by=actor_id,
        created_at=now,
        updated_at=now,
    )
    session.add(workflow)
    session.flush()
    _publish(session, workflow, checked, actor_id=actor_id, note="")
    return workflow


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


def validated(definition: Definition | dict[str, Any]) -> dict[str, Any]:
    """Return *definition* as JSON data after all checks. Raises Invalid with every problem, in reading order."""
    data = schema.dump(definition) if isinstance(definition, Definition) else definition
    problems = schema.check(data, catalog.facts()) or _not_yet(data)
    if problems:
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        faults = [FieldError(p.path, p.code, p.message, p.fix) for p in problems]
        raise Invalid(f"The workflow has {count}.", faults, fix=problems[0].fix, code="definition")
    return schema.dump(Definition.model_validate(data))


def _not_yet(data: Any) -> list[Problem]:
    """Refuse what the definition allows and this engine does not do: better said now than found in a run."""
    return [
        Problem(
            f"/steps/{number}/for_each",
            "not_yet",
            f"{step.get('name') or step.get('id')} repeats for every item; this version cannot do that yet.",
            "Remove for_each, or write one step for each item.",
        )
        for number, step in enumerate(data["steps"])
        if step.get("for_each")
    ]


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
    workflow.published_number = version.number
    workflow.updated_at = now
    session.add(version)
    session.flush()
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


def _name_of(session: Session, actor_id: str | None) -> str:
    user = session.get(User, actor_id) if actor_id else None
    return user.name if user else "system"
