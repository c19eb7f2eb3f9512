"""What is wrong with a definition or with answers: one :class:`Problem` a fault, in words for staff, with a way out."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

CODES = frozenset(
    "unknown_step unknown_type unknown_outcome unknown_key unknown_input unknown_field unknown_name unknown_filter"
    " outcome_needed duplicate cycle not_before out_of_range required wrong_type too_large bad_value"
    " bad_condition".split()
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Say what is wrong at *path* (a JSON pointer, RFC 6901), with a stable *code* and what to do instead.

    *name* is the short name of the question or step that is not there, where that is what is wrong.
    """

    path: str
    code: str
    message: str
    fix: str
    name: str = ""

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, as one text."""
        return f"{self.message} {self.fix}".strip()

    def as_dict(self) -> dict[str, str]:
        """Return the four parts as the JSON of the API and of ``--json``."""
        return {"path": self.path, "code": self.code, "message": self.message, "fix": self.fix}

    def of_deleted(self, label: str) -> "Problem":
        """Return the same problem about a question or step that was there, and was called *label*."""
        said = self.message.replace(f"“{shorten(self.name)}”", f"“{shorten(label)}”")
        said = said.replace("is not asked", "is no longer asked").replace("is not a step", "was deleted")
        return replace(self, message=said, fix="Use another one, or undo the deletion.")

    def under(self, *parts: str | int) -> "Problem":
        """Return the same problem with its path moved below *parts*."""
        return replace(self, path=pointer(*parts) + self.path)


class Refused(Exception):
    """An answer cannot be taken: why, and what to do; *part* is the part of it that is meant, *all* has every fault."""

    def __init__(self, code: str, message: str, fix: str, *, part: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.fix, self.part = code, message, fix, part
        self.all: Sequence[Refused] = (self,)

    @classmethod
    def of(cls, faults: "Sequence[Refused]") -> "Refused":
        """Return the first of several faults, with all of them."""
        faults[0].all = tuple(faults)
        return faults[0]


class _Invalid(Exception):
    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in self.problems[:5]))


class DefinitionInvalid(_Invalid):
    """Refuse a definition. *problems* lists every fault that was found, in reading order."""


class InputsInvalid(_Invalid):
    """Refuse the answers of a run. *problems* lists every fault, each at ``/inputs/<key>``, or at its part below."""


def pointer(*parts: str | int) -> str:
    """Write *parts* as a JSON pointer: ``("steps", 2, "a/b")`` becomes ``/steps/2/a~1b``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return *problems* without repetition, in the order their places stand in a definition."""
    return sorted(dict.fromkeys(problems), key=lambda problem: _place(problem.path))


def suggest(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return "Did you mean …?" when a *known* word is close to *word* (first 60 characters), else *otherwise*."""
    near = difflib.get_close_matches(word[:60], list(known)[:300], n=1, cutoff=0.6)
    return f"Did you mean “{near[0]}”?" if near else otherwise


def listed(words: Sequence[str], last: str = "and", most: int = 12) -> str:
    """Write *words* as people do: "a, b and c"; beyond *most* the rest is counted."""
    shown = list(words)
    if len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most} more"]
    return (
        shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {last} {shown[-1]}" if shown else "nothing"
    )


def shorten(text: str, most: int = 60) -> str:
    """Return *text* on one line, cut to *most* characters with an ellipsis, safe to print."""
    if len(text) <= most and text.isprintable():
        return text.strip()
    line = " ".join(text[: most * 4].split())
    line = "".join(mark if mark.isprintable() else "�" for mark in line)
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


_FIRST = {"schema": 0, "inputs": 1, "steps": 2, "limits": 3}


def _place(path: str) -> tuple[tuple[int, int, str], ...]:
    parts = path.split("/")[1:]
    top = (_FIRST.get(parts[0], 9), 0, parts[0]) if parts else (-1, 0, "")
    return (
        top,
        *(
            (0, int(part), "") if part.isdecimal() and part.isascii() and len(part) < 9 else (1, 0, part)
            for part in parts[1:]
        ),
    )
