"""What a VIN says of itself: model year, make, country, and what is wrong with it while it is typed."""

import pytest

from app.features.gallery import vins


@pytest.mark.parametrize(
    ("vin", "words"),
    [
        ("5TDDZRBH1MS104417", "2021 Toyota, made in the United States"),
        ("1HGCM82633A004352", "2003 Honda, made in the United States"),
        ("1M8GDM9AXKP042788", "1989 model, made in the United States"),
        ("11111111111111111", "2001 model, made in the United States"),
        ("WBA3A5C58CF256651", "2012 BMW, made in Germany"),
        ("2C3CDXBG0KH500001", "2019 Chrysler, Dodge, Jeep or Ram, made in Canada"),
        ("3VWFE21C04M000001", "2004 Volkswagen, made in Mexico"),
        ("KM8J3CA46JU000001", "2018 Hyundai, made in Korea"),
        ("YV4A22PK0G1000001", "2016 Volvo, made in Sweden"),
        ("ZZZZZZZZZZZZZZZZZ", ""),
    ],
)
def test_a_vin_says_year_make_and_country(vin: str, words: str) -> None:
    assert vins.describe(vin) == words


@pytest.mark.parametrize(
    ("typed", "words", "is_good"),
    [
        ("5tdd zrbh-1ms 104417", "2021 Toyota, made in the United States. The check digit is right.", True),
        ("5TDDZRBH2MS104417", "its check digit, the 9th, should be 1. Read it again from the car.", False),
        ("5TDDZRBH1MS10441O", "A VIN has no “O”. Use digits and letters without I, O and Q.", False),
        ("5TDDZRBH1MS1044170", "has 18 characters; a VIN has 17.", False),
        ("5TDD", "4 of 17 characters.", False),
    ],
)
def test_a_vin_is_read_as_it_is_typed(typed: str, words: str, is_good: bool) -> None:
    said = vins.look(typed)
    assert said is not None
    assert words in said.text
    assert (said.is_good, said.is_bad) == (is_good, not is_good and len(typed) > 16)


def test_nothing_is_said_of_nothing() -> None:
    assert vins.look(" - ") is None
