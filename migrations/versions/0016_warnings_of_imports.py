"""Imports of members count rows with a warning, and rows imported without a field."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "member_imports", sa.Column("warned", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "member_imports", sa.Column("without", sa.JSON(), server_default="{}", nullable=False)
    )


def downgrade() -> None:
    op.execute("DELETE FROM member_import_rows WHERE kind IN ('warned', 'later')")
    op.drop_column("member_imports", "without")
    op.drop_column("member_imports", "warned")
