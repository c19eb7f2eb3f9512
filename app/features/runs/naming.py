"""What a run is called: a label, which may hold values, filled with its answers."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from app.definition.values import MissingValue, UnusableValue, as_text, evaluate
from app.engine.models import Run

ISOLATE, POP = "\u2068", "\u2069"
LABEL_CHARS = 160
_RUN = re.compile(r"\brun\b")


def names_number(label: str) -> bool:
    """Tell whether a run's name may hold its number."""
    return "{{" in label and _RUN.search(label) is not None


def filled(label: str, answers: Mapping[str, Any], number: int | None) -> str:
    """Fill the answers into a label and put it on one line; a label that cannot be filled stays as words."""
    try:
        isolated = {key: _isolated(value) for key, value in answers.items()}
        text = as_text(evaluate(label, {"inputs": isolated, "run": {"number": number}}))
    except (MissingValue, UnusableValue):
        text = "" if "{{" in label else label
    text = " ".join(text.split())
    text = text if len(text) <= LABEL_CHARS else text[: LABEL_CHARS - 1].rstrip() + "…"
    return text + POP * (text.count(ISOLATE) - text.count(POP))


def label_of(run: Run, labels: Sequence[str]) -> str:
    """Return the one of *labels* that gave a run its name; its name where it was none of them."""
    named = (label for label in labels if filled(label, run.inputs, run.number) == run.label)
    return next(named, run.label)


def _isolated(value: Any) -> Any:
    """Set a text that is written from right to left apart, so that it does not turn around what stands beside it.

    By the marks of Unicode's bidirectional algorithm (UAX 9), which mails and lists show right as well.
    """
    if isinstance(value, str) and any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in value):
        return f"{ISOLATE}{value}{POP}"
    return value
