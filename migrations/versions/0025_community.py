"""The community has a name and a logo, and people choose how the console looks."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "community",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(120), server_default="", nullable=False),
        sa.Column("logo_hash", sa.String(32), server_default="", nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_community"),
    )
    op.add_column(
        "staff", sa.Column("theme", sa.String(12), server_default="system", nullable=False)
    )
    op.add_column(
        "staff", sa.Column("density", sa.String(12), server_default="comfortable", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("staff", "density")
    op.drop_column("staff", "theme")
    op.drop_table("community")
