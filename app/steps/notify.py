"""Tell people by e-mail. The mail leaves through the outbox, in the transaction that records the step."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from app.engine.contract import Context, Done, Effect, StepType
from app.steps.addresses import Addresses, checked, in_words
from app.steps.words import Settings, listed, said, shorten

MOST_RECIPIENTS = 50


class Config(Settings):
    """Whom to tell what."""

    channel: Literal["email"] = Field(default="email", title="By", json_schema_extra={"widget": "segments"})
    to: Addresses = Field(
        title="Whom", description="E-mail addresses.", min_length=1, json_schema_extra={"widget": "people"}
    )
    subject: str = Field(title="Subject", min_length=1, max_length=300)
    body: str = Field(default="", max_length=20_000, title="Text", json_schema_extra={"widget": "long_text"})
    button: str = Field(
        default="Open the run",
        max_length=60,
        title="Button",
        description="Leads to the run; empty for no button.",
    )


def run(config: Config, ctx: Context) -> Done:
    """Plan one mail a recipient."""
    to = checked(
        config.to, most=MOST_RECIPIENTS, nobody="Nobody is named who should be told.", code="recipients"
    )
    subject = " ".join(config.subject.split())
    link = (config.button, f"/runs/{ctx.run.id}") if config.button else None
    for recipient in to:
        ctx.mail(to=recipient, subject=subject, body=config.body, link=link)
    return Done({"to": to, "subject": subject})


def _summary(config: Mapping[str, Any]) -> str:
    who = listed(in_words(config.get("to")), 2) or "nobody yet"
    return f"Tell **{who}** by e-mail: {shorten(said(config.get('subject'), 'no subject yet'))}"


STEP = StepType(
    type="notify",
    label="Tell people",
    icon="mail",
    group="People",
    effect=Effect.SENDS,
    config=Config,
    summary=_summary,
    run=run,
    output_fields=frozenset({"to", "subject"}),
    output_kinds={"to": "list", "subject": "text"},
    description="Sends an e-mail to everybody you name.",
    typical_s=0.1,
)
