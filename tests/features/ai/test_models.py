"""How models think, by their names."""

import pytest

from app.features.ai.models import Thought, thought_of


@pytest.mark.parametrize(
    ("names", "thought"),
    [
        ("gpt-5-mini gpt-5-nano-2025-08-07 o3 o4-mini gpt-5.1-codex gpt-6-astra gpt-6.1-sol gpt-5.9", Thought.ALWAYS),
        ("gpt-5.1 gpt-5.4-mini gpt-5.6-sol gpt-5.3-codex gpt-6-luna gpt-6.1-terra", Thought.AT_WILL),
        ("gpt-5-pro gpt-5.2-pro gpt-5.1-chat-latest", Thought.ITS_OWN_WAY),
        ("gpt-4o-mini gpt-4.1 gpt-5-chat-latest our-own-model openrouter/gpt-5", Thought.NEVER),
    ],
)  # fmt: skip
def test_a_models_name_tells_how_it_thinks(names: str, thought: Thought) -> None:
    assert {name: thought_of(name) for name in names.split()} == dict.fromkeys(names.split(), thought)
