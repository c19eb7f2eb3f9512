"""What happens to schedules once a day: old due times are forgotten."""

from sqlalchemy.orm import Session

from app.core import events
from app.engine.events import DayCleared
from app.features.triggers import service


def register() -> None:
    """Listen to the engine; twice is once."""
    events.listen(DayCleared, day_cleared)


def day_cleared(session: Session, event: DayCleared) -> None:
    """Forget old due times that started no run. May run twice."""
    service.remove_old(session)
