"""What a VIN itself says: model year, make and country. Read from its characters, nobody is asked. Pure.

Positions and the codes of years: 49 CFR 565.15; countries: ISO 3780. A make is named where its code (the first three
characters, "WMI") is one that North American dealers meet; what is not known is left out, never guessed.
"""

from collections.abc import Iterator

_YEARS = "ABCDEFGHJKLMNPRSTVWXY123456789"  # of 1980 to 2009, and again of 2010 to 2039
_MAKES = {
    code: make
    for make, codes in {
        "Acura": "19U 2HN 5FR 5J8 JH4",
        "Alfa Romeo": "ZAR ZAS",
        "Aston Martin": "SCF",
        "Audi": "TRU WA1 WAU WUA",
        "Bentley": "SCB",
        "BMW": "3MW 4US 5UX 5YM WBA WBS WBX WBY",
        "Buick": "1G4 2G4 5GA KL4 LRB",
        "Cadillac": "1G6 1GY 2G6 3GY",
        "Chevrolet": "1G1 1GB 1GC 1GN 2G1 2GC 2GN 3G1 3GC 3GN KL1 KL7 KL8",
        "Chrysler/Dodge/Jeep/Ram": "1C3 1C4 1C6 2C3 2C4 3C3 3C4 3C6 3C7",
        "Dodge": "1B3 1B7 1D7 2B3 2D4 3D4 3D7",
        "Ferrari": "ZFF",
        "Fiat": "ZFA",
        "Ford": "1FA 1FB 1FC 1FD 1FM 1FT 2FA 2FM 2FT 3FA 3FE 3FM 3FT MAJ NM0 WF0",
        "Genesis": "KMT KMU",
        "GMC": "1GD 1GK 1GT 2GK 2GT 3GK 3GT",
        "Harley-Davidson": "1HD",
        "Honda": "19X 1HG 2HG 2HJ 2HK 3CZ 3HG 5FN 5FP 5J6 JHL JHM SHH",
        "Hyundai": "5NM 5NP 5NT KM8 KMH",
        "Infiniti": "3PC JNK JNR",
        "Jaguar": "SAD SAJ",
        "Jeep": "1J4 1J8 ZAC",
        "Kia": "3KP 5XX 5XY KNA KND",
        "Lamborghini": "ZHW ZPB",
        "Land Rover": "SAL",
        "Lexus": "2T2 58A JT8 JTH JTJ",
        "Lincoln": "1LN 2LM 3LN 5LM",
        "Lucid": "50E",
        "Maserati": "ZAM",
        "Mazda": "1YV 3MZ 4F2 4F4 7MM JM1 JM3",
        "McLaren": "SBM",
        "Mercedes-Benz": "4JG 55S W1K W1N WDB WDC WDD",
        "Mercury": "1ME 2ME 4M2",
        "MINI": "WMW",
        "Mitsubishi": "4A3 4A4 JA3 JA4 ML3",
        "Nissan": "1N4 1N6 3N1 3N6 3N8",
        "Nissan/Infiniti": "5N1 JN1 JN8",
        "Pontiac": "1G2 2G2",
        "Porsche": "WP0 WP1",
        "Rivian": "7FC 7PD",
        "Rolls-Royce": "SCA",
        "Saturn": "1G8",
        "Subaru": "4S3 4S4 JF1 JF2",
        "Suzuki": "JS2 JS3",
        "Tesla": "5YJ 7SA LRW XP7",
        "Toyota": "2T1 2T3 3MY 3TM 4T1 4T3 4T4 5TB 5TD 5TE 5TF 5YF 7MU JT2 JT3 JTD JTE JTK JTL JTM JTN",
        "Volkswagen": "1V2 1VW 3VV 3VW WV1 WV2 WVG WVW",
        "Volvo": "7JR LYV YV1 YV4",
    }.items()
    for code in codes.split()
}
_COUNTRIES = {
    "1": "the United States", "4": "the United States", "5": "the United States", "2": "Canada", "J": "Japan",
    "L": "China", "W": "Germany", "6": "Australia",
}  # fmt: skip
_ORDER = "ABCDEFGHJKLMNPRSTUVWXYZ1234567890"  # of second characters
_RANGES = (
    ("3", "A", "X", "Mexico"), ("7", "F", "0", "the United States"), ("9", "A", "E", "Brazil"),
    ("K", "L", "R", "Korea"),
    ("M", "A", "E", "India"), ("M", "L", "R", "Thailand"), ("N", "L", "R", "Turkey"), ("S", "A", "M", "Great Britain"),
    ("T", "J", "P", "the Czech Republic"), ("T", "R", "V", "Hungary"), ("V", "A", "E", "Austria"),
    ("V", "F", "R", "France"), ("V", "S", "W", "Spain"), ("Y", "S", "W", "Sweden"), ("Z", "A", "R", "Italy"),
)  # fmt: skip
_OTHER_YEARS = frozenset(("1FD", "1GB", "1GD", "1HD", "3FE"))
"""Codes of motorcycles and of trucks over 10,000 pounds: their 7th character tells nothing of the year."""


def makes(vin: str) -> list[str]:
    """Return the makes whose code this is: one as a rule, several where the code alone does not tell."""
    return [make for make in _MAKES.get(vin[:3], "").split("/") if make]


def model_year(vin: str, this_year: int) -> int | None:
    """Return the model year: the 10th character, with the 7th a letter from 2010 on; None where it is no year yet."""
    place = _YEARS.find(vin[9])
    if place < 0:
        return None
    year = 1980 + place + (30 if vin[6].isalpha() else 0)
    return year if year <= this_year + 2 else None


def facts(vin: str, this_year: int) -> dict[str, int | str]:
    """Return the ``year`` and the ``make`` that a VIN says for sure; those that it leaves open are not in it."""
    known, year = makes(vin), model_year(vin, this_year)
    found: dict[str, int | str] = {}
    if known and year and vin[:3] not in _OTHER_YEARS:
        found["year"] = year
    if len(known) == 1:
        found["make"] = known[0]
    return found


def made_in(vin: str) -> str:
    """Return the country whose makers have such codes, with its article; "" where this table does not know."""
    return _COUNTRIES.get(vin[0]) or next(_ranged(vin), "")


def _ranged(vin: str) -> Iterator[str]:
    place = _ORDER.find(vin[1])
    for first, begin, end, country in _RANGES:
        if vin[0] == first and _ORDER.index(begin) <= place <= _ORDER.index(end):
            yield country
