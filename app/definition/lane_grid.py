"""Where the steps of a diagram stand, in rows and lanes, and the lane that each line runs down in."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.definition.graph import SIDE_OUTCOMES, Edge, edges, topological_order
from app.definition.parts import Definition
from app.definition.problems import listed


class Grid:
    """Give every step a row (its longest way from the start) and a lane."""

    def __init__(self, definition: Definition, outcomes: Mapping[str, Sequence[str]] | None) -> None:
        ids = topological_order(definition)
        self.has_plus = outcomes is not None
        followed = {(edge.source, edge.outcome) for edge in edges(definition)}
        self.free = {
            step: tuple(each for each in (outcomes or {}).get(step, ()) if (step, each) not in followed)
            for step in ids
        }
        place = {step: number for number, step in enumerate(ids)}
        self.edges = [
            edge
            for edge in dict.fromkeys(edges(definition))
            if place.get(edge.source, len(ids)) < place[edge.target]
        ]
        self.index = {step.id: number for number, step in enumerate(definition.steps)}
        self.into: dict[str, list[Edge]] = defaultdict(list)
        self.out_of: dict[str, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            self.into[edge.target].append(edge)
            self.out_of[edge.source].append(edge)
        self.row: dict[str, int] = {}
        for step in ids:
            self.row[step] = 1 + max((self.row[edge.source] for edge in self.into[step]), default=-1)
        self.rows = 1 + max(self.row.values(), default=0)
        self.lane: dict[str, int] = {}
        self.taken: dict[
            tuple[int, int], str
        ] = {}  # row, lane: the step that is there, or whose line is kept free
        for row in range(self.rows):
            self._fill(row, [step for step in ids if self.row[step] == row])

    def _fill(self, row: int, steps: Sequence[str]) -> None:
        wanted = {step: self._wanted(step) for step in steps}
        for step in sorted(steps, key=lambda step: (wanted[step], self._is_side(step), self.index[step])):
            lane = wanted[step]
            while (row, lane) in self.taken:
                lane += 1
            self.lane[step] = lane
            self.taken[row, lane] = step
            following = min((self.row[edge.target] for edge in self.out_of[step]), default=row)
            for below in range(row + 1, following):
                self.taken.setdefault((below, lane), step)

    def _wanted(self, step: str) -> int:
        return min((self.lane[edge.source] + self._aside(edge) for edge in self.into[step]), default=0)

    def _aside(self, edge: Edge) -> bool:
        others = self.out_of[edge.source]
        return edge.outcome in SIDE_OUTCOMES and any(other.outcome not in SIDE_OUTCOMES for other in others)

    def _is_side(self, step: str) -> bool:
        return all(edge.outcome in SIDE_OUTCOMES for edge in self.into[step])


# --- channels ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One line stands for all edges between two steps: their outcomes share a label ("rejected or expired")."""

    source: str
    target: str
    outcomes: tuple[str, ...]
    start: int
    end: int
    channel: int

    @property
    def label(self) -> str:
        """What the line says: the outcomes it stands for, nothing for ``done``."""
        return "" if self.outcomes == ("done",) else listed(self.outcomes, "or")


def route(grid: Grid) -> list[Line]:
    """Give every line the lane it runs down in. Short straight ones choose first; a new lane is always free."""
    used: dict[tuple[int, int], list[Line]] = defaultdict(
        list
    )  # the gap under a row, lane: the lines that run there
    lanes = 1 + max(grid.lane.values(), default=0)
    outcomes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for edge in grid.edges:
        outcomes[edge.source, edge.target].append(edge.outcome)
    routed: list[Line] = []
    for source, target in sorted(outcomes, key=lambda ends: _turn(grid, *ends)):
        wanted = max(
            grid.lane[source], grid.lane[target]
        )  # under the source to join back left, else above the target
        for channel in sorted(range(lanes + 1), key=lambda lane: (lane != wanted, abs(lane - wanted), -lane)):
            line = Line(
                source, target, tuple(outcomes[source, target]), grid.row[source], grid.row[target], channel
            )
            if _fits(grid, used, line):
                break
        lanes = max(lanes, channel + 1)
        routed.append(line)
        for gap in range(line.start, line.end):
            used[gap, channel].append(line)
    return routed


def _turn(grid: Grid, source: str, target: str) -> tuple[int, bool, int]:
    span = grid.row[target] - grid.row[source]
    return span, grid.lane[source] != grid.lane[target], grid.index[target]


def _fits(grid: Grid, used: dict[tuple[int, int], list[Line]], line: Line) -> bool:
    for row in range(line.start + 1, line.end):
        owner = grid.taken.get((row, line.channel))
        if owner is not None and (grid.row[owner] == row or owner != line.source):
            return False
    return _is_clear(grid, line) and all(
        _together(grid, line, other, gap)
        for gap in range(line.start, line.end)
        for other in used.get((gap, line.channel), ())
    )


def _is_clear(grid: Grid, line: Line) -> bool:
    """Tell whether no other box's line starts or ends where this one turns into its channel or out of it."""
    above = grid.taken.get((line.start, line.channel), line.source)
    below = grid.taken.get((line.end, line.channel), line.target)
    if above != line.source and grid.free[above] and grid.row[above] == line.start:
        return False
    starts = [] if above == line.source else [edge.target for edge in grid.out_of[above]]
    ends = [] if below == line.target else [edge.source for edge in grid.into[below]]
    return all(target == line.target for target in starts) and all(source == line.source for source in ends)


def _together(grid: Grid, one: Line, other: Line, gap: int) -> bool:
    """Tell whether two lines may run as one there: same start or same end, and no label or "+" to mistake."""
    labelled = any((line.label or grid.has_plus) and line.start == gap for line in (one, other))
    return not labelled and (one.target == other.target or one.source == other.source)
