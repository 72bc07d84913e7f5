"""A webhook keeps which API key set its URL: it is turned off with the key."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("url_set_by_key", Id, nullable=True))


def downgrade() -> None:
    op.drop_column("endpoints", "url_set_by_key")
