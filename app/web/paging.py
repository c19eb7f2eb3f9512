"""Lists are paged by key, never by offset: a page stays right while rows are added above it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request

from app.core.ids import is_id

T = TypeVar("T")
SIZE = 25


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, newest first, and the key for the next page (None at the end)."""

    items: Sequence[T]
    next: str | None


def before() -> str | None:
    """Return the key after which the visitor wants to read on (``?before=``), or None for the first page."""
    key = request.args.get("before", "")
    return key if is_id(key) else None


def cut(rows: Sequence[T], limit: int = SIZE) -> Page[T]:
    """Make a page of *limit* from up to ``limit + 1`` rows that were read; rows have an ``id`` that sorts by age."""
    more = len(rows) > limit
    items = rows[:limit]
    return Page(items, str(items[-1].id) if more else None)  # type: ignore[attr-defined]  # every model has an id
