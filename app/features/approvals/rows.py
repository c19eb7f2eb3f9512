"""What the template of a row calls: ``approvals/_row.html``, in the lists here and on the first page."""

from datetime import datetime
from typing import Any

from flask import url_for

from app.core import clock
from app.features.approvals import queries, words
from app.web.visitor import Visitor


def callables(me: Visitor) -> dict[str, Any]:
    """Return the names for the template's context."""

    def when(moment: datetime) -> str:
        return words.when(moment, me.timezone, clock.now())

    def result(row: queries.Row) -> str:
        approval = row.approval
        is_mine = any(person.email == me.email and person.decided_at == approval.decided_at for person in row.people)
        by = "You" if is_mine else approval.decided_by or "Somebody"
        ended = approval.decided_at or approval.expires_at or clock.now()
        return words.outcome(approval.status, by=by, moment=when(ended))

    return {"when": when, "result": result, "small": small, "shown": queries.shown, "listed": words.listed}


def small(image_id: str, size: str = "") -> str:
    """Return the address of a picture's small form; *size* is for links, where there are two."""
    return url_for("files.image", image_id=image_id, variant="small")
