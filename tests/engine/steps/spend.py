"""A step that makes outward calls to a loopback sink, one after the other; the sink knows keys."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from app.engine.contract import Answer, Category, Context, Done, Effect, StepError, StepType


class Config(BaseModel):
    url: str
    count: int = 1
    cost: int = 1000


def run(config: Config, ctx: Context) -> Done:
    answers = []
    for number in range(1, config.count + 1):
        ctx.progress(number - 1, config.count, f"Making call {number} of {config.count}")
        answers.append(
            ctx.call(
                f"call-{number}",
                lambda key, timeout_s, number=number: _post(config, key, number, timeout_s),
                about=f"call {number}",
                estimate_microusd=config.cost,
            )
        )
    return Done({"answers": answers})


def _post(config: Config, key: str, number: int, timeout_s: float) -> Answer:
    request = urllib.request.Request(
        f"{config.url}?number={number}", method="POST", headers={"Idempotency-Key": key}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as reply:
            return Answer(
                reply.read().decode(), cost_microusd=config.cost, tokens_in=10, tokens_out=5, model="sink-1"
            )
    except urllib.error.HTTPError as error:
        if error.code == 429:
            raise StepError(
                Category.BUSY, "The sink is busy.", retry_after_s=float(error.headers.get("Retry-After", 0))
            ) from None
        raise StepError(Category.OUTSIDE, f"The sink answered {error.code}.") from None
    except OSError:
        raise StepError(Category.NETWORK, "The sink's reply was lost.", definite=False) from None


def summary(config: Mapping[str, Any]) -> str:
    return "Spend"


STEP = StepType(
    type="spend", label="Spend", icon="photo", group="Test", effect=Effect.SPENDS, config=Config, summary=summary,
    run=run, output_fields=frozenset({"answers"}),
)  # fmt: skip
