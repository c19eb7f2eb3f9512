"""Forms of a workspace's limits."""

from decimal import Decimal, InvalidOperation

from wtforms import BooleanField, IntegerField, StringField, ValidationError
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app.engine.models import Allowance
from app.engine.retention import KEEP_MONTHS
from app.features.limits.service import Most
from app.web.forms import Form

MOST_USD = 1_000_000
MOST_STEPS = 1000
MOST_MONTHS = 120
_STEPS = NumberRange(1, MOST_STEPS, f"Write 1 to {MOST_STEPS:,} steps, or leave it empty.")


class AiForm(Form):
    """What AI may cost a day, and how much may run at once; empty: no limit of one's own."""

    daily = StringField(
        "Most that AI may cost a day", [Optional(), Length(max=20)],
        description="A step that would go over it asks what to do. The day is the workspace’s own.",
    )  # fmt: skip
    ai_at_once = IntegerField(
        "Most steps that ask AI at once", [Optional(), _STEPS],
        description="As many as your AI service likes at one time. More stand in line, the oldest first.",
    )  # fmt: skip
    steps_at_once = IntegerField(
        "Most steps that spend or send at once", [Optional(), _STEPS],
        description="In all runs of this workspace together. More stand in line, the oldest first.",
    )  # fmt: skip

    @classmethod
    def of(cls, own: Allowance) -> "AiForm":
        """Return the form with what holds now."""
        daily = own.ai_daily_microusd
        shown = "" if daily is None else f"{Decimal(daily) / 1_000_000:.2f}"
        return cls(formdata=None, daily=shown, ai_at_once=own.ai_at_once, steps_at_once=own.steps_at_once)

    def validate_daily(self, field: StringField) -> None:
        """Refuse what is no amount of money."""
        if not 0 <= self._dollars() <= MOST_USD:
            raise ValidationError(f"Write an amount from 0 to {MOST_USD:,}, such as 20 or 7.50.")

    def most(self) -> Most:
        """Return what was entered; the form must be valid."""
        daily = int(self._dollars() * 1_000_000) if self.text("daily").strip() else None
        return Most(daily, self.steps_at_once.data, self.ai_at_once.data)

    def _dollars(self) -> Decimal:
        try:
            amount = Decimal(self.text("daily").strip().removeprefix("$").replace(",", "") or 0)
        except InvalidOperation:
            return Decimal(-1)
        return amount if amount.is_finite() else Decimal(-1)


class RetentionForm(Form):
    """How long runs are kept that have ended."""

    months = IntegerField(
        "Keep runs for",
        [
            InputRequired("Say for how many months."),
            NumberRange(1, MOST_MONTHS, f"Write 1 to {MOST_MONTHS} months."),
        ],
        description="Counted from a run’s end. Runs that have not ended are never removed.",
    )
    documents = BooleanField("Keep their documents and pictures when the runs go")

    @classmethod
    def of(cls, own: Allowance) -> "RetentionForm":
        """Return the form with what holds now."""
        return cls(formdata=None, months=own.keep_runs_months or KEEP_MONTHS, documents=own.keep_documents is not False)
