"""Open requests are read in the order of their urgency, those over from the newest on, a person's by the person.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an index for each of the two lists, and one of those who have not answered."""
    in_order = [sa.text("(expires_at IS NULL)"), "expires_at", "requested_at", "id"]
    _add("ix_approval_open", "approval", in_order, "status = 'open'")
    _add("ix_approval_over", "approval", ["decided_at", "id"], "status != 'open'")
    _add("ix_approver_unanswered", "approver", ["email", "approval_id"], "decision IS NULL")


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_approver_unanswered", table_name="approver")
    op.drop_index("ix_approval_over", table_name="approval")
    op.drop_index("ix_approval_open", table_name="approval")


def _add(name: str, table: str, columns: list[str | sa.TextClause], those: str) -> None:
    op.create_index(
        name, table, ["workspace_id", *columns], postgresql_where=sa.text(those), sqlite_where=sa.text(those)
    )
