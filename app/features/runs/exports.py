"""The history as a file: CSV for spreadsheets, JSON for programs, written while it is read."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.core import clock
from app.engine.models import Run
from app.features.files.rules import safe_cell

COLUMNS = (
    "number",
    "name",
    "workflow",
    "status",
    "test",
    "sample",
    "started_by",
    "started_by_email",
    "created_at",
    "started_at",
    "finished_at",
    "took_s",
    "steps_done",
    "steps",
    "cost_usd",
    "url",
)


def as_csv(batches: Iterable[Sequence[Run]], workflows: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the runs as CSV (RFC 4180, UTF-8 with its mark); no cell is a formula for a spreadsheet."""
    yield b"\xef\xbb\xbf" + _lines([COLUMNS])
    for runs in batches:
        yield _lines([_cells(_facts(run, workflows)) for run in runs])


def as_json(batches: Iterable[Sequence[Run]], workflows: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the runs as one JSON list, a run a line."""
    yield b"["
    comma = "\n"
    for runs in batches:
        for run in runs:
            found = {"id": run.id, **_facts(run, workflows), "cost_microusd": run.cost_microusd, "inputs": run.inputs}
            yield f"{comma}{json.dumps(found, ensure_ascii=False)}".encode()
            comma = ",\n"
    yield b"\n]\n"


def _facts(run: Run, workflows: Mapping[str, str]) -> dict[str, Any]:
    starter = run.facts.get("started_by") or {}
    took = (run.finished_at - run.started_at).total_seconds() if run.started_at and run.finished_at else None
    return {
        "number": run.number,
        "name": run.label,
        "workflow": workflows.get(run.workflow_id) or str((run.facts.get("workflow") or {}).get("name") or ""),
        "status": run.status,
        "test": run.test,
        "sample": run.is_sample,
        "started_by": str(starter.get("name") or ""),
        "started_by_email": str(starter.get("email") or ""),
        "created_at": clock.iso(run.created_at),
        "started_at": clock.iso(run.started_at),
        "finished_at": clock.iso(run.finished_at),
        "took_s": None if took is None else round(took, 3),
        "steps_done": run.steps_total if run.status == "completed" else run.steps_done,
        "steps": run.steps_total,
        "cost_usd": f"{run.cost_microusd / 1_000_000:.6f}",
        "url": str(run.facts.get("url") or ""),
    }


def _cells(facts: Mapping[str, Any]) -> list[str]:
    said = ("yes" if value is True else "no" if value is False else "" if value is None else str(value)
            for value in (facts[column] for column in COLUMNS))  # fmt: skip
    return [safe_cell(cell) for cell in said]


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()
