"""The run's diagram: the places of ``definition.lanes`` with what became of each step; ``runs/_diagram.html`` draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.definition.lanes import EdgePath, Layout, Node, layout
from app.definition.parts import Definition
from app.definition.text_width import cut_to_fit
from app.engine.enums import StepStatus
from app.features.runs.trace import Entry
from app.features.runs.words import listed
from app.web.filters import spelled

WORD_PX = 12.5
WORD_W = 165.0


@dataclass(frozen=True, slots=True)
class Box:
    """A step at its place. *word* fits the box; *said* is the whole of it."""

    node: Node
    entry: Entry
    word: str

    @property
    def said(self) -> str:
        """Name and status, for those who do not see the box."""
        return f"{self.node.name}: {self.entry.word}"


@dataclass(frozen=True, slots=True)
class Way:
    """A line at its place, and whether the run went along it."""

    path: EdgePath
    is_taken: bool


@dataclass(frozen=True, slots=True)
class Diagram:
    """The whole picture: what to draw, and one sentence that says it."""

    layout: Layout
    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
    sentence: str


def diagram(definition: Definition, version_id: str, entries: Sequence[Entry]) -> Diagram:
    """Colour a version's places with what became of its steps."""
    places = _places(version_id, definition)
    by_id = {entry.id: entry for entry in entries}
    return Diagram(
        layout=places,
        boxes=tuple(
            Box(node, by_id[node.id], cut_to_fit(by_id[node.id].word, WORD_W, WORD_PX)) for node in places.nodes
        ),
        ways=tuple(Way(path, _is_taken(path, by_id, definition)) for path in places.edges),
        sentence=_sentence(entries),
    )


class _Key:
    """A version as a key of the cache: its definition never changes, and needs no hash of its own."""

    __slots__ = ("definition", "version_id")

    def __init__(self, version_id: str, definition: Definition) -> None:
        self.version_id, self.definition = version_id, definition

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.version_id == self.version_id

    def __hash__(self) -> int:
        return hash(self.version_id)


@lru_cache(maxsize=128)
def _laid_out(key: _Key) -> Layout:
    return layout(key.definition)


def _places(version_id: str, definition: Definition) -> Layout:
    return _laid_out(_Key(version_id, definition))


def _is_taken(path: EdgePath, by_id: dict[str, Entry], definition: Definition) -> bool:
    source = by_id[path.source]
    if source.status is StepStatus.COMPLETED:
        return (source.outcome or "done") == path.outcome
    if source.status is StepStatus.FAILED:
        return path.outcome == "failed" and definition.step(path.source).on_failure == "continue"
    return False


def _sentence(entries: Sequence[Entry]) -> str:
    busy = [entry.name for entry in entries if entry.is_under_way or entry.is_waiting]
    failed = [entry.name for entry in entries if entry.status is StepStatus.FAILED]
    steps = spelled(len(entries), "step")
    said = f"{steps[:1].upper()}{steps[1:]}."
    if failed:
        return f"{said} Failed: {listed(failed)}."
    if busy:
        return f"{said} Now: {listed(busy)}."
    done = sum(entry.status is StepStatus.COMPLETED for entry in entries)
    return f"{said} Done: {done}."
