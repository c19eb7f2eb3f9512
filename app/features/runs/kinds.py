"""Which runs a list keeps: a team's own, its tests, the samples that a workspace came with."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.engine.models import RUN_OTHER, RUN_REAL, RUN_SAMPLE, Run


class Kind(StrEnum):
    """A kind as it stands in the address; a list keeps :attr:`OWN` unless it is asked for another."""

    OWN = ""
    REAL = "real"
    TESTS = "tests"
    SAMPLES = "samples"
    ALL = "all"

    @property
    def is_rare(self) -> bool:
        """Whether such runs are looked for in an index of their own."""
        return self in (Kind.TESTS, Kind.SAMPLES)

    @property
    def narrows(self) -> bool:
        """Whether it keeps less than usual."""
        return self in (Kind.REAL, Kind.TESTS, Kind.SAMPLES)


NAMES = {
    Kind.OWN: "Ours, tests too",
    Kind.REAL: "Ours without tests",
    Kind.TESTS: "Only tests",
    Kind.SAMPLES: "Only samples",
    Kind.ALL: "Everything, samples too",
}
_CONDITIONS: dict[Kind, tuple[Any, ...]] = {
    Kind.OWN: (),
    Kind.REAL: (RUN_REAL,),
    Kind.TESTS: (RUN_OTHER, Run.test.is_(True)),
    Kind.SAMPLES: (RUN_OTHER, RUN_SAMPLE),
    Kind.ALL: (),
}


def conditions(session: Session, workspace_id: str, kind: Kind) -> tuple[sa.ColumnElement[bool], ...]:
    """Return what keeps to runs of this kind.

    Our own are all but the samples, which are a dozen: left out by their ids, which each index of runs has, so that no
    run is read to see what it is.
    """
    if kind is not Kind.OWN:
        return _CONDITIONS[kind]
    ids = samples(session, workspace_id)
    return (Run.id.not_in(ids),) if ids else ()


def samples(session: Session, workspace_id: str) -> Sequence[str]:
    """Return the runs that the workspace came with."""
    wanted = sa.select(Run.id).where(Run.workspace_id == workspace_id, *_CONDITIONS[Kind.SAMPLES])
    return session.execute(wanted).scalars().all()
