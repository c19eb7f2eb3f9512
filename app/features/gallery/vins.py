"""What is said beside a VIN as it is typed, and of a vehicle what its VIN adds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core import clock
from app.definition import vin as vins
from app.definition.inputs import clean_inputs
from app.definition.problems import InputsInvalid, listed
from app.definition.schema import Definition, Input, InputType

LENGTH = 17


@dataclass(frozen=True, slots=True)
class Said:
    """What stands beside a VIN: a sentence; *is_good* where all of it was read, *is_bad* where it cannot be one."""

    text: str
    is_good: bool = False
    is_bad: bool = False


def look(typed: str) -> Said | None:
    """Return what to say of a VIN as it is typed: how much is missing, what is wrong with it, or what it says."""
    plain = typed.replace(" ", "").replace("-", "")
    if not plain:
        return None
    if len(plain) < LENGTH:
        return Said(f"{len(plain)} of {LENGTH} characters.")
    try:
        vin = clean_inputs(_ASKED, {"vin": typed[:80]})["vin"]
    except InputsInvalid as invalid:
        problem = invalid.problems[0]
        return Said(f"{problem.message} {problem.fix}", is_bad=True)
    facts = describe(vin)
    return Said(f"{facts}. The check digit is right." if facts else "The check digit is right.", is_good=True)


def describe(vin: str) -> str:
    """Return what a VIN says in words, "2021 Toyota, made in the United States"; nothing where it says nothing."""
    year, makes = vins.model_year(vin, clock.now().year), vins.makes(vin)
    make = listed(makes, "or") if makes else ""
    car = " ".join(part for part in (str(year or ""), make) if part)
    parts = [f"{car} model" if year and not make else car, made_in(vin)]
    text = ", ".join(part for part in parts if part)
    return text[:1].upper() + text[1:]


def look_at(typed: Any) -> Said | None:
    """Return what to say of the VIN of a vehicle as it is typed: what it says itself, and where the rest differs."""
    vehicle: Mapping[str, Any] = typed if isinstance(typed, Mapping) else {}
    said = look(str(vehicle.get("vin") or ""))
    if said is None or not said.is_good:
        return said
    vin = str(clean_inputs(_ASKED, {"vin": vehicle["vin"]})["vin"])
    words = describe(vin)
    if not words:
        return Said("The VIN is right. It says neither year nor make.", is_good=True)
    sure = added(vehicle)
    differs = [f"{part} {sure[part]}" for part in sure if _differs(str(vehicle.get(part) or ""), str(sure[part]))]
    if differs:
        return Said(f"The VIN says {listed(differs)}. Is it the right VIN?", is_bad=True)
    left = [part for part in ("year", "make") if part not in sure]
    unsure = f" It does not say the {listed(left)} for sure." if left else ""
    return Said(f"From the VIN: {words}.{unsure}", is_good=True)


def added(typed: Any) -> dict[str, str]:
    """Return the parts of a vehicle that its VIN says for sure, as they stand in a form; none of what is no VIN."""
    try:
        whole = clean_inputs(_ASKED, {"vin": typed.get("vin") if isinstance(typed, Mapping) else None})["vin"]
    except InputsInvalid:
        return {}
    return {part: str(fact) for part, fact in vins.facts(whole, clock.now().year).items()} if whole else {}


def made_in(vin: str) -> str:
    """Return where a VIN says that its vehicle was made, "made in Japan"; "" where it says nothing of it."""
    country = vins.made_in(vin) if vin else ""
    return f"made in {country}" if country else ""


def _differs(typed: str, said: str) -> bool:
    """Tell whether what was typed is another than the VIN says; a part of a make's name, "Mercedes", is the same."""
    plain = typed.strip().casefold()
    return bool(plain) and plain not in said.casefold() and said.casefold() not in plain


_ASKED = Definition(inputs=[Input(key="vin", label="VIN", type=InputType.VIN)])
