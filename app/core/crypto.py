"""Encryption of what must not be readable in the database, by keys derived from ``SECRET_KEY``."""

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_box: MultiFernet | None = None


def configure(secret_keys: Sequence[str]) -> None:
    """Set the keys of this process: the first encrypts, all of them decrypt."""
    global _box
    _box = MultiFernet([Fernet(_derive(key)) for key in secret_keys])


def encrypt(text: str) -> str:
    """Return *text* as a Fernet token."""
    return _ready().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Return what :func:`encrypt` was given; raises ``cryptography.fernet.InvalidToken`` for another key."""
    return _ready().decrypt(token.encode()).decode()


def opened(token: str) -> Any:
    """Return the JSON value that :class:`EncryptedJson` stored as *token*; raises as :func:`decrypt`."""
    return json.loads(decrypt(token))


class EncryptedJson(TypeDecorator[Any]):
    """A JSON value that is stored encrypted."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encrypt on the way in."""
        return None if value is None else encrypt(json.dumps(value, allow_nan=False))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Decrypt on the way out."""
        return None if value is None else opened(value)


def _ready() -> MultiFernet:
    if _box is None:
        raise RuntimeError("app.core.crypto.configure has not been called in this process")
    return _box


@functools.cache
def _derive(key: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.scrypt(key.encode(), salt=b"greenlight.box", n=2**12, r=8, p=1, dklen=32))
