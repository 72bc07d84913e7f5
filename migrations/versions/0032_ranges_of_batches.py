"""Workers lease ranges of a batch's entries instead of the batch, so that several can process one."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

RUNNING = "status IN ('unpublished', 'in_progress')"


def _counts() -> list[sa.Column]:
    return [
        sa.Column("failed_claims", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("single_step_left", sa.Integer(), server_default="0", nullable=False),
    ]


def _lease() -> list[sa.Column]:
    return [
        sa.Column("lease_owner", sa.String(36), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
    ]


def upgrade() -> None:
    op.create_table(
        "batch_ranges",
        sa.Column("id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("first_entry_id", Id, nullable=False),
        sa.Column("last_entry_id", Id, nullable=False),
        *_counts(),
        *_lease(),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.id"],
            name="fk_batch_ranges_batch_id_batches",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_batch_ranges"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_batch_ranges_batch_id", "batch_ranges", ["batch_id"])
    op.execute(
        "INSERT INTO batch_ranges"
        " (batch_id, first_entry_id, last_entry_id, failed_claims, last_error, single_step_left)"
        " SELECT id, 0, run_up_to_entry_id, failed_claims, last_error, single_step_left FROM batches"
        f" WHERE {RUNNING} ORDER BY id"
    )
    for column in (*_counts(), *_lease()):
        op.drop_column("batches", column.name)


def downgrade() -> None:
    for column in (*_counts(), *_lease()):
        op.add_column("batches", column)
    of_batch = "(SELECT max({0}) FROM batch_ranges AS r WHERE r.batch_id = batches.id)"
    assignments = ", ".join(
        f"{column.name} = {of_batch.format(column.name)}" for column in _counts()
    )
    op.execute(f"UPDATE batches SET {assignments} WHERE id IN (SELECT batch_id FROM batch_ranges)")
    op.drop_table("batch_ranges")
