"""API keys, stored responses, webhooks and their outbox, activity."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime, text_key

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WAITING = sa.text("state = 'waiting'")
BY_KEY = sa.text("key_id IS NOT NULL")
# The API key that acted. Without a foreign key, which SQLite could not remove again; keys are never deleted.
KEYS = (("awards", "awarded_key"), ("awards", "revoked_key"), ("batches", "run_key"))
KEYS += (("records", "key_id"),)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", text_key(360), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=20), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", Id, nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_by", Id, nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("window_at", UtcDateTime(), nullable=True),
        sa.Column("window_count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["staff.id"], name=op.f("fk_api_keys_created_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["revoked_by"], ["staff.id"], name=op.f("fk_api_keys_revoked_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index("uq_api_keys_key_hash", "api_keys", ["key_hash"], unique=True)
    op.create_table(
        "stored_answers",
        sa.Column("key_id", Id, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name=op.f("fk_stored_answers_key_id_api_keys")
        ),
        sa.PrimaryKeyConstraint("key_id", "key", name=op.f("pk_stored_answers")),
    )
    op.create_index("ix_stored_answers_created_at", "stored_answers", ["created_at"])
    op.create_table(
        "endpoints",
        sa.Column("id", Id, nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("former_secret", sa.Text(), nullable=True),
        sa.Column("former_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", Id, nullable=True),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.Column("disabled_why", sa.String(length=200), server_default="", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rests_until", UtcDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(length=36), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["staff.id"], name=op.f("fk_endpoints_created_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "subscriptions",
        sa.Column("endpoint_id", Id, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["endpoints.id"],
            name=op.f("fk_subscriptions_endpoint_id_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "kind", name=op.f("pk_subscriptions")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", Id, nullable=False),
        sa.Column("endpoint_id", Id, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", Id, nullable=False),
        sa.Column("occasion", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("answered", sa.Integer(), nullable=True),
        sa.Column("trouble", sa.String(length=200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["endpoints.id"],
            name=op.f("fk_deliveries_endpoint_id_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sqlite_autoincrement=True,
    )
    event = ["endpoint_id", "kind", "subject_id", "occasion"]
    op.create_index("uq_deliveries_event", "deliveries", event, unique=True)
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["endpoint_id", "next_at"],
        postgresql_where=WAITING,
        sqlite_where=WAITING,
    )
    op.create_index("ix_deliveries_endpoint_id_id", "deliveries", ["endpoint_id", "id"])
    op.create_index("ix_deliveries_at", "deliveries", ["at"])
    op.create_table(
        "activity_events",
        sa.Column("event_id", text_key(190), nullable=False),
        sa.Column("member_id", Id, nullable=False),
        sa.Column("activity", text_key(60), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_activity_events_member_id_members"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_activity_events")),
    )
    op.create_index("ix_activity_events_member_id", "activity_events", ["member_id", "at"])
    op.create_table(
        "activity_counts",
        sa.Column("member_id", Id, nullable=False),
        sa.Column("activity", text_key(60), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_activity_counts_member_id_members"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("member_id", "activity", name=op.f("pk_activity_counts")),
    )
    for table, column in KEYS:
        op.add_column(table, sa.Column(column, Id, nullable=True))
    op.create_index(
        "ix_records_key_id",
        "records",
        ["key_id", "at", "id"],
        postgresql_where=BY_KEY,
        sqlite_where=BY_KEY,
    )
    op.create_index("ix_awards_awarded_at", "awards", ["awarded_at"])


def downgrade() -> None:
    op.drop_index("ix_awards_awarded_at", table_name="awards")
    op.drop_index("ix_records_key_id", table_name="records")
    for table, column in reversed(KEYS):
        op.drop_column(table, column)
    op.drop_table("activity_counts")
    op.drop_table("activity_events")
    op.drop_table("deliveries")
    op.drop_table("subscriptions")
    op.drop_table("endpoints")
    op.drop_table("stored_answers")
    op.drop_table("api_keys")
