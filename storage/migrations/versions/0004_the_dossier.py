"""What the dossier keeps: findings, who may see what, consents, the log and its chain, folders, the life of a space,
exports.

Undone by `downgrade`, which drops what `upgrade` made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_blocks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("months", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("anchored_at", sa.BigInteger(), nullable=True),
        sa.Column("purged_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "openings",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "at", "space_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("space_id", sa.Text(), server_default="", nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.Text(), server_default="", nullable=False),
        sa.Column("decision", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("reviews_by_state", "reviews", ["state", "at"], unique=False)
    op.create_table(
        "visits",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("before_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("space_id", "account_id", "area"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "choices",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "name", "at", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consents",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_index("consents_by_account", "consents", ["account_id"], unique=False)
    op.create_table(
        "exports",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("blob_id", sa.Text(), server_default="", nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_table(
        "findings",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), server_default="", nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="current", nullable=False),
        sa.Column("corrects", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_index("findings_by_document", "findings", ["space_id", "document_id"], unique=False)
    op.create_index("findings_by_kind", "findings", ["space_id", "kind"], unique=False)
    op.create_table(
        "folder_documents",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("folder_id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "folder_id", "document_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "folders",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_table(
        "space_changes",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "at", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "visibilities",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "item_id", "mark", "at", "id"),
        sqlite_with_rowid=False,
    )
    op.add_column("audit", sa.Column("why", sa.Text(), server_default="", nullable=False))
    op.add_column("audit", sa.Column("block", sa.BigInteger(), nullable=True))
    op.create_index(
        "audit_by_block",
        "audit",
        ["block"],
        unique=False,
        sqlite_where=sa.text("block IS NOT NULL"),
        postgresql_where=sa.text("block IS NOT NULL"),
    )
    op.create_index(
        "audit_unsealed",
        "audit",
        ["at"],
        unique=False,
        sqlite_where=sa.text("block IS NULL"),
        postgresql_where=sa.text("block IS NULL"),
    )
    op.add_column("documents", sa.Column("id_hash", sa.Text(), server_default="", nullable=False))
    op.add_column("documents", sa.Column("content_hash", sa.Text(), server_default="", nullable=False))
    op.add_column("documents", sa.Column("set_hash", sa.Text(), server_default="", nullable=False))
    op.add_column("documents", sa.Column("version", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("documents", sa.Column("author_id", sa.Text(), server_default="", nullable=False))
    op.add_column("documents", sa.Column("organisation_id", sa.Text(), server_default="", nullable=False))
    op.add_column("documents", sa.Column("source", sa.Text(), server_default="letter", nullable=False))
    op.add_column("documents", sa.Column("original_blob", sa.Text(), server_default="", nullable=False))
    op.add_column("documents", sa.Column("changed_at", sa.BigInteger(), nullable=True))
    op.create_index("documents_by_content", "documents", ["space_id", "content_hash"], unique=False)
    op.create_index("documents_by_id", "documents", ["space_id", "id_hash"], unique=False)


def downgrade() -> None:
    op.drop_index("documents_by_id", table_name="documents")
    op.drop_index("documents_by_content", table_name="documents")
    op.drop_column("documents", "changed_at")
    op.drop_column("documents", "original_blob")
    op.drop_column("documents", "source")
    op.drop_column("documents", "organisation_id")
    op.drop_column("documents", "author_id")
    op.drop_column("documents", "version")
    op.drop_column("documents", "set_hash")
    op.drop_column("documents", "content_hash")
    op.drop_column("documents", "id_hash")
    op.drop_index(
        "audit_unsealed",
        table_name="audit",
        sqlite_where=sa.text("block IS NULL"),
        postgresql_where=sa.text("block IS NULL"),
    )
    op.drop_index("audit_by_block", table_name="audit")
    op.drop_column("audit", "block")
    op.drop_column("audit", "why")
    op.drop_table("visibilities")
    op.drop_table("space_changes")
    op.drop_table("folders")
    op.drop_table("folder_documents")
    op.drop_index("findings_by_kind", table_name="findings")
    op.drop_index("findings_by_document", table_name="findings")
    op.drop_table("findings")
    op.drop_table("exports")
    op.drop_index("consents_by_account", table_name="consents")
    op.drop_table("consents")
    op.drop_table("choices")
    op.drop_table("visits")
    op.drop_index("reviews_by_state", table_name="reviews")
    op.drop_table("reviews")
    op.drop_table("openings")
    op.drop_table("audit_blocks")
