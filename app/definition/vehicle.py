"""A vehicle as one answer: its parts, which of them name one, what its VIN adds, and how people say it. Pure.

An answer holds every part: ``vin``, ``stock``, ``make``, ``model`` and ``trim`` as text, ``year`` and ``mileage`` (in
miles) as whole numbers, ``price`` as an exact decimal in text ("22500.00"); None for what was not given.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from app.definition import vin
from app.definition.parts import Input, InputType
from app.definition.problems import Refused, listed, shorten, suggest

PARTS: Mapping[str, Input] = {
    part.key: part
    for part in (
        Input(key="vin", label="VIN", type=InputType.VIN),
        Input(key="stock", label="Stock number", max_length=40),
        Input(key="year", label="Year", type=InputType.INTEGER, min=1900, max=2100),
        Input(key="make", label="Make", max_length=60),
        Input(key="model", label="Model", max_length=80),
        Input(key="trim", label="Trim", max_length=80),
        Input(key="mileage", label="Miles", type=InputType.INTEGER, min=0, max=2_000_000),
        Input(key="price", label="Price", type=InputType.MONEY),
    )
}
NAMING = (("vin",), ("stock",), ("year", "make", "model"))
"""What names one vehicle: each of these groups of parts alone does."""
SAMPLE: Mapping[str, Any] = {
    "vin": "1HGCM82633A004352", "stock": "P2208", "year": 2003, "make": "Honda", "model": "Accord", "trim": "EX",
    "mileage": 98_400, "price": "6990.00",
}  # fmt: skip


def asked(question: Input) -> list[Input]:
    """Return the parts that a question asks for, in their usual order: all where it does not say."""
    return [part for key, part in PARTS.items() if key in question.parts or not question.parts]


def cleaned(raw: object, clean: Callable[[Input, object], Any]) -> dict[str, Any] | None:
    """Return every part cleaned by *clean*, None for none at all. Raises :class:`Refused` with all that is wrong."""
    if not isinstance(raw, Mapping):
        raise Refused("wrong_type", "This is not a vehicle.", 'Write it like {"year": 2021, "make": "Honda"}.')
    found: dict[str, Any] = {}
    faults: list[Refused] = []
    for key in raw:
        if key not in PARTS:
            fix = suggest(str(key), PARTS, f"Its parts are {listed(list(PARTS))}.")
            faults.append(Refused("unknown_key", f"A vehicle has no “{shorten(str(key))}”.", fix, part=str(key)))
    for key, part in PARTS.items():
        try:
            found[key] = clean(part, raw.get(key))
        except Refused as refused:
            is_no_number = refused.code == "wrong_type" and part.type is InputType.INTEGER
            fix = f"Write it like {SAMPLE[key]}." if is_no_number else refused.fix
            faults.append(Refused(refused.code, refused.message, fix, part=key))
    if faults:
        raise Refused.of(faults)
    return found if any(value is not None for value in found.values()) else None


def whole(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every part of a vehicle as it was given, also half typed; None for what was not."""
    return {key: given.get(key) if given.get(key) not in (None, "") else None for key in PARTS}


def names_one(vehicle: Mapping[str, Any]) -> bool:
    """Tell whether it is clear which vehicle is meant."""
    return any(all(vehicle.get(part) is not None for part in group) for group in NAMING)


def naming(question: Input) -> list[str]:
    """Return what a question's answer may name a vehicle by, in words; nothing where no part that is asked does."""
    keys = {part.key for part in asked(question)}
    words = ("its VIN", "its stock number", "year, make and model")
    return [said for said, group in zip(words, NAMING, strict=True) if keys.issuperset(group)]


def needed(question: Input) -> list[Input]:
    """Return the parts without which a vehicle is no answer to the question, in their usual order."""
    return [part for key, part in PARTS.items() if key in question.must_have]


def demand(question: Input) -> str:
    """Say which parts must be given; "" where none has to be."""
    words = [called(part) for part in needed(question)]
    return f"Always give its {listed(words)}." if words else ""


def called(part: Input) -> str:
    """Return a part as it is called within a sentence: "stock number", "VIN"."""
    return part.label if part.label.isupper() else part.label.lower()


def with_facts(vehicle: Mapping[str, Any], this_year: int) -> dict[str, Any]:
    """Return the vehicle with what its VIN says for sure where nothing was given."""
    facts = vin.facts(vehicle["vin"], this_year) if vehicle["vin"] else {}
    return {key: facts.get(key) if value is None else value for key, value in vehicle.items()}


def is_vehicle(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a value has just the parts of a vehicle, as every answer that is one has."""
    return isinstance(value, dict) and value.keys() == PARTS.keys()


def in_words(vehicle: Mapping[str, Any]) -> str:
    """Say it as people do: "2021 Honda Civic EX, 32,000 miles, $22,500"; also half typed, or with parts missing."""
    told = {key: _told(vehicle.get(key)) for key in PARTS}
    called = _together(told[key] for key in ("year", "make", "model", "trim"))
    miles, price = _grouped(told["mileage"]), _grouped(told["price"].removeprefix("$"))
    figures = (f"{miles} {'mile' if miles == '1' else 'miles'}" if miles else "", f"${price}" if price else "")
    number = f"stock number {told['stock']}" if told["stock"] else f"VIN {told['vin']}" if told["vin"] else ""
    named = called if told["make"] or told["model"] else ", ".join(part for part in (called, number) if part)
    return ", ".join(part for part in (named, *figures) if part)


def said(filled: Any, place: Sequence[str | int] = ()) -> Any:
    """Return settings with the vehicle at a place in words, for where a text belongs; the same where none is there.

    *place* is pydantic's: beyond the vehicle it may name what else could stand there.
    """
    if is_vehicle(filled):
        return in_words(filled)
    if place and isinstance(filled, dict) and place[0] in filled:
        return {**filled, place[0]: said(filled[place[0]], place[1:])}
    if place and isinstance(filled, list) and isinstance(place[0], int):
        return [said(each, place[1:]) if at == place[0] else each for at, each in enumerate(filled)]
    return filled


def _told(value: object) -> str:
    return "" if value is None else " ".join(str(value).split())


def _together(parts: Iterable[str]) -> str:
    return " ".join(part for part in parts if part)


def _grouped(amount: str) -> str:
    """Return an amount with its thousands apart and no empty cents; what is none as it was typed."""
    whole, _, cents = amount.replace(",", "").partition(".")
    if not whole.isdecimal() or len(whole) > 15 or not (cents.isdecimal() or not cents):
        return amount
    return f"{int(whole):,}" + (f".{cents}" if cents.strip("0") else "")
