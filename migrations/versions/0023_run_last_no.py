"""A run keeps that its last answer was no yes; indexes of such runs, and of tests and samples.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_IS_NO = sa.text("type = 'review' AND outcome IN ('rejected', 'expired')")
_test, _trigger, _finished = sa.column("test", sa.Boolean), sa.column("trigger_kind"), sa.column("finished_at")
_is_seed = _trigger == sa.literal_column("'seed'")
_REAL = sa.and_(_finished.is_not(None), _test.is_(False), _trigger != sa.literal_column("'seed'"))


def upgrade() -> None:
    """Read it from the reviews that there are."""
    op.add_column("run", sa.Column("last_no", sa.String(40)))
    op.execute(
        "UPDATE run SET last_no = (SELECT outcome FROM step_run WHERE step_run.run_id = run.id "
        "AND step_run.type = 'review' AND step_run.status = 'completed' "
        "ORDER BY finished_at DESC, step_run.id DESC LIMIT 1) WHERE id IN (SELECT run_id FROM step_run "
        "WHERE type = 'review' AND outcome IN ('rejected', 'expired'))"
    )
    op.execute("UPDATE run SET last_no = NULL WHERE last_no NOT IN ('rejected', 'expired')")
    op.drop_index("ix_step_run_no", table_name="step_run")
    _add("ix_run_last_no", ["workspace_id", "created_at", "id"], sa.column("last_no").is_not(None))
    _add("ix_run_other", ["workspace_id", "created_at", "id"], sa.or_(_test.is_(True), _is_seed))
    op.drop_index("ix_run_real", table_name="run")
    _add("ix_run_real", ["workflow_id", "status", "last_no"], _REAL)


def downgrade() -> None:
    """Leave it to the reviews."""
    op.drop_index("ix_run_real", table_name="run")
    _add("ix_run_real", ["workflow_id", "status"], _REAL)
    op.drop_index("ix_run_other", table_name="run")
    op.drop_index("ix_run_last_no", table_name="run")
    op.create_index(
        "ix_step_run_no", "step_run", ["workspace_id", "run_id"], postgresql_where=_IS_NO, sqlite_where=_IS_NO
    )
    op.drop_column("run", "last_no")


def _add(name: str, columns: list[str], those: sa.ColumnElement[bool]) -> None:
    op.create_index(name, "run", columns, postgresql_where=those, sqlite_where=those)
