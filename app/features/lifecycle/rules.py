"""What an imported workflow still needs before it may run, and what must never leave in a file."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from app.definition.schema import Definition, Step, TypeFacts
from app.definition.values import texts_in

LEFT_OUT = "(left out)"
_SECRET = re.compile(
    r"authorization|password|passwd|secret|token|api[-_ ]?key|credential|signature", re.IGNORECASE
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_URL = re.compile(r"https?://[^\s\"'<>{}]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to look at: *kind* is ``secret person address connection``, *what* its name, *steps* who uses it."""

    kind: str
    what: str
    steps: tuple[str, ...]

    @property
    def key(self) -> str:
        """Name it in a form and in what is still unchecked."""
        return f"{self.kind}:{self.what}"[:300]


def needs(
    definition: Definition,
    types: Mapping[str, TypeFacts],
    *,
    people: Collection[str],
    connections: Collection[str],
) -> list[Need]:
    """Return what somebody must look at before the workflow may run here, each once, with the steps that use it.

    *people* are the addresses known here, *connections* the ids; whoever is known needs no look.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for step in definition.steps:
        for kind, what in _of_step(step, types, people, connections):
            names = found.setdefault((kind, what), [])
            if step.name not in names:
                names.append(step.name)
    for question in definition.inputs:
        for address in _ADDRESS.findall(str(question.default or "")):
            if address.lower() not in people:
                found.setdefault(("person", address.lower()), []).append(question.label)
    order = ("secret", "connection", "person", "address")
    return [
        Need(kind, what, tuple(names))
        for (kind, what), names in sorted(found.items(), key=lambda n: order.index(n[0][0]))
    ]


def _of_step(
    step: Step, types: Mapping[str, TypeFacts], people: Collection[str], connections: Collection[str]
) -> Iterator[tuple[str, str]]:
    bound = _connection_fields(types.get(step.type))
    for at, text in texts_in(step.config):
        field = at.split("/")[1] if "/" in at else ""
        if text == LEFT_OUT:
            yield "secret", at.rsplit("/", 1)[-1].replace("~1", "/").replace("_", " ")
        elif field in bound:
            if "{{" not in text and text not in connections:
                yield "connection", text
        else:
            for address in _ADDRESS.findall(_URL.sub("", text)):
                if address.lower() not in people:
                    yield "person", address.lower()
            for url in _URL.findall(text):
                yield "address", urlsplit(url).hostname or url


def _connection_fields(facts: TypeFacts | None) -> frozenset[str]:
    if facts is None:
        return frozenset()
    return frozenset(
        field.alias or name
        for name, field in facts.config.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("widget") == "connection"
    )


def without_secrets(value: Any, key: str = "") -> Any:
    """Return JSON data with everything left out that a name says is secret, and with sign-ins cut from addresses.

    What is worked out in a run (``{{ … }}``) stays: it holds no secret itself.
    """
    match value:
        case dict():
            return {name: without_secrets(one, str(name)) for name, one in value.items()}
        case list():
            return [without_secrets(one, key) for one in value]
        case str() if key and _SECRET.search(key) and value and "{{" not in value:
            return LEFT_OUT
        case str() if "://" in value:
            return _URL.sub(lambda found: _open_address(found[0]), value)
    return value


def _open_address(url: str) -> str:
    """Return an address without its sign-in and without the values of secret parameters."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    place = parts.netloc.rpartition("@")[2]
    query = parts.query
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(_SECRET.search(name) for name, _ in pairs):
        query = urlencode([(name, LEFT_OUT if _SECRET.search(name) else one) for name, one in pairs])
    if (place, query) == (parts.netloc, parts.query):
        return url
    return urlunsplit((parts.scheme, place, parts.path, query, parts.fragment))
