"""Deliveries of many awards share a message."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

SHARED = sa.text("message_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("message_id", sa.String(40), nullable=True))
    op.create_index(
        "ix_deliveries_message_id",
        "deliveries",
        ["endpoint_id", "message_id", "id"],
        postgresql_where=SHARED,
        sqlite_where=SHARED,
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_message_id", "deliveries")
    op.drop_column("deliveries", "message_id")
