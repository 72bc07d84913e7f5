"""Several awards can be revoked together, and restored together."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TOGETHER = sa.text("group_revocation_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "group_revocations",
        sa.Column("id", Id, nullable=False),
        sa.Column("badge_id", Id, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", Id, nullable=True),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["badge_id"], ["badges.id"], name=op.f("fk_group_revocations_badge_id_badges")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["staff.id"], name=op.f("fk_group_revocations_created_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_revocations")),
        sqlite_autoincrement=True,
    )
    # No foreign key: SQLite can't drop a column that has one.
    op.add_column("awards", sa.Column("group_revocation_id", Id, nullable=True))
    op.create_index(
        "ix_awards_group_revocation_id",
        "awards",
        ["group_revocation_id"],
        postgresql_where=TOGETHER,
        sqlite_where=TOGETHER,
    )


def downgrade() -> None:
    op.drop_index("ix_awards_group_revocation_id", table_name="awards")
    op.drop_column("awards", "group_revocation_id")
    op.drop_table("group_revocations")
