"""Accounts of erased members, which pulls pass over: only a keyed hash of the account's ID there."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, text_key

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "connections", sa.Column("account_key", sa.Text(), server_default="", nullable=False)
    )
    op.create_table(
        "erased_accounts",
        sa.Column("connection_id", Id, autoincrement=False, nullable=False),
        sa.Column("hash", text_key(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name=op.f("fk_erased_accounts_connection_id_connections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "hash", name=op.f("pk_erased_accounts")),
    )


def downgrade() -> None:
    op.drop_table("erased_accounts")
    op.drop_column("connections", "account_key")
