"""What the sample writer's longer texts say, by what is asked for: an article, a reply to a review, a list of findings.

Each form is the lines of one text, made of the run's own answers; whoever calls puts the label before them and cuts
them to the limit. Lines that would be empty are left out.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from app.definition.value_filters import apply, moment_or_none

TASK = 120  # characters of a prompt that say what is wanted; after them come the run's own answers


@dataclass(frozen=True, slots=True)
class Told:
    """What a form may speak of: the subject in a few words, whom it addresses, the run's answers, which text it is."""

    subject: str
    name: str
    answers: Mapping[str, Any]
    number: int

    def text(self, key: str, otherwise: str = "") -> str:
        """Return an answer on one line."""
        value = self.answers.get(key)
        return " ".join(value.split()) if isinstance(value, str) and value.strip() else otherwise

    def lines(self, key: str, most: int) -> list[str]:
        """Return the first lines of a long answer, without their marks of a list."""
        value = self.answers.get(key)
        found = (line.strip(" -•*") for line in value.splitlines()) if isinstance(value, str) else ()
        return [line for line in found if line][:most]

    def rows(self, key: str) -> list[dict[str, str]]:
        """Return the rows of a table by its headings."""
        value = self.answers.get(key)
        rows = csv.DictReader(StringIO(value)) if isinstance(value, str) else ()
        return [{name: (cell or "").strip() for name, cell in row.items() if name} for row in rows]


Form = Callable[[Told], Iterator[str]]
Title = Callable[[Told], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A form, the words of a prompt that ask for it, and its headline; without one any headline will do."""

    words: str
    headline: str | Title
    form: Form

    def title(self, told: Told) -> str:
        """Return the headline of one text."""
        return self.headline if isinstance(self.headline, str) else self.headline(told)


def kind_of(prompt: str) -> Kind | None:
    """Return the form that a prompt asks for in its first words; None when a shorter text will do."""
    task = prompt[:TASK].lower()
    return next((kind for kind in _KINDS if re.search(rf"\b({kind.words})", task)), None)


def _fact_sheet(told: Told) -> Iterator[str]:
    yield f"what we know about: {told.subject}"
    for line in told.lines("sources", 4):
        yield f"{line} [sources]"
    yield "Open: what does it cost over five years? What do owners say after the first winter?"


def _article(told: Told) -> Iterator[str]:
    facts = told.lines("sources", 4)
    yield f"{told.subject}? In short: it depends on how you drive, and the answer is in the figures below."
    yield from facts[:2]
    yield f"If you are among {_lower(told.text('reader', 'our customers'))}, this is the part that counts."
    yield from facts[2:]
    yield "Come by and try it on a road that you know. Bring your questions; we bring the time."
    yield f"Search description: {told.subject}, answered with the figures that matter."


def _claims(told: Told) -> Iterator[str]:
    yield "every claim of the article, and where it comes from"
    for line in told.lines("sources", 4):
        yield f"{line} → the same words in the sources"
    yield "NOT IN THE SOURCES: “Come by and try it on a road that you know” is an invitation, not a claim"


_NETWORKS = ("Facebook", "Instagram", "LinkedIn", "X", "Google business profile")


def _network_post(told: Told) -> Iterator[str]:
    facts = told.lines("sources", 5) or [told.subject]
    yield f"for {_network(told)}: {facts[(told.number - 1) % len(facts)]}"
    yield "The whole answer, with figures, is in our new article."


_PREVIEWS = (
    "Free, half an hour, and you know where you stand.", "When did somebody last look at it?",
    "25 points, one page, no charge.", "Before the first snow, while there are still places.",
    "New this month for owners like you.", "It costs nothing and can save a tow.",
    "From your own service team.", "Pick a morning; coffee is on us.",
)  # fmt: skip


def _preview(told: Told) -> Iterator[str]:
    yield _PREVIEWS[(told.number - 1) % len(_PREVIEWS)]


def _opening_line(told: Told) -> Iterator[str]:
    proof = told.lines("proof", 6) or [told.subject]
    yield f"{proof[(told.number - 1) % len(proof)]}. {told.text('goal', 'Come and see')} in a minute."


_BUTTONS = ("Pick my weekend", "Save my place", "Show me the times", "Call me back")


def _button(told: Told) -> Iterator[str]:
    yield _BUTTONS[(told.number - 1) % len(_BUTTONS)]


def _comparison(told: Told) -> Iterator[str]:
    yield "Keeps the promise"
    yield f"Both say: {told.subject}."
    yield "Only the ad names how to choose the day; the page should say it next to its button."


def _recall_mail(told: Told) -> Iterator[str]:
    yield f"Hello {{name}}, your vehicle is part of recall {told.text('campaign')}: {told.text('what')}."
    yield from told.lines("facts", 3)
    yield f"It is repaired free of charge. Book at {told.text('booking_url', 'our desk')} or call {told.text('phone')}."
    yield "We lend you a car meanwhile." if told.answers.get("loaner") else ""
    yield "Your service team"


def _recall_text(told: Told) -> Iterator[str]:
    yield f"Recall {told.text('campaign')} for your car: a free repair of about an hour. Call {told.text('phone')}."
    yield "Reply STOP to opt out"


def _script(told: Told) -> Iterator[str]:
    yield "“Good morning, this is the service desk. There is a free repair for your car; do you have two minutes?”"
    yield "Is it dangerous? " + (told.lines("facts", 1) or ["Say what the bulletin says, in its words."])[0]
    yield "What does it cost? Nothing, parts and work included."
    yield "How long does it take? About an hour; they can wait here or take a loaner."
    yield "End with a day and a time, and read both back."


_TOUCHES = (
    "thank you for showing us your {vehicle}. Here is our offer in writing: {amount}, valid through {ends}.",
    "most people ask us how the loan is paid off: we do it, and you get the rest the same day.",
    "our offer of {amount} for your {vehicle} ends today. If it is not for you, a word is enough.",
    "our offer has ended. If you still think of selling, would you like a new figure?",
)


def _trade_in(told: Told) -> Iterator[str]:
    amount, ends = _dollars(told.text("amount")), _dated(told.text("ends"))
    filled = {"vehicle": told.text("vehicle"), "amount": amount, "ends": ends}
    yield f"Hello {told.name or 'there'}, {_TOUCHES[(told.number - 1) % len(_TOUCHES)].format(**filled)}"
    yield "What would help you to decide?" if told.number < 3 else "Either answer is fine."
    yield "Your team at the dealership"


def _reply(told: Told) -> Iterator[str]:
    stars, name = told.answers.get("stars"), told.text("reviewer")
    yield f"{name + ', thank' if name else 'Thank'} you for taking the time to write to us."
    if isinstance(stars, int) and stars >= 4:
        yield "It is good to read what went well; we pass it on to the people who did it."
    else:
        yield "We are sorry that your visit was not what you expected of us. We will look at what happened that day."
        yield f"We would like to hear it from you: {told.text('contact', 'please call us')}."
    yield "Your dealership’s team"


def _sorted_review(told: Told) -> Iterator[str]:
    yield f"About: {_lower(told.text('department', 'the visit'))}, waiting, being told"
    yield "Tone: disappointed" if (told.answers.get("stars") or 5) < 4 else "Tone: pleased"
    yield "Care: nothing"
    yield "Fix: call before the customer has to ask" if (told.answers.get("stars") or 5) < 4 else "Fix: keep doing it"


def _task(told: Told) -> Iterator[str]:
    yield f"What happened: {told.text('text')[:160]}"
    yield f"Find out: {(told.lines('happened', 1) or ['who was at the desk that day'])[0]}"
    yield "Talk to them by tomorrow noon; the manager calls."
    yield "Change: whoever is booked gets a call as soon as we run late."


def _findings(told: Told) -> Iterator[str]:
    yield f"findings for the {told.text('brand')} ad, the serious ones first"
    for place, rule in enumerate(told.lines("rules", 4)):
        yield f"{'MAJOR' if place < 2 else 'minor'}: compare the ad with “{rule}”"


def _corrected(told: Told) -> Iterator[str]:
    yield f"The new {told.text('brand')} models are here. {told.text('offer_terms', 'Ask us for the terms')}."
    starts, ends = _dated(told.text("starts", "now")), _dated(told.text("ends", "the end of the month"))
    yield f"From {starts} to {ends}, at your dealership."


def _co_op_letter(told: Told) -> Iterator[str]:
    yield f"we ask for prior approval of an ad for {told.text('brand')}, {_lower(told.text('medium'))}."
    yield f"It runs from {_dated(told.text('starts', 'a date to be set'))} and costs {_dollars(told.text('cost'))}."
    yield "Enclosed: the ad as corrected, the artwork, and the record of who approved it."
    yield "Please send us the approval number. Kind regards"


def _price_moves(told: Told) -> Iterator[str]:
    yield f"cars over {told.answers.get('days', 45)} days, the oldest first"
    least = _amount(str(told.answers.get("floor") or "0")) or 0
    for row in sorted(told.rows("inventory"), key=lambda row: -(_amount(row.get("days", "")) or 0)):
        price, cost, market = (_amount(row.get(key, "")) for key in ("price", "cost", "market"))
        if price is None:
            continue
        now = f"{row.get('stock', '')} {row.get('vehicle', '')}, {row.get('days', '?')} days, ${price:,.0f}"
        if market is None or market >= price:
            yield f"{now}: leave the price; new first picture"
        elif cost is not None and market < cost + least:
            yield f"{now}: at the floor; photos and a fresh text instead"
        else:
            yield f"{now} → ${max(market, price - 1000):,.0f}: toward the market price of ${market:,.0f}"


def _fresh_text(told: Told) -> Iterator[str]:
    yield f"{_car(told).get('vehicle') or told.subject}: worth a second look."
    yield "Right for whoever wants room, a quiet ride and a history that can be read from the first day on."
    yield "Open for a test drive on every working day."


def _fresh_post(told: Told) -> Iterator[str]:
    yield f"{_car(told).get('vehicle') or told.subject} is still here, and still the right one for somebody."
    yield "Who do you know that it would suit?"


def _car(told: Told) -> dict[str, str]:
    """Return the row that a text is written for, else one of the table, the oldest first."""
    if told.text("vehicle") and told.text("stock"):
        return {"vehicle": told.text("vehicle"), "stock": told.text("stock")}
    rows = sorted(told.rows("inventory"), key=lambda row: -(_amount(row.get("days", "")) or 0))
    return rows[(told.number - 1) % len(rows)] if rows else {}


def _car_title(told: Told) -> str:
    car = _car(told)
    return f"{car.get('stock', '')} {car.get('vehicle', '')}".strip()


def _subject(told: Told) -> str:
    return told.subject


def _network(told: Told) -> str:
    return _NETWORKS[(told.number - 1) % len(_NETWORKS)]


_DAYS = ("Your offer in writing", "How it works", "It ends today", "A new figure?")


def _day(told: Told) -> str:
    return _DAYS[(told.number - 1) % len(_DAYS)]


def _amount(text: str) -> float | None:
    try:
        return float(text.replace(",", "").lstrip("$"))
    except ValueError:
        return None


def _dollars(text: str) -> str:
    amount = _amount(text)
    return text if amount is None else f"${amount:,.0f}"


def _dated(text: str) -> str:
    return str(apply("date", text, ())) if moment_or_none(text) else text


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


_KINDS = (
    Kind("a fact sheet", "Facts", _fact_sheet),
    Kind("a blog article", _subject, _article),
    Kind("a list of every claim", "Claims and their sources", _claims),
    Kind("posts that lead to an article", _network, _network_post),
    Kind("subject lines", "", _preview),
    Kind("headlines for the top of a landing page", "", _opening_line),
    Kind("button texts", "", _button),
    Kind("note that compares an ad", "Ad and page", _comparison),
    Kind("a text message about a recall", "Text message", _recall_text),
    Kind("a recall letter", "Letter", _recall_mail),
    Kind("a recall e-mail|owners who have not booked", "E-mail", _recall_mail),
    Kind("a call script", "Call script", _script),
    Kind("a series of follow-up", _day, _trade_in),
    Kind("a reply to a public review", "Reply", _reply),
    Kind("note for a manager that sorts a review", "What it is about", _sorted_review),
    Kind("a task for the", "Task", _task),
    Kind("a list of findings", "Findings", _findings),
    Kind("a corrected version of an ad", "Corrected ad", _corrected),
    Kind("a letter to a manufacturer", "Letter to the manufacturer", _co_op_letter),
    Kind("a list of price moves", "Price moves", _price_moves),
    Kind("a vehicle that has stood", _car_title, _fresh_text),
    Kind("a social post about each", _car_title, _fresh_post),
)
