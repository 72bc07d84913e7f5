"""API requests are no longer counted in the database."""

import sqlalchemy as sa
from alembic import op

from webapp.database import UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("api_keys", "window_count")
    op.drop_column("api_keys", "window_at")


def downgrade() -> None:
    op.add_column("api_keys", sa.Column("window_at", UtcDateTime(), nullable=True))
    op.add_column(
        "api_keys",
        sa.Column("window_count", sa.Integer(), server_default="0", nullable=False),
    )
