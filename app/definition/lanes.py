"""The diagram's places: from a definition to boxes, lines and labels. A pure function; drawing is the page's work.

The main line runs straight down on the left; a branch or a side outcome takes the next free lane to the right and joins
back left. A line goes down in one lane (its channel): it splits just under its source, runs down the channel and joins
just above its target, so it never crosses a box, and its label stands in the channel, where no other line is.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.definition.lane_grid import Grid, Line, route
from app.definition.parts import Definition
from app.definition.text_width import cut_to_fit, width

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Hold the measures of a diagram in px; *split* is under the source, *join* above the target."""

    node_w: float = 248
    node_h: float = 60
    name_w: float = 178
    lane_gap: float = 24
    row_gap: float = 44
    labelled_gap: float = 50
    split: float = 10
    join: float = 18
    label_drop: float = 17
    label_h: float = 22
    left: float = 6
    top: float = 34
    bottom: float = 12
    corner: float = 8
    track: float = 6
    aside: float = 84
    plus: float = 12


RUN = Geometry()
BUILDER = Geometry(row_gap=54, labelled_gap=78, join=10, label_drop=15)


@dataclass(frozen=True, slots=True)
class Node:
    """Place one step: *label* is its name cut to fit, *name* the whole; *x*, *y* the box's upper left corner."""

    id: str
    type: str
    name: str
    label: str
    index: int
    lane: int
    row: int
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class EdgePath:
    """Place one line: *d* and *head* are SVG paths (the arrow is its own), *points* the corners of *d*.

    Edges between the same two steps share one line; the first of them carries the label of all. *label* is "" for
    ``done``; *label_x*, *label_y* are the middle of its pill of *label_w* × *label_h*. *plus_x*,
    *plus_y* are the middle of the builder's "+", which stands for all *outcomes* of the line.
    """

    source: str
    outcome: str
    target: str
    outcomes: tuple[str, ...]
    d: str
    head: str
    points: tuple[Point, ...]
    label: str
    label_x: float
    label_y: float
    label_w: float
    label_h: float
    plus_x: float
    plus_y: float


@dataclass(frozen=True, slots=True)
class Stub:
    """Place the way on by an outcome that leads nowhere yet: a dashed line *d* with a "+" at its end.

    *outcomes* are several only where a step has more free ones than there is room for. *label* is "" for ``done``.
    """

    source: str
    outcomes: tuple[str, ...]
    d: str
    label: str
    label_x: float
    label_y: float
    label_w: float
    label_h: float
    plus_x: float
    plus_y: float


@dataclass(frozen=True, slots=True)
class Lane:
    """Place the heading of one lane: *x* is where its boxes start."""

    index: int
    label: str
    x: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Hold the whole diagram; *nodes* stand in tab order: lane by lane, top to bottom."""

    nodes: tuple[Node, ...]
    edges: tuple[EdgePath, ...]
    lanes: tuple[Lane, ...]
    width: float
    height: float
    stubs: tuple[Stub, ...] = ()


def layout(
    definition: Definition, geometry: Geometry = RUN, *, outcomes: Mapping[str, Sequence[str]] | None = None
) -> Layout:
    """Place every step and edge; edges from unknown steps, and those that close a cycle, are left out.

    *outcomes* (of each step, by id) is for the builder: every line then has room for its "+", and every outcome that
    leads nowhere has a stub.
    """
    grid = Grid(definition, outcomes)
    lines = route(grid)
    drawing = _Drawing(grid, lines, geometry)
    count = 1 + max([*grid.lane.values(), *(line.channel for line in lines)], default=0)
    return Layout(
        nodes=tuple(drawing.nodes(definition)),
        edges=tuple(drawing.edges()),
        lanes=tuple(
            Lane(number, _lane_label(number, count), drawing.left(number)) for number in range(count)
        ),
        width=drawing.left(count) - geometry.lane_gap + geometry.left,
        height=drawing.height(),
        stubs=tuple(drawing.stubs()),
    )


def _lane_label(number: int, count: int) -> str:
    if number == 0:
        return "Main line"
    return "Side line" if count == 2 else f"Side line {number}"


# --- drawing -------------------------------------------------------------------------------------------------------


class _Drawing:
    def __init__(self, grid: Grid, lines: Sequence[Line], geometry: Geometry) -> None:
        self._grid = grid
        self._lines = lines
        self._geometry = geometry
        aside = [(grid.row[step], step) for step in grid.free if any(x for _, x in self._free(step))]
        self._splits = self._tracks(((line.start, line.source, line.channel) for line in lines), aside)
        self._joins = self._tracks((line.end - 1, line.target, line.channel) for line in lines)
        self._labelled = {line.start for line in lines if line.label}
        self._labelled |= {grid.row[step] for step, free in grid.free.items() if free not in ((), ("done",))}
        self._tops = [geometry.top]
        for gap in range(grid.rows - 1):
            self._tops.append(self._tops[-1] + geometry.node_h + self._gap(gap))

    def left(self, lane: int) -> float:
        return self._geometry.left + lane * (self._geometry.node_w + self._geometry.lane_gap)

    def height(self) -> float:
        last = self._grid.rows - 1
        has_stub = any(free and self._grid.row[step] == last for step, free in self._grid.free.items())
        return self._under(last) + (self._gap(last) if has_stub else self._geometry.bottom)

    def nodes(self, definition: Definition) -> Iterator[Node]:
        grid, size = self._grid, self._geometry
        for step in sorted(definition.steps, key=lambda step: (grid.lane[step.id], grid.row[step.id])):
            lane, row = grid.lane[step.id], grid.row[step.id]
            yield Node(
                id=step.id,
                type=step.type,
                name=step.name,
                label=cut_to_fit(step.name, size.name_w, 14),
                index=grid.index[step.id],
                lane=lane,
                row=row,
                x=self.left(lane),
                y=self._tops[row],
                w=size.node_w,
                h=size.node_h,
            )

    def edges(self) -> Iterator[EdgePath]:
        lines = {(line.source, line.target): line for line in self._lines}
        for edge in self._grid.edges:
            line = lines[edge.source, edge.target]
            yield self._path(line, edge.outcome, self._label(line) if edge.outcome == line.outcomes[0] else "")

    def stubs(self) -> Iterator[Stub]:
        size = self._geometry
        for step in self._grid.free:
            row = self._grid.row[step]
            middle, under = self._middle(self._grid.lane[step]), self._under(row)
            split = under + size.split + size.track * self._splits.get((row, step), 0)
            for outcomes, aside in self._free(step):
                said = outcomes[0] if len(outcomes) == 1 else f"{len(outcomes)} more"
                label = cut_to_fit("" if outcomes == ("done",) else said, size.aside - 26, 12)
                x, plus_y = middle + aside, self._plus_y(row)
                way: list[Point] = [(middle, under), (x, plus_y - size.plus)]
                if aside:
                    way[1:1] = [(middle, split), (x, split)]
                yield Stub(
                    source=step,
                    outcomes=outcomes,
                    d=_rounded(way, size.corner),
                    label=label,
                    label_x=x,
                    label_y=self._label_y(row),
                    label_w=round(width(label, 12) + 18, 1),
                    label_h=size.label_h,
                    plus_x=x,
                    plus_y=plus_y,
                )

    def _free(self, step: str) -> Iterator[tuple[tuple[str, ...], float]]:
        """Yield the free outcomes of a step and how far from its middle each goes: below it only where no line is."""
        free, size = self._grid.free[step], self._geometry
        aside = size.aside
        places = [aside, -aside] if self._grid.out_of[step] else [0, aside, -aside]
        for number, place in enumerate(places[: len(free)]):
            is_last = number == len(places) - 1
            yield (free[number:] if is_last else free[number : number + 1]), place

    def _label(self, line: Line) -> str:
        if not self._grid.free[line.source]:
            return cut_to_fit(line.label, self._geometry.node_w - 30, 12)
        short = line.label if len(line.outcomes) == 1 else f"{line.outcomes[0]} + {len(line.outcomes) - 1}"
        return cut_to_fit(short, self._geometry.aside - 18, 12)

    def _path(self, line: Line, outcome: str, label: str) -> EdgePath:
        size = self._geometry
        points = tuple(self._points(line))
        x, tip = points[-1][0], points[-1][1] + 5
        return EdgePath(
            source=line.source,
            outcome=outcome,
            target=line.target,
            outcomes=line.outcomes,
            d=_rounded(points, size.corner),
            head=f"M{_n(x - 5)} {_n(tip - 7)}h10l-5 7z",
            points=points,
            label=label,
            label_x=self._middle(line.channel),
            label_y=self._label_y(line.start),
            label_w=round(width(label, 12) + 18, 1),
            label_h=size.label_h,
            plus_x=self._middle(line.channel),
            plus_y=self._plus_y(line.start),
        )

    def _label_y(self, row: int) -> float:
        size = self._geometry
        return self._under(row) + self._extra(self._splits, row) + size.label_drop + size.label_h / 2

    def _plus_y(self, row: int) -> float:
        size = self._geometry
        drop = size.label_drop + size.label_h + 14 if row in self._labelled else 25
        return self._under(row) + self._extra(self._splits, row) + drop

    def _points(self, line: Line) -> Iterator[Point]:
        size = self._geometry
        start, channel, end = (self._middle(lane) for lane in self._lanes(line))
        top = self._tops[line.end]
        yield start, self._under(line.start)
        if channel != start:
            split = self._under(line.start) + size.split + size.track * self._splits[line.start, line.source]
            yield start, split
            yield channel, split
        if channel != end:
            join = top - size.join - size.track * self._joins[line.end - 1, line.target]
            yield channel, join
            yield end, join
        yield end, top - 6

    def _lanes(self, line: Line) -> tuple[int, int, int]:
        return self._grid.lane[line.source], line.channel, self._grid.lane[line.target]

    def _middle(self, lane: int) -> float:
        return self.left(lane) + self._geometry.node_w / 2

    def _under(self, row: int) -> float:
        return self._tops[row] + self._geometry.node_h

    def _gap(self, gap: int) -> float:
        size = self._geometry
        height = size.row_gap
        if gap in self._labelled:
            joined = any(place == gap for place, _ in self._joins)
            height = max(size.labelled_gap, size.label_drop + size.label_h + 11 + size.join if joined else 0)
        return height + self._extra(self._splits, gap) + self._extra(self._joins, gap)

    def _extra(self, tracks: dict[tuple[int, str], int], gap: int) -> float:
        return self._geometry.track * max(
            (track for (place, _), track in tracks.items() if place == gap), default=0
        )

    def _tracks(
        self, ends: Iterable[tuple[int, str, int]], aside: Iterable[tuple[int, str]] = ()
    ) -> dict[tuple[int, str], int]:
        """Give the level parts of lines in one gap heights of their own where they would lie on each other.

        *ends* are (gap, step, channel); level parts of one step lie together. *aside* (gap, step) are those that go
        sideways within their own lane too.
        """
        spans = {(gap, step): (self._grid.lane[step], self._grid.lane[step]) for gap, step in aside}
        for gap, step, channel in ends:
            lane = self._grid.lane[step]
            if channel != lane:
                low, high = spans.get((gap, step), (lane, lane))
                spans[gap, step] = min(low, channel), max(high, channel)
        tracks: dict[tuple[int, str], int] = {}
        filled: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for (gap, step), (low, high) in sorted(
            spans.items(), key=lambda span: (span[1][1] - span[1][0], span[0])
        ):
            track = 0
            while any(low <= right and left <= high for left, right in filled[gap, track]):
                track += 1
            filled[gap, track].append((low, high))
            tracks[gap, step] = track
        return tracks


def _rounded(points: Sequence[Point], corner: float) -> str:
    """Write a way of level and upright parts as an SVG path with rounded corners."""
    parts = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for number in range(1, len(points) - 1):
        before, here, after = points[number - 1], points[number], points[number + 1]
        radius = min(
            corner, _reach(before, here, number == 1), _reach(here, after, number == len(points) - 2)
        )
        parts.append(_straight(_towards(here, before, radius), here, before))
        end = _towards(here, after, radius)
        parts.append(f"Q{_n(here[0])} {_n(here[1])} {_n(end[0])} {_n(end[1])}")
    parts.append(_straight(points[-1], points[-1], points[-2]))
    return "".join(parts)


def _reach(one: Point, other: Point, whole: bool) -> float:
    length = abs(one[0] - other[0]) + abs(one[1] - other[1])
    return length if whole else length / 2


def _towards(corner: Point, other: Point, distance: float) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    return corner[0] + (dx > 0) * distance - (dx < 0) * distance, corner[1] + (dy > 0) * distance - (
        dy < 0
    ) * distance


def _straight(to: Point, corner: Point, before: Point) -> str:
    return f"V{_n(to[1])}" if corner[0] == before[0] else f"H{_n(to[0])}"


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
