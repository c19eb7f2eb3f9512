"""What waits for a person: requests to decide, runs that need their answer, runs of theirs that failed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.engine.models import Run
from app.features.accounts.enums import Permission
from app.features.approvals import queries as approvals
from app.features.approvals.models import Approval
from app.features.runs import standing
from app.web.nav import Asker
from app.web.visitor import Visitor

FAILED_DAYS = 3  # over a weekend; later a failed run stands in the list of runs alone


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first of what waits: *approvals* the most urgent first, *runs* that ask, then those that failed."""

    approvals: Sequence[Approval]
    runs: Sequence[Run]

    @property
    def mark(self) -> str:
        """What a reader has seen of it."""
        seen = [f"{one.id}" for one in self.approvals] + [f"{run.id}{run.changed_at.timestamp()}" for run in self.runs]
        return hashlib.blake2s(" ".join(seen).encode(), digest_size=8).hexdigest()


def waiting(session: Session, me: Visitor, now: datetime, *, limit: int) -> Waiting:
    """Return at most *limit* requests and at most *limit* runs; runs only for who may answer them."""
    mine = approvals.open_approvals(session, me.workspace_id, email=me.email, limit=limit)
    if not me.may(Permission.LAUNCH):
        return Waiting(mine, [])
    asking = standing.asking(session, me.workspace_id, me.user_id, limit=limit)
    failed = standing.given_up(session, me.workspace_id, me.user_id, _since(now), limit=limit)
    return Waiting(mine, [*asking, *failed][:limit])


def count(asker: Asker) -> sa.ColumnElement[int]:
    """Count all of it, each kind up to a hundred, as part of a statement."""
    mine: sa.ColumnElement[int] = approvals.count_for(asker.workspace_id, asker.email)
    if not asker.may(Permission.LAUNCH):
        return mine
    since: sa.BindParameter[datetime] = sa.bindparam("failed_since", callable_=lambda: _since(clock.now()))
    return mine + standing.for_person_count(asker.workspace_id, asker.user_id, since)


def _since(now: datetime) -> datetime:
    return now - timedelta(days=FAILED_DAYS)
