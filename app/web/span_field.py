"""A length of time as a setting: a number and its unit, kept in seconds."""

import math
from decimal import Decimal
from typing import Any, ClassVar

from app.web import written
from app.web.setting_fields import Number, Pairs, Posted

SIZES = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}


class Span(Number):
    """A length of time, shown in the largest unit that it is a whole number of. The unit is posted as ``~unit``.

    A length with its unit may be written too ("1 h 30 min"); the chosen unit does not count then. A value is seconds.
    """

    look = "span"
    units: ClassVar[list[str]] = list(SIZES)

    @property
    def unit_shown(self) -> str:
        """The unit that the present value is shown in; that of an empty field is minutes."""
        value = self.shown
        if not isinstance(value, int | float) or isinstance(value, bool):
            return "seconds" if self.text else "minutes"
        fitting = [unit for unit, size in SIZES.items() if value >= size and value % size == 0]
        return fitting[-1] if fitting else "seconds"

    @property
    def is_value(self) -> bool:
        """Tell whether a value stands in it."""
        return "{{" in super().text

    @property
    def text(self) -> str:
        """The number of units; what is no number stays as it is written."""
        value = self.shown
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 60:
            return written.write(int(value) // SIZES[self.unit_shown]) if value % 60 == 0 else super().text
        return super().text

    def pairs(self) -> Pairs:
        """Return the number and its unit."""
        return [*super().pairs(), *([] if self.is_value else [(f"{self.name}~unit", self.unit_shown)])]

    def take(self, posted: Posted) -> Any:
        """Return the length in seconds; an empty field is as one that was not touched, whatever its unit."""
        if not (self.text or posted.get(self.name, "").strip() or posted.get(f"{self.name}~value")):
            return self.stored
        found = super().take(posted)
        if isinstance(found, str) and "{{" not in found:
            found = written.read_seconds(found)
            return found if isinstance(found, int | float) else posted.get(self.name, "").strip()
        if not isinstance(found, int | float) or not math.isfinite(found):
            return found
        total = Decimal(str(found)) * SIZES.get(posted.get(f"{self.name}~unit", ""), 1)
        return int(total) if total == total.to_integral_value() else float(total)
