"""Documents are found by their words, and listed by status, without reading them.

PostgreSQL has a GIN index of the words; SQLite an FTS5 table without texts, kept by triggers, and the numbers that it
knows documents by: the rows of a table whose key is a text may be numbered anew when the file is packed.

Revision ID: 0025
Revises: 0024
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_WORDS = (
    "to_tsvector('simple'::regconfig, regexp_replace(translate("
    "lower(\"left\"((title::text || ' '::text) || body, 20000)), "
    "'áàâäãåéèêëíìîïóòôöõúùûüñçýÿ'::text, 'aaaaaaeeeeiiiiooooouuuuncyy'::text), "
    "'[^[:alnum:]]+'::text, ' '::text, 'g'::text))"
)
_NUMBER = "INSERT INTO document_words_of (document_id) VALUES (new.id);"
_NO_NUMBER = "DELETE FROM document_words_of WHERE document_id = old.id;"
_NOTE = (
    "INSERT INTO document_words (rowid, words) SELECT number, substr(new.title || ' ' || new.body, 1, 20000) "
    "FROM document_words_of WHERE document_id = new.id;"
)
_FORGET = (  # FTS5 keeps no texts, so it is told what to forget
    "INSERT INTO document_words (document_words, rowid, words) "
    "SELECT 'delete', number, substr(old.title || ' ' || old.body, 1, 20000) "
    "FROM document_words_of WHERE document_id = old.id;"
)


def upgrade() -> None:
    """Add them, with the words of the documents that there are."""
    op.create_index("ix_document_workspace_id_status", "document", ["workspace_id", "status", "created_at", "id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE INDEX ix_document_words ON document USING gin (({_WORDS}))")
        return
    op.execute(
        "CREATE TABLE document_words_of "
        "(number INTEGER PRIMARY KEY AUTOINCREMENT, document_id VARCHAR(36) NOT NULL UNIQUE)"
    )
    op.execute(
        "CREATE VIRTUAL TABLE document_words USING fts5"
        "(words, content='', detail=none, columnsize=0, tokenize='unicode61 remove_diacritics 2')"
    )
    op.execute("INSERT INTO document_words_of (document_id) SELECT id FROM document")
    op.execute(
        "INSERT INTO document_words (rowid, words) SELECT number, substr(title || ' ' || body, 1, 20000) "
        "FROM document JOIN document_words_of ON document_id = document.id"
    )
    _trigger("written AFTER INSERT", _NUMBER + _NOTE)
    _trigger("changed AFTER UPDATE OF title, body", _FORGET + _NOTE)
    _trigger("gone BEFORE DELETE", _FORGET + _NO_NUMBER)


def downgrade() -> None:
    """Leave them out."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_document_words", table_name="document")
    else:
        for name in ("written", "changed", "gone"):
            op.execute(f"DROP TRIGGER document_{name}")
        op.execute("DROP TABLE document_words")
        op.execute("DROP TABLE document_words_of")
    op.drop_index("ix_document_workspace_id_status", table_name="document")


def _trigger(name: str, do: str) -> None:
    op.execute(f"CREATE TRIGGER document_{name} ON document BEGIN {do} END")
