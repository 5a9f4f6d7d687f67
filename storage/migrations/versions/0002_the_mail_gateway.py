"""What the mail gateway keeps: the published list of operators, exchanges ended or blocked, quarantine, absences, the
versions of enclosed documents.

Undone by `downgrade`, which drops what `upgrade` made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "enclosed_documents",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("attachment_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("unique_hash", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("set_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("replaces_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("author_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("organisation_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="current", nullable=False),
        sa.Column("changed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("space_id", "attachment_id"),
    )
    op.create_index("enclosed_by_set", "enclosed_documents", ["space_id", "set_hash"], unique=False)
    op.create_index("enclosed_by_unique", "enclosed_documents", ["space_id", "unique_hash"], unique=False)
    op.create_table(
        "exchanges",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("space_id", "member_id", "kind", "at", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "listed_operators",
        sa.Column("list_name", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("list_name", "domain", "subject"),
    )
    op.create_table(
        "white_lists",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("generated", sa.Text(), server_default="", nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "absences",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_index("absences_by_account", "absences", ["account_id"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("blob_id", sa.Text(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_index("quarantine_by_state", "quarantine", ["state", "at"], unique=False)
    op.add_column("deliveries", sa.Column("warned_at", sa.BigInteger(), nullable=True))
    op.add_column("documents", sa.Column("state", sa.Text(), server_default="current", nullable=False))
    op.add_column("documents", sa.Column("replaced_by", sa.Text(), server_default="", nullable=False))

    # An exchange ended in one conversation is ended with whoever wrote there.
    op.execute(
        "INSERT INTO exchanges (space_id, member_id, kind, at, id, state, by, message_id)"
        " SELECT c.space_id, p.member_id, 'replies', c.created_at, c.id, 'ended', p.member_id, '' FROM conversations c"
        " JOIN participants p ON p.space_id = c.space_id AND p.conversation_id = c.id WHERE c.replies = 'closed'"
        " AND p.member_id NOT IN (SELECT id FROM accounts WHERE kind = 'holder')"
    )
    op.drop_column("conversations", "replies")


def downgrade() -> None:
    op.add_column("conversations", sa.Column("replies", sa.Text(), server_default="open", nullable=False))
    op.drop_column("documents", "replaced_by")
    op.drop_column("documents", "state")
    op.drop_column("deliveries", "warned_at")
    op.drop_index("quarantine_by_state", table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_index("absences_by_account", table_name="absences")
    op.drop_table("absences")
    op.drop_table("white_lists")
    op.drop_table("listed_operators")
    op.drop_table("exchanges")
    op.drop_index("enclosed_by_unique", table_name="enclosed_documents")
    op.drop_index("enclosed_by_set", table_name="enclosed_documents")
    op.drop_table("enclosed_documents")
