"""Tables of workflows."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Model
from app.core.ids import new_id


class Workflow(Model):
    """A named thing that can be run; what it does stands in its versions."""

    __tablename__ = "workflow"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sa.String(200))
    former_names: Mapped[list[Any]] = mapped_column(default=list)  # the newest first
    description: Mapped[str] = mapped_column(default="")
    category: Mapped[str] = mapped_column(sa.String(40), default="")
    tags: Mapped[list[Any]] = mapped_column(default=list)
    icon: Mapped[str] = mapped_column(sa.String(40), default="")
    template_slug: Mapped[str | None] = mapped_column(
        sa.String(80)
    )  # made from this template and kept in step with it
    template_version: Mapped[int | None]
    published_number: Mapped[int] = mapped_column(default=0)
    draft_number: Mapped[int] = mapped_column(default=0)  # the revision being worked on; 0: as published
    draft_last: Mapped[int] = mapped_column(default=0)  # the largest number given to a revision
    draft_base: Mapped[int] = mapped_column(default=0)  # the revision that the current version is
    is_enabled: Mapped[bool] = mapped_column(default=True)
    unchecked: Mapped[list[Any]] = mapped_column(
        default=list
    )  # what of an imported one nobody has looked at yet
    created_by: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (sa.Index("ix_workflow_workspace_id_updated_at", "workspace_id", "updated_at"),)


class Version(Model):
    """A published definition with a number. Never changed; a run is pinned to one for life.

    A number below 1 is no publication: what a test ran, a draft or one step of it.
    """

    __tablename__ = "version"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    workflow_id: Mapped[str] = mapped_column(sa.ForeignKey("workflow.id", ondelete="CASCADE"))
    number: Mapped[int]
    definition: Mapped[dict[str, Any]]
    note: Mapped[str] = mapped_column(default="")
    published_by: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id"))
    published_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("workflow_id", "number"),)


class DraftRevision(Model):
    """One saved state of a workflow's draft; *definition* may have problems. Never changed, only pruned when old.

    *details* is what the workflow was called and about then: its name, description, category, tags and icon.
    *parent* is the number of the revision it was made from: undo goes there, redo to the newest that came from here.
    What somebody types in one place within a minute is made from what was there before.
    """

    __tablename__ = "draft_revision"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    workflow_id: Mapped[str] = mapped_column(sa.ForeignKey("workflow.id", ondelete="CASCADE"))
    number: Mapped[int]
    parent: Mapped[int | None]
    definition: Mapped[dict[str, Any]]
    details: Mapped[dict[str, Any]]
    summary: Mapped[str] = mapped_column(default="")
    saved_by: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id"))
    saved_at: Mapped[datetime]

    __table_args__ = (sa.UniqueConstraint("workflow_id", "number"),)
