"""Tables of the engine: a run is planned under its lease and epoch, a step run is done under its lease and fence."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Model, elapsed
from app.core.ids import new_id
from app.engine.enums import RUN_OPEN, SEED, RunStatus

_ROOM = {"fillfactor": "70"}  # for the new places of a row that moves; the keys of runs have it too, by migration
_OPEN = ", ".join(f"'{status}'" for status in sorted(RUN_OPEN))


class Run(Model):
    """One run of one version with given inputs."""

    __tablename__ = "run"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id"))
    number: Mapped[int]
    workflow_id: Mapped[str] = mapped_column(sa.ForeignKey("workflow.id"))
    version_id: Mapped[str] = mapped_column(sa.ForeignKey("version.id"))
    label: Mapped[str] = mapped_column(default="")
    test: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(sa.String(16), default=RunStatus.QUEUED.value)
    inputs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    facts: Mapped[dict[str, Any]] = mapped_column(
        default=dict
    )  # what {{ run.* }} gives: started_by, label, number …
    started_by: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id"))
    trigger_kind: Mapped[str] = mapped_column(
        sa.String(16), default="person"
    )  # person api event schedule run seed
    trigger_id: Mapped[str | None] = mapped_column(sa.String(64))
    dedupe_key: Mapped[str | None] = mapped_column(sa.String(120))
    parent_step_run_id: Mapped[str | None] = mapped_column(sa.String(36), unique=True)
    parent_run_id: Mapped[str | None] = mapped_column(sa.String(36))
    continues_run_id: Mapped[str | None] = mapped_column(sa.String(36), index=True)

    revision: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    epoch: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    lease_owner: Mapped[str | None] = mapped_column(sa.String(80))
    lease_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]

    doing: Mapped[str] = mapped_column(default="")  # one sentence: what it does now
    steps_total: Mapped[int] = mapped_column(default=0)
    steps_done: Mapped[int] = mapped_column(default=0)
    cost_microusd: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    reserved_microusd: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    budget_microusd: Mapped[int | None] = mapped_column(sa.BigInteger)
    work_from: Mapped[datetime | None]  # since when its working time is counted anew: somebody tried again
    at_once: Mapped[int | None]  # how many steps of its workflow that spend or send may be under way
    tokens_in: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    tokens_out: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    error: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    # the outcome of the last answer of a person, where that was no yes: such a run is finished, and not ready
    last_no: Mapped[str | None] = mapped_column(sa.String(40))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    is_suspect: Mapped[bool] = mapped_column(server_default=sa.false())  # who had it died
    is_paused_above: Mapped[bool] = mapped_column(server_default=sa.false())  # it goes on with the run above
    changed_at: Mapped[datetime]  # moves with everything a page shows: the ETag of the polled fragments

    __table_args__ = (
        sa.UniqueConstraint("workspace_id", "number"),
        sa.UniqueConstraint("workspace_id", "dedupe_key"),
        sa.Index(
            "ix_run_due_at_open",
            "due_at",
            postgresql_where=sa.text(f"status IN ({_OPEN})"),
            sqlite_where=sa.text(f"status IN ({_OPEN})"),
        ),
        sa.Index("ix_run_workspace_id_created_at", "workspace_id", "created_at", "id", "number", postgresql_with=_ROOM),
        sa.Index("ix_run_workspace_id_status", "workspace_id", "status", "created_at", "id"),
        sa.Index("ix_run_workflow_id_created_at", "workflow_id", "created_at", postgresql_with=_ROOM),
        sa.Index("ix_run_version_id", "version_id"),
        sa.Index(
            "ix_run_workspace_id_started_by", "workspace_id", "started_by", "created_at", "id", postgresql_with=_ROOM
        ),
        sa.Index("ix_run_workspace_id_cost_microusd", "workspace_id", "cost_microusd", "id", postgresql_with=_ROOM),
        sa.Index(
            "ix_run_failed",
            "workspace_id",
            "finished_at",
            postgresql_where=sa.text("status = 'failed'"),
            sqlite_where=sa.text("status = 'failed'"),
        ),
        sa.CheckConstraint("(lease_owner IS NULL) = (lease_until IS NULL)", name="lease_together"),
        {"postgresql_with": _ROOM},
    )

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return RunStatus(self.status).is_open

    @property
    def is_sample(self) -> bool:
        """Whether the workspace came with it."""
        return self.trigger_kind == SEED

    @property
    def progress(self) -> float:
        """Settled steps over all steps, 0 to 1."""
        if not self.is_open and self.status == RunStatus.COMPLETED:
            return 1.0
        return self.steps_done / self.steps_total if self.steps_total else 0.0


# What runs are listed by that is no column; an index has each, so both are written in one way only.
RUN_TOOK_S: sa.ColumnElement[float] = elapsed(Run.started_at, Run.finished_at)
RUN_NAME: sa.ColumnElement[str] = sa.func.lower(
    sa.func.substr(Run.label, sa.literal_column("1"), sa.literal_column("60"))
)
_has_ended: dict[str, Any] = {f"{kind}_where": Run.finished_at.is_not(None) for kind in ("postgresql", "sqlite")}
sa.Index("ix_run_ended", Run.workspace_id, Run.started_by, Run.finished_at, **_has_ended)
sa.Index("ix_run_took", Run.workspace_id, RUN_TOOK_S, Run.id, **_has_ended)
# Words know a run by its number; PostgreSQL reads an index alone where it has the columns of its expressions too.
sa.Index("ix_run_name", Run.workspace_id, RUN_NAME, Run.id, Run.number, Run.label, postgresql_with=_ROOM)
# Runs that somebody wanted, neither tests nor seeded samples, and the others. Indexes have both, so written in one way.
RUN_SAMPLE: sa.ColumnElement[bool] = Run.trigger_kind == sa.literal_column(f"'{SEED}'")
RUN_REAL: sa.ColumnElement[bool] = sa.and_(Run.test.is_(False), sa.not_(RUN_SAMPLE))
RUN_OTHER: sa.ColumnElement[bool] = sa.or_(Run.test.is_(True), RUN_SAMPLE)
_by_time = (Run.workspace_id, Run.created_at, Run.id)
sa.Index("ix_run_other", *_by_time, postgresql_where=RUN_OTHER, sqlite_where=RUN_OTHER)
_got_no = Run.last_no.is_not(None)
sa.Index("ix_run_last_no", *_by_time, postgresql_where=_got_no, sqlite_where=_got_no)
_is_real_and_ended = sa.and_(Run.finished_at.is_not(None), RUN_REAL)
sa.Index(
    "ix_run_real", Run.workflow_id, Run.status, Run.last_no,
    postgresql_where=_is_real_and_ended, sqlite_where=_is_real_and_ended,
)  # fmt: skip
_is_real_and_open = sa.and_(Run.finished_at.is_(None), RUN_REAL)
sa.Index(
    "ix_run_real_open", Run.workflow_id, postgresql_where=_is_real_and_open, sqlite_where=_is_real_and_open
)  # fmt: skip


class StepRun(Model):
    """One step of one run; *item* is its index where the step is ``for_each``, else -1."""

    __tablename__ = "step_run"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id"))
    run_id: Mapped[str] = mapped_column(sa.ForeignKey("run.id", ondelete="CASCADE"))
    step_id: Mapped[str] = mapped_column(sa.String(64))
    item: Mapped[int] = mapped_column(default=-1)
    type: Mapped[str] = mapped_column(sa.String(40))
    effect: Mapped[str] = mapped_column(sa.String(8), default="none")
    status: Mapped[str] = mapped_column(sa.String(16))
    outcome: Mapped[str | None] = mapped_column(sa.String(40))
    reason: Mapped[str] = mapped_column(default="")  # why skipped or cancelled, in words
    attempts: Mapped[int] = mapped_column(default=0)
    crashes: Mapped[int] = mapped_column(default=0)  # deaths of a process in which it was alone
    is_suspect: Mapped[bool] = mapped_column(server_default=sa.false())  # its process died: done alone
    fence: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    lease_owner: Mapped[str | None] = mapped_column(sa.String(80))
    lease_until: Mapped[datetime | None]
    hinted_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]  # when a retry is due
    deadline_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(sa.String(12))  # what a person said when it asked
    reused_from: Mapped[str | None] = mapped_column(sa.String(36))  # the step run that was really done
    went_in: Mapped[Any | None] = mapped_column(
        sa.JSON(none_as_null=True)
    )  # the config with its values filled in
    output: Mapped[Any | None] = mapped_column(sa.JSON(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    done: Mapped[int] = mapped_column(default=0)  # "3 of 5"
    total: Mapped[int] = mapped_column(default=0)
    doing: Mapped[str] = mapped_column(default="")
    cost_microusd: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    tokens_in: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    tokens_out: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        sa.UniqueConstraint("run_id", "step_id", "item"),
        sa.Index(
            "ix_step_run_line", "created_at", postgresql_where=sa.text("status IN ('pending', 'retrying')"),
            sqlite_where=sa.text("status IN ('pending', 'retrying')"),
        ),
        sa.Index(
            "ix_step_run_under_way", "workspace_id", postgresql_where=sa.text("status = 'running'"),
            sqlite_where=sa.text("status = 'running'"),
        ),
        sa.Index(
            "ix_step_run_reused_from", "reused_from", postgresql_where=sa.text("reused_from IS NOT NULL"),
            sqlite_where=sa.text("reused_from IS NOT NULL"),
        ),
        sa.CheckConstraint("(lease_owner IS NULL) = (lease_until IS NULL)", name="lease_together"),
    )


class Call(Model):
    """One outward request of a step run, by name: the unit of intent, key, cost and reuse."""

    __tablename__ = "call"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id"))
    run_id: Mapped[str] = mapped_column(sa.ForeignKey("run.id", ondelete="CASCADE"), index=True)
    step_run_id: Mapped[str] = mapped_column(sa.ForeignKey("step_run.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sa.String(80))
    key: Mapped[str] = mapped_column(sa.String(200))
    generation: Mapped[int] = mapped_column(default=0)  # a definite refusal or "Send again" starts a new key
    status: Mapped[str] = mapped_column(sa.String(12))
    fence: Mapped[int] = mapped_column(sa.BigInteger)
    tries: Mapped[int] = mapped_column(default=1)
    about: Mapped[str] = mapped_column(default="")  # a few words for the trace
    estimate_microusd: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    cost_microusd: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    tokens_in: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    tokens_out: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    model: Mapped[str] = mapped_column(sa.String(80), default="")
    answer: Mapped[Any | None] = mapped_column(sa.JSON(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (sa.UniqueConstraint("step_run_id", "name"),)


class WaitRow(Model):
    """A step that holds no worker while it waits; fenced by its own id and status."""

    __tablename__ = "wait"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id"))
    run_id: Mapped[str] = mapped_column(sa.ForeignKey("run.id", ondelete="CASCADE"), index=True)
    step_run_id: Mapped[str] = mapped_column(sa.ForeignKey("step_run.id", ondelete="CASCADE"), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(12))  # approval time callback sub_run
    status: Mapped[str] = mapped_column(sa.String(12))
    until: Mapped[datetime | None]  # a time wait ends, an approval expires
    on_until: Mapped[str] = mapped_column(sa.String(40), default="done")  # outcome when *until* passes
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    outcome: Mapped[str | None] = mapped_column(sa.String(40))
    output: Mapped[Any | None] = mapped_column(sa.JSON(none_as_null=True))
    decided_at: Mapped[datetime | None]
    effective_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


# The index of days has it, so written in one way.
WAITS_FOR_TIME: sa.ColumnElement[bool] = sa.and_(
    WaitRow.kind == sa.literal_column("'time'"), WaitRow.status == sa.literal_column("'waiting'")
)
sa.Index(
    "ix_wait_time", WaitRow.workspace_id, WaitRow.until, WaitRow.id,
    postgresql_where=WAITS_FOR_TIME, sqlite_where=WAITS_FOR_TIME,
)  # fmt: skip


class RunLog(Model):
    """One line of a run's log, for people and for the trace."""

    __tablename__ = "run_log"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id"))
    run_id: Mapped[str] = mapped_column(sa.ForeignKey("run.id", ondelete="CASCADE"))
    step_id: Mapped[str | None] = mapped_column(sa.String(64))
    level: Mapped[str] = mapped_column(sa.String(8), default="info")
    event: Mapped[str] = mapped_column(sa.String(60))
    message: Mapped[str]
    detail: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))  # a fault's trace, for owners
    at: Mapped[datetime]

    __table_args__ = (sa.Index("ix_run_log_run_id_at", "run_id", "at", "id"),)


class Allowance(Model):
    """What a workspace may do at once and a day, and how long it keeps runs; None: as the house has it."""

    __tablename__ = "allowance"

    workspace_id: Mapped[str] = mapped_column(
        sa.ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True
    )
    ai_daily_microusd: Mapped[int | None] = mapped_column(sa.BigInteger)
    steps_at_once: Mapped[int | None]
    ai_at_once: Mapped[int | None]
    keep_runs_months: Mapped[int | None]
    keep_documents: Mapped[bool] = mapped_column(default=True)


class Spending(Model):
    """What a workspace spent on AI in one of its days, and what is reserved for calls under way."""

    __tablename__ = "spending"

    workspace_id: Mapped[str] = mapped_column(
        sa.ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(primary_key=True)
    cost_microusd: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    reserved_microusd: Mapped[int] = mapped_column(sa.BigInteger, default=0)


class Beat(Model):
    """When a part of the house last said that it lives; the clock's is what readiness looks at."""

    __tablename__ = "beat"

    name: Mapped[str] = mapped_column(sa.String(24), primary_key=True)
    at: Mapped[datetime]
