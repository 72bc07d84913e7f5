"""A batch's entries are found only by the index of its work, whatever PostgreSQL's statistics say.

For a batch that they don't know yet, all indexes that begin with the batch looked alike: a chunk read all its entries.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "uq_entries_member_id_batch_id", "entries", ["member_id", "batch_id"], unique=True
    )
    op.drop_index("uq_entries_batch_id_member_id", table_name="entries")
    op.drop_index("ix_entries_member_id", table_name="entries")


def downgrade() -> None:
    op.create_index("ix_entries_member_id", "entries", ["member_id"])
    op.create_index(
        "uq_entries_batch_id_member_id", "entries", ["batch_id", "member_id"], unique=True
    )
    op.drop_index("uq_entries_member_id_batch_id", table_name="entries")
