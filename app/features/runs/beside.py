"""Ways of a run that go on at the same time, and how they stand: "2 of 3 done, 1 failed". Pure.

Where one outcome leads to several steps, or a workflow begins with several, each begins a way. A way ends where it
comes together with another one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.definition.graph import edges, predecessors, topological_order
from app.definition.parts import Definition
from app.engine.enums import StepStatus

Way = frozenset[str]  # the ids of its steps
Statuses = Mapping[str, StepStatus]  # of the steps that have begun, by id


@dataclass(frozen=True, slots=True)
class Fork:
    """Ways that begin after the same step; "" is the beginning of the run."""

    source: str
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How many of the ways of a fork are done, failed and were skipped; the others go on."""

    number: int
    done: int
    failed: int
    skipped: int

    @property
    def is_over(self) -> bool:
        """Whether every way has ended."""
        return self.done + self.failed + self.skipped == self.number

    @property
    def said(self) -> str:
        """The ways in words: "2 of 3 done, 1 failed"."""
        more = ((self.failed, "failed"), (self.skipped, "skipped"))
        return ", ".join([f"{self.done} of {self.number} done", *(f"{n} {word}" for n, word in more if n)])


def forks(definition: Definition) -> Sequence[Fork]:
    """Return where ways begin, the earliest first; worked out once a definition."""
    kept = definition.worked_out
    if "forks" not in kept:
        kept["forks"] = tuple(_forks(definition))
    known: Sequence[Fork] = kept["forks"]
    return known


def standing(definition: Definition, fork: Fork, statuses: Statuses) -> Standing | None:
    """Return how the ways of a fork stand; None before the first step of one has begun."""
    if not any(step in statuses for way in fork.ways for step in way):
        return None
    ends = [_end(definition, way, statuses) for way in fork.ways]
    done, failed, skipped = (
        ends.count(end) for end in (StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.SKIPPED)
    )
    return Standing(len(ends), done, failed, skipped)


def to_tell(definition: Definition, statuses: Statuses, *, is_open: bool) -> Standing | None:
    """Return the ways that are under way, of those within others the outer ones; else those of which one failed.

    Where each step is a way, it is told only what the count of the steps does not tell: that one failed.
    """
    told = (standing(definition, fork, statuses) for fork in forks(definition))
    stand = [each for each in told if each and (each.number < len(definition.steps) or each.failed)]
    under_way = next((each for each in stand if is_open and not each.is_over), None)
    return under_way or next((each for each in stand if each.failed), None)


def _forks(definition: Definition) -> Iterator[Fork]:
    starts: dict[tuple[str, str], list[str]] = {("", ""): [step.id for step in definition.steps if not step.after]}
    for edge in edges(definition):
        starts.setdefault((edge.source, edge.outcome), []).append(edge.target)
    places = {step: place for place, step in enumerate(topological_order(definition))}
    before = predecessors(definition)
    for source, outcome in sorted(starts, key=lambda each: places.get(each[0], -1)):
        ways = tuple(_ways(starts[source, outcome], before))
        if len(ways) > 1:
            yield Fork(source, ways)


def _ways(firsts: Iterable[str], before: Mapping[str, frozenset[str]]) -> Iterator[Way]:
    """Yield the way of each of the *firsts*: what comes after it alone. One that comes after another begins none."""
    begin = [step for step in dict.fromkeys(firsts) if not before[step] & set(firsts)]
    for first in begin:
        others = set(begin) - {first}
        yield frozenset([first, *(step for step, above in before.items() if first in above and not above & others)])


def _end(definition: Definition, way: Way, statuses: Statuses) -> StepStatus | None:
    """Return how a way has ended: completed, failed or skipped; None while it goes on."""
    if not all((status := statuses.get(step)) and status.is_settled for step in way):
        return None
    if any(statuses[step] is StepStatus.FAILED and not _is_caught(definition, step) for step in way):
        return StepStatus.FAILED
    was_done = any(statuses[step] is StepStatus.COMPLETED for step in way)
    return StepStatus.COMPLETED if was_done else StepStatus.SKIPPED


def _is_caught(definition: Definition, step_id: str) -> bool:
    """Whether another step takes up what to do when this one fails."""
    goes_on = definition.step(step_id).on_failure == "continue"
    return goes_on and any(edge.source == step_id and edge.outcome == "failed" for edge in edges(definition))
