"""What changed between two definitions, told in sentences for the people who run the workflow. Pure.

:func:`changes` compares by meaning, not by text: the same step under another id is the same step, and the connections
that only follow from a step put in or taken out are not told twice. No key, path or ``{{ … }}`` ever appears.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from app.definition.amounts import duration, times
from app.definition.diff_inputs import limit_changes, question_changes, question_label, renamed_question
from app.definition.diff_settings import SettingsDiff
from app.definition.parts import Definition, Input, Step, TypeFacts, in_words
from app.definition.problems import listed, shorten
from app.definition.sentences import Names, condition_in_words, value_in_words
from app.definition.shape import is_same

Kind = Literal["added", "removed", "changed"]
_Called = tuple[str, tuple[str, str]]  # the short name of a step or a question, with its kind and words
_NAMED = re.compile(r"\b(steps|inputs)\.(\w+)")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different: *sentence* says what; *step* is the id of the step it is about, if any."""

    kind: Kind
    sentence: str
    step: str | None = None


def changes(before: Definition, after: Definition, types: Mapping[str, TypeFacts]) -> list[Change]:
    """Return what *after* does differently from *before*, in reading order; an empty list when they do the same."""
    return list(_Comparison(before, after, types).changes())


class _Comparison:
    def __init__(self, before: Definition, after: Definition, types: Mapping[str, TypeFacts]) -> None:
        self._types = types
        self._old = {step.id: step for step in before.steps}
        self._renamed = _renamed_ids(before, after)  # new id → old id
        self._rekeyed = _renamed_keys(before, after)  # new key → old key
        self._old_called = {"steps": self._renamed, "inputs": self._rekeyed}
        steps = [self._under_old_ids(step) for step in after.steps]
        self._new = {step.id: step for step in steps}
        self._new_ids = {step.id: original.id for step, original in zip(steps, after.steps, strict=True)}
        asked = [self._under_old_key(question) for question in after.inputs]
        self._before, self._after = before, after.model_copy(update={"steps": steps, "inputs": asked})
        self._old_names = Names.of(before)
        self._names = Names.of(self._after)
        self._all_names = Names(
            {**self._old_names.questions, **self._names.questions},
            {**self._old_names.steps, **self._names.steps},
        )

    def changes(self) -> Iterator[Change]:
        yield from self._questions()
        for step in self._before.steps:
            if step.id not in self._new:
                yield Change("removed", f"{self._subject(step)} was removed.")
        reordered = self._reordered()
        for step in self._after.steps:
            new_id = self._new_ids[step.id]
            if step.id not in self._old:
                yield Change("added", self._added(step), new_id)
                continue
            old = self._old[step.id]
            told = [Change("changed", sentence, new_id) for sentence in self._step(old, step)]
            yield from told
            if step.id in reordered and not any(
                "now starts" in c.sentence or "now comes" in c.sentence for c in told
            ):
                yield Change("changed", self._moved(step), new_id)
        yield from (
            Change("changed", said) for said in limit_changes(self._before.limits, self._after.limits)
        )

    # --- steps ---

    def _under_old_ids(self, step: Step) -> Step:
        """Return a step as it would be written with the ids of before, so that a new id alone is no change."""
        if not self._renamed and not self._rekeyed:
            return step
        refs = self._types[step.type].step_refs if step.type in self._types else ()
        config = {
            key: _swap_ids(value, self._old_called, whole=key in refs) for key, value in step.config.items()
        }
        after = []
        for entry in step.after:
            source, colon, outcome = entry.partition(":")
            after.append(self._renamed.get(source, source) + colon + outcome)
        swapped: dict[str, Any] = {
            "id": self._renamed.get(step.id, step.id),
            "config": config,
            "after": after,
            "when": _swap_ids(step.when, self._old_called),
        }
        if step.for_each is not None:
            items = _swap_ids(step.for_each.items, self._old_called)
            swapped["for_each"] = step.for_each.model_copy(update={"items": items})
        return step.model_copy(update=swapped)

    def _subject(self, step: Step) -> str:
        """Name a step that comes or goes: an approval by whose it is, all others by their name."""
        facts = self._types.get(step.type)
        name = shorten(step.name or step.id, 80)
        if facts is None or "approved" not in facts.outcomes:
            return f"“{name}”"
        if decides := _DECIDES.match(name):
            who = decides["who"]
            return f"The {who if who[:2].isupper() else who[:1].lower() + who[1:]}’s approval"
        if name.lower().endswith("approval") and not _ASKS.match(name):
            return name if name.startswith("The ") else f"The {name[:1].lower()}{name[1:]}"
        return f"The approval “{name}”"

    def _added(self, step: Step) -> str:
        subject = self._subject(step)
        follow = [
            other for other in self._after.steps if step.id in {_source(entry) for entry in other.after}
        ]
        if not step.after:
            return f"{subject} was added; it starts at once."
        came = self._edges(step.after, self._names)
        if len(follow) == 1 and follow[0].id in self._old:
            return f"{subject} was added between {came} and “{self._names.step(follow[0].id)}”."
        return f"{subject} was added after {came}."

    def _step(self, old: Step, new: Step) -> Iterator[str]:
        name = f"“{self._names.step(new.id)}”"
        if old.name != new.name:
            yield f"“{self._old_names.step(old.id)}” is now called {name}."
        yield from self._connection(name, old, new)
        if old.join != new.join and max(len(old.after), len(new.after)) > 1:
            yield (
                f"{name} now goes on when any of the ways before it is done, instead of all."
                if new.join == "any"
                else f"{name} now waits until all ways before it are done, instead of any."
            )
        elif old.join != new.join:
            yield f"{name} would now wait for {'any' if new.join == 'any' else 'all'} of several ways."
        if old.type != new.type:
            yield f"{name} is now a step “{self._label(new.type)}” instead of “{self._label(old.type)}”."
        else:
            yield from self._settings(new.type).changes(name, old.config, new.config)
        yield from self._when(name, old, new)
        yield from self._for_each(name, old, new)
        yield from _retry(name, old, new)
        if old.timeout_s != new.timeout_s:
            yield f"{name} may now take {duration(new.timeout_s)} instead of {duration(old.timeout_s)}."
        if old.on_failure != new.on_failure:
            yield (
                f"When {name} fails, the run now goes on."
                if new.on_failure == "continue"
                else f"When {name} fails, the run now stops there."
            )
        told = (
            "id",
            "type",
            "name",
            "after",
            "config",
            "when",
            "join",
            "retry",
            "timeout_s",
            "on_failure",
            "for_each",
        )
        for key in type(new).model_fields:
            if key not in told and getattr(old, key) != getattr(new, key):
                yield f"In {name}, “{in_words(key)}” was changed."

    def _connection(self, name: str, old: Step, new: Step) -> Iterator[str]:
        was, now = set(old.after), set(new.after)
        if was == now or self._follows(old, new):
            return
        if not new.after:
            yield f"{name} now starts at once instead of after {self._edges(old.after, self._all_names)}."
        elif not old.after:
            yield f"{name} now comes after {self._edges(new.after, self._names)} instead of at once."
        elif was < now:
            more = self._edges([entry for entry in new.after if entry not in was], self._names)
            yield f"{name} now comes after {more} too."
        elif now < was:
            gone = self._edges([entry for entry in old.after if entry not in now], self._all_names)
            yield f"{name} now comes no longer after {gone}."
        else:
            came, went = self._edges(new.after, self._names), self._edges(old.after, self._all_names)
            yield f"{name} now comes after {came} instead of after {went}."

    def _follows(self, old: Step, new: Step) -> bool:
        """Tell whether the connection differs only because steps were put in or taken out on its way."""
        gone = {step_id: step for step_id, step in self._old.items() if step_id not in self._new}
        fresh = {step_id: step for step_id, step in self._new.items() if step_id not in self._old}
        return bool(gone or fresh) and _through(old.after, gone) == _through(new.after, fresh)

    def _edges(self, entries: Sequence[str], names: Names) -> str:
        said = []
        for entry in entries:
            source, _, outcome = entry.partition(":")
            said.append(f"“{names.step(source)}”" + (f" ({outcome.replace('_', ' ')})" if outcome else ""))
        return listed(said)

    def _reordered(self) -> set[str]:
        """Return the least steps that must have been moved in the list."""
        old = [step.id for step in self._before.steps if step.id in self._new]
        new = [step.id for step in self._after.steps if step.id in self._old]
        matcher = SequenceMatcher(None, old, new, autojunk=False)
        kept = {step_id for a, _, size in matcher.get_matching_blocks() for step_id in old[a : a + size]}
        return set(new) - kept

    def _moved(self, step: Step) -> str:
        place = self._after.index(step.id)
        name = f"“{self._names.step(step.id)}”"
        if place == 0:
            return f"{name} now stands first in the list."
        return f"{name} now stands after “{self._names.step(self._after.steps[place - 1].id)}” in the list."

    def _label(self, type_name: str) -> str:
        facts = self._types.get(type_name)
        return (facts.label if facts else "") or in_words(type_name)

    def _when(self, name: str, old: Step, new: Step) -> Iterator[str]:
        was = None if old.when is None else condition_in_words(old.when, self._old_names)
        now = None if new.when is None else condition_in_words(new.when, self._names)
        if is_same(old.when, new.when):
            return
        if now is None:
            yield f"{name} is now always done; before only if {was}."
        elif was is None:
            yield f"{name} is now only done if {now}."
        else:
            yield f"{name} is now only done if {now}; before if {was}."

    def _for_each(self, name: str, old: Step, new: Step) -> Iterator[str]:
        was, now = old.for_each, new.for_each
        if was == now:
            return
        if now is None:
            yield f"{name} is now done once instead of for every item."
            return
        items = self._items(now.items, self._names)
        if was is None:
            yield f"{name} is now done for every item of {items}, {now.parallel} at a time."
            return
        if was.items != now.items:
            before = self._items(was.items, self._old_names)
            if items == before:
                yield f"The list whose items {name} is done for was changed."
            else:
                yield f"{name} is now done for every item of {items} instead of {before}."
        if was.parallel != now.parallel:
            yield f"{name} now does {now.parallel} items at a time instead of {was.parallel}."

    def _items(self, items: list[Any] | str, names: Names) -> str:
        if isinstance(items, str):
            return shorten(value_in_words(items, names), 120)
        return f"a list of {len(items)}"

    def _settings(self, type_name: str) -> SettingsDiff:
        facts = self._types.get(type_name)
        return SettingsDiff(facts, old=self._old_names, names=self._names, both=self._all_names)

    # --- questions ---

    def _under_old_key(self, question: Input) -> Input:
        other = question.not_before
        key = self._rekeyed.get(question.key, question.key)
        return question.model_copy(update={"key": key, "not_before": other and self._rekeyed.get(other, other)})

    def _questions(self) -> Iterator[Change]:
        old = {question.key: question for question in self._before.inputs}
        new = {question.key: question for question in self._after.inputs}
        for key, question in old.items():
            if key not in new:
                yield Change("removed", f"The question “{question_label(question)}” is no longer asked.")
        called = {key: question_label(question) for key, question in (old | new).items()}
        for key, question in new.items():
            if key not in old:
                must = "; it must be answered" if question.required else ""
                yield Change("added", f"A new question is asked: “{question_label(question)}”{must}.")
            else:
                yield from (Change("changed", said) for said in question_changes(old[key], question, called))
                if key in self._rekeyed.values():
                    yield Change("changed", renamed_question(question))
        if [key for key in old if key in new] != [key for key in new if key in old]:
            yield Change("changed", "The questions are asked in another order.")


# --- words ---------------------------------------------------------------------------------------------------------

_ASKS = re.compile(r"(?:ask|await|get|request|seek|wait)\b", re.I)
_DECIDES = re.compile(
    r"^(?:the )?(?P<who>.{2,60}?) (?:decides|approves|agrees|signs|checks|looks|reads|reviews|confirms|says)\b",
    re.I,
)


def _retry(name: str, old: Step, new: Step) -> Iterator[str]:
    was, now = old.retry, new.retry
    if was == now:
        return
    if now is None:
        yield f"When {name} fails, it is now tried again by the usual rules."
        return
    if was is None or was.attempts != now.attempts:
        before = "" if was is None else f" instead of {times(was.attempts)}"
        yield f"{name} is now tried {times(now.attempts)} at most{before}."
    if was is None or (was.backoff, was.delay_s, was.max_delay_s) != (
        now.backoff,
        now.delay_s,
        now.max_delay_s,
    ):
        grows = {
            "fixed": "always the same",
            "linear": "a little longer each time",
            "exponential": "twice as long each time",
        }[now.backoff]
        until = f", {duration(now.max_delay_s)} at most" if now.backoff != "fixed" else ""
        yield f"Between the tries of {name} the wait is now {duration(now.delay_s)}, {grows}{until}."


# --- comparing -----------------------------------------------------------------------------------------------------


def _renamed_ids(before: Definition, after: Definition) -> dict[str, str]:
    """Return the steps that only got another id: the same type and name, and no other like it on either side."""
    old, new = ([(step.id, (step.type, step.name)) for step in each.steps] for each in (before, after))
    return _renamed(old, new)


def _renamed_keys(before: Definition, after: Definition) -> dict[str, str]:
    """Return the questions that only got another key: the same kind and words, and no other like it on either side."""
    old, new = ([(each.key, (each.type.value, each.label)) for each in one.inputs] for one in (before, after))
    return _renamed(old, new)


def _renamed(old: Sequence[_Called], new: Sequence[_Called]) -> dict[str, str]:
    def alike(these: Sequence[_Called], others: Sequence[_Called]) -> dict[tuple[str, str], str]:
        count, taken = Counter(told for _, told in these), {name for name, _ in others}
        return {told: name for name, told in these if name not in taken and count[told] == 1}

    gone, fresh = alike(old, new), alike(new, old)
    return {fresh[told]: gone[told] for told in gone.keys() & fresh.keys()}


def _swap_ids(value: Any, renamed: Mapping[str, Mapping[str, str]], *, whole: bool = False) -> Any:
    """Return *value* with what its ``{{ … }}`` name under its old name; where *whole*, texts that are an id too."""
    match value:
        case str() if "{{" in value:
            return _NAMED.sub(lambda found: f"{found[1]}.{renamed[found[1]].get(found[2], found[2])}", value)
        case str():
            return renamed["steps"].get(value, value) if whole else value
        case list():
            return [_swap_ids(one, renamed, whole=whole) for one in value]
        case dict():
            return {key: _swap_ids(one, renamed) for key, one in value.items()}
    return value


def _source(entry: str) -> str:
    return entry.partition(":")[0]


def _through(entries: Sequence[str], skipped: Mapping[str, Step]) -> set[str]:
    """Return what *entries* lead back to when the *skipped* steps are looked through."""
    found: set[str] = set()
    waiting, seen = list(entries), set[str]()
    while waiting:
        entry = waiting.pop()
        source = _source(entry)
        if source not in skipped:
            found.add(entry)
        elif source not in seen:
            seen.add(source)
            waiting.extend(skipped[source].after)
    return found
