"""Appointments of offices, sequences bound to them, forms, prevention, campaigns, calendar feeds, hand-overs.

Undone by `downgrade`, which drops what `upgrade` made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("journey_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_by", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("mailbox_id", "id"),
    )
    op.create_index("calls_by_journey", "calls", ["mailbox_id", "journey_id", "number"], unique=False)
    op.create_table(
        "campaign_changes",
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "id"),
    )
    op.create_table(
        "campaign_spaces",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("space_id", "campaign_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("campaign_spaces_by_state", "campaign_spaces", ["campaign_id", "state", "space_id"], unique=False)
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("runner", sa.Text(), server_default="", nullable=False),
        sa.Column("runner_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "handovers",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("bot_id", sa.Text(), nullable=False),
        sa.Column("to_id", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("space_id", "conversation_id", "id"),
    )
    op.create_table(
        "journey_steps",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("journey_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("silent_at", sa.BigInteger(), nullable=True),
        sa.Column("told", sa.Text(), server_default="", nullable=False),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("space_id", "journey_id", "number"),
    )
    op.create_table(
        "organised",
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("appointment_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("mailbox_id", "space_id", "appointment_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("organised_by_appointment", "organised", ["space_id", "appointment_id"], unique=False)
    op.create_index("organised_by_end", "organised", ["mailbox_id", "until_at"], unique=False)
    op.create_index("organised_by_day", "organised", ["starts_at", "mailbox_id"], unique=False)
    op.create_index("organised_by_time", "organised", ["mailbox_id", "starts_at"], unique=False)
    op.create_table(
        "rounds",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("space_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("rounds_by_time", "rounds", ["due_at"], unique=False)
    op.create_table(
        "blueprints",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="current", nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id", "version"),
    )
    op.create_table(
        "feeds",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_index("feeds_by_secret", "feeds", ["secret_hash"], unique=True)
    op.create_table(
        "fillings",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="begun", nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "message_id"),
    )
    op.create_table(
        "journeys",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("appointment_id", sa.Text(), nullable=False),
        sa.Column("mailbox_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("plan", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_index("journeys_by_appointment", "journeys", ["space_id", "appointment_id"], unique=False)
    op.create_table(
        "situations",
        sa.Column("space_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind_hash", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["spaces.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_index("situations_by_kind", "situations", ["space_id", "kind_hash", "at"], unique=False)
    op.add_column("appointments", sa.Column("organiser_id", sa.Text(), server_default="", nullable=False))
    op.add_column("appointments", sa.Column("starts_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("appointments", "starts_at")
    op.drop_column("appointments", "organiser_id")
    op.drop_index("situations_by_kind", table_name="situations")
    op.drop_table("situations")
    op.drop_index("journeys_by_appointment", table_name="journeys")
    op.drop_table("journeys")
    op.drop_table("fillings")
    op.drop_index("feeds_by_secret", table_name="feeds")
    op.drop_table("feeds")
    op.drop_table("blueprints")
    op.drop_index("rounds_by_time", table_name="rounds")
    op.drop_table("rounds")
    op.drop_index("organised_by_time", table_name="organised")
    op.drop_index("organised_by_end", table_name="organised")
    op.drop_index("organised_by_day", table_name="organised")
    op.drop_index("organised_by_appointment", table_name="organised")
    op.drop_table("organised")
    op.drop_table("journey_steps")
    op.drop_table("handovers")
    op.drop_table("campaigns")
    op.drop_index("campaign_spaces_by_state", table_name="campaign_spaces")
    op.drop_table("campaign_spaces")
    op.drop_table("campaign_changes")
    op.drop_index("calls_by_journey", table_name="calls")
    op.drop_table("calls")
