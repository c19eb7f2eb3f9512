"""Passwords: Argon2id with OWASP's parameters, at least 12 characters, none of the common ones; no other rule.

Sources: OWASP Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane); ASVS 5.0, 6.2.1 and 6.2.4.
"""

import re
import threading
from functools import cache
from importlib.resources import files
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.core import priority
from app.core.errors import FieldError, Invalid

SHORTEST = 12
LONGEST = 200
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_turns = threading.BoundedSemaphore(4)  # each takes 19 MiB while it works
_LEET = str.maketrans("@4310$5!7", "aaeiossit")
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "01234567890123456789",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
)


def hash_password(password: str) -> str:
    """Return the Argon2id hash; takes some 20 ms."""
    with _turns, priority.on_any_core():
        return _hasher.hash(password)


def is_right(password_hash: str | None, password: str) -> bool:
    """Compare in the same time whether the person exists (*password_hash*) or not (None)."""
    with _turns, priority.on_any_core():
        try:
            _hasher.verify(password_hash or _nobody(), password)
        except (VerifyMismatchError, InvalidHashError):
            return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Tell whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def check(password: str, *, about: tuple[str, ...] = ()) -> None:
    """Raise :class:`Invalid` with one problem at ``password`` when it is too short or easily guessed.

    *about* are words that belong to the person: the address, the name.
    """
    if len(password) < SHORTEST:
        _refuse(
            "short",
            f"A password has at least {SHORTEST} characters.",
            "A short sentence is easy to remember.",
        )
    if len(password) > LONGEST:
        _refuse("long", f"A password has at most {LONGEST} characters.", "")
    if is_common(password, about):
        _refuse(
            "common",
            "This password is one of those that are guessed first.",
            "Use a short sentence of your own.",
        )


def is_common(password: str, about: tuple[str, ...] = ()) -> bool:
    """Tell whether the password is made of well-known ones, keys in a row, few signs, or the person's own words."""
    low = password.lower()
    if len(set(low)) < 5 or _is_row(low):
        return True
    known = _common() | {
        word.lower() for text in about for word in re.split(r"[\s@._-]+", text) if len(word) > 3
    }
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", low)  # without the year and the exclamation marks around it
    plain = {re.sub(r"[\W\d_]+", "", text) for text in (low, core.translate(_LEET))}
    whole = {low, re.sub(r"[\W_]+", "", low)}
    return any(_is_made_of(text, known) for text in plain | whole if text) or any(
        _is_row(text) for text in plain
    )


def _is_made_of(text: str, known: set[str], most: int = 2) -> bool:
    if text in known:
        return True
    cuts = range(3, len(text)) if most > 1 else ()
    return any(text[:cut] in known and _is_made_of(text[cut:], known, most - 1) for cut in cuts)


def _is_row(text: str) -> bool:
    if len(text) < 3:
        return False
    return all(any(a + b in row or b + a in row for row in _ROWS) or a == b for a, b in pairwise(text))


@cache
def _common() -> set[str]:
    text = (files("app.features.accounts") / "common_passwords.txt").read_text("utf-8")
    return set(text.split())


@cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")


def _refuse(code: str, message: str, fix: str) -> None:
    raise Invalid(message, [FieldError(path="password", code=code, message=message, fix=fix)], fix=fix)
