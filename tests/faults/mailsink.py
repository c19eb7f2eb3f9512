"""A mail channel for tests whose far side is the loopback sink: one line a message, with its message id as the key."""

import os
import urllib.request
from typing import Any


def deliver(content: dict[str, Any], recipient: str, message_id: str) -> None:
    url = f"{os.environ['SINK_URL']}?number={recipient}"
    request = urllib.request.Request(url, method="POST", headers={"Idempotency-Key": message_id})
    with urllib.request.urlopen(request, timeout=10):
        """The sink has logged it."""
