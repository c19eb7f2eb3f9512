"""Ask people: the run waits, without holding anything, until they approve or reject or the time is up."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from app.core import clock
from app.engine.contract import Category, Context, Effect, StepError, StepType, Wait
from app.steps.addresses import Addresses, checked, in_words
from app.steps.words import Settings, counted, ids_of, listed, said

MOST_APPROVERS = 20
NO_ANSWER = "Nobody answered in time."
_ON_UNTIL = {"reject": "rejected", "approve": "approved", "expire": "expired", "keep": "expired"}


class Config(Settings):
    """What is shown to whom, and what happens when nobody answers."""

    title: str = Field(
        default="", max_length=200, title="What is asked", description="Empty: the step’s name."
    )
    documents: str | list[str] = Field(
        default=[],
        title="Texts to decide on",
        description="The step (or steps) that wrote them.",
        json_schema_extra={"widget": "step"},
    )
    text: str = Field(
        default="",
        max_length=20_000,
        title="Words to the approver",
        json_schema_extra={"widget": "long_text"},
    )
    approvers: Addresses = Field(
        title="Who decides",
        description="E-mail addresses; they need no account.",
        min_length=1,
        json_schema_extra={"widget": "people"},
    )
    policy: Literal["any", "all"] = Field(
        default="any",
        title="How many must agree",
        description="Any one of them, or all. One rejection always rejects.",
        json_schema_extra={"widget": "segments"},
    )
    expires_after_hours: float | None = Field(
        default=72.0, gt=0, le=24 * 365, title="Time to answer", json_schema_extra={"unit": "hours"}
    )
    on_expiry: Literal["reject", "approve", "expire", "keep"] = Field(
        default="reject",
        title="When nobody answers in time",
        description="Expire leaves by the way “expired”; keep waits for ever.",
    )
    undo_s: int | None = Field(
        default=None,
        ge=0,
        le=86_400,
        title="Time to undo",
        description="A decision is recorded at once; the next step begins this much later. Empty: ten minutes where "
        "something leaves the house next, else none.",
        json_schema_extra={"unit": "seconds"},
    )


def run(config: Config, ctx: Context) -> Wait:
    """Return the wait that the approvals feature turns into a request with mails."""
    approvers = checked(
        config.approvers, most=MOST_APPROVERS, nobody="Nobody is named who could decide.", code="approvers"
    )
    documents = ids_of(config.documents, "documents", ctx.output_of)
    if not documents and not config.text.strip():
        raise StepError(
            Category.INPUT,
            "There is nothing to decide on: no texts came from the steps before, and there are no words either.",
            code="nothing_to_review",
            fix="Look at the step before; it may have been skipped.",
        )
    ctx.documents.read(documents)
    hours = config.expires_after_hours
    until = None if hours is None or config.on_expiry == "keep" else ctx.now() + timedelta(hours=hours)
    outcome = _ON_UNTIL[config.on_expiry]
    return Wait(
        kind="approval",
        until=until,
        on_until=outcome,
        detail={
            "title": config.title or ctx.step.name,
            "documents": documents,
            "text": config.text,
            "approvers": approvers,
            "policy": config.policy,
            "expires_at": clock.iso(until),
            "on_expiry": config.on_expiry,
            "on_until_output": {"decision": outcome, "reason": NO_ANSWER, "by": "", "answers": {}},
            "undo_s": config.undo_s,
        },
    )


def _summary(config: Mapping[str, Any]) -> str:
    named = in_words(config.get("approvers"))
    is_for_all = config.get("policy") == "all"
    who = listed(named, 2, "and" if is_for_all else "or") or "Nobody yet"
    if "@" not in who.partition(" ")[0]:
        who = who[0].upper() + who[1:]
    what = listed(config.get("documents")) or "a question"
    decides = "decide" if is_for_all and len(named) > 1 else "decides"
    all_of_them = " (all must agree)" if is_for_all and len(named) > 1 else ""
    hours = config.get("expires_after_hours", 72)
    if config.get("on_expiry") == "keep" or hours is None:
        return f"**{who}** {decides} on **{what}**{all_of_them}"
    within = counted(int(hours), "hour", "hours") if isinstance(hours, int | float) else said(hours)
    return f"**{who}** {decides} on **{what}**{all_of_them} within {within}"


STEP = StepType(
    type="review",
    label="Ask for approval",
    icon="user-check",
    group="People",
    effect=Effect.NONE,
    config=Config,
    summary=_summary,
    run=run,
    outcomes=("approved", "rejected", "expired"),
    noes=("rejected", "expired"),
    output_fields=frozenset({"decision", "reason", "by", "answers"}),
    output_kinds={"decision": "text", "reason": "text", "by": "text", "answers": "record"},
    step_refs=("documents",),
    description="People read, edit, approve or reject, by mail, without an account.",
    typical_s=0.1,
)
