"""Why a run failed, in eight kinds: what happened, what was kept, what to press, and a code to quote."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.engine import catalog
from app.engine.enums import Category, Effect, StepStatus
from app.features.runs.trace import Entry
from app.features.runs.words import listed
from app.web.filters import plural

_REFUSED = ("refused", "truncated")  # codes of answers that AI would give again to the same request
_NO_CREDIT = "insufficient_quota"  # not the run’s own limit: with credit the same goes through
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the eight kinds: its name, and what it means for the reader where the error does not say it."""

    name: str
    meaning: str


ANSWERS = Kind("Your answers", "One of the answers does not work for this step.")
PERMISSION = Kind("Missing permission", "Greenlight was not let in. Somebody who sets up keys can fix it.")
AI_ANSWER = Kind("AI refused or unreadable", "The AI answered, but not with something that can be used.")
AI_BUSY = Kind("AI busy", "It was tried several times. In a few minutes it usually works.")
OUTSIDE = Kind("Outside system down", "The other system did not answer as it should. It was tried several times.")
MONEY = Kind("Money limit", "The run may not cost more than its workflow allows.")
TOO_LONG = Kind("Waited too long", "The answer did not come in the time that this step has.")
OURS = Kind("Our fault", "Nothing is wrong with your answers. They are saved.")

KINDS: dict[Category, Kind] = {
    Category.INPUT: ANSWERS,
    Category.CONDITION: ANSWERS,
    Category.PERMISSION: PERMISSION,
    Category.AI_ANSWER: AI_ANSWER,
    Category.BUSY: AI_BUSY,
    Category.NETWORK: OUTSIDE,
    Category.OUTSIDE: OUTSIDE,
    Category.UNSURE: OUTSIDE,
    Category.BUDGET: MONEY,
    Category.TIMEOUT: TOO_LONG,
    Category.INTERNAL: OURS,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed run's card: *title* says what happened, *kept* what need not be made again."""

    title: str
    why: str
    fix: str
    step_id: str
    step_name: str
    others: int
    kept: str
    kind: Kind
    code: str
    wants_other_answers: bool  # the same again would fail the same way: the first button then changes the answers
    quoted: tuple[tuple[str, str], ...] = ()  # what of the step's settings is wrong, in the person's own words


def failure(entries: Sequence[Entry], kept: Sequence[str], sent: str, ended_by: str | None = None) -> Failure | None:
    """Return what to say of the step *ended_by* that the run failed by, else of the first that failed; None for none.

    *kept* names what is there ("10 texts"), *sent* says in a sentence what has left the house.
    """
    failed = [entry for entry in entries if entry.status is StepStatus.FAILED]
    if not failed:
        return None
    first = min(failed, key=lambda entry: (entry.id != ended_by, entry.finished_at is None, entry.finished_at))
    error = first.error or {}
    known = error.get("category") in {category.value for category in Category}
    kind = _kind(Category(error["category"]), first.type) if known else OURS
    return Failure(
        title=str(error.get("message") or f"“{first.name}” failed."),
        why=kind.meaning,
        fix=_fix(error, first.attempts),
        step_id=first.id,
        step_name=first.name,
        others=len(failed) - 1,
        kept=_kept(entries, kept, sent),
        kind=kind,
        code=code_of(str(error.get("code") or ""), first.step_run_id or first.id),
        wants_other_answers=_wants_other_answers(kind, error.get("code")),
        quoted=tuple(_quoted(first)),
    )


def _wants_other_answers(kind: Kind, code: object) -> bool:
    return kind is ANSWERS or (kind is AI_ANSWER and code in _REFUSED) or (kind is MONEY and code != _NO_CREDIT)


def _fix(error: Mapping[str, Any], tries: int) -> str:
    """Say what to do; nobody tries by themselves any more what was too busy until now."""
    if error.get("category") == Category.BUSY:
        times = "once" if tries < 2 else f"{tries} times"
        return f"It was tried {times}. Wait some minutes, then try this step again."
    return str(error.get("fix") or "")


def _quoted(entry: Entry) -> Iterator[tuple[str, str]]:
    for line in entry.went_in:
        for piece in line.pieces:
            if piece.origin == "wrong":
                yield line.label, piece.text


def _kind(category: Category, step_type: str) -> Kind:
    """Return the kind of a failure; where it is not AI that is busy, it is another system."""
    known = catalog.step_type(step_type)
    is_ai = known is None or known.effect is Effect.SPENDS
    return OUTSIDE if category is Category.BUSY and not is_ai else KINDS[category]


def _kept(entries: Sequence[Entry], kept: Sequence[str], sent: str) -> str:
    done = sum(entry.status is StepStatus.COMPLETED for entry in entries)
    things = list(kept) or ([f"what {plural(done, 'finished step')} made"] if done else [])
    if not things:
        return f"your answers. {sent}"
    return f"{listed(things)}. Going on from here makes and pays for none of it again. {sent}"


def code_of(code: str, step_run_id: str) -> str:
    """Return the code to quote: that of a fault of ours, else one that always is the same for the same step run."""
    if code.startswith("GL-"):
        return code
    digest = hashlib.sha256(step_run_id.encode()).digest()
    return "GL-" + "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:6])
