"""What of a run has left the house."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.engine.enums import CallStatus, Effect, StepStatus
from app.engine.models import Call, StepRun
from app.web.filters import plural

_ARRIVED = (CallStatus.ANSWERED, CallStatus.LATE)
_UNDER_WAY = (StepStatus.PENDING, StepStatus.RUNNING, StepStatus.RETRYING)


@dataclass(frozen=True, slots=True)
class Sent:
    """How many messages, requests for approval, kept and withdrawn mails a run has; of *unsure* ones nobody knows."""

    number: int
    requests: int
    kept: int
    withdrawn: int
    unsure: int

    @property
    def fact(self) -> tuple[str, str]:
        """What has left the house, in two pieces: the bold one, and the rest."""
        also = f", {self.withdrawn} withdrawn" if self.withdrawn else ""
        if self.number:
            perhaps = f", {self.unsure} more perhaps" if self.unsure else ""
            return plural(self.number, "message"), f"left the house{perhaps}{also}"
        if self.unsure:
            return plural(self.unsure, "message"), f"may have left the house: nobody can tell{also}"
        if self.withdrawn:
            also = "but the request for approval, " if self.requests else ""
            return "Nothing", f"left: {also}{plural(self.withdrawn, 'mail')} withdrawn"
        if self.requests:
            return plural(self.requests, "request"), "mailed, nothing else left"
        if self.kept:
            return "Nothing", f"left: {plural(self.kept, 'mail')} kept in the outbox"
        return "Nothing", "has left the house yet"

    @property
    def sentence(self) -> str:
        """What was sent, in a sentence."""
        if self.number:
            verb = "was" if self.number == 1 else "were"
            perhaps = f" {self.unsure} more may have been: nobody can tell." if self.unsure else ""
            return f"{plural(self.number, 'message')} {verb} already sent.{perhaps}"
        if self.unsure:
            return f"{plural(self.unsure, 'message')} may have been sent: nobody can tell."
        if self.requests:
            return "Nothing was sent but the request for approval."
        return "Nothing was sent."


def sent(
    rows: Sequence[StepRun], calls: Sequence[Call], outbox: Sequence[tuple[str | None, str, int]]
) -> Sent:
    """Count what has left; a request for approval is told apart from other mails.

    A call that has no answer is in doubt as soon as nobody waits for one any more.
    """
    reviews = {row.id for row in rows if row.type == "review"}
    sends = {row.id: row.status not in _UNDER_WAY for row in rows if row.effect == Effect.SENDS}
    number = sum(n for step_run_id, status, n in outbox if status == "sent" and step_run_id not in reviews)
    number += sum(call.step_run_id in sends and call.status in _ARRIVED for call in calls)
    unsure = sum(n for _, status, n in outbox if status == "unsure")
    unsure += sum(call.step_run_id in sends and call.status == CallStatus.UNSURE for call in calls)
    unsure += sum(sends.get(call.step_run_id, False) and call.status == CallStatus.INTENDED for call in calls)
    requests = sum(n for step_run_id, status, n in outbox if status == "sent" and step_run_id in reviews)
    kept = sum(n for _, status, n in outbox if status == "kept")
    withdrawn = sum(n for _, status, n in outbox if status == "withdrawn")
    return Sent(number, requests, kept, withdrawn, unsure)
