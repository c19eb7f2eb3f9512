"""What runs were given as answers stands among their words, as in those to come: whether one was is asked by an index.

Revision ID: 0035
Revises: 0033
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0033"
branch_labels = None
depends_on = None

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_GIVEN = sa.text(
    "SELECT id, workspace_id, number, CAST(inputs AS TEXT) AS inputs FROM run "
    "WHERE CAST(inputs AS TEXT) LIKE '%________-____-7___-____-____________%' AND id > :after ORDER BY id LIMIT 1000"
)
_WRITE = sa.text("INSERT INTO run_word (workspace_id, number, word) VALUES (:workspace_id, :number, :word)")


def upgrade() -> None:
    """Write them for the runs that there are, a thousand at a time."""
    connection, after = op.get_bind(), ""
    while rows := connection.execute(_GIVEN, {"after": after}).all():
        after = rows[-1].id
        words = [
            {"workspace_id": row.workspace_id, "number": row.number, "word": f"#{found}"}
            for row in rows
            for found in dict.fromkeys(_ID.findall(row.inputs))
        ]
        if words:
            connection.execute(_WRITE, words)


def downgrade() -> None:
    """Take them away."""
    op.execute("DELETE FROM run_word WHERE word LIKE '#%'")
