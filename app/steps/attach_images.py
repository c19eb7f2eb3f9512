"""Put pictures at documents: one each, all at one, or one at all."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from app.engine.contract import Category, Context, Done, Effect, StepError, StepType
from app.steps.words import Settings, ids_of, listed

MOST = 20
_SENTENCES = {
    "one_each": "Give each text of **{documents}** one picture of **{images}**",
    "all_to_one": "Put all pictures of **{images}** at the first text of **{documents}**",
    "one_to_all": "Put the first picture of **{images}** at every text of **{documents}**",
}


class Config(Settings):
    """Which documents, which pictures, and how they find together."""

    documents: str | list[str] = Field(
        title="Texts",
        description="The step (or steps) that wrote them.",
        json_schema_extra={"widget": "step"},
    )
    images: str | list[str] = Field(
        default=[],
        title="Pictures",
        description="The step (or steps) that made them.",
        json_schema_extra={"widget": "step"},
    )
    image_ids: list[str] = Field(
        default=[],
        title="Pictures handed in",
        description="Pictures from an answer, put before those of the steps.",
        json_schema_extra={"widget": "images"},
    )
    strategy: Literal["one_each", "all_to_one", "one_to_all"] = Field(
        default="one_each", title="How", json_schema_extra={"widget": "attach_strategy"}
    )
    leftover: Literal["repeat", "stop"] = Field(
        default="repeat",
        title="When there are fewer pictures than texts",
        description="Repeat begins again with the first picture; stop leaves the other texts without one.",
    )


def run(config: Config, ctx: Context) -> Done:
    """Plan the attachments; the first picture of a document becomes its primary one."""
    documents = ids_of(config.documents, "documents", ctx.output_of)
    images = list(dict.fromkeys([*config.image_ids, *ids_of(config.images, "images", ctx.output_of)]))
    if not documents:
        raise _nothing("texts", config.documents)
    if not images:
        raise _nothing("pictures", config.images)
    attached = _pairs(config, documents, images)
    _check_room(ctx, attached)
    for document_id, chosen in attached.items():
        ctx.documents.attach(document_id, chosen)
    return Done({"documents": documents, "images": images, "attached": attached})


def _pairs(config: Config, documents: list[str], images: list[str]) -> dict[str, list[str]]:
    """Return the pictures of each document, in order."""
    if config.strategy == "all_to_one":
        return {documents[0]: images}
    if config.strategy == "one_to_all":
        return dict.fromkeys(documents, images[:1])
    if config.leftover == "stop":
        return {document: [image] for document, image in zip(documents, images, strict=False)}
    return {document: [images[place % len(images)]] for place, document in enumerate(documents)}


def _check_room(ctx: Context, attached: Mapping[str, list[str]]) -> None:
    for document in ctx.documents.read(list(attached)):
        new = [image for image in attached[document.id] if image not in document.image_ids]
        if len(document.image_ids) + len(new) > MOST:
            raise StepError(
                Category.INPUT,
                f"“{document.title}” would have {len(document.image_ids) + len(new)} pictures; at most {MOST} fit.",
                code="too_many_pictures",
                fix="Use fewer pictures, or one each.",
            )


def _nothing(what: str, steps: str | list[str]) -> StepError:
    return StepError(
        Category.INPUT,
        f"There are no {what} to put together: {listed(steps) or 'no step'} gave none.",
        code=f"no_{what}",
        fix="Look at the step before; it may have been skipped.",
    )


def _summary(config: Mapping[str, Any]) -> str:
    sentence = _SENTENCES.get(str(config.get("strategy", "one_each")), _SENTENCES["one_each"])
    pictures = listed(config.get("images")) or (
        "the pictures handed in" if config.get("image_ids") else "no step yet"
    )
    return sentence.format(documents=listed(config.get("documents")) or "no step yet", images=pictures)


STEP = StepType(
    type="attach_images",
    label="Attach pictures",
    icon="photo-star",
    group="Documents",
    effect=Effect.NONE,
    config=Config,
    summary=_summary,
    run=run,
    output_fields=frozenset({"documents", "images", "attached"}),
    output_kinds={"documents": "list", "images": "list", "attached": "record"},
    step_refs=("documents", "images"),
    description="Puts pictures at texts. The first picture of a text becomes its primary one.",
    typical_s=0.1,
)
