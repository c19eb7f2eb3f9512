"""The sample writer: what answers without a provider. Labelled, made of the run's own answers, the same every time.

Texts read like what was asked for (an advertisement, a caption, a letter, a vehicle's listing) so that everything after
them can be tried for real. No time is spent and nothing is paid.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.definition import vehicle
from app.engine.contract import TextRequest
from app.features.ai import sample_forms

LABEL = "Sample"
ROOMY = 1200  # characters where nobody set a limit
_SUBJECT_KEYS = (
    "offer",
    "vehicle",
    "vehicle_of_interest",
    "headline_feature",
    "feature",
    "product",
    "topic",
    "theme",
    "subject",
    "what",
    "message",
)
_DETAIL_KEYS = (
    "price_terms",
    "terms",
    "payment",
    "dates",
    "date",
    "condition",
    "standout",
    "call_to_action",
)
_NAME_KEYS = ("customer_name", "lead_name", "first_name", "customer", "name")
_LONG_KEYS = ("points", "standout", "notes", "facts", "brief")
_HIDDEN = re.compile(
    r"(approver|mail|url|link|phone|vin|token|password|count|tone|voice|stock|people|inventory|owners)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the samples speak of: the subject in a few words, a second fact, a place or name to address."""

    subject: str
    detail: str
    audience: str
    name: str
    question: str
    lines: tuple[str, ...]

    @property
    def is_question(self) -> bool:
        """Whether nothing but the question says what it is about."""
        return bool(self.question) and self.question[1:].startswith(self.subject[1:60])


def write(request: TextRequest) -> dict[str, Any]:
    """Return the JSON of ``request.answer``; ``request.sample`` gives facts, ``count``, ``number`` and limits."""
    wanted = request.sample
    count = max(1, int(wanted.get("count") or 1))
    first = max(1, int(wanted.get("number") or 1))
    told = _with_parts(wanted.get("facts") or {})
    facts = _facts(told, str(wanted.get("prompt") or request.prompt))
    texts = list(_texts(request, facts, told, range(first, first + count)))
    if _is_texts(request.answer):
        return request.answer.model_validate({"texts": texts}).model_dump(mode="json")
    filled = {name: _value(field, texts[0]["text"]) for name, field in request.answer.model_fields.items()}
    return request.answer.model_validate(filled).model_dump(mode="json")


def _with_parts(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers with the parts of a vehicle among them beside the others, and what it is called."""
    found: dict[str, Any] = {}
    for car in filter(vehicle.is_vehicle, answers.values()):
        found |= {**car, "vehicle": vehicle.in_words({**car, "mileage": None, "price": None})}
    return {**found, **answers}


def _texts(request: TextRequest, facts: _Facts, answers: Mapping[str, Any], numbers: range) -> Iterator[dict[str, str]]:
    most = int(request.sample.get("max_chars") or 0) or ROOMY
    title_most = int(request.sample.get("title_max_chars") or 0)
    kind, make, named = sample_forms.kind_of(request.prompt), _maker(request.prompt), _named(request.prompt)
    for number in numbers:
        label = f"{LABEL} {number}: "
        told = sample_forms.Told(facts.subject, facts.name, answers, number)
        text = _stack(_labelled(label, kind.form(told)), most) if kind else make(facts, number, most)
        title = kind.title(told) if kind else ""
        title = title or _title(facts, number, title_most - len(label), named)
        yield {"title": fit(label + title, title_most) if title_most else "", "text": text}


def _labelled(label: str, lines: Iterable[str]) -> list[str]:
    first, *rest = lines
    return [label + first, *rest]


# --- what is asked for ---


_KINDS: tuple[tuple[str, str], ...] = (
    (r"card for|talking points|points for the call", "points"),
    (r"lines? for the slides|slide lines", "slide"),
    (r"e-?mail|letter|reply|follow[- ]?up|text message|sms", "letter"),
    (r"listing|description of (a|an|the|this) .{0,30}(vehicle|car|truck)|vehicle description", "listing"),
    (r"caption|carousel|instagram", "caption"),
)


def _maker(prompt: str) -> Callable[["_Facts", int, int], str]:
    task = prompt[: sample_forms.TASK].lower()
    kind = next((kind for words, kind in _KINDS if re.search(rf"\b({words})\b", task)), "advertisement")
    makers = {"points": _points, "slide": _slide, "letter": _letter, "listing": _listing, "caption": _caption}
    return makers.get(kind, _advertisement)


# What a single text of its kind is called, so that a website text and a post about the same car can be told apart.
_NAMES: tuple[tuple[str, str], ...] = (
    ("website", "Website text"),
    ("marketplace", "Marketplace text"),
    ("social post", "Social post"),
    ("caption", "Caption"),
    ("card for|talking points", "Talking points"),
    ("second, short e-mail", "Second message"),
    ("e-?mail|letter", "Answer"),
)


def _named(prompt: str) -> str:
    task = prompt[: sample_forms.TASK].lower()
    return next((name for words, name in _NAMES if re.search(rf"\b({words})\b", task)), "")


_OPENINGS = (
    "{subject}.",
    "This week: {subject}.",
    "Good news: {subject}.",
    "Made for {audience}: {subject}.",
    "Still looking? {subject}.",
    "One visit, one answer: {subject}.",
    "Your neighbours asked for it: {subject}.",
    "Less to worry about: {subject}.",
    "Worth the short drive: {subject}.",
    "Ready when you are: {subject}.",
)
_CLOSINGS = (
    "Book your visit today.",
    "See it in person.",
    "Ask us anything.",
    "Save your place.",
    "Take a closer look.",
    "Come by this week.",
    "Reserve it online.",
    "We keep it ready.",
    "Tell us what you need.",
)


def _advertisement(facts: _Facts, number: int, most: int) -> str:
    opening = _pick(_OPENINGS, number).format(subject=facts.subject, audience=facts.audience)
    closing = _pick(_CLOSINGS, number + (number - 1) // len(_OPENINGS))
    label = f"{LABEL} {number}: "
    room = most - len(label)
    for parts in ((opening, facts.detail, closing), (opening, closing), (opening,)):
        text = " ".join(part for part in parts if part)
        if len(text) <= room:
            return label + text
    short = fit(facts.subject, room - len(closing) - 2)
    if room <= 0:
        return fit(label, most)
    return label + (f"{short}. {closing}" if len(short) > 12 else fit(facts.subject, room))


def _caption(facts: _Facts, number: int, most: int) -> str:
    lines = [
        f"{LABEL} {number}: {_pick(_OPENINGS, number).format(subject=facts.subject, audience=facts.audience)}",
        facts.detail,
        _pick(_CLOSINGS, number),
        "Swipe to see more." if number == 1 else "",
    ]
    return _stack(lines, most)


def _letter(facts: _Facts, number: int, most: int) -> str:
    greeting = f"{LABEL} {number}: Hello {facts.name}," if facts.name else f"{LABEL} {number}: Hello,"
    bodies = (
        f"thank you for your interest. In short: {facts.subject}.",
        f"good that you asked. Here is what we have for you: {facts.subject}.",
        f"we kept this for you: {facts.subject}.",
    )
    offers = (
        "Would Thursday or Friday suit you for a short visit?",
        "When is a good time to call you?",
        "Shall we keep an hour free for you this week?",
    )
    lines = [
        greeting,
        f"thank you for asking: {facts.question}" if facts.is_question else _pick(bodies, number),
        facts.detail or "".join(_sentence(line) for line in facts.lines[:1]),
        _pick(offers, number),
        "Your team at the dealership",
    ]
    return _stack(lines, most)


def _listing(facts: _Facts, number: int, most: int) -> str:
    lines = [
        f"{LABEL} {number}: {facts.subject}.",
        facts.detail,
        *(_sentence(line) for line in facts.lines[:2]),
        _pick(("Open for a test drive on every working day.", "Come by for a closer look."), number),
        "What is not in this text is not promised.",
    ]
    return _stack(lines, most)


def _slide(facts: _Facts, number: int, most: int) -> str:
    line = facts.lines[(number - 1) % len(facts.lines)] if facts.lines else facts.subject
    return fit(f"{LABEL} {number}: {line}", most)


def _points(facts: _Facts, number: int, most: int) -> str:
    why = "back" if facts.is_question else f"about {facts.subject}"
    lines = [
        f"{LABEL} {number}: call {facts.name or 'the customer'} {why}.",
        f"They asked: {facts.question}" if facts.question else "",
        facts.detail,
        *(_sentence(line) for line in facts.lines[:2]),
        "Offer a time for a visit.",
    ]
    return _stack(lines, most)


_TITLES = (
    "Ready when you are",
    "Come and see it",
    "Here this week",
    "Worth a closer look",
    "Ask us today",
    "Your next good idea",
    "Made easy",
    "Made for you",
    "Open for you",
    "One visit away",
)


def _title(facts: _Facts, number: int, most: int, named: str) -> str:
    title = named or _pick(_TITLES, number)
    longer = f"{title}: {facts.subject}"
    return longer if len(longer) <= most else title


# --- facts ---


def _facts(answers: Mapping[str, Any], prompt: str) -> _Facts:
    texts = {key: _clean(value) for key, value in answers.items() if _clean(value)}
    told = {key: text for key, text in texts.items() if not _HIDDEN.search(key)}
    subject = (
        _vehicle(texts)
        or _first(told, _SUBJECT_KEYS)
        or next((text for key, text in told.items() if key not in _NAME_KEYS), "")
        or _clean(prompt)
    )
    subject = fit(subject, 90).rstrip(".!?:; ") or "your request"
    return _Facts(
        subject=subject[0].upper() + subject[1:],
        detail=_detail(told, subject),
        audience=fit(texts.get("audience", ""), 40) or "you",
        name=fit(_first(texts, _NAME_KEYS), 40),
        question=fit(_first(texts, ("question", "message", "request")), 160),
        lines=_lines(answers),
    )


def _detail(told: Mapping[str, str], subject: str) -> str:
    """Return the price and the mileage where there are any, else one more fact in its own words."""
    figures = [
        _figure("${:,.0f}", told.get("price", "")),
        _figure("{:,.0f} miles", told.get("mileage", "")),
    ]
    if any(figures):
        return ", ".join(filter(None, figures)) + "."
    found = (told.get(key, "") for key in _DETAIL_KEYS)
    return next((_sentence(fit(text, 120)) for text in found if text and subject not in text), "")


def _figure(form: str, text: str) -> str:
    try:
        return form.format(float(text.replace(",", "").lstrip("$")))
    except ValueError:
        return ""


def _lines(answers: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the lines of what was told at length: points to make, notes, facts."""
    long = next((str(answers[key]) for key in _LONG_KEYS if answers.get(key)), "")
    return tuple(
        fit(_clean(line.lstrip("-•* ")), 140) for line in long.splitlines() if _clean(line.lstrip("-•* "))
    )


def _vehicle(texts: Mapping[str, str]) -> str:
    parts = [texts.get(key, "") for key in ("year", "make", "model", "trim")]
    return " ".join(part for part in parts if part) if texts.get("make") or texts.get("model") else ""


def _first(texts: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((texts[key] for key in keys if texts.get(key)), "")


def _clean(value: object) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, dict | list | tuple):
        return ""
    return " ".join(str(value).split())


# --- writing ---


def fit(text: str, most: int) -> str:
    """Return *text* cut at a word's end to at most *most* characters; nothing where there is no room."""
    text = text.strip()
    if len(text) <= most:
        return text
    if most <= 0:
        return ""
    cut = text[: most + 1].rsplit(" ", 1)[0] if " " in text[: most + 1] else text[:most]
    return cut[:most].rstrip(" ,;:-–(")


def _stack(lines: list[str], most: int) -> str:
    """Put lines under each other as long as they fit; the first always stands, cut if it must be."""
    text = fit(lines[0], most)
    for line in filter(None, lines[1:]):
        if len(text) + 1 + len(line) <= most:
            text = f"{text}\n{line}"
    return text


def _sentence(text: str) -> str:
    return "" if not text else text[0].upper() + text[1:].rstrip(".") + "."


def _pick(choices: tuple[str, ...], number: int) -> str:
    return choices[(number - 1) % len(choices)]


# --- other answers ---


def _is_texts(answer: type[BaseModel]) -> bool:
    return set(answer.model_fields) == {"texts"}


def _value(field: FieldInfo, text: str) -> Any:
    """Return something that fits a field's type: labelled text, the first choice, the smallest number."""
    return _of_type(field.annotation, text)


def _of_type(kind: Any, text: str) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin is list:
        return [_of_type(args[0], text)]
    if origin is dict:
        return {}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: _value(field, text) for name, field in kind.model_fields.items()}
    if kind is bool:
        return False
    if kind is int or kind is float:
        return 1
    if args and origin is not None and kind is not str:
        first = next((choice for choice in args if choice is not type(None)), None)
        return _of_type(first, text) if isinstance(first, type) else first
    return text
