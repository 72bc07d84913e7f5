"""Awards have the time of their last change, and indexes for their source and for revoked ones."""

import sqlalchemy as sa
from alembic import op

from webapp.database import UtcDateTime

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

FIRST = sa.text("restores_id IS NULL")
REVOKED = sa.text("revoked_at IS NOT NULL")


def upgrade() -> None:
    op.add_column(
        "awards",
        sa.Column(
            "updated_at",
            UtcDateTime(),
            server_default=sa.text("'1970-01-01 00:00:00'"),
            nullable=False,
        ),
    )
    postgresql = op.get_bind().dialect.name == "postgresql"
    if postgresql:  # no one gains or loses a badge: don't count holders for a million awards
        op.execute("ALTER TABLE awards DISABLE TRIGGER USER")
    op.execute(
        f"UPDATE awards SET updated_at = {'greatest' if postgresql else 'max'}("
        "awarded_at, coalesce(revoked_at, awarded_at), coalesce(restored_at, awarded_at))"
    )
    if postgresql:
        op.execute("ALTER TABLE awards ENABLE TRIGGER USER")
    op.create_index("ix_awards_updated_at", "awards", ["updated_at"])
    op.create_index(
        "ix_awards_revoked",
        "awards",
        ["awarded_at"],
        postgresql_where=REVOKED,
        sqlite_where=REVOKED,
    )
    op.drop_index("ix_awards_source", table_name="awards")
    op.create_index("ix_awards_source", "awards", ["source", "awarded_at", "restores_id"])


def downgrade() -> None:
    op.drop_index("ix_awards_source", table_name="awards")
    op.create_index(
        "ix_awards_source",
        "awards",
        ["source", "awarded_at"],
        postgresql_where=FIRST,
        sqlite_where=FIRST,
    )
    op.drop_index("ix_awards_revoked", table_name="awards")
    op.drop_index("ix_awards_updated_at", table_name="awards")
    op.drop_column("awards", "updated_at")
