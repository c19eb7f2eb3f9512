"""Words as searches know them: runs of letters and digits, lower case, without accents."""

import re
import unicodedata

LONGEST = 40
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the words of a text in their order, each once; a single letter is none."""
    plain = text.lower() if text.isascii() else _plain(text)
    found = [word[:LONGEST] for word in _WORD.findall(plain) if len(word) > 1 or word.isdigit()]
    return list(dict.fromkeys(found))


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(mark for mark in plain if not unicodedata.combining(mark))
