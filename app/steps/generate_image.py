"""Make pictures by AI, one request each, stored before the next: a crash at picture 5 keeps the four before it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from app.engine.contract import Category, Context, Done, Effect, ImageRequest, StepError, StepType
from app.steps.words import Settings, counted, said, shorten


class Config(Settings):
    """What the pictures show, how many, and in which form."""

    prompt: str = Field(
        title="What should the pictures show?",
        description="Say what is seen, where and in which light. Answers and earlier results can be put in.",
        min_length=1,
        max_length=8000,
        json_schema_extra={"widget": "prompt"},
    )
    count: int = Field(default=1, ge=1, le=20, title="How many", json_schema_extra={"unit": "pictures"})
    size: Literal["square", "portrait", "landscape", "story"] = Field(
        default="square", title="Form", json_schema_extra={"widget": "segments"}
    )
    style: str = Field(
        default="photo",
        max_length=200,
        title="Style",
        description="Such as photo, showroom, illustration, watercolour.",
    )


def run(config: Config, ctx: Context) -> Done:
    """Make and store the pictures in order."""
    images: list[str] = []
    for number in range(1, config.count + 1):
        sentence = f"Making picture {number} of {config.count}: {shorten(config.prompt)}"
        ctx.progress(number - 1, config.count, sentence)
        request = ImageRequest(config.prompt, config.size, config.style, number, config.count)
        try:
            images.append(ctx.image(f"picture-{number}", request, about=sentence))
        except StepError as error:
            if error.category is Category.AI_ANSWER:
                error.message = f"Picture {number} of {config.count}: {error.message}"
            raise
    ctx.progress(config.count, config.count, f"{config.count} of {config.count} pictures are made")
    return Done({"images": images})


def _summary(config: Mapping[str, Any]) -> str:
    style, size = said(config.get("style", "photo")), said(config.get("size", "square"))
    return f"Make {counted(config.get('count', 1), 'picture', 'pictures')} in **{style}** style, **{size}**"


STEP = StepType(
    type="generate_image",
    label="Make pictures",
    icon="photo",
    group="AI",
    effect=Effect.SPENDS,
    config=Config,
    summary=_summary,
    run=run,
    output_fields=frozenset({"images"}),
    output_kinds={"images": "list"},
    description="AI makes pictures. Each is kept as soon as it is there.",
    typical_s=60.0,
)
