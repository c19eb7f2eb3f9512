"""The JSON of resources that have no page of their own for it yet; runs are written by ``features.runs.queries``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.core import clock

if TYPE_CHECKING:
    from app.features.accounts.models import User, Workspace
    from app.features.approvals.models import Approval, Approver
    from app.features.gallery.figures import CardFacts
    from app.features.gallery.models import Template
    from app.features.triggers.models import Schedule, ScheduleSlot
    from app.features.workflows.models import Workflow


def template(one: "Template", facts: "CardFacts | None", *, whole: bool = False) -> dict[str, Any]:
    """Write a template; *whole* adds its definition and sample answers."""
    found: dict[str, Any] = {
        "slug": one.slug,
        "version": one.version,
        "name": one.name,
        "summary": one.summary,
        "category": one.category,
        "tags": list(one.tags),
        "gets": list(one.gets),
        "inputs": one.definition.get("inputs", []),
        "facts": None,
    }
    if facts is not None:
        found["facts"] = {
            "steps": facts.steps,
            "approvals": facts.approvals,
            "minutes": facts.minutes,
            "cost_microusd": facts.cost_microusd,
            "used": facts.used,
            "finished_share": facts.finished_share,
            "is_sample": facts.is_sample,
        }
    return found | ({"sample_inputs": one.sample_inputs, "definition": one.definition} if whole else {})


def workflow(one: "Workflow", definition: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write a workflow, with its current definition when given."""
    found = {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "category": one.category,
        "version": one.published_number,
        "enabled": one.is_enabled,
        "template": one.template_slug,
        "created_at": clock.iso(one.created_at),
        "updated_at": clock.iso(one.updated_at),
    }
    return found | ({"definition": definition} if definition is not None else {})


def approval(one: "Approval", people: "Sequence[Approver]") -> dict[str, Any]:
    """Write a request with those who are asked; never a link's token, which is not kept."""
    return {
        "id": one.id,
        "run_id": one.run_id,
        "title": one.title,
        "text": one.text,
        "documents": list(one.document_ids),
        "policy": one.policy,
        "status": one.status,
        "approvers": [
            {
                "email": person.email,
                "name": person.name,
                "decision": person.decision,
                "reason": person.reason,
                "decided_at": clock.iso(person.decided_at),
            }
            for person in people
        ],
        "requested_at": clock.iso(one.requested_at),
        "expires_at": clock.iso(one.expires_at),
        "decided_at": clock.iso(one.decided_at),
        "decided_by": one.decided_by,
        "reason": one.reason,
    }


def schedule(one: "Schedule", workflow: str, said: str) -> dict[str, Any]:
    """Write a schedule, with the name of its workflow and its rule in words."""
    problem = {"message": one.problem, "at": clock.iso(one.problem_at)} if one.problem else None
    return {
        "id": one.id,
        "name": one.name,
        "workflow": {"id": one.workflow_id, "name": workflow},
        "when": said,
        "cron": one.cron or None,
        "every_minutes": one.every_minutes,
        "timezone": one.timezone,
        "inputs": one.inputs,
        "overlap": one.overlap,
        "missed": one.missed,
        "enabled": one.is_enabled,
        "next_due_at": clock.iso(one.next_due_at),
        "problem": problem,
        "created_at": clock.iso(one.created_at),
        "updated_at": clock.iso(one.updated_at),
    }


def slot(one: "ScheduleSlot") -> dict[str, Any]:
    """Write what became of one due time of a schedule."""
    return {
        "due_at": clock.iso(one.due_at),
        "status": one.status,
        "run_id": one.run_id,
        "note": one.note,
        "at": clock.iso(one.at),
    }


def user(one: "User", role: str, workspace: "Workspace") -> dict[str, Any]:
    """Write a person as a member of a workspace."""
    return {
        "id": one.id,
        "email": one.email,
        "name": one.name,
        "role": role,
        "workspace": {"id": workspace.id, "name": workspace.name},
        "created_at": clock.iso(one.created_at),
    }
