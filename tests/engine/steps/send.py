"""The spending step as one that sends outside, to a far side that knows no keys."""

import dataclasses

from app.engine.contract import Effect
from tests.engine.steps.spend import STEP as SPEND

STEP = dataclasses.replace(SPEND, type="send", label="Send", effect=Effect.SENDS)
