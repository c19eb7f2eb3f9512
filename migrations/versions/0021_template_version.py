"""Every version of a workspace's own template is kept, with who saved it.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_WORDS = ("name", "summary", "category", "label")
_VALUES = ("tags", "gets", "sample_inputs", "estimate", "definition")


def upgrade() -> None:
    """Add the table; what own templates are now is kept, by nobody that is known."""
    table = op.create_table(
        "template_version",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("template_id", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("saved_by", sa.String(200), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("workflow_id", sa.String(36), nullable=True),
        sa.Column("contents", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["template_id"], ["template.id"], name=op.f("fk_template_version_template_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflow.id"], name=op.f("fk_template_version_workflow_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_version")),
        sa.UniqueConstraint("template_id", "number", name=op.f("uq_template_version_template_id_number")),
    )
    op.create_index(op.f("ix_template_version_workflow_id"), "template_version", ["workflow_id"])
    template = sa.table(
        "template",
        *(sa.column(name, sa.String) for name in ("id", "workspace_id", *_WORDS)),
        *(sa.column(name, sa.JSON) for name in _VALUES),
        sa.column("version", sa.Integer),
        sa.column("updated_at", sa.DateTime(timezone=True)),
    )
    connection = op.get_bind()
    for found in connection.execute(sa.select(template).where(template.c.workspace_id.is_not(None))).mappings().all():
        row = {
            "id": found["id"],
            "template_id": found["id"],
            "number": found["version"],
            "saved_by": "",
            "saved_at": found["updated_at"],
            "workflow_id": None,
            "contents": {name: found[name] for name in (*_WORDS, *_VALUES)},
        }
        connection.execute(table.insert().values(row))


def downgrade() -> None:
    """Take it away."""
    op.drop_table("template_version")
