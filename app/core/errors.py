"""Errors that people meet: each says what happened and what to do. The edges make pages, JSON or exit codes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: its path, a stable code, the message, and what to do instead."""

    path: str
    code: str
    message: str
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the four parts as the JSON that the API and ``--json`` show."""
        return {"path": self.path, "code": self.code, "message": self.message, "fix": self.fix}


class GreenlightError(Exception):
    """The base of what we raise on purpose. *status* is HTTP's, *code* is stable, *fix* says what to do."""

    status = 500
    code = "internal"

    def __init__(self, message: str, *, fix: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        if code is not None:
            self.code = code


class NotFound(GreenlightError):
    """It does not exist, or not in the reader's workspace: both look the same from outside."""

    status = 404
    code = "not_found"


class Forbidden(GreenlightError):
    """The person is known and may not do this."""

    status = 403
    code = "forbidden"


class Conflict(GreenlightError):
    """Somebody or something was quicker; the message says who and what holds now."""

    status = 409
    code = "conflict"


class Gone(GreenlightError):
    """It existed and has ended: used, withdrawn or expired."""

    status = 410
    code = "gone"


class Unavailable(GreenlightError):
    """A part of the house does not answer for now; trying again later is right."""

    status = 503
    code = "unavailable"


class Invalid(GreenlightError):
    """What was sent is not right. *problems* lists every fault by field."""

    status = 422
    code = "invalid"

    def __init__(
        self, message: str, problems: Sequence[FieldError] = (), *, fix: str = "", code: str | None = None
    ) -> None:
        super().__init__(message, fix=fix, code=code)
        self.problems = tuple(problems)

    def by_field(self) -> Mapping[str, list[str]]:
        """Return the messages grouped by the last part of each path: what a form shows beside its fields."""
        grouped: dict[str, list[str]] = {}
        for problem in self.problems:
            grouped.setdefault(problem.path.rsplit("/", 1)[-1], []).append(problem.message)
        return grouped
