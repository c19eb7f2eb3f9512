"""Tables of the gallery."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Model
from app.core.ids import new_id
from app.features.gallery.enums import Whose


class Template(Model):
    """A ready-made workflow with its questions. ``workspace_id`` None: one of ours, the same for every workspace."""

    __tablename__ = "template"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str | None] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(sa.String(80))
    version: Mapped[int]
    name: Mapped[str] = mapped_column(sa.String(200))
    summary: Mapped[str]  # one sentence: what you get
    category: Mapped[str] = mapped_column(sa.String(40))
    tags: Mapped[list[Any]] = mapped_column(default=list)
    gets: Mapped[list[Any]] = mapped_column(default=list)  # what the staff member gets, one line each
    label: Mapped[str] = mapped_column(
        default=""
    )  # a value text that names a run: "Facebook ads: {{ inputs.offer }}"
    sample_inputs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    estimate: Mapped[dict[str, Any]] = mapped_column(
        default=dict
    )  # {minutes, cost_microusd} until five real runs exist
    definition: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]

    __table_args__ = (
        sa.Index(
            "uq_template_slug_system",
            "slug",
            unique=True,
            postgresql_where=sa.text("workspace_id IS NULL"),
            sqlite_where=sa.text("workspace_id IS NULL"),
        ),
        sa.UniqueConstraint("workspace_id", "slug"),
    )

    @property
    def whose(self) -> Whose:
        """Who made it."""
        return Whose.OURS if self.workspace_id is None else Whose.OWN


class TemplateVersion(Model):
    """What one of a workspace's own templates was in one version, and who saved it."""

    __tablename__ = "template_version"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    template_id: Mapped[str] = mapped_column(sa.ForeignKey("template.id", ondelete="CASCADE"))
    number: Mapped[int]
    saved_by: Mapped[str] = mapped_column(sa.String(200))  # a name; "" where nobody knows
    saved_at: Mapped[datetime]
    workflow_id: Mapped[str | None] = mapped_column(sa.ForeignKey("workflow.id", ondelete="SET NULL"), index=True)
    contents: Mapped[dict[str, Any]]

    __table_args__ = (sa.UniqueConstraint("template_id", "number"),)


class LaunchDraft(Model):
    """A half-filled launch form of one person; also makes its Start safe to press twice.

    It belongs to a template, by its slug, or to a workflow, by its id: exactly one of the two.
    """

    __tablename__ = "launch_draft"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("user.id", ondelete="CASCADE"))
    template_slug: Mapped[str | None] = mapped_column(sa.String(80))
    workflow_id: Mapped[str | None] = mapped_column(sa.ForeignKey("workflow.id", ondelete="CASCADE"))
    answers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    updated_at: Mapped[datetime]

    __table_args__ = (
        sa.Index("ix_launch_draft_user_id_template_slug", "user_id", "template_slug"),
        sa.Index("ix_launch_draft_user_id_workflow_id", "user_id", "workflow_id"),
    )
