"""What OpenAI's models of texts want to be told: which think before they write, and which can be asked not to.

A model that thinks takes no temperature: its service refuses a request that has one. Names on no list, those of models
that you run yourself, are taken for models that do not think. Source: OpenAI's guides "Reasoning" and "Latest model".
"""

import re
from enum import StrEnum

THINKING_TOKENS = 4000


class Thought(StrEnum):
    """How a model thinks; the value is the ``reasoning_effort`` to ask for, empty: none may be named."""

    NEVER = "never"
    AT_WILL = "none"
    ALWAYS = "low"
    ITS_OWN_WAY = ""


_FAMILIES = tuple(
    (re.compile(pattern), thought)
    for pattern, thought in (
        (r"gpt-5-chat", Thought.NEVER),
        (r"gpt-5(\.\d+)?-(chat|pro)", Thought.ITS_OWN_WAY),  # each takes one or two other efforts only
        (r"gpt-5\.1-codex", Thought.ALWAYS),
        (r"gpt-5\.[1-6]|gpt-6-(sol|luna)|gpt-6\.1-terra", Thought.AT_WILL),
        (r"gpt-5|gpt-6-astra|gpt-6\.1-sol|o[134]", Thought.ALWAYS),
    )
)


def thought_of(model: str) -> Thought:
    """Return how *model* thinks; the first family that its name begins with decides."""
    return next((thought for family, thought in _FAMILIES if family.match(model)), Thought.NEVER)


def thinking_tokens(model: str) -> int:
    """Return the room that *model* needs beside its answer: thoughts are part of the limit, and are paid for."""
    return 0 if thought_of(model) in (Thought.NEVER, Thought.AT_WILL) else THINKING_TOKENS
