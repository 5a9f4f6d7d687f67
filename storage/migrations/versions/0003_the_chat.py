"""What the chat keeps: how people sign in, who acts for whom, how conversations are kept, drafts and uploads, notices,
teams.

Undone by `downgrade`, which drops what `upgrade` made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What the conversations that are here already hold: files (1), an appointment (2), words of a bot (4).
_HAS = """CASE WHEN EXISTS (
  SELECT 1 FROM entries e JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id
  WHERE e.mailbox_id = threads.mailbox_id AND e.conversation_id = threads.conversation_id AND e.kind = 'message' AND {}
) THEN {} ELSE 0 END"""
HOLDS = "UPDATE threads SET holds = " + " + ".join(
    (
        _HAS.format("m.files > 0", 1),
        _HAS.format("m.id IN (SELECT a.message_id FROM appointments a WHERE a.space_id = m.space_id)", 2),
        _HAS.format("m.author_kind = 'bot'", 4),
    )
)


def upgrade() -> None:
    op.create_index(
        "accounts_by_national_id",
        "accounts",
        ["national_id"],
        unique=False,
        sqlite_where=sa.text("national_id != ''"),
        postgresql_where=sa.text("national_id != ''"),
    )
    op.create_table(
        "assignments",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), server_default="", nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("space_id", "conversation_id", "team_id", "at", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("assignments_by_team", "assignments", ["team_id", "conversation_id", "at"], unique=False)
    op.create_table(
        "brakes",
        sa.Column("name_hash", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name_hash"),
        sqlite_with_rowid=False,
    )
    op.create_index("brakes_by_age", "brakes", ["until_at"], unique=False)
    op.create_table(
        "contact_points",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_table(
        "delegation_changes",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), server_default="", nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_table(
        "devices",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_table(
        "drafts",
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), server_default="", nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("mailbox_id", "id"),
    )
    op.create_index("drafts_by_conversation", "drafts", ["mailbox_id", "conversation_id"], unique=False)
    op.create_table(
        "factors",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lookup", sa.Text(), server_default="", nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=True),
        sa.Column("counter", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index(
        "factors_by_lookup",
        "factors",
        ["lookup"],
        unique=True,
        sqlite_where=sa.text("lookup != ''"),
        postgresql_where=sa.text("lookup != ''"),
    )
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject_hash", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject_hash"),
    )
    op.create_table(
        "labels",
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("mailbox_id", "id"),
    )
    op.create_table(
        "logins",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("identifier_hash", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
        sa.UniqueConstraint("identifier_hash"),
    )
    op.create_table(
        "marks",
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "conversation_id", "kind", "label_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notice_wishes",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("wishes", sa.LargeBinary(), nullable=False),
        sa.Column("link_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
    )
    op.create_index("notice_wishes_by_link", "notice_wishes", ["link_hash"], unique=False)
    op.create_table(
        "opening_hours",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("week", sa.Text(), server_default="", nullable=False),
        sa.Column("answers_hours", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
    )
    op.create_table(
        "proofs",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), server_default="", nullable=False),
        sa.Column("code_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_with_rowid=False,
    )
    op.create_index("proofs_by_age", "proofs", ["until_at"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("endpoint_hash", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), server_default="", nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("endpoint_hash"),
    )
    op.create_table(
        "team_members",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="member", nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("team_id", "account_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("team_members_by_account", "team_members", ["account_id"], unique=False)
    op.create_table(
        "upload_parts",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("blob_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("space_id", "upload_id", "position"),
    )
    op.create_table(
        "corrections",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("correction_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "message_id", "at", "correction_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "invitations",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), server_default="", nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=True),
        sa.Column("invited_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_by", sa.Text(), server_default="", nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_table(
        "templates",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_table(
        "uploads",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("received", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attachment_id", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.add_column("credentials", sa.Column("how", sa.Text(), server_default="", nullable=False))
    op.add_column("credentials", sa.Column("device_id", sa.Text(), server_default="", nullable=False))
    op.add_column("credentials", sa.Column("strong_at", sa.BigInteger(), nullable=True))
    op.add_column("credentials", sa.Column("name", sa.LargeBinary(), nullable=True))
    op.add_column("delegations", sa.Column("scopes", sa.Text(), server_default="", nullable=False))
    op.add_column("threads", sa.Column("holds", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("threads", sa.Column("asks", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(HOLDS)


def downgrade() -> None:
    op.drop_index(
        "accounts_by_national_id",
        table_name="accounts",
        sqlite_where=sa.text("national_id != ''"),
        postgresql_where=sa.text("national_id != ''"),
    )
    op.drop_column("threads", "asks")
    op.drop_column("threads", "holds")
    op.drop_column("delegations", "scopes")
    op.drop_column("credentials", "name")
    op.drop_column("credentials", "strong_at")
    op.drop_column("credentials", "device_id")
    op.drop_column("credentials", "how")
    op.drop_table("uploads")
    op.drop_table("templates")
    op.drop_table("invitations")
    op.drop_table("corrections")
    op.drop_table("upload_parts")
    op.drop_index("team_members_by_account", table_name="team_members")
    op.drop_table("team_members")
    op.drop_table("subscriptions")
    op.drop_index("proofs_by_age", table_name="proofs")
    op.drop_table("proofs")
    op.drop_table("opening_hours")
    op.drop_index("notice_wishes_by_link", table_name="notice_wishes")
    op.drop_table("notice_wishes")
    op.drop_table("marks")
    op.drop_table("logins")
    op.drop_table("labels")
    op.drop_table("identities")
    op.drop_index(
        "factors_by_lookup",
        table_name="factors",
        sqlite_where=sa.text("lookup != ''"),
        postgresql_where=sa.text("lookup != ''"),
    )
    op.drop_table("factors")
    op.drop_index("drafts_by_conversation", table_name="drafts")
    op.drop_table("drafts")
    op.drop_table("devices")
    op.drop_table("delegation_changes")
    op.drop_table("contact_points")
    op.drop_index("brakes_by_age", table_name="brakes")
    op.drop_table("brakes")
    op.drop_index("assignments_by_team", table_name="assignments")
    op.drop_table("assignments")
