"""Break-glass admins sign in with a password if the provider is away; its outage is known to every process."""

import sqlalchemy as sa
from alembic import op

from webapp.database import UtcDateTime, text_key

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "staff",
        sa.Column("break_glass", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_table(
        "provider_outages",
        sa.Column("issuer", text_key(255), primary_key=True),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("problem", sa.String(40), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("provider_outages")
    op.drop_column("staff", "break_glass")
