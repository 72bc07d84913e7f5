"""Failed sign-ins count per account and source. Earlier ones count per address until they expire."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "sign_in_failures",
        sa.Column("source", sa.String(length=64), server_default="", nullable=False),
    )
    op.add_column(
        "sign_in_failures",
        sa.Column("known", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("sign_in_failures", "known")
    op.drop_column("sign_in_failures", "source")
