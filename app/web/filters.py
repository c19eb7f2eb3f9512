"""How values are written on pages: money, times, counts, Markdown. Times are in the workspace's zone."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import nh3
from flask import Flask
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from app.core.clock import iso, now
from app.core.ids import new_id
from app.web.moments import zone_named

NBSP = "\u00a0"
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")
_AFTER_AT = re.compile(r"(?<=\w@)(?=\w)")
_HYPHENED = re.compile(r"\b([A-Z0-9]{1,5}(?:-[A-Z0-9]{1,5})+|[Ee]-mails?)\b")  # names of models, few words
_TAGS = {
    "p", "br", "strong", "em", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "code", "pre", "hr",
    "a", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


def init_app(app: Flask) -> None:
    """Register the filters and ``now()``."""
    for function in (
        money,
        ago,
        moment,
        day,
        duration,
        plural,
        told_apart,
        spelled,
        initials,
        markdown,
        lines,
        size,
        percent,
        up_to_99,
        up_to,
        unbroken,
        addresses,
    ):
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals["now"] = now
    app.jinja_env.globals["new_id"] = new_id
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True


def money(microusd: int | None) -> str:
    """Write micro-dollars as dollars: ``$0.31``; less than a cent is said to be that."""
    if not microusd:
        return "$0.00"
    cents = (abs(microusd) + 5_000) // 10_000
    if cents == 0:
        return "under" + NBSP + "$0.01"
    return f"{'-' if microusd < 0 else ''}${cents // 100:,}.{cents % 100:02d}"


def up_to_99(number: int) -> str:
    """Write a count beside a word: more than 99 is ``99+``."""
    return str(number) if number < 100 else "99+"


def up_to(number: int, most: int) -> str:
    """Write a number that was counted up to *most*: ``998``, ``1,000+``."""
    return f"{number:,}" if number < most else f"{most:,}+"


def unbroken(text: object) -> Markup:
    """Keep names such as CR-V and "e-mail" on one line; the text itself stays as it is, to be copied and found."""
    kept = Markup('<span class="nowrap">{}</span>')
    parts = _HYPHENED.split(str(text or ""))
    return Markup("").join(kept.format(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def addresses(text: object) -> Markup:
    """Let an e-mail address break after its "@" where it has no room, not in the middle of a word."""
    return Markup("<wbr>").join(_AFTER_AT.split(str(text or "")))


def duration(seconds: float | None) -> str:
    """Write a length of time: ``14 s``, ``1 min 52 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 1:
        return "under 1 s".replace(" ", NBSP)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    first = next(index for index, (amount, _) in enumerate(parts) if amount)
    shown = [f"{amount}{NBSP}{unit}" for amount, unit in parts[first : first + 2] if amount]
    return " ".join(shown)


def ago(value: datetime | None, zone: str | None = None) -> Markup:
    """Write a moment as people say it, past or future, in a ``<time>`` with the exact one as its title."""
    if value is None:
        return Markup("")
    tag = Markup('<time datetime="{}" title="{}">{}</time>')
    return tag.format(iso(value), moment(value, zone), spoken(value, zone))


def spoken(value: datetime, zone: str | None = None) -> str:
    """Write a moment as people say it: ``40 min ago``, ``yesterday, 16:20``, ``in 2 h``, ``tomorrow, 09:00``."""
    seconds = (now() - value).total_seconds()
    if abs(seconds) < 45:
        return "just now" if seconds >= 0 else "in a moment"
    if abs(seconds) < 12 * 3600:
        amount = _rough(abs(seconds))
        return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return by_distance(value, zone, now())


def by_distance(value: datetime, zone: str | None, today: datetime) -> str:
    """Write a moment by how far it is: ``today, 17:00``, ``Sun, 17:06``, ``29 Nov, 17:06``, ``29 Nov 2025, 17:06``."""
    local, here = value.astimezone(zone_named(zone)), today.astimezone(zone_named(zone))
    days = (local.date() - here.date()).days
    named = {0: "today", -1: "yesterday", 1: "tomorrow"}.get(days)
    if named is None:
        named = f"{local:%a}" if -7 < days < 7 else _date(local, here.year)
    return f"{named}, {local:%H:%M}"


def moment(value: datetime | None, zone: str | None = None) -> str:
    """Write a moment exactly: ``18 Nov 2025, 08:52``."""
    if value is None:
        return ""
    local = value.astimezone(zone_named(zone))
    return f"{local.day}{NBSP}{local:%b %Y, %H:%M}"


def day(value: datetime | None, zone: str | None = None) -> str:
    """Write a moment's day: ``18 Nov``, with the year when it is not this one."""
    if value is None:
        return ""
    local = value.astimezone(zone_named(zone))
    return _date(local, now().astimezone(local.tzinfo).year)


def told_apart(names: Iterable[str]) -> list[str]:
    """Return the alternative texts of pictures side by side, those that are alike numbered: ``A red car, 1 of 5``."""
    said = [name or "Picture" for name in names]
    number, seen = Counter(said), Counter[str]()
    numbered = []
    for name in said:
        seen[name] += 1
        numbered.append(f"{name}, {seen[name]} of {number[name]}" if number[name] > 1 else name)
    return numbered


def plural(number: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: ``3 steps``, ``1 step``."""
    return f"{number:,}{NBSP}{one if number == 1 else many or one + 's'}"


def ordinal(number: int) -> str:
    """Write a place in a line: ``1st``, ``2nd``, ``11th``."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number:,}{ending}"


_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def spelled(number: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun for a sentence, small ones in words: ``three runs``."""
    noun = one if number == 1 else many or one + "s"
    return f"{_WORDS[number] if 0 <= number < len(_WORDS) else f'{number:,}'}{NBSP}{noun}"


def initials(name: str) -> str:
    """Return up to two capital letters for a name or an address."""
    words = [word for word in name.replace("@", " ").replace(".", " ").split() if word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper() or "?"


def markdown(text: str | None) -> Markup:
    """Return Markdown as HTML that holds nothing but text, lists, tables and links to http(s) and mail."""
    html = nh3.clean(
        _markdown.render(text or ""),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(html)  # noqa: S704 (cleaned above)


def lines(text: str | None) -> Markup:
    """Return plain text as HTML that keeps its line ends."""
    return Markup("<br>").join(escape(line) for line in (text or "").splitlines())


def size(size_bytes: int) -> str:
    """Write a size: ``480 KB``, ``2.1 MB``."""
    if size_bytes < 1_000_000:
        return f"{max(1, round(size_bytes / 1000))}{NBSP}KB"
    return f"{size_bytes / 1_000_000:.1f}{NBSP}MB"


def percent(share: float) -> str:
    """Write a share of 0–1: ``97 %``."""
    return f"{round(share * 100)}{NBSP}%"


def _rough(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{round(seconds / length)}{NBSP}{unit}"
    return f"{round(seconds)}{NBSP}s"


def _date(local: datetime, this_year: int) -> str:
    return f"{local.day}{NBSP}{local:%b}" + ("" if local.year == this_year else f"{NBSP}{local.year}")
