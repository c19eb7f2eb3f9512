"""Turns what the provider's client raises into a step's failure: why, in words, and when to try again."""

import time
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx2
import openai

from app.engine.contract import Category, StepError

LONGEST_MESSAGE = 200
_REFUSALS = frozenset(
    {"content_policy_violation", "moderation_blocked", "content_filter", "image_generation_user_error"}
)
_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_BEFORE_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


def timed_out(timeout_s: float) -> StepError:
    """Return the failure of a request that used up its total time; the far side may have acted."""
    return StepError(
        Category.TIMEOUT,
        f"The AI service did not answer within {timeout_s:.0f} s.",
        fix="Try this step again, or give it more time.",
        definite=False,
    )


def unusable(code: str, message: str) -> StepError:
    """Return the failure of an answer that is of no use: ``refused``, ``empty``, ``truncated``, ``unusable``."""
    fixes = {
        "refused": "Change the answers and continue, or change the workflow’s prompt and start over.",
        "truncated": "Ask for fewer or shorter texts.",
    }
    fix = fixes.get(code, "Try this step again; if it goes on, choose another model.")
    return StepError(Category.AI_ANSWER, message, code=code, fix=fix)


def translated(error: openai.OpenAIError, *, model: str) -> StepError:
    """Return the step's failure for an error of the openai SDK."""
    if isinstance(error, openai.APIStatusError):
        return _status(error, model)
    if isinstance(error, openai.APITimeoutError):
        lost = StepError(Category.TIMEOUT, "The AI service did not answer in time.", fix="Try this step again.")
        lost.definite = isinstance(error.__cause__, _BEFORE_SENT)
        return lost
    if isinstance(error, openai.APIConnectionError):
        return connection_fault(error.__cause__)
    return unusable("unusable", "The AI service sent an answer that cannot be read.")


def connection_fault(cause: BaseException | None) -> StepError:
    """Return the failure of a connection: never made (nothing was sent), or lost on the way."""
    if isinstance(cause, _BEFORE_SENT):
        return StepError(
            Category.NETWORK,
            "The AI service cannot be reached.",
            code="unreachable",
            fix="Check the network and OPENAI_BASE_URL, then try this step again.",
        )
    return StepError(
        Category.NETWORK,
        "The connection to the AI service broke before its answer was complete.",
        code="connection_lost",
        fix="Try this step again.",
        definite=False,
    )


def _status(error: openai.APIStatusError, model: str) -> StepError:
    status, code = error.status_code, (error.code or error.type or "")
    if code in _QUOTA or status == 402:
        return StepError(
            Category.BUDGET,
            "The AI account has no money left.",
            code="insufficient_quota",
            fix="Add credit at the AI service, then try this step again.",
        )
    if status in (401, 403):
        return StepError(
            Category.PERMISSION,
            "The AI service did not accept the key."
            if status == 401
            else "The key may not use this AI service.",
            code="ai_key",
            fix="Ask an admin to check OPENAI_API_KEY.",
        )
    if status in (429, 503, 529):
        return StepError(
            Category.BUSY,
            "The AI service is busy.",
            fix="Nothing to do: we try again by ourselves.",
            retry_after_s=retry_after_s(error.response.headers),
        )
    if status == 408:
        return StepError(Category.TIMEOUT, "The AI service gave up waiting.", fix="Try this step again.")
    if status >= 500:
        return StepError(
            Category.OUTSIDE,
            f"The AI service has a problem of its own (HTTP {status}).",
            fix="Try this step again later.",
            retry_after_s=retry_after_s(error.response.headers),
            definite=status not in (502, 504),  # a gateway cannot tell what the service behind it did
        )
    return _rejected(error, status, code, model)


def _rejected(error: openai.APIStatusError, status: int, code: str, model: str) -> StepError:
    if code in _REFUSALS:
        return unusable("refused", "The AI service would not do this: its rules forbid it.")
    if code == "model_not_found" or status == 404:
        return StepError(
            Category.PERMISSION,
            f"The AI service has no model called {model}, or the key may not use it.",
            code="model_not_found",
            fix="Ask an admin to check AI_TEXT_MODEL, AI_IMAGE_MODEL and OPENAI_BASE_URL.",
        )
    if code == "context_length_exceeded" or status == 413:
        return StepError(
            Category.INPUT,
            "The prompt and its background are too long for this model.",
            code="too_long",
            fix="Give less background text.",
        )
    said = " ".join(error.message.split())[:LONGEST_MESSAGE]
    return StepError(
        Category.INPUT,
        f"The AI service did not accept the request (HTTP {status}): {said}",
        code="rejected",
        fix="Change the answers and continue, or change the step’s settings and start over.",
    )


def retry_after_s(headers: httpx2.Headers) -> float | None:
    """Read ``retry-after-ms`` or ``Retry-After`` (RFC 9110, 10.2.3: seconds or a date); None when neither is usable."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        text = headers.get("retry-after", "")
        if not text:
            return None
        if text.replace(".", "", 1).isdigit():
            return float(text)
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
