"""Events get a feed; webhooks that receive new awards receive restored ones too, which were new awards before."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

UNPLACED = sa.text("position IS NULL")
ADDED = (
    "award.restored",
    "member.created",
    "member.changed",
    "member.erased",
    "badge.changed",
    "quest.changed",
    "rule.changed",
)


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", Id, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject_ids", sa.JSON(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("occurrence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_events_position", "events", ["position"], unique=True)
    op.create_index(
        "ix_events_unplaced", "events", ["id"], postgresql_where=UNPLACED, sqlite_where=UNPLACED
    )
    op.create_table(
        "event_feed",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("deleted_position", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_feed"),
    )
    op.create_table(
        "erased_members",
        sa.Column("member_id", Id, autoincrement=False, nullable=False),
        sa.Column("external_id", sa.String(190), nullable=False),
        sa.Column("erased_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name="fk_erased_members_member_id_members"
        ),
        sa.PrimaryKeyConstraint("member_id", name="pk_erased_members"),
    )
    op.create_index("ix_erased_members_erased_at", "erased_members", ["erased_at"])
    op.execute(
        "INSERT INTO subscriptions (endpoint_id, kind) "
        "SELECT endpoint_id, 'award.restored' FROM subscriptions WHERE kind = 'award.created'"
    )


def downgrade() -> None:
    for table in ("subscriptions", "deliveries"):
        rows = sa.table(table, sa.column("kind"))
        op.execute(sa.delete(rows).where(rows.c.kind.in_(ADDED)))
    op.drop_table("erased_members")
    op.drop_table("event_feed")
    op.drop_table("events")
