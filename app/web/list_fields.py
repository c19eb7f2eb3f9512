"""Settings that hold several things: ticks, documents, rows of texts, rows of names and values, answers."""

from typing import Any

from app.web import written
from app.web.setting_fields import ABSENT, Pairs, Posted, Setting, Text, numbered, one_end


def _as_texts(value: Any) -> list[str]:
    """Return the items of a stored value as they are written; one that is no list is its own only item."""
    if value is ABSENT or value in ("", None):
        return []
    items = value if isinstance(value, list) else [value]
    return [item if isinstance(item, str) else written.write(item) for item in items]


class Many(Setting):
    """Any number of choices, as ticks; *is_one_text* writes a single one without a list."""

    look = "many"

    def __init__(self, label: str, *, is_one_text: bool = False, **options: Any) -> None:
        super().__init__(label, **options)
        self.is_one_text = is_one_text

    @property
    def chosen(self) -> list[str]:
        """What is ticked, in its order."""
        return _as_texts(self.shown)

    @property
    def options(self) -> list[tuple[str, str]]:
        """The choices with what is stored, which may be none of them."""
        known = [value for value, _ in self.choices]
        extra = dict.fromkeys(each for each in self.chosen if each not in known)
        return [*self.choices, *((value, value) for value in extra)]

    def pairs(self) -> Pairs:
        """Return what is ticked, in the order of the choices."""
        chosen = self.chosen
        return [(self.name, value) for value, _ in self.options if value in chosen]

    def take(self, posted: Posted) -> Any:
        """Return what was ticked."""
        values = list(dict.fromkeys(filter(None, posted.getlist(self.name))))
        if not values:
            return ABSENT if self.usual in (ABSENT, "", None, []) else []
        return values[0] if self.is_one_text and len(values) == 1 else values


class Documents(Text):
    """A text, or a list of documents chosen by their titles."""

    look = "documents"

    @property
    def chosen(self) -> list[str]:
        """The documents chosen; nothing where there is a text."""
        value = self.shown
        is_list = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
        return list(dict.fromkeys(value)) if is_list else []

    @property
    def is_list(self) -> bool:
        """Tell whether documents are chosen."""
        return bool(self.chosen) and self.chosen == self.shown

    @property
    def options(self) -> list[tuple[str, str]]:
        """What is chosen by its title, in its order."""
        titles = dict(self.choices)
        return [(value, titles.get(value, value)) for value in self.chosen]

    def pairs(self) -> Pairs:
        """Return a pair a document, or the text."""
        return [(f"{self.name}~doc", value) for value in self.chosen] if self.is_list else super().pairs()

    def take(self, posted: Posted) -> Any:
        """Return the documents that are ticked, else the text."""
        ticked = list(dict.fromkeys(filter(None, posted.getlist(f"{self.name}~doc"))))
        return ticked or super().take(posted)


class Rows(Setting):
    """A list of short texts or numbers, one a row, with an empty row to add one; an emptied row goes away."""

    look = "rows"

    def __init__(self, label: str, *, is_number: bool = False, **options: Any) -> None:
        super().__init__(label, **options)
        self.is_number = is_number

    @property
    def rows(self) -> list[str]:
        """The texts of the rows."""
        return [text for text in _as_texts(self.shown) if text.strip()]

    def pairs(self) -> Pairs:
        """Return a pair a row."""
        return [(f"{self.name}-{number}", text) for number, text in enumerate(self.rows)]

    def take(self, posted: Posted) -> Any:
        """Return the rows that are not empty; the button of a row takes it away."""
        gone = posted.get("act", "")
        texts = [
            one_end(text)
            for name, text in numbered(posted, self.name)
            if text.strip() and gone != f"{name}:remove"
        ]
        if not texts and self.usual in (ABSENT, "", []):
            return ABSENT
        return [written.read(text) if self.is_number else text.strip() for text in texts]


class PairRows(Setting):
    """A mapping, one name and value a row; *is_text* says that values are texts, else any JSON."""

    look = "pairs"

    def __init__(self, label: str, *, is_text: bool = False, **options: Any) -> None:
        super().__init__(label, **options)
        self.is_text = is_text

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Name and text of each row."""
        value = self.shown
        if not isinstance(value, dict):
            return []
        return [(str(name), self._write(item)) for name, item in value.items()]

    def pairs(self) -> Pairs:
        """Return two pairs a row."""
        found: Pairs = []
        for number, (name, text) in enumerate(self.rows):
            found += [(f"{self.name}-{number}.name", name), (f"{self.name}-{number}.value", text)]
        return found

    def take(self, posted: Posted) -> Any:
        """Return the mapping; a second value of one name gets a name of its own, so that nothing is lost."""
        found: dict[str, Any] = {}
        gone = posted.get("act", "")
        for name, key in numbered(posted, self.name, ".name"):
            row = name.removesuffix(".name")
            text = one_end(posted.get(f"{row}.value", ""))
            key = key.strip()
            if gone == f"{row}:remove" or not (key or text.strip()):
                continue
            while key in found:
                key += "_2"
            found[key] = text if self.is_text else written.read(text)
        return ABSENT if not found and not isinstance(self.shown, dict) else found

    def _write(self, item: Any) -> str:
        return item if self.is_text and isinstance(item, str) else written.write(item)


class Answers(PairRows):
    """Answers to another workflow's questions, a row each; *choices* are their keys and labels."""

    look = "answers"

    @property
    def known(self) -> dict[str, str]:
        """The labels of the questions by key."""
        return dict(self.choices)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Key and text of every question, then of what is written down besides."""
        value = self.shown
        given = value if isinstance(value, dict) else {}
        asked = [(key, self._write(given[key]) if key in given else "") for key in self.known]
        return [*asked, *((str(key), self._write(item)) for key, item in given.items() if key not in self.known)]

    def take(self, posted: Posted) -> Any:
        """Return the answers that are given; those to questions are texts, as a person answers."""
        found: dict[str, Any] = {}
        gone = posted.get("act", "")
        for name, key in numbered(posted, self.name, ".name"):
            row = name.removesuffix(".name")
            text = one_end(posted.get(f"{row}.value", ""))
            if gone == f"{row}:remove" or not key.strip() or (key in self.known and not text.strip()):
                continue
            is_plain = key in self.known and text.lstrip()[:1] != "[" and text.lstrip()[:2] != '{"'
            found[key.strip()] = text if is_plain else written.read(text)
        return ABSENT if not found and not isinstance(self.stored, dict) else found
