"""A search that forgives: typing errors, plurals, other words for the same thing, words that say nothing.

Pure functions. A word of the search is first looked for as it is; a word that stands nowhere is taken for the one it is
nearest to, by letters swapped, missing or too many (Damerau's distance) or by the trigrams that both share.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from app.features.workflows.enums import Category

EXACT, BEGINNING, ALIKE, MISTYPED = 1.0, 0.9, 0.8, 0.6
_FIELDS = (("name", 8.0), ("tags", 5.0), ("summary", 3.0), ("gets", 1.0))
_CATEGORY, _SAID_OF_CATEGORY, _SAID_OF_TEMPLATE = 2.0, 1.5, 1.2
_PHRASE = 6.0  # a tag that is the whole search
_WORD = re.compile(r"[a-z0-9]+")
_SMALL = frozenset(
    "a an and any are at be been but by can could did do does for from get had has have help how i if in is it its let "
    "lets like make me more most my need needs new not of on or our please should so some that the their them there "
    "these they this those to us want wants was we were what when which who whose will with write you your".split()
)
_ALSO_OF_CATEGORY: dict[str, str] = {
    Category.SELL: "sell, selling, advertise, merchandise, buyers",
    Category.SERVICE: (
        "win back, winback, win them back, win back customers, lost customers, lapsed customers, inactive customers, "
        "customer retention, reactivate, reactivation, dormant, overdue, missed, retain, return, returning, loyalty, "
        "maintenance, service reminder, oil change, reminder, due, visit, workshop, repair, come back, come again"
    ),
    Category.ADS: "advertising, advert, promotion, google ads, search, radio, display, banner, ppc, sponsored, budget",
    Category.SOCIAL: "social media, social media post, posts, story, stories, reel, tiktok, content",
    Category.BLOG: "blog, article, seo, content, website, news",
    Category.EMAIL: "email, newsletter, mailing, blast, bulk, mailshot, invite, invitation",
    Category.REPUTATION: "reputation, reviews, rating, stars, complaint, angry, unhappy, praise, google",
}
_ALSO_OF_TEMPLATE = {
    "aged-inventory-price-move": "old, stale, slow, sitting, unsold, reduce, lower, overpriced, high, reprice",
    "email-campaign": "win back, lost, lapsed, reactivate",
    "new-lead-follow-up": "web form, inquiry, shopper, test drive, callback, respond, response, speed",
    "oem-co-op-approval": "legal, check, reimburse, refund, money, factory, dealer, brand",
    "review-response": "respond, bad, negative, angry, unhappy, one star",
    "service-recall-outreach": "defect, airbag, campaign, notice, owners, repair",
    "trade-in-offer-follow-up": "buy, buy a car, bid, worth, quote, purchase, acquire",
    "used-vehicle-listing-copy": "autotrader, craigslist, classified, vdp, write up, new arrival",
}
"""What people type who mean a category or a template, and know none of its own words."""

_GROUPS = (
    "car cars vehicle vehicles auto automobile truck suv unit",
    "used preowned secondhand",
    "email mail newsletter mailing edm",
    "facebook fb meta",
    "instagram insta ig",
    "ad ads advert adverts advertisement advertising commercial",
    "picture pictures photo photos image images graphic",
    "article blog blogpost",
    "review reviews rating ratings testimonial",
    "star stars",
    "sale sell selling listing",
    "price prices pricing markdown discount",
    "lapsed lost inactive dormant",
    "reactivate reactivation retention winback",
    "tradein trade appraisal valuation partexchange",
    "lead leads inquiry enquiry prospect",
    "recall recalls safety",
    "letter letters",
    "website web homepage page",
    "reply answer response respond",
    "text sms",
    "inventory stock",
    "oem manufacturer",
    "customer customers client buyer",
)
_LABELS: dict[str, str] = {category.value: category.label for category in Category}


class Searched(Protocol):
    """What a search looks at."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def summary(self) -> str: ...  # noqa: D102
    @property
    def tags(self) -> list[Any]: ...  # noqa: D102
    @property
    def gets(self) -> list[Any]: ...  # noqa: D102
    @property
    def category(self) -> str: ...  # noqa: D102
    @property
    def slug(self) -> str: ...  # noqa: D102


T = TypeVar("T", bound=Searched)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One thing's words with the weight of the best place that each stands in, and its whole phrases."""

    words: dict[str, float]
    phrases: frozenset[str]


def ranked(things: Sequence[T], text: str) -> list[T]:
    """Return what fits, the best first; things that fit as well keep their order.

    A thing must hold every word that means something. Where none does, those that hold a third of them stand in, that
    with the most first.
    """
    words = _words(text)
    if not words:
        return list(things)
    entries = [_entry(thing) for thing in things]
    known = {word for entry in entries for word in entry.words}
    joined = _joined(words, known)
    meant = [word for word in joined if word not in _SMALL and (len(word) > 1 or word.isdigit())] or joined
    meanings = [_meanings(word, known) for word in dict.fromkeys(meant)]
    phrase = " ".join(words)
    found = [(*_score(entry, meanings, phrase), thing) for entry, thing in zip(entries, things, strict=True)]
    most = max((held for held, _, _ in found), default=0)
    least = most if most == len(meanings) else max(1, -(-len(meanings) // 3))
    best = [each for each in found if each[0] >= least]
    return [thing for _, _, thing in sorted(best, key=lambda each: (-each[0], -each[1]))]


def distance(one: str, other: str, most: int) -> int:
    """Return how many letters are wrong, missing, too many or swapped; *most* + 1 for anything beyond.

    Optimal string alignment: https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    line = list(range(len(other) + 1))
    for i, mark in enumerate(one, 1):
        older, before, line = before, line, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, line[j - 1] + 1, before[j - 1] + (mark != wanted))
            if i > 1 and j > 1 and mark == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, older[j - 2] + 1)
            line.append(cost)
        if min(line) > most:
            return most + 1
    return line[-1]


def _joined(words: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the words, two that are known as one put together: "news letter", "co op"."""
    whole, found = {*known, *_ALIKE}, list[str]()
    for word in words:
        if found and found[-1] + word in whole:
            found[-1] += word
        else:
            found.append(word)
    return found


def _score(entry: _Entry, meanings: list[dict[str, float]], phrase: str) -> tuple[int, float]:
    """Return how many of the words a thing holds, and how well."""
    held, score = 0, _PHRASE if phrase in entry.phrases else 0.0
    for meaning in meanings:
        best = max((entry.words.get(word, 0.0) * strength for word, strength in meaning.items()), default=0.0)
        held += best > 0
        score += best
    return held, score


def _meanings(word: str, known: Iterable[str]) -> dict[str, float]:
    """Return the known words that a word of the search may mean, and how surely."""
    found: dict[str, float] = {}
    same, like = _stem(word), _ALIKE.get(_stem(word), frozenset())
    for other in known:
        stem = _stem(other)
        if stem == same:
            found[other] = EXACT
        elif len(word) >= 3 and other.startswith(word):
            found[other] = BEGINNING
        elif stem in like:
            found[other] = ALIKE
    return found or _mistyped(word, known)


def _mistyped(word: str, known: Iterable[str]) -> dict[str, float]:
    """Return the nearest known words; their synonyms count with them. Short words are not guessed."""
    most = 0 if len(word) < 4 else 1 if len(word) < 7 else 2
    if not most:
        return {}
    vocabulary = {*known, *_ALIKE}
    near = {other: distance(word, other, most) for other in vocabulary}
    least = min(near.values(), default=most + 1)
    nearest = [other for other, wrong in near.items() if wrong == least <= most] or _by_trigrams(word, vocabulary)
    found: dict[str, float] = {}
    for other in nearest:
        found |= {each: MISTYPED for each in known if _stem(each) in {_stem(other), *_ALIKE.get(other, ())}}
    return found


def _by_trigrams(word: str, vocabulary: Iterable[str]) -> list[str]:
    mine = _trigrams(word)
    shares = {other: _shared(mine, _trigrams(other)) for other in vocabulary}
    best = max(shares.values(), default=0.0)
    return [other for other, share in shares.items() if share == best >= 0.55]


def _shared(one: set[str], other: set[str]) -> float:
    """Return the share of what two sets have in common, 0 to 1: Dice's coefficient."""
    return 2 * len(one & other) / (len(one) + len(other))


def _trigrams(word: str) -> set[str]:
    padded = f"  {word} "
    return {padded[place : place + 3] for place in range(len(padded) - 2)}


def _entry(thing: Searched) -> _Entry:
    said = _ALSO_OF_CATEGORY.get(thing.category, "")
    words = dict.fromkeys(_words(_ALSO_OF_TEMPLATE.get(thing.slug, "")), _SAID_OF_TEMPLATE)
    words |= dict.fromkeys(_words(said), _SAID_OF_CATEGORY)
    words |= dict.fromkeys(_words(_LABELS.get(thing.category, "")), _CATEGORY)
    for name, weight in reversed(_FIELDS):
        value = getattr(thing, name)
        for word in _words(value if isinstance(value, str) else " ".join(map(str, value))):
            words[word] = max(weight, words.get(word, 0.0))
    phrases = {" ".join(_words(str(tag))) for tag in [*thing.tags, *said.split(",")]}
    return _Entry(words, frozenset({*phrases, " ".join(_words(thing.name))}))


def _words(text: str) -> list[str]:
    plain = text.lower().replace("’", "").replace("'", "")
    for written, read in (("e-mail", "email"), ("co-op", "coop"), ("pre-owned", "preowned"), ("trade-in", "tradein")):
        plain = plain.replace(written, read)
    return _WORD.findall(plain)


def _stem(word: str) -> str:
    for ending in ("ies", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


_ALIKE: dict[str, frozenset[str]] = {
    _stem(word): frozenset(map(_stem, group.split())) for group in _GROUPS for word in group.split()
}
