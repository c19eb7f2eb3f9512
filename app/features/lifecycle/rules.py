"""What an imported workflow still needs before it may run, and what must never leave in a file."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic.fields import FieldInfo

from app.core.ids import is_id
from app.definition import launch_form
from app.definition.schema import Definition, Step, TypeFacts
from app.definition.values import texts_in

LEFT_OUT = "(left out)"
_SECRET = re.compile(
    r"authorization|password|passwd|secret|token|api[-_ ]?key|credential|signature", re.IGNORECASE
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_URL = re.compile(r"https?://[^\s\"'<>{}]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: in a setting of a step, by its id, or in a question's default, by its key."""

    name: str
    owner: str
    setting: str
    is_question: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to look at: *kind* is ``secret connection workflow file person address``, *what* its name."""

    kind: str
    what: str
    places: tuple[Place, ...]

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of the steps and questions that use it, each once."""
        return tuple(dict.fromkeys(place.name for place in self.places))

    @property
    def key(self) -> str:
        """Name it in a form and in what is still unchecked."""
        return f"{self.kind}:{self.what}"[:300]

    @property
    def is_missing(self) -> bool:
        """Whether a run fails without it; what is there is only looked at."""
        return self.kind not in ("person", "address")


@dataclass(frozen=True, slots=True)
class Known:
    """What a workspace has: addresses of its people, ids of connections and files, and how its workflows are named."""

    people: Collection[str] = ()
    connections: Collection[str] = ()
    workflows: Collection[str] = ()
    files: Collection[str] = ()


_ORDER = ("secret", "connection", "workflow", "file", "person", "address")
_FILES = ("images", "documents", "documents_or_text", "answers")
_Found = tuple[str, str, Place]


def needs(definition: Definition, types: Mapping[str, TypeFacts], known: Known) -> list[Need]:
    """Return what somebody must look at before the workflow may run here, each once, with the steps that use it.

    What is *known* needs no look.
    """
    found: dict[tuple[str, str], list[Place]] = {}
    for kind, what, place in _found(definition, types, known):
        places = found.setdefault((kind, what), [])
        if place not in places:
            places.append(place)
    return [
        Need(kind, what, tuple(places))
        for (kind, what), places in sorted(found.items(), key=lambda each: _ORDER.index(each[0][0]))
    ]


def references(definition: Definition, types: Mapping[str, TypeFacts]) -> tuple[set[str], set[str]]:
    """Return what a definition names of its workspace: other workflows, by name or id, and documents and pictures."""
    workflows: set[str] = set()
    files = {each for question in definition.inputs for each in launch_form.handed_ids(question, question.default)}
    for step in definition.steps:
        for field, text, _ in _texts(step):
            widget = _widget(types.get(step.type), field)
            if widget == "workflow":
                workflows.add(text)
            elif widget in _FILES and is_id(text):
                files.add(text)
    return workflows, files


def _found(definition: Definition, types: Mapping[str, TypeFacts], known: Known) -> Iterator[_Found]:
    for step in definition.steps:
        yield from _of_step(step, types.get(step.type), known)
    for question in definition.inputs:
        place = Place(question.label, question.key, "default", is_question=True)
        if question.default == LEFT_OUT:
            yield "secret", question.label, place
        for each in launch_form.handed_ids(question, question.default):
            if each not in known.files:
                yield "file", question.label, place
        for address in _ADDRESS.findall(str(question.default or "")):
            if address.lower() not in known.people:
                yield "person", address.lower(), place


def _of_step(step: Step, facts: TypeFacts | None, known: Known) -> Iterator[_Found]:
    for field, text, at in _texts(step):
        place = Place(step.name, step.id, field)
        widget = _widget(facts, field)
        if text == LEFT_OUT:
            yield "secret", at.rsplit("/", 1)[-1].replace("~1", "/").replace("_", " "), place
        elif widget == "connection":
            if "{{" not in text and text not in known.connections:
                yield "connection", text, place
        elif widget == "workflow":
            if "{{" not in text and text not in known.workflows:
                yield "workflow", "Another workflow" if is_id(text) else text, place
        elif widget in _FILES and is_id(text):
            if text not in known.files:
                yield "file", _title(facts, field), place
        else:
            for address in _ADDRESS.findall(_URL.sub("", text)):
                if address.lower() not in known.people:
                    yield "person", address.lower(), place
            for url in _URL.findall(text):
                yield "address", urlsplit(url).hostname or url, place


def _texts(step: Step) -> Iterator[tuple[str, str, str]]:
    """Yield every text of a step's settings: the setting, the text, and where it stands."""
    for at, text in texts_in(step.config):
        yield at.split("/")[1] if "/" in at else "", text, at


def _widget(facts: TypeFacts | None, name: str) -> str:
    field = _field(facts, name)
    extra = field.json_schema_extra if field else None
    return str(extra.get("widget", "")) if isinstance(extra, dict) else ""


def _title(facts: TypeFacts | None, name: str) -> str:
    field = _field(facts, name)
    return (field.title if field else None) or name


def _field(facts: TypeFacts | None, name: str) -> FieldInfo | None:
    fields = facts.config.model_fields if facts else {}
    return next((field for key, field in fields.items() if name == (field.alias or key)), None)


def without_secrets(value: Any, key: str = "") -> Any:
    """Return JSON data with everything left out that a name says is secret, and with sign-ins cut from addresses.

    What is worked out in a run (``{{ … }}``) stays: it holds no secret itself. A question is named by its key.
    """
    match value:
        case {"key": str(asked), "default": str(), **_rest} if value.get("type", "text") in ("text", "long_text"):
            return {name: without_secrets(one, asked if name == "default" else "") for name, one in value.items()}
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
