"""A group award can be undone as a whole."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

GROUPED = sa.text("group_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "group_awards",
        sa.Column("id", Id, nullable=False),
        sa.Column("quest_id", Id, nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("made_by", Id, nullable=True),
        sa.Column("awarded", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["quest_id"], ["quests.id"], name=op.f("fk_group_awards_quest_id_quests")
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["staff.id"], name=op.f("fk_group_awards_made_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_awards")),
        sqlite_autoincrement=True,
    )
    # No foreign key: SQLite can't drop a column that has one.
    op.add_column("awards", sa.Column("group_id", Id, nullable=True))
    op.create_index(
        "ix_awards_group_id",
        "awards",
        ["group_id"],
        postgresql_where=GROUPED,
        sqlite_where=GROUPED,
    )


def downgrade() -> None:
    op.drop_index("ix_awards_group_id", table_name="awards")
    op.drop_column("awards", "group_id")
    op.drop_table("group_awards")
