"""Fields for settings that are JSON: each shows any value it may hold, right or wrong, and gives it back unchanged.

A field knows the pairs of names and texts that a browser posts for it (:meth:`Setting.pairs`). A setting whose posted
pairs are those of the stored value keeps the stored value, so that a form never changes what nobody touched.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from werkzeug.datastructures import MultiDict
from wtforms import Field
from wtforms.utils import unset_value

from app.web import moments, written

Pairs = list[tuple[str, str]]
Posted = MultiDict[str, str]


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
"""Stands for a setting that is not written down, so that its default holds."""


class Setting(Field):
    """One setting. *data* is its JSON value or :data:`ABSENT`, when *usual* holds; *notes* say what is wrong."""

    look: ClassVar[str] = "text"
    needs: str = ""  # what a value must be to stand here: "number", "yes_no" or "list"

    def __init__(
        self,
        label: str,
        validators: Any = None,
        *,
        usual: Any = ABSENT,
        unit: str = "",
        required: bool = False,
        choices: Sequence[tuple[str, str]] = (),
        **options: Any,
    ) -> None:
        super().__init__(label, validators, **options)
        self.usual = usual
        self.unit = unit
        self.required = required
        self.choices = list(choices)
        self.notes: list[str] = []
        self.stored: Any = ABSENT
        self.posted: Pairs = []

    def process(self, formdata: Any, data: Any = ABSENT, extra_filters: Any = None) -> None:
        """Take the stored value, then what was posted; a setting whose pairs were not changed keeps what is stored."""
        self.stored = ABSENT if data is unset_value else data
        self.data = self.stored
        if formdata:
            self.posted = self._posted(formdata)
            if self._is_pressed(formdata) or _plain(self.posted) != _plain(self.pairs()):
                self.data = self.take(formdata)

    def _is_pressed(self, posted: Posted) -> bool:
        act = posted.get("act", "")
        return act.startswith((f"{self.name}:", f"{self.name}.", f"{self.name}-"))

    def _posted(self, posted: Posted) -> Pairs:
        """Return what was posted for this setting, as its pairs."""
        own = (self.name, f"{self.name}-", f"{self.name}.", f"{self.name}~")
        mine = [name for name in posted if name == own[0] or name.startswith(own[1:])]
        return [(name, text) for name in mine for text in posted.getlist(name)]

    @property
    def shown(self) -> Any:
        """The value to show: what is stored, or what holds without it."""
        return self.usual if self.data is ABSENT else self.data

    @property
    def is_optional(self) -> bool:
        """Tell whether it may be left empty, and is unless somebody writes something."""
        return not self.required and self.usual in (ABSENT, None, "", [])

    @property
    def family(self) -> "list[Setting]":
        """The field, with those that it holds."""
        return [self]

    @property
    def is_changed(self) -> bool:
        """Tell whether somebody changed it."""
        return self.data is not self.stored

    def pairs(self) -> Pairs:
        """Return names and texts as a browser posts them for the present value."""
        return [(self.name, self.text)]

    @property
    def text(self) -> str:
        """The value as one text."""
        value = self.shown
        if value is ABSENT or value is None:
            return ""
        return value if isinstance(value, str) else written.write(value)

    def take(self, posted: Posted) -> Any:
        """Return the value that was posted."""
        return one_end(posted.get(self.name, ""))


class Text(Setting):
    """A text of one line, or of several *rows*; values ``{{ … }}`` may stand in it.

    *is_list_too*: a list in brackets is read as one. *longest* is how many characters it keeps, where that is bounded.
    """

    def __init__(
        self, label: str, *, rows: int = 1, longest: int = 0, is_list_too: bool = False, needs: str = "", **options: Any
    ) -> None:
        super().__init__(label, **options)
        self.rows = rows
        self.longest = longest
        self.is_list_too = is_list_too
        self.needs = needs

    @property
    def is_prose(self) -> bool:
        """Tell whether people read it: words with values among them, no value, date or list alone."""
        widget = (self.render_kw or {}).get("widget", "")
        return not self.is_list_too and widget not in ("value", "datetime", "duration")

    @property
    def is_area(self) -> bool:
        """Tell whether it needs several lines: a field of one line would lose the ends of lines."""
        return self.rows > 1 or "\n" in self.text

    def take(self, posted: Posted) -> Any:
        """Return the text; nothing written where nothing is usual stays absent."""
        text = super().take(posted)
        if self.is_list_too and text.lstrip().startswith("["):
            return written.read(text)
        if text or self.required or isinstance(self.usual, str):
            return text
        return self.usual


class Day(Text):
    """A date, chosen in a calendar."""

    look = "date"


class Moment(Text):
    """A date and time in the workspace's zone; kept in UTC."""

    look = "moment"

    @property
    def text(self) -> str:
        """The moment as the browser's field has it."""
        return moments.local(super().text, moments.zone_named())

    def take(self, posted: Posted) -> Any:
        """Return the moment; what is none stays as it was typed."""
        found = super().take(posted)
        return moments.in_utc(found, moments.zone_named()) if isinstance(found, str) else found


class Number(Setting):
    """A whole number or not; a value ``{{ … }}`` may stand for it, and what is no number stays as it was written.

    A value is chosen from a list beside it, posted as ``~value``.
    """

    look = "number"
    needs = "number"

    @property
    def text(self) -> str:
        """The number, a whole one without a point."""
        value = self.shown
        return str(int(value)) if isinstance(value, float) and value.is_integer() else super().text

    def take(self, posted: Posted) -> Any:
        """Return the number; an empty field asks for the usual one, or for none where there may be none."""
        text = (posted.get(f"{self.name}~value") or posted.get(self.name, "")).strip()
        if not text:
            return None if self.usual is not ABSENT and self.is_nullable else ABSENT
        found = written.read_amount(text)
        return text if isinstance(found, bool | list | dict) or found is None else found

    def __init__(self, label: str, *, is_nullable: bool = False, **options: Any) -> None:
        super().__init__(label, **options)
        self.is_nullable = is_nullable


class Choice(Setting):
    """One of several; *is_row* shows them side by side. A value of no choice (``{{ … }}``) is offered too.

    In a row a value has a list of its own beside the choices, which counts where ``~`` is chosen.
    """

    look = "choice"

    def __init__(self, label: str, *, is_row: bool = False, **options: Any) -> None:
        super().__init__(label, **options)
        self.is_row = is_row

    @property
    def options(self) -> list[tuple[str, str]]:
        """The choices with what is stored, which may be none of them."""
        known = list(self.choices)
        if self.text not in [value for value, _ in known] and not (self.is_row and self.is_value):
            known.insert(0, (self.text, self.text or "Choose"))
        return known

    @property
    def is_value(self) -> bool:
        """Tell whether a value stands in it."""
        return self.text.startswith("{{")

    def pairs(self) -> Pairs:
        """Return what is chosen, a value beside a row by its own name."""
        if self.is_row and self.is_value:
            return [(self.name, "~"), (f"{self.name}~value", self.text)]
        return super().pairs()

    def chosen(self, posted: Posted) -> str:
        """Return the text that was chosen."""
        text = posted.get(self.name, "")
        return posted.get(f"{self.name}~value", "") if self.is_row and text == "~" else text

    def take(self, posted: Posted) -> Any:
        """Return what was chosen."""
        return self.chosen(posted) or ABSENT


class YesNo(Choice):
    """Yes or no, in the words of its *choices*, which are for ``true`` and ``false``, and for "" where none may be."""

    needs = "yes_no"

    def __init__(
        self,
        label: str,
        *,
        choices: Sequence[tuple[str, str]] = (("true", "Yes"), ("false", "No")),
        **options: Any,
    ) -> None:
        super().__init__(label, is_row=True, choices=choices, **options)

    def take(self, posted: Posted) -> Any:
        """Return what was chosen."""
        text = self.chosen(posted)
        return ABSENT if not text else written.read(text)


class Json(Setting):
    """Anything else, as JSON: in an area, if it *is_long*, a list or an object."""

    look = "json"
    rows = 4

    def __init__(self, label: str, *, is_long: bool = False, **options: Any) -> None:
        super().__init__(label, **options)
        self.is_long = is_long

    @property
    def is_area(self) -> bool:
        """Tell whether it needs several lines."""
        return self.is_long or self.text[:1] in ("[", "{")

    @property
    def text(self) -> str:
        """The value as JSON."""
        value = self.shown
        return "" if value is ABSENT or value is None else written.write(value)

    def take(self, posted: Posted) -> Any:
        """Return what was written."""
        text = posted.get(self.name, "").strip()
        return written.read(text) if text else ABSENT


# --- parts ---------------------------------------------------------------------------------------------------------


def _plain(pairs: Pairs) -> Pairs:
    """Return pairs so that they can be compared: ends of lines are one kind, what is empty does not count."""
    return sorted((name, one_end(text)) for name, text in pairs if text)


def one_end(text: str) -> str:
    """Write every end of a line in one way: browsers post two characters for it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbered(posted: Posted, name: str, end: str = "") -> list[tuple[str, str]]:
    """Return the posted rows ``name-0``, ``name-1`` … in order."""
    pattern = re.compile(rf"{re.escape(name)}-(\d{{1,3}}){re.escape(end)}")
    found = [(int(match[1]), key) for key in posted if (match := pattern.fullmatch(key))]
    return [(key, posted.get(key, "")) for _, key in sorted(found)]


def put(target: dict[str, Any], key: str, value: Any) -> None:
    """Write a setting down, or take it away where it is absent."""
    if value is ABSENT:
        target.pop(key, None)
    else:
        target[key] = value
