"""Rules of files: names that are safe in an archive, cells that are safe in a spreadsheet, titles that fit."""

import re
import unicodedata

from app.core.errors import FieldError, Invalid
from app.definition.shape import text_fault

LONGEST_TITLE = 300
LONGEST_BODY = 200_000
LONGEST_ALT = 160
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def checked_text(title: str, body: str) -> tuple[str, str]:
    """Return title and body without stray space at their ends. Raises Invalid naming each field that does not fit."""
    title, body = " ".join(title.split()), body.replace("\r\n", "\n").strip()
    problems = []
    for path, what, text in (("/title", "title", title), ("/body", "text", body)):
        if fault := text_fault(text):
            problems.append(FieldError(path, "bad_value", f"The {what} holds {fault}.", "Type it again."))
    if len(title) > LONGEST_TITLE:
        problems.append(
            FieldError("/title", "too_large", f"The title has more than {LONGEST_TITLE} characters.")
        )
    if not body:
        problems.append(FieldError("/body", "required", "The text is empty."))
    if len(body) > LONGEST_BODY:
        problems.append(
            FieldError("/body", "too_large", f"The text has more than {LONGEST_BODY:,} characters.")
        )
    if problems:
        raise Invalid("The text was not saved.", problems)
    return title, body


def shown_title(title: str, body: str, position: int) -> str:
    """Return a title that is never empty: the first words of the text, or the number, stand in."""
    title = " ".join(title.split()) or _first_words(body) or f"Text {position}"
    return title[:LONGEST_TITLE]


def alt_text(prompt: str) -> str:
    """Return what a reader who cannot see the picture is told: the first words of its prompt."""
    words = " ".join(prompt.split())
    return words if len(words) <= LONGEST_ALT else words[: LONGEST_ALT - 1].rsplit(" ", 1)[0] + "…"


def archive_name(number: int, title: str) -> str:
    """Return a name such as ``03-spring-lease`` of ASCII letters, digits and dashes, at most 60 characters."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:55].rstrip("-")
    return f"{number:02d}-{words or 'text'}"


def safe_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _first_words(body: str) -> str:
    line = next((part.strip() for part in body.splitlines() if part.strip()), "")
    return line if len(line) <= 80 else line[:79].rsplit(" ", 1)[0] + "…"
