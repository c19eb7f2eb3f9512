"""Where a step of a draft can be moved to: each "+" that it could be dragged onto, as a choice in words."""

from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode

from werkzeug.datastructures import MultiDict

from app.definition import edit, graph
from app.features.workflows.desk import Desk

Place = tuple[list[str], list[str]]


def destinations(desk: Desk, step_id: str) -> list[tuple[str, str]]:
    """Return every place that a step can go to, as :func:`written` and in words, in reading order.

    Left out are those where it is, and those below its side outcomes, which go with it: it would wait for itself.
    """
    closed = {step_id} | edit.carried(desk.drawn, step_id, desk.types)
    return [
        (written(after, before), desk.place_words(after, before) if after else "At the beginning")
        for after, before in _places(desk)
        if step_id not in before and closed.isdisjoint(graph.split(each)[0] for each in after)
    ]


def written(after: list[str], before: list[str]) -> str:
    """Write a place as one text, for a list to choose from: the entries it comes *after*, the steps it is *before*."""
    return urlencode({"after": after, "before": before}, doseq=True)


def read(place: str) -> Place:
    """Read what :func:`written` wrote; of any other text nothing is found."""
    found = MultiDict(parse_qsl(place))
    return found.getlist("after"), found.getlist("before")


def _places(desk: Desk) -> Iterator[Place]:
    """Yield every "+": of the beginning, then of each step those of the diagram and those of the list that differ."""
    if desk.first_steps:
        yield [], desk.first_steps
    lines: dict[str, list[Place]] = defaultdict(list)
    ends: dict[str, list[Place]] = defaultdict(list)
    for way in desk.places.edges:
        if way.outcome == way.outcomes[0]:
            lines[way.source].append((desk.entries(way.source, way.outcomes), [way.target]))
    for stub in desk.places.stubs:
        ends[stub.source] += [([each], []) for each in desk.entries(stub.source, stub.outcomes)]
    for step_id in desk.cards:
        yield from lines[step_id]
        yield from (place for place, _ in desk.ways_on(step_id) if len(place[1]) > 1)
        yield from ends[step_id]
