"""A person's own views of the history: filters kept under a name."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import FieldError, Invalid, NotFound
from app.core.ids import is_id
from app.features.accounts import service as accounts
from app.features.runs.models import RunView

MOST = 20
NAME_CHARS = 60


def views(session: Session, workspace_id: str, user_id: str) -> Sequence[RunView]:
    """Return a person's views by name."""
    mine = sa.select(RunView).where(RunView.workspace_id == workspace_id, RunView.user_id == user_id)
    return session.execute(mine.order_by(sa.func.lower(RunView.name), RunView.id)).scalars().all()


def save(session: Session, workspace_id: str, user_id: str, *, name: str, filters: Mapping[str, str]) -> RunView:
    """Keep filters under a name; a name that is there already takes the new ones. Raises Invalid."""
    name = " ".join(name.replace("\0", "").split())
    if not name:
        raise _wrong("required", "A view needs a name.", "Call it what you look for: “Failed this week”.")
    if len(name) > NAME_CHARS:
        raise _wrong("too_long", f"This name has {len(name)} characters.", f"Use at most {NAME_CHARS}.")
    accounts.take_turn(session, workspace_id)  # one person in two tabs keeps one view of a name
    mine = views(session, workspace_id, user_id)
    found = next((view for view in mine if view.name.casefold() == name.casefold()), None)
    if found is None:
        if len(mine) >= MOST:
            raise _wrong("too_many", f"You have {MOST} views already.", "Delete one that you do not need.")
        found = RunView(workspace_id=workspace_id, user_id=user_id, name=name, created_at=clock.now())
        session.add(found)
    found.name, found.filters = name, dict(filters)
    session.flush()
    return found


def delete(session: Session, workspace_id: str, user_id: str, view_id: str) -> str:
    """Forget one of a person's views and return its name. Raises NotFound, also for somebody else's."""
    wanted = sa.select(RunView).where(
        RunView.id == view_id, RunView.workspace_id == workspace_id, RunView.user_id == user_id
    )
    found = session.execute(wanted).scalar_one_or_none() if is_id(view_id) else None
    if found is None:
        raise NotFound("This view does not exist.", fix="It may have been deleted already.")
    session.delete(found)
    session.flush()
    return found.name


def _wrong(code: str, message: str, fix: str) -> Invalid:
    return Invalid(message, [FieldError("/name", code, message, fix)], fix=fix)
