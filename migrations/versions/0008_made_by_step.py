"""Documents and pictures are looked up by the step run that made them, where a run takes results over."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_document_step_run_id", "document", ["step_run_id"], unique=False)
    op.create_index("ix_image_step_run_id", "image", ["step_run_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_image_step_run_id", table_name="image")
    op.drop_index("ix_document_step_run_id", table_name="document")
