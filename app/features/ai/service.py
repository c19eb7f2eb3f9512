"""AI: texts and pictures from the provider that is set up, or from the sample writer where there is none.

Neither function retries; the engine's ledger does. Both raise :class:`StepError` (``busy network timeout outside
ai_answer permission budget input``) and may be called from any thread. Nothing connects before the first request.
"""

import threading
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from PIL import Image, UnidentifiedImageError

from app.core.settings import Settings
from app.engine.contract import Answer, Category, ImageRequest, StepError, TextRequest
from app.features.ai import sample

if TYPE_CHECKING:
    from app.features.ai.provider import Provider

SAMPLE_MODEL = "Sample writer"
MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as it came: its bytes (*png*; a compatible service may send JPEG or WebP: *media_type*) and size."""

    png: bytes
    media_type: str
    width: int
    height: int
    prompt: str


class _State:
    settings: Settings | None = None
    provider: "Provider | None" = None
    making = threading.Lock()


_state = _State()


def configure(settings: Settings) -> None:
    """Choose the provider of *settings*; loads and opens nothing before the first request or :func:`warm`."""
    if _state.provider is not None:
        _state.provider.close()
    _state.settings, _state.provider = settings, None


def warm() -> None:
    """Load the provider's libraries now (some 6 MB), in the one process that asks it."""
    _provider()


def is_sample() -> bool:
    """Tell whether the sample writer answers because no provider is set up."""
    return _state.settings is None or not _state.settings.has_ai


def model_name(kind: Literal["text", "image"]) -> str:
    """Return the model that writes texts or makes pictures: what a document shows as its writer."""
    settings = _state.settings
    if settings is None or not settings.has_ai:
        return SAMPLE_MODEL
    return settings.ai_text_model if kind == "text" else settings.ai_image_model


def write_text(request: TextRequest, *, key: str, timeout_s: float, as_sample: bool = False) -> Answer:
    """Return the JSON of ``request.answer`` with its cost. *timeout_s* is the total. One request, never more.

    An answer of no use raises StepError, whose ``again`` is the request for a better one, once.

    *as_sample* asks the sample writer even where a provider is set up: a template's own sample costs nothing.
    """
    provider = None if as_sample else _provider()
    if provider is None:
        return Answer(sample.write(request), model=SAMPLE_MODEL)
    return provider.write(request, key=key, timeout_s=timeout_s)


def make_image(request: ImageRequest, *, key: str, timeout_s: float, as_sample: bool = False) -> Answer:
    """Return a :class:`Picture` with its cost. *timeout_s* is the total, *as_sample* as for :func:`write_text`."""
    provider = None if as_sample else _provider()
    if provider is None:
        from app.features.ai import sample_pictures

        content = sample_pictures.draw(request)
        return Answer(_picture(content, request.prompt), model=SAMPLE_MODEL)
    raw = provider.picture(request, key=key, timeout_s=timeout_s)
    spent = Answer(None, raw.cost_microusd, raw.tokens_in, raw.tokens_out, provider.image_model)
    try:
        picture = _picture(raw.content, request.prompt)
    except StepError as error:
        raw.release()
        error.spent = spent
        raise
    return replace(spent, value=picture, release=raw.release)


def estimate_text(request: TextRequest) -> int:
    """Return what a text may cost at most, in micro-dollars: all that is said in, the token limit out."""
    provider = _provider()
    if provider is None:
        return 0
    from app.features.ai import prices

    return prices.cost_microusd(provider.text_model, *provider.most_tokens(request))


def estimate_image(request: ImageRequest) -> int:
    """Return what a picture of that size may cost at most, in micro-dollars, at medium quality."""
    provider = _provider()
    if provider is None:
        return 0
    from app.features.ai import prices

    return prices.cost_microusd(provider.image_model, *provider.most_picture_tokens(request))


def _provider() -> "Provider | None":
    """Return this process's provider, made at the first call; None where the sample writer answers."""
    settings = _state.settings
    if settings is None or not settings.has_ai:
        return None
    with _state.making:
        if _state.provider is None:
            from app.features.ai.provider import Provider

            _state.provider = Provider(
                api_key=settings.openai_api_key,
                base_url=settings.openai_base_url,
                text_model=settings.ai_text_model,
                image_model=settings.ai_image_model,
            )
        return _state.provider


def _picture(content: bytes, prompt: str) -> Picture:
    """Read type and size from the header alone; the pixels are looked at when it is stored."""
    try:
        with Image.open(BytesIO(content), formats=tuple(MEDIA_TYPES)) as image:
            width, height = image.size
            media_type = MEDIA_TYPES[str(image.format)]
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, *_BOMBS) as error:
        raise StepError(
            Category.AI_ANSWER,
            "The AI service sent something that is not a picture.",
            code="unusable",
            fix="Try this step again; if it goes on, choose another model.",
        ) from error
    return Picture(content, media_type, width, height, prompt)
