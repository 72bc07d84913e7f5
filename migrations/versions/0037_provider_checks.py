"""Sessions that began at the provider are checked there when its tokens expire."""

import sqlalchemy as sa
from alembic import op

from webapp.database import UtcDateTime

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sso_sessions", sa.Column("refresh_token", sa.Text, nullable=True))
    op.add_column("sso_sessions", sa.Column("check_at", UtcDateTime, nullable=True))


def downgrade() -> None:
    op.drop_column("sso_sessions", "check_at")
    op.drop_column("sso_sessions", "refresh_token")
