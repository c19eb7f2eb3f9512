"""Finding documents by words: those of the title and the text, and those of the name of the run that wrote it.

What is typed matches the beginning of words; several words must all match, some in the text and some in the name of the
run. The words of a text stand in an index of the database's own kind: a GIN index on PostgreSQL, an FTS5 table beside
on SQLite, filled by triggers. Both know the first 20,000 characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.words import words
from app.engine.models import RUN_NAME, Run
from app.features.files.models import DOCUMENT_WORDS, Document

MOST_TYPED = 6
RARE = 1000  # what more documents have is not looked up first: it is checked while going down the list

# Neither reads more than it is to give: SQLite keeps to the order of a CROSS JOIN.
_most: sa.BindParameter[int] = sa.bindparam("most")
_IN_POSTGRESQL = sa.text(
    f"SELECT id FROM document WHERE workspace_id = :workspace_id AND {DOCUMENT_WORDS} "  # noqa: S608 (a constant)
    "@@ to_tsquery('simple', :asked) LIMIT :most"
)
_IN_SQLITE = sa.text(
    "SELECT document.id FROM document_words CROSS JOIN document_words_of ON number = document_words.rowid "
    "CROSS JOIN document ON document.id = document_id "
    "WHERE document_words MATCH :asked AND workspace_id = :workspace_id LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class Match:
    """The documents that fit; *is_narrow* where they were looked up and are few."""

    condition: sa.ColumnElement[bool]
    is_narrow: bool


def matching(session: Session, workspace_id: str, text: str) -> Match:
    """Return what selects the documents that a person looks for: at most three statements a word."""
    typed = words(text)[:MOST_TYPED]
    found = {word: _few(session, workspace_id, word) for word in typed}
    rare = [ids for ids in found.values() if ids is not None]
    common = [word for word, ids in found.items() if ids is None]
    if len(common) > 1 and not rare:
        together = _with(session, workspace_id, common)
        rare, common = ([together], []) if together is not None else (rare, common)
    checks = [_has(word) for word in common]
    if not rare and typed:
        return Match(sa.and_(*checks), False)
    ids = sorted(frozenset.intersection(*rare) if rare else ())
    return Match(sa.and_(Document.id.in_(ids), *checks), True)


def _few(session: Session, workspace_id: str, word: str) -> frozenset[str] | None:
    """Return the documents that have the word; None when they are many."""
    in_text = _with(session, workspace_id, [word])
    if in_text is None:
        return None
    named = sa.select(Run.id).where(Run.workspace_id == workspace_id, RUN_NAME.contains(word)).limit(_most)
    runs = _ids(session, named)
    if not runs:
        return None if runs is None else in_text
    in_name = _ids(session, sa.select(Document.id).where(Document.run_id.in_(runs)).limit(_most))
    return None if in_name is None else in_text | in_name


def _with(session: Session, workspace_id: str, typed: Sequence[str]) -> frozenset[str] | None:
    """Return the documents whose own words begin so, all of them; None when they are many."""
    if session.get_bind().dialect.name == "postgresql":
        wanted, asked = _IN_POSTGRESQL, " & ".join(f"{word}:*" for word in typed)
    else:
        wanted, asked = _IN_SQLITE, " AND ".join(f'"{word}"*' for word in typed)
    return _ids(session, wanted.bindparams(asked=asked, workspace_id=workspace_id))


def _ids(session: Session, wanted: sa.Executable) -> frozenset[str] | None:
    ids = session.execute(wanted, {"most": RARE + 1}).scalars().all()
    return frozenset(ids) if len(ids) <= RARE else None


def _has(word: str) -> sa.ColumnElement[bool]:
    """Whether the document at hand has a word that many have: without its index, so in the middle of words too."""
    run = sa.select(Run.id).where(Run.id == Document.run_id, RUN_NAME.contains(word))
    texts = (sa.func.lower(column).contains(word) for column in (Document.title, Document.body))
    # not EXISTS: PostgreSQL reads the names of all runs to answer that
    return sa.or_(*texts, run.correlate(Document).scalar_subquery().is_not(None))
