"""E-mail addresses in settings: one, a list, lists in a list (an answer may be a list itself), or parted by commas."""

from collections.abc import Iterator
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from app.engine.contract import Category, StepError


def flat(value: Any) -> Any:
    """Return one flat list of texts; what is neither text nor list stays, for pydantic to refuse."""
    if isinstance(value, str):
        return [
            part.strip() for part in value.replace(";", ",").replace("\n", ",").split(",") if part.strip()
        ]
    if isinstance(value, list | tuple):
        return [
            part
            for item in value
            for part in (flat(item) if isinstance(item, str | list | tuple) else [item])
        ]
    return value


def in_words(value: Any) -> list[str]:
    """Return whom a setting names, for a sentence: each address by itself, a value that stands there in words whole."""
    items = value if isinstance(value, list | tuple) else [value]
    return [
        part
        for item in items
        if isinstance(item, str) and item.strip()
        for part in (flat(item) if "@" in item else [item.strip()])
    ]


def _read(value: Any, info: ValidationInfo) -> Any:
    if (info.context or {}).get("is_written"):
        for text in _texts(value):
            for address in flat(text) if "{{" not in text else ():
                if not _normalized(address):
                    said = {"address": address[:80], "fix": _FIX}
                    raise PydanticCustomError("bad_value", "“{address}” is not an e-mail address.", said)
    return flat(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


Addresses = Annotated[list[str], BeforeValidator(_read)]
_FIX = "Write addresses like maria@example.com."


def checked(addresses: list[str], *, most: int, nobody: str, code: str) -> list[str]:
    """Return the addresses, each once, in order. Raises StepError(input) that names what is wrong."""
    if not addresses:
        raise _wrong(nobody, code)
    if len(addresses) > most:
        raise _wrong(f"{len(addresses)} people are named; at most {most} can be.", code)
    found: dict[str, str] = {}
    for address in addresses:
        good = _normalized(address)
        if not good:
            raise _wrong(f"“{address[:80]}” is not an e-mail address.", code)
        found.setdefault(good.lower(), good)
    return list(found.values())


def _normalized(address: str) -> str:
    try:
        return validate_email(address.strip(), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        return ""


def _wrong(message: str, code: str) -> StepError:
    return StepError(Category.INPUT, message, code=code, fix=_FIX)
