"""The audit log stores each actor's address. Earlier entries have none."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "records", sa.Column("address", sa.String(length=64), server_default="", nullable=False)
    )
    op.create_index("ix_records_address", "records", ["address", "at", "id"], unique=False)
    op.add_column(
        "member_imports",
        sa.Column("run_address", sa.String(length=64), server_default="", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("member_imports", "run_address")
    op.drop_index("ix_records_address", table_name="records")
    op.drop_column("records", "address")
