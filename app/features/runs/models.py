"""Tables of the run pages: numbers of runs, the words they are found by, saved views, reported problems."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Model
from app.core.ids import new_id


class RunWord(Model):
    """One word that a run is found by. *number* is the run's: a later run has a greater one."""

    __tablename__ = "run_word"

    workspace_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(
        sa.String(40, collation="C").with_variant(sa.String(40), "sqlite"), primary_key=True
    )

    __table_args__ = (
        sa.ForeignKeyConstraint(["workspace_id", "number"], ["run.workspace_id", "run.number"], ondelete="CASCADE"),
        sa.Index("ix_run_word_workspace_id_word", "workspace_id", "word", "number"),
        {"sqlite_with_rowid": False},
    )


class RunCounter(Model):
    """How many runs a workspace began. Each start holds this row, so no other row points to it.

    What points to a row locks it for a moment, and PostgreSQL keeps book of everybody who does.
    """

    __tablename__ = "run_counter"

    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    next_number: Mapped[int]


class RunView(Model):
    """A person's own view of the history: filters under a name."""

    __tablename__ = "run_view"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(sa.String(60))
    filters: Mapped[dict[str, Any]] = mapped_column(default=dict)  # as they stand in the address
    created_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("workspace_id", "user_id", "name"),)


class Problem(Model):
    """What somebody reported about a run, or a page (then no run), kept for those who set the house up."""

    __tablename__ = "problem"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    run_id: Mapped[str | None] = mapped_column(sa.ForeignKey("run.id", ondelete="CASCADE"), index=True)
    step_id: Mapped[str] = mapped_column(sa.String(64), default="")
    code: Mapped[str] = mapped_column(sa.String(16), default="")  # the code that the page showed
    kind: Mapped[str] = mapped_column(sa.String(40), default="")
    said: Mapped[str]  # what the error said
    message: Mapped[str]  # what the person says
    reported_by: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"))
    reporter: Mapped[str] = mapped_column(sa.String(254))
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str] = mapped_column(sa.String(254), default="")
    answer: Mapped[str] = mapped_column(default="")

    __table_args__ = (sa.Index("ix_problem_workspace_id_created_at", "workspace_id", "created_at", "id"),)

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed it."""
        return self.closed_at is None
