"""Signs of life: a process tells whoever watches it that it lives, as long as all its parts say so too."""

import time
from collections.abc import Callable
from threading import Event

TELL_EVERY_S = 5.0
STALLED_S = 300.0  # longer than a part may take for one round: it waits for a database, never for a step


class Alive:
    """The signs of one process; *tell* hands one on, and takes no time."""

    def __init__(self, tell: Callable[[], None] | None) -> None:
        self._tell = tell
        self._said: dict[str, float] = {}

    def say(self, part: str) -> None:
        """Say that *part*, a loop that must go on, begins another round."""
        self._said[part] = time.monotonic()

    def watch(self, is_over: Event) -> None:
        """Tell every few seconds that all is well, unless a part has stalled, until *is_over*."""
        while not is_over.wait(TELL_EVERY_S):
            if self._tell is not None and not self.stalled():
                self._tell()

    def stalled(self) -> list[str]:
        """Return the parts that have not begun a round for so long that they hang."""
        now = time.monotonic()
        return [part for part, said_at in list(self._said.items()) if now - said_at > STALLED_S]
