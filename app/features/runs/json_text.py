"""JSON for reading: indented, and marked by what each part is."""

import json
import re

from markupsafe import Markup, escape

MOST_MARKED = 60_000  # characters; more than that is shown plain

_PART = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")(?P<colon>:)?|(?P<number>-?\d[\d.eE+-]*)|(?P<word>\b(?:true|false|null)\b)'
)


def plain(value: object) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def marked(value: object) -> Markup:
    """Return a value as indented JSON with its names, texts, numbers and words marked; very long ones plain."""
    text = plain(value)
    if len(text) > MOST_MARKED:
        return escape(text)
    done, parts = 0, []
    for match in _PART.finditer(text):
        parts.append(escape(text[done : match.start()]))
        done = match.end()
        if match["text"] is not None:
            kind = "j-name" if match["colon"] else "j-text"
            parts.append(Markup('<span class="{}">{}</span>{}').format(kind, match["text"], match["colon"] or ""))
        else:
            kind = "j-number" if match["number"] is not None else "j-word"
            parts.append(Markup('<span class="{}">{}</span>').format(kind, match[0]))
    parts.append(escape(text[done:]))
    return Markup("").join(parts)
