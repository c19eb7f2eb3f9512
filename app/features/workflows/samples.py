"""Whether one step of a draft can be done alone now, as a sample."""

from app.definition.alone import alone
from app.definition.schema import check
from app.features.workflows.desk import Desk


def lacking(desk: Desk) -> str:
    """Say what must be put right before the chosen step can be done alone; "" when nothing must be.

    Only the step counts, with the steps and questions that it uses.
    """
    cut = alone(desk.data, desk.chosen, desk.types, {})
    problems = check(cut, desk.types)
    if not problems:
        return ""
    first = problems[0]
    part, number = [*first.path.split("/")[1:3], "", ""][:2]
    found = cut[part][int(number)] if part in ("steps", "inputs") and number.isdecimal() else {}
    named = "" if found.get("id") == desk.chosen else str(found.get("name") or found.get("label") or "")[:60]
    more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
    return f"{f'“{named}”: ' if named else ''}{first.message}{more}"
