"""What a VIN says for sure."""

import pytest

from app.definition import vin


def test_a_year_that_has_not_come_is_not_said() -> None:
    assert vin.model_year("5TDDZRBH1YS104417", 2026) is None
    assert vin.model_year("5TDDZR1H1YS104417", 2026) == 2000
    assert vin.model_year("5TDDZRBH1VS104417", 2025) == 2027


def test_every_code_of_a_make_can_stand_in_a_vin() -> None:
    for code in vin._MAKES:
        assert set(code) <= set("0123456789ABCDEFGHJKLMNPRSTUVWXYZ")
        assert vin.model_year(f"{code}AAA1101A000001", 2026) == 2001
        assert vin.makes(f"{code}AAA1101A000001")


@pytest.mark.parametrize(
    ("number", "sure"),
    [
        ("5TDDZRBH1MS104417", {"year": 2021, "make": "Toyota"}),
        ("1HGCM82633A004352", {"year": 2003, "make": "Honda"}),
        ("2C3CDXBG0KH500001", {"year": 2019}),  # one of four makes
        ("1HD1KRM19FB612345", {"make": "Harley-Davidson"}),  # of motorcycles the 7th character says nothing
        ("1FDUF5GY3CEA12345", {"make": "Ford"}),  # nor of heavy trucks
        ("1M8GDM9AXKP042788", {}),  # a code that is not known here: 1989 or 2019
        ("5TDDZRBH1YS104417", {"make": "Toyota"}),  # 2030 has not come
    ],
)
def test_only_what_is_sure_is_a_fact(number: str, sure: dict[str, object]) -> None:
    assert vin.facts(number, 2026) == sure
