"""What a mail client keeps: folders besides where messages arrived, what left them, keywords, drafts as mails.

Undone by `downgrade`, which drops what `upgrade` made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_DRAFTS = ("uid", "flags", "modseq")
FLAGGED = """UPDATE threads SET flagged = (SELECT COUNT(*) FROM entries e WHERE e.mailbox_id = threads.mailbox_id
 AND e.conversation_id = threads.conversation_id AND e.kind = 'message' AND (e.flags & 4) > 0)"""


def upgrade() -> None:
    op.create_table(
        "placements",
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("uid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deleted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("modseq", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "uid"),
        sqlite_with_rowid=False,
    )
    op.create_index("placements_by_folder", "placements", ["mailbox_id", "folder", "uid"], unique=False)
    op.create_index("placements_by_entry", "placements", ["mailbox_id", "seq"], unique=False)
    op.create_table(
        "vanished",
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("modseq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uid", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "folder", "modseq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "keywords",
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("bit", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="own", nullable=False),
        sa.Column("account_id", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "bit"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "entries_by_modseq",
        "entries",
        ["mailbox_id", "modseq"],
        unique=False,
        sqlite_where=sa.text("kind = 'message' AND modseq > seq"),
        postgresql_where=sa.text("kind = 'message' AND modseq > seq"),
    )
    for name in _DRAFTS:
        op.add_column("drafts", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("drafts", sa.Column("blob_id", sa.Text(), server_default="", nullable=False))
    op.add_column("mailboxes", sa.Column("mail_at", sa.BigInteger(), server_default="0", nullable=False))
    for name in ("flagged", "assigned"):
        op.add_column("threads", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.execute(FLAGGED)


def downgrade() -> None:
    op.drop_column("threads", "assigned")
    op.drop_column("threads", "flagged")
    op.drop_column("mailboxes", "mail_at")
    for name in ("blob_id", *reversed(_DRAFTS)):
        op.drop_column("drafts", name)
    op.drop_index("entries_by_modseq", table_name="entries")
    for name in ("keywords", "vanished", "placements"):
        op.drop_table(name)
