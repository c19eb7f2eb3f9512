"""Which passwords are taken."""

import pytest

from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.features.accounts import passwords, service
from app.features.accounts.enums import Role
from tests.cast import Cast

ABOUT = ("alice.ames@north.example", "Alice Ames")


@pytest.mark.parametrize(
    "password",
    [
        "password1234", "Password123!", "P@ssw0rd2024!!", "qwertyuiop12", "123456789012", "1qaz2wsx3edc",
        "aaaaaaaaaaaa", "iloveyou2024", "LetMeIn!2024", "welcomewelcome", "adminadmin123", "football1987",
        "alice.ames123", "aliceames2024", "abcdefghijklm", "greenlight2024", "correcthorsebatterystaple",
        "0987654321098",
    ],
)  # fmt: skip
def test_common_passwords_are_refused(password: str) -> None:
    with pytest.raises(Invalid) as caught:
        passwords.check(password, about=ABOUT)
    assert [problem.code for problem in caught.value.problems] == ["common"]


@pytest.mark.parametrize(
    "password",
    [
        "seven green lamps over the bridge",
        "xk4 Tz9 qpL 02",
        "ünïcödé passt auch",
        "839201746528",
        "мой кот спит днём",
    ],
)
def test_any_other_password_of_twelve_signs_is_taken(password: str) -> None:
    passwords.check(password, about=ABOUT)


@pytest.mark.parametrize(
    ("password", "code"), [("elevensigns", "short"), ("", "short"), ("x1" * 101, "long")]
)
def test_too_short_and_too_long_say_so(password: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        passwords.check(password)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_hashes_are_argon2id_and_differ() -> None:
    first, second = passwords.hash_password("twelve signs"), passwords.hash_password("twelve signs")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.is_right(first, "twelve signs")
    assert not passwords.is_right(first, "twelve sign")
    assert not passwords.is_right(None, "nobody has this password")


def test_two_people_cannot_have_one_address(cast: Cast) -> None:
    with cast.app.app_context(), pytest.raises(Conflict):
        service.create_user(
            db.session(), email="ALICE@north.example", name="Other", password="seven green lamps over",
            role=Role.EDITOR, workspace_id=cast.charlie.workspace_id,
        )  # fmt: skip


def test_names_lose_their_control_characters(cast: Cast) -> None:
    with cast.app.app_context():
        user = service.create_user(
            db.session(), email="dana@north.example", name="Dana\r\nBcc: x\x1b[31m", password="seven green lamps over",
            role=Role.EDITOR, workspace_id=cast.alice.workspace_id,
        )  # fmt: skip
        assert user.name == "Dana Bcc: x [31m"
