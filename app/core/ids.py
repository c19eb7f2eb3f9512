"""Identifiers: UUIDv7 strings (RFC 9562) for rows, random tokens for links, short codes to quote."""

import hashlib
import os
import re
import secrets
import threading
import time

_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_DRAWN_BYTES = 512  # at once: asking the system makes a thread wait its turn anew
_lock = threading.Lock()
_last = 0
_drawn = b""


def _forget_drawn() -> None:
    """Let a forked process draw its own: it would make the same ids as the one it comes from."""
    global _drawn, _lock
    _drawn, _lock = b"", threading.Lock()


os.register_at_fork(after_in_child=_forget_drawn)


def new_id() -> str:
    """Return a UUIDv7 as 36 lower-case characters; ids made by one process sort by their making."""
    global _last, _drawn
    with _lock:
        if not _drawn:
            _drawn = os.urandom(_DRAWN_BYTES)
        chance, _drawn = _drawn[:8], _drawn[8:]
        stamp = max((time.time_ns() * 4096) // 1_000_000, _last + 1)  # 4,096 a millisecond: RFC 9562, 6.2, method 3
        _last = stamp
    milliseconds, fraction = divmod(stamp, 4096)
    value = (milliseconds << 80) | (0x7 << 76) | (fraction << 64)
    value |= (0b10 << 62) | (int.from_bytes(chance, "big") >> 2)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: object) -> bool:
    """Tell whether *text* has the form that :func:`new_id` gives."""
    return isinstance(text, str) and _PATTERN.fullmatch(text) is not None


def new_token() -> str:
    """Return an unguessable URL-safe token of 256 bits (43 characters)."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token as 64 hexadecimal characters: what the database keeps of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_code() -> str:
    """Return a short code for people to quote, such as ``GL-7F3K9Q``."""
    return "GL-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))
