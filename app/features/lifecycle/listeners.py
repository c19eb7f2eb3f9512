"""What happens to workflows once a day: those deleted 30 days ago go for good, and what samples left."""

from sqlalchemy.orm import Session

from app.core import events
from app.engine.events import DayCleared
from app.features.lifecycle import service


def register() -> None:
    """Listen to the engine; twice is once."""
    events.listen(DayCleared, day_cleared)


def day_cleared(session: Session, event: DayCleared) -> None:
    """Remove some of what nobody can bring back any more; the rest goes on another day. May run twice."""
    service.remove_old(session)
    service.remove_samples(session)
