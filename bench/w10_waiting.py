"""w10: 10,000 approvals and timers wait: what idling costs, what Redis holds, how late a due timer is."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.core import clock
from app.core.ids import new_id, new_token, token_hash
from app.engine.models import Run, StepRun, WaitRow
from app.features.approvals.models import Approval, Approver
from bench import counting, figures, seed
from bench.figures import Figure
from bench.ground import Ground
from bench.seed import Team

EACH = 5_000
DUE, WINDOW_S = 40, 20.0
STEPS: list[dict[str, Any]] = [
    {"id": "wait", "type": "delay", "name": "Wait", "config": {"seconds": 86_400}},
    {
        "id": "check", "type": "review", "name": "Check", "after": ["wait"],
        "config": {"text": "Well?", "approvers": ["person0@greenlight.example"]},
    },
]  # fmt: skip


def measure(ground: Ground, kind: str) -> Iterator[Figure]:
    with ground.house(kind, web=True, workers=2, clock=True) as house:
        team = seed.team(house, STEPS)
        redis_before = _redis_bytes(team)
        far = clock.now() + timedelta(days=1)
        _waiting(team, "wait", [far] * EACH)
        _waiting(team, "check", [far] * EACH)
        time.sleep(3.0)
        pids = counting.pids(house)
        used, began = counting.cpu_s(pids), time.monotonic()
        time.sleep(WINDOW_S)
        idle = 100 * (counting.cpu_s(pids) - used) / (time.monotonic() - began)
        redis_more = _redis_bytes(team) - redis_before
        first = clock.now() + timedelta(seconds=3)
        dues = [first + timedelta(milliseconds=250 * number) for number in range(DUE)]
        timers = _waiting(team, "wait", dues)
        time.sleep(3 + 0.25 * DUE + 3)
        late = _lateness_s(team, timers)
    yield figures.of("w10_idle_cpu_percent", [idle], "% of a core")
    yield figures.of("w10_redis_bytes_more", [max(0, redis_more)], "bytes")
    yield figures.Figure("w10_late_s", max(late), "s", len(late), min(late), max(late), figures.middle(late))


def _waiting(team: Team, step_id: str, untils: list[datetime]) -> dict[str, datetime]:
    """Add a run for each moment, waiting at *step_id*, as the engine leaves it; return the step runs' moments."""
    now = clock.now()
    runs, steps, waits, approvals, approvers = [], [], [], [], []
    with team.house.session() as session:
        version_id = session.execute(sa.text("SELECT id FROM version LIMIT 1")).scalar_one()
        number = session.execute(sa.select(sa.func.coalesce(sa.func.max(Run.number), 0))).scalar_one()
    for place, until in enumerate(untils, 1):
        run = {
            "id": new_id(), "workspace_id": team.workspace_id, "number": number + place, "created_at": now,
            "workflow_id": team.workflow_id, "version_id": version_id, "label": "Waits", "status": "waiting",
            "inputs": seed.ANSWERS, "facts": {"number": number + place}, "trigger_kind": "person", "revision": 2,
            "epoch": 1, "due_at": until, "steps_total": 2, "started_at": now, "changed_at": now,
        }  # fmt: skip
        kind = "approval" if step_id == "check" else "time"
        step = {
            "id": new_id(), "workspace_id": team.workspace_id, "run_id": run["id"], "step_id": step_id,
            "type": "review" if kind == "approval" else "delay", "status": "waiting", "attempts": 1, "fence": 1,
            "created_at": now, "started_at": now,
        }  # fmt: skip
        wait = {
            "id": new_id(), "workspace_id": team.workspace_id, "run_id": run["id"], "step_run_id": step["id"],
            "kind": kind, "status": "waiting", "until": until, "on_until": "expired" if kind == "approval" else "done",
            "detail": {}, "created_at": now,
        }  # fmt: skip
        runs.append(run)
        steps.append(step)
        waits.append(wait)
        if kind == "approval":
            steps.append({**step, "id": new_id(), "step_id": "wait", "type": "delay", "status": "completed",
                          "outcome": "done", "finished_at": now})  # fmt: skip
            approval = {
                "id": new_id(), "workspace_id": team.workspace_id, "run_id": run["id"], "wait_id": wait["id"],
                "title": "Check", "document_ids": [], "requested_at": now, "expires_at": until,
            }  # fmt: skip
            approvals.append(approval)
            approvers.append({
                "id": new_id(), "workspace_id": team.workspace_id, "approval_id": approval["id"],
                "email": "person0@greenlight.example", "token_hash": token_hash(new_token()),
            })  # fmt: skip
    with team.house.engine.begin() as connection:
        for model, rows in (
            (Run, runs),
            (StepRun, steps),
            (WaitRow, waits),
            (Approval, approvals),
            (Approver, approvers),
        ):
            for keys in {tuple(row) for row in rows}:  # rows of the same columns together
                connection.execute(sa.insert(model), [row for row in rows if tuple(row) == keys])
    return dict(zip((step["id"] for step in steps if step["step_id"] == step_id), untils, strict=True))


def _lateness_s(team: Team, timers: dict[str, datetime]) -> list[float]:
    with team.house.reader.connect() as connection:
        rows = connection.execute(
            sa.select(StepRun.id, StepRun.finished_at).where(
                StepRun.id.in_(timers), StepRun.finished_at.is_not(None)
            )
        ).all()
    if len(rows) != len(timers):
        raise RuntimeError(f"{len(timers) - len(rows)} timers did not end\n{team.house.logs()}")
    return [(finished - timers[step_run_id]).total_seconds() for step_run_id, finished in rows]


def _redis_bytes(team: Team) -> int:
    """Return what the keys in Redis hold, without the memory that the server needs for its clients."""
    return sum(int(team.house.redis.memory_usage(key) or 0) for key in team.house.redis.scan_iter())
