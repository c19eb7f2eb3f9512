"""What changed in one step's settings, each by its title and unit: a part of :mod:`app.definition.diff`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any, get_origin

from pydantic.fields import FieldInfo

from app.definition.amounts import amount, count
from app.definition.parts import TypeFacts, in_words
from app.definition.problems import listed, shorten
from app.definition.sentences import Names, condition_in_words, value_in_words
from app.definition.shape import is_same

MAX_WORDS = 1500  # longer texts are not compared word by word


class SettingsDiff:
    """Tell what is different between two configs of one step type. *names* are those of after, *old* of before."""

    def __init__(self, facts: TypeFacts | None, *, old: Names, names: Names, both: Names) -> None:
        self._facts = facts
        self._old_names, self._names, self._all_names = old, names, both

    def changes(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
        """Tell them for the step that sentences call *name*."""
        facts = self._facts
        fields = {} if facts is None else _fields(facts)
        for key in list(dict.fromkeys([*fields, *old, *new])):
            field = fields.get(key)
            was, now = (config.get(key, _default(field)) for config in (old, new))
            is_written = key in old and key in new
            if (not is_same(was, now)) if is_written else was != now:
                is_step = facts is not None and key in facts.step_refs
                yield from self._field(name, key, field, was, now, is_step=is_step)

    def _field(
        self, name: str, key: str, field: FieldInfo | None, was: Any, now: Any, *, is_step: bool
    ) -> Iterator[str]:
        title = (field.title if field is not None else None) or in_words(key)
        extra = _extra(field)
        unit, zero = str(extra.get("unit") or ""), str(extra.get("zero") or "")
        if title == "How many" and unit and _is_number(was) and _is_number(now):
            yield f"{name} now makes {amount(now, unit)} instead of {amount(was, '')}."
            return
        head = f"In {name}, “{title}”"
        if extra.get("widget") == "condition" or (field is None and (_is_condition(was) or _is_condition(now))):
            said = condition_in_words(now, self._names)
            yield f"In {name}, “{title}” is now: {said}; before: {condition_in_words(was, self._old_names)}."
            return
        is_table = field is not None and get_origin(field.annotation) is dict
        if isinstance(was, dict) and isinstance(now, dict) and (is_table or not _is_simple_choice(was, now)):
            yield from self._keys(head, was, now)
            return
        if is_step or isinstance(was, list) or isinstance(now, list):
            sentence = self._members(head, was, now, is_step=is_step)
            if sentence:
                yield sentence
                return
        if (
            isinstance(was, str)
            and isinstance(now, str)
            and (len(was) > 60 or len(now) > 60 or "\n" in was + now)
        ):
            yield self._text(head, was, now)
            return
        before, after = (
            self._said(value, names, unit, zero)
            for value, names in ((was, self._old_names), (now, self._names))
        )
        if unit and _is_number(was) and _is_number(now) and not (zero and was == 0):
            before = amount(was, "")
        if before == after:
            yield f"{head} was changed."
        elif not after:
            yield f"{head} is now empty; it was {before}."
        elif not before:
            yield f"{head} is now {after}; it was empty."
        else:
            yield f"{head} is now {after} instead of {before}."

    def _keys(self, head: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
        """Tell a table of settings by its keys, such as the values of a step that works values out."""
        for key in list(dict.fromkeys([*was, *now])):
            called = f"“{shorten(key.replace('_', ' '), 60)}”"
            if key not in now:
                yield f"{head} no longer has {called}."
            elif key not in was:
                yield f"{head} now has {called}: {self._said(now[key], self._names) or 'nothing'}."
            elif not is_same(was[key], now[key]):
                before, after = self._said(was[key], self._old_names), self._said(now[key], self._names)
                told = (
                    f"is now {after or 'empty'} instead of {before or 'empty'}"
                    if before != after
                    else "was changed"
                )
                yield f"{head}: {called} {told}."

    def _members(self, head: str, was: Any, now: Any, *, is_step: bool) -> str:
        """Tell which members of a list came and went; nothing when they are no list of texts."""
        old, new = _as_list(was), _as_list(now)
        if old is None or new is None:
            return ""

        def name(value: Any, names: Names) -> str:
            if is_step and isinstance(value, str) and "{{" not in value:
                return f"“{names.step(value)}”"
            return self._said(value, names)

        gone = [name(value, self._all_names) for value in old if value not in new]
        more = [name(value, self._names) for value in new if value not in old]
        if not gone and not more and len(old) != len(new):
            before, after = ([name(value, self._names) for value in each] for each in (old, new))
            return f"{head} is now {listed(after)} instead of {listed(before)}."
        if not gone and not more:
            return f"{head} is now in another order: {listed([name(value, self._names) for value in new])}."
        if not old:
            return f"{head} is now {listed(more)}; it was empty."
        if not new:
            return f"{head} is now empty; it was {listed(gone)}."
        if len(gone) == len(old):
            return f"{head} is now {listed(more)} instead of {listed(gone)}."
        parts = [f"now includes {listed(more)}"] if more else []
        parts += [f"no longer includes {listed(gone)}"] if gone else []
        return f"{head} {' and '.join(parts)}."

    def _text(self, head: str, was: str, now: str) -> str:
        """Tell how a text was reworded: the words themselves where few changed, else how many."""
        old, new = value_in_words(was, self._old_names).split(), value_in_words(now, self._names).split()
        if not old or not new:
            return f"{head} was {'emptied' if not new else 'filled in'}."
        if old == new:
            return f"{head} was changed in its spacing only."
        if max(len(old), len(new)) > MAX_WORDS:
            return f"{head} was reworded; it has {len(new):,} words now and had {len(old):,}."
        matcher = SequenceMatcher(None, old, new, autojunk=False)
        places = [
            (" ".join(old[a:b]), " ".join(new[c:d]))
            for tag, a, b, c, d in matcher.get_opcodes()
            if tag != "equal"
        ]
        if len(places) > 2 or any(len(part) > 100 for place in places for part in place):
            return f"{head} was reworded: {_counted_words(old, new)}."
        return f"{head} was reworded: {' and '.join(_replaced(*place) for place in places)}."

    def _said(self, value: Any, names: Names, unit: str = "", zero: str = "") -> str:
        match value:
            case None | "" | []:
                return ""
            case dict() if not value:
                return ""
            case bool():
                return "yes" if value else "no"
            case int() | float() | Decimal():
                return zero if zero and value == 0 else amount(value, unit)
            case str() if "{{" in value:
                return shorten(value_in_words(value, names), 120)
            case str() if value.isidentifier() and value.islower():
                return value.replace("_", " ")
            case str():
                return f"“{shorten(value, 120)}”"
            case list():
                return listed([self._said(one, names) for one in value])
            case dict() if len(value) == 1:
                [(key, inner)] = value.items()
                return f"{key.replace('_', ' ')} {self._said(inner, names)}".strip()
        return "several settings"


def _replaced(was: str, now: str) -> str:
    if not was:
        return f"“{now}” was added"
    return f"“{was}” became “{now}”" if now else f"“{was}” was taken out"


def _counted_words(old: list[str], new: list[str]) -> str:
    more, gone = Counter(new) - Counter(old), Counter(old) - Counter(new)
    parts = []
    if added := more.total():
        parts.append(f"{count(added, 'word')} {'is' if added == 1 else 'are'} new")
    if taken := gone.total():
        parts.append(f"{count(taken, 'word')} {'is' if taken == 1 else 'are'} gone")
    return " and ".join(parts) or "its words are in another order"


def _fields(facts: TypeFacts) -> dict[str, FieldInfo]:
    return {field.alias or key: field for key, field in facts.config.model_fields.items()}


def _default(field: FieldInfo | None) -> Any:
    return None if field is None or field.is_required() else field.get_default(call_default_factory=True)


def _extra(field: FieldInfo | None) -> Mapping[str, Any]:
    return field.json_schema_extra if field is not None and isinstance(field.json_schema_extra, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_condition(value: Any) -> bool:
    return isinstance(value, dict) and (
        ("op" in value and "value" in value) or bool(value.keys() & {"all", "any", "not"} and len(value) == 1)
    )


def _is_simple_choice(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Tell whether both are a choice with a number, such as ``{at_least: 2}``, rather than a table."""
    return len(was) == len(now) == 1 and all(_is_number(one) for one in (*was.values(), *now.values()))


def _as_list(value: Any) -> list[Any] | None:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    return (
        value
        if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value)
        else None
    )
