"""Finding runs by words: each run keeps the words of its name and answers, and a search reads them by an index.

A word is a run of letters and digits, lower case, without accents. What is typed matches the beginning of words;
several words must all match. An e-mail address or a date is found by its parts, "$22,500" also as 22500.

Of a table among the answers the e-mail addresses, VINs, phone and stock numbers are kept, those of the first rows.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.db import table
from app.core.words import LONGEST, words
from app.definition import tables
from app.definition.schema import Definition, InputType
from app.engine import store
from app.engine.models import Run
from app.features.accounts.models import Membership, User
from app.features.runs.models import RunWord
from app.features.workflows.models import Workflow

MOST_WORDS = 60
LONG_TEXT_WORDS = 25  # of a long answer its beginning; further on only what looks like an address or a number
MOST_TABLE_WORDS = 400  # of all tables of a run, beside the others
MOST_TABLE_CHARS = 60_000  # read of each: a start is to stay quick
MOST_TYPED = 6
MOST_NAMED = 20  # workflows, and people, that a word is looked for among the runs of
FEW = 5000  # of several common words one that so few runs have is looked up first, and the others for each of its runs
MOST_SPELLED = 16  # words of one beginning whose first and last runs are looked up
RARE = 2000  # a word of at most so many runs is looked up first; what more have is checked while going down the list
VIN_CHARS = 17
VIN_TAILS = (8, 6)  # how people in the trade say a VIN

_NUMBER = re.compile(r"(run\s*#?|#)?\s*([0-9]{1,9})", re.IGNORECASE)  # "418", "#418", "run 418"
_GROUPED = re.compile(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?!\d)")  # thousands: "22,500"
_CENTS = re.compile(r"(?<=\d)\.00(?!\d)")
_PHONE = re.compile(r"\+?[\d ().-]{10,20}")
_PHONES, _NUMBERED = (
    frozenset(name for column in columns for name in tables.HEADINGS[column].split())
    for columns in (("phone", "mobile"), ("vin", "stock"))
)
_END = "\U0010ffff"
_UNREAD = frozenset(
    {
        InputType.BOOLEAN, InputType.DATE, InputType.DATETIME, InputType.CHOICE, InputType.MULTI_CHOICE, InputType.URL,
        InputType.DOCUMENT, InputType.IMAGE, InputType.IMAGES, InputType.CSV, InputType.JSON,
    }
)  # fmt: skip
_word = table(RunWord)


def words_of(label: str, definition: Definition, inputs: Mapping[str, Any]) -> list[str]:
    """Return the words that a run is found by, each once: those of its name, then of its answers, then of its tables.

    At most :data:`MOST_WORDS`, and :data:`MOST_TABLE_WORDS` more of tables.
    """
    found = [*words(label), *_amounts(label)]
    for question in definition.inputs:
        if question.type not in _UNREAD:
            for text in _texts(inputs.get(question.key)):
                found += _of_answer(text, question.type)
    kept = dict.fromkeys(list(dict.fromkeys(_tails(found) + found))[:MOST_WORDS])
    handed = (inputs.get(question.key) for question in definition.inputs if question.type is InputType.CSV)
    listed = _of_tables(text for text in handed if isinstance(text, str) and text)
    return [*kept, *islice((word for word in listed if word not in kept), MOST_TABLE_WORDS)]


def add(session: Session, workspace_id: str, number: int, found: Iterable[str]) -> None:
    """Write further words of a run; may be called again with the same ones."""
    there = sa.select(_word.c.word).where(_word.c.workspace_id == workspace_id, _word.c.number == number)
    kept = set(session.execute(there).scalars())
    new = dict.fromkeys(word for word in found if word not in kept)
    rows = [{"workspace_id": workspace_id, "number": number, "word": word} for word in new]
    if rows:
        unique = ["workspace_id", "number", "word"]  # another step of the run may write the same words now
        session.execute(store.insert_new(session, _word, unique), rows)


@dataclass(frozen=True, slots=True)
class Match:
    """Which runs fit what was typed. *is_narrow*: at most some thousand do, and the conditions name them.

    Else the conditions look up the *common* words of each run that they are asked about, after the cheap ones; *also*
    is a run called by its number.
    """

    conditions: Sequence[sa.ColumnElement[bool]]
    is_narrow: bool
    common: Sequence["_Typed"] = ()
    also: frozenset[int] = frozenset()

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """All conditions as one."""
        return sa.and_(*self.conditions)

    @property
    def between(self) -> Sequence[sa.ColumnElement[bool]]:
        """The numbers between which all runs that fit are known to be: one of the conditions, for an index; or none."""
        span = _span_of_all(self.common)
        return [Run.number.between(span.first, span.last)] if span and not self.is_narrow and not self.also else []


def matching(session: Session, workspace_id: str, text: str) -> Match:
    """Return which runs fit what was typed: words, a workflow's or a person's name, or a run's number.

    Two statements, whatever is typed and however many runs fit.
    """
    number = _NUMBER.fullmatch(text.strip())
    also = frozenset((int(number[2]),) if number else ())
    if number and number[1]:
        return Match([Run.number.in_(sorted(also))], True)
    plain = _CENTS.sub("", _GROUPED.sub(lambda amount: amount[0].replace(",", ""), text))
    typed = _read(session, workspace_id, words(plain)[:MOST_TYPED])
    rare = [word.numbers for word in typed if word.numbers is not None]
    common = [word for word in typed if word.numbers is None]
    if rare or not typed:
        named = _named(session, frozenset.intersection(*rare) if rare else frozenset(), common)
        return Match(_or_also([named], also), True)
    span = _span_of_all(common)
    if span is not None and span.first > span.last:  # no run can have them all
        return Match(_or_also([_named(session, frozenset())], also), True)
    return Match(_or_also(_within(session, span, (word.condition for word in common)), also), False, common, also)


def narrowed(session: Session, match: Match, most: int = 0, *, far_apart: bool = False) -> Match:
    """Return *match* with its runs named where at most *most* (usually :data:`RARE`) have all of its common words.

    *far_apart* tells that the list may come by most runs before the first that fits, as that of names does: then each
    word's runs are read once. Two statements more where there are several common words.
    """
    if match.is_narrow:
        return match
    numbers = _in_all(session, match.common, most or RARE) if len(match.common) > 1 else None
    if numbers is not None:
        return Match([_named(session, numbers | match.also)], True)
    if not far_apart:
        return match
    read_once = (word.read_once for word in match.common)
    return Match(_or_also(_within(session, _span_of_all(match.common), read_once), match.also), False)


@dataclass(frozen=True, slots=True)
class _Span:
    """The numbers between which all runs with a word are, both included."""

    first: int
    last: int


def _span_of_all(common: Sequence["_Typed"]) -> _Span | None:
    """Return where the runs are that have all of these words, as far as is known."""
    spans = [word.span for word in common if word.span is not None]
    return _Span(max(span.first for span in spans), min(span.last for span in spans)) if spans else None


def _within(
    session: Session, span: _Span | None, conditions: Iterable[sa.ColumnElement[bool]]
) -> list[sa.ColumnElement[bool]]:
    """Ask these conditions, which look words up, of the runs of the span alone."""
    return [*([_is_in(session, Run.number, span)] if span else []), *conditions]


def _is_in(session: Session, number: Any, span: _Span) -> sa.ColumnElement[bool]:
    """Tell whether a number is in the span: on SQLite without an index, since it takes any span for a short one."""
    if session.get_bind().dialect.name != "postgresql":
        number = sa.func.coalesce(number, number)
    return sa.between(number, span.first, span.last)


def _named(session: Session, numbers: frozenset[int], common: Sequence["_Typed"] = ()) -> sa.ColumnElement[bool]:
    """Whether the run at hand has one of these numbers and all of these words.

    PostgreSQL takes the numbers as one array, read once a statement, and goes through them once a word; SQLite has them
    written out and looks up the words of each. A thousand parameters take longer than either.
    """
    if session.get_bind().dialect.name != "postgresql":
        listed = sa.bindparam(None, sorted(numbers), type_=sa.Integer, expanding=True, literal_execute=True)
        # No index of an order has the revision: else SQLite, which takes every workspace for small, walks all of one.
        return sa.and_(Run.number.in_(listed), Run.revision.is_not(None), *(word.condition for word in common))
    array = sa.bindparam(None, f"{{{','.join(map(str, sorted(numbers)))}}}", sa.types.NullType())
    # As a text it would be read anew for each run that is not found by the number alone.
    those: sa.ColumnElement[Any] = sa.cast(array, sa.ARRAY(sa.Integer))
    for word in common:
        if not word.is_name:
            those = sa.func.array(word.in_words.where(_word.c.number == sa.any_(those)).scalar_subquery())
    return sa.and_(Run.number == sa.any_(those), *(word.condition for word in common if word.is_name))


def _or_also(conditions: list[sa.ColumnElement[bool]], also: frozenset[int]) -> list[sa.ColumnElement[bool]]:
    return [sa.or_(sa.and_(*conditions), Run.number.in_(sorted(also)))] if also else conditions


def _in_all(session: Session, common: Sequence["_Typed"], most: int) -> frozenset[int] | None:
    """Return the runs that have all of these words, each common by itself; None when they are many."""
    if any(word.is_name for word in common):
        return None
    span = _span_of_all(common)
    of_words = [word.in_words for word in common]
    if span is not None:
        of_words = [those.where(_is_in(session, _word.c.number, span)) for those in of_words]
    some = (sa.select(sa.func.count()).select_from(those.limit(FEW + 1).subquery()) for those in of_words)
    sizes = session.execute(sa.select(*(each.scalar_subquery() for each in some))).one()
    size, place = min((size, place) for place, size in enumerate(sizes))
    if size <= FEW:  # each is looked for among the words of the others
        others = [word.is_of(_word.c.number) for at, word in enumerate(common) if at != place]
        found: sa.Select[Any] | sa.CompoundSelect[Any] = of_words[place].where(*others).distinct()
    else:
        found = sa.intersect(*of_words)
    numbers = session.execute(found.limit(most + 1)).scalars().all()
    return frozenset(numbers) if len(numbers) <= most else None


def _read(session: Session, workspace_id: str, typed: Sequence[str]) -> list["_Typed"]:
    """Read what each of these words is: a name of workflows, of people, and the numbers of few runs."""
    if not typed:
        return []
    named = [(word, kind, wanted) for word in typed for kind, wanted in _called(workspace_id, word)]
    ids = defaultdict[tuple[str, str], list[str]](list)
    each = (sa.select(sa.literal(word), sa.literal(kind), some.subquery()) for word, kind, some in named)
    for word, kind, found in session.execute(sa.union_all(*each)):
        ids[word, kind].append(found)
    read = [_Typed(workspace_id, word, ids[word, "workflow"], ids[word, "person"]) for word in typed]
    listed = [_listed(source) for word in read for source in word.sources]
    spans = [_spanned(workspace_id, word, place) for place, word in enumerate(typed)]
    texts = iter(session.execute(sa.select(*listed, *spans)).one())
    for word in read:
        word.keep_few([text.split(",") if text else [] for text in islice(texts, len(word.sources))])
    for word, text in zip(read, texts, strict=True):
        word.keep_span(text)
    return read


def _called(workspace_id: str, word: str) -> Iterator[tuple[str, sa.Select[Any]]]:
    """Yield the workflows and the people of a workspace that are called so."""
    named = Workflow.name.icontains(word, autoescape=True)
    yield "workflow", sa.select(Workflow.id).where(Workflow.workspace_id == workspace_id, named).limit(MOST_NAMED)
    called = sa.or_(User.name.icontains(word, autoescape=True), User.email.icontains(word, autoescape=True))
    member = sa.select(Membership.user_id).where(Membership.workspace_id == workspace_id)
    yield "person", sa.select(User.id).where(User.id.in_(member), called).limit(MOST_NAMED)


def _listed(source: sa.Select[Any]) -> sa.ScalarSelect[str]:
    """Select the numbers of a source as one text, one more than are rare: thousands of rows take longer."""
    some = source.limit(RARE + 1).subquery()
    return sa.select(sa.func.aggregate_strings(sa.cast(some.c.number, sa.String), ",")).scalar_subquery()


def _spanned(workspace_id: str, word: str, place: int) -> sa.ScalarSelect[str]:
    """Select the first and the last number of the words that begin so, and how many those are, as one text.

    Goes from each such word to the next by the index; an aggregate of all their runs would read every one.
    """
    here = _word.c.workspace_id == workspace_id
    begins = sa.and_(here, _word.c.word < word + _END)
    start = sa.select(sa.func.min(_word.c.word).label("word"), sa.literal(1).label("place"))
    spelled = start.where(begins, _word.c.word >= word).cte(f"spelled_{place}", recursive=True)
    further = sa.select(sa.func.min(_word.c.word)).where(begins, _word.c.word > spelled.c.word).scalar_subquery()
    following = sa.select(further, spelled.c.place + 1)
    spelled = spelled.union_all(following.where(spelled.c.word.is_not(None), spelled.c.place <= MOST_SPELLED))
    first, last = (
        sa.select(end(_word.c.number)).where(here, _word.c.word == spelled.c.word).scalar_subquery()
        for end in (sa.func.min, sa.func.max)
    )
    span = sa.select(first.label("first"), last.label("last")).where(spelled.c.word.is_not(None)).subquery()
    facts = (sa.func.min(span.c.first), sa.func.max(span.c.last), sa.func.count())
    low, high, count = (sa.cast(fact, sa.String) for fact in facts)
    return sa.select(low + "," + high + "," + count).scalar_subquery()


class _Typed:
    """A word as typed: *numbers* of the runs that fit while they are few, else the *condition* to try on each run."""

    def __init__(self, workspace_id: str, word: str, workflows: list[str], people: list[str]) -> None:
        self._workspace_id, self._word, self._workflows, self._people = workspace_id, word, workflows, people
        self.numbers: frozenset[int] | None = None
        self.span: _Span | None = None
        self.in_words = sa.select(_word.c.number).where(
            _word.c.workspace_id == workspace_id, _word.c.word >= word, _word.c.word < word + _END
        )
        of = sa.select(Run.number).where(Run.workspace_id == workspace_id)
        self.sources = [self.in_words, *(of.where(column.in_(ids)) for column, ids in self._names)]

    @property
    def is_name(self) -> bool:
        """Whether a workflow or a person is called so."""
        return bool(self._names)

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """Whether the run at hand has the word, is of such a workflow, or was started by such a person."""
        return sa.or_(self.is_of(Run.number), *(column.in_(ids) for column, ids in self._names))

    @property
    def read_once(self) -> sa.ColumnElement[bool]:
        """The condition by a look among all that have the word, read once; "is true" keeps them from being joined."""
        has_word = Run.number.in_(self.in_words).is_(sa.true())
        return sa.or_(has_word, *(column.in_(ids) for column, ids in self._names))

    def keep_few(self, listed: Iterable[Sequence[str]]) -> None:
        """Keep the numbers that each source listed, unless one had more than are rare."""
        if all(len(numbers) <= RARE for numbers in listed):
            self.numbers = frozenset(int(number) for numbers in listed for number in numbers)

    def keep_span(self, text: str | None) -> None:
        """Keep where the runs with the word are, unless it begins too many words or is a name as well."""
        if text and not self.is_name:
            first, last, count = map(int, text.split(","))
            self.span = _Span(first, last) if count <= MOST_SPELLED else None

    def is_of(self, number: Any) -> sa.ColumnElement[bool]:
        """Look up the words of the run with this number."""
        other = _word.alias()
        of_run = (
            sa.select(sa.literal(1))
            .where(
                other.c.workspace_id == self._workspace_id,
                other.c.number == number,
                other.c.word >= self._word,
                other.c.word < self._word + _END,
            )
            .limit(1)
            .scalar_subquery()  # not EXISTS: PostgreSQL reads all that have the word to answer that
        )
        return of_run.is_not(None)

    @property
    def _names(self) -> list[tuple[Any, list[str]]]:
        """The columns of runs, and which of their values are called so."""
        either = ((Run.workflow_id, self._workflows), (Run.started_by, self._people))
        return [(column, ids) for column, ids in either if ids]


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case bool() | None:
            return
        case int() | float():
            yield f"{value:g}" if isinstance(value, float) else str(value)
        case list() | tuple():
            for part in value:
                yield from _texts(part)
        case dict():  # a vehicle
            yield from _texts(list(value.values()))
        case _:
            return


def _of_answer(text: str, kind: InputType) -> list[str]:
    if kind is InputType.PHONE:
        return [*words(text), "".join(mark for mark in text if mark.isdigit())[:LONGEST]]
    found, amounts = words(text[:20_000]), _amounts(text[:20_000])
    if kind is not InputType.LONG_TEXT:
        return [*found, *amounts]
    addresses = {word for part in text[:20_000].split() if "@" in part for word in words(part)}
    kept = [word for place, word in enumerate(found) if place < LONG_TEXT_WORDS or word in addresses or _is_mixed(word)]
    return [*kept, *amounts]


def _amounts(text: str) -> list[str]:
    """Return the amounts of a text that are written with commas, without them."""
    return [each.replace(",", "")[:LONGEST] for each in _GROUPED.findall(text)]


def _tails(found: Iterable[str]) -> list[str]:
    return [word[-most:] for word in found if len(word) == VIN_CHARS and _is_mixed(word) for most in VIN_TAILS]


def _of_tables(texts: Iterable[str]) -> Iterable[str]:
    """Return the words of tables: what names a row, for as many rows as there is room, then how else it is written."""
    found, others = dict[str, None](), list[str]()
    for text in texts:
        for heading, cell in _cells(text):
            named, also = _of_cell(heading, cell)
            found.update(dict.fromkeys(named))
            others += also
            if len(found) > MOST_TABLE_WORDS + MOST_WORDS:
                return found
    return dict.fromkeys([*found, *others])


def _cells(text: str) -> Iterator[tuple[str, str]]:
    """Yield the cells of a table with their plain headings, row by row; what is no table has none."""
    beginning = text[:MOST_TABLE_CHARS]
    if len(text) > len(beginning):
        beginning = beginning.rpartition("\n")[0]  # not the half of a row
    try:
        table = tables.read(beginning)
    except tables.TableInvalid:
        return
    headings = [tables.plain(heading) for heading in table.headings]
    for row in table.rows:
        yield from zip(headings, row, strict=True)


def _of_cell(heading: str, cell: str) -> tuple[list[str], list[str]]:
    """Return the words that name a row and how else they are written: a phone number's parts, a VIN's end."""
    if "@" in cell:
        return [word for part in cell.split() if "@" in part for word in words(part)], []
    if heading in _PHONES or _PHONE.fullmatch(cell):
        digits = "".join(mark for mark in cell if mark.isdigit())[:LONGEST]
        return ([digits], words(cell)) if len(digits) >= (7 if heading in _PHONES else 10) else ([], [])
    if heading in _NUMBERED or (len(cell) == VIN_CHARS and cell.isalnum() and _is_mixed(cell)):
        named = words(cell[:100])
        return named, _tails(named)
    return [], []


def _is_mixed(word: str) -> bool:
    """Tell whether a word looks like a stock number or a VIN: letters and digits, or many digits."""
    has_digit = any(mark.isdigit() for mark in word)
    return len(word) >= 4 and has_digit and (len(word) >= 5 or not word.isdigit())
