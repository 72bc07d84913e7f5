"""A batch keeps who created it."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# Several batches created at once have one entry in the audit log, of the same moment.
CREATOR = """UPDATE batches SET created_by = (
    SELECT min(staff_id) FROM audit_events
    WHERE audit_events.at = batches.created_at AND audit_events.subject_kind = 'batch'
)"""


def upgrade() -> None:
    op.add_column("batches", sa.Column("created_by", Id, nullable=True))
    op.execute(CREATOR)


def downgrade() -> None:
    op.drop_column("batches", "created_by")
