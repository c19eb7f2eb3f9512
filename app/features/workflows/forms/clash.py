"""What two people changed in one form: put together where it differs, told where it is the same setting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from app.web import written
from app.web.setting_fields import ABSENT, Setting

Posted = MultiDict[str, str]
Fields = Mapping[str, Setting]


@dataclass(frozen=True, slots=True)
class Clash:
    """A setting that two people changed: what it is now (*theirs*), and what was to be saved (*mine*).

    *name* is that of its field.
    """

    name: str
    label: str
    theirs: str
    mine: str


def onto(mine: Fields, now: Fields, clash: list[Clash], *, act: str, is_sure: bool) -> Posted:
    """Return what to post to *now* so that what was changed in *mine* is changed there, and nothing else.

    Fills *clash* with what somebody else has changed meanwhile to something else, unless one *is_sure*. *act* is the
    button that was pressed.
    """
    pairs: list[tuple[str, str]] = [("act", act)] if act else []
    for name, field in mine.items():
        other = now.get(name)
        if not field.is_changed:
            pairs += other.pairs() if other is not None else []
            continue
        pairs += field.posted
        if other is None or is_sure or _is_same(other.stored, field.stored):
            continue
        if not _is_same(other.stored, field.data):
            clash.append(Clash(name, str(field.label.text), shown(other.stored), shown(field.data)))
    return MultiDict([*pairs, ("posted", "1")])


def changed_by_others(mine: Fields, now: Fields) -> list[str]:
    """Return the names of the fields that only somebody else changed, so that the page of *mine* shows them old."""
    return [
        name
        for name, field in mine.items()
        if name in now and not field.is_changed and not _is_same(now[name].stored, field.stored)
    ]


def shown(value: Any) -> str:
    """Write a setting for people to compare."""
    if value in (ABSENT, None, ""):
        return "nothing"
    return value if isinstance(value, str) else written.write(value)


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two settings are the same, written down or not."""
    if one is ABSENT or other is ABSENT:
        return one is other
    return written.same(one, other)
