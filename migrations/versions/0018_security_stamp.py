"""Rename the value by which a session identifies its account to `security_stamp`."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rename("fs_uniquifier", "security_stamp")


def downgrade() -> None:
    _rename("security_stamp", "fs_uniquifier")


def _rename(old: str, new: str) -> None:
    op.drop_index(f"uq_staff_{old}", table_name="staff")
    op.execute(f"ALTER TABLE staff RENAME COLUMN {old} TO {new}")
    op.create_index(f"uq_staff_{new}", "staff", [new], unique=True)
