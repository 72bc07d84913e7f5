"""Awards are shown in communities: mapped badges, what may differ there, and the differences of a comparison."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime, text_key

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("shows_awards", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("pace", sa.Integer(), server_default="0", nullable=False),
        sa.Column("badges", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("compare_at", UtcDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(36), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
    ):
        op.add_column("connections", column)
    op.add_column(
        "member_accounts",
        sa.Column("marked", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_table(
        "badge_mappings",
        sa.Column("id", Id, nullable=False),
        *_of_connection("badge_mappings", "quest"),
        sa.Column("remote_id", text_key(190), nullable=False),
        sa.Column("remote_name", sa.String(190), server_default="", nullable=False),
        sa.Column("mark_after", Id, nullable=True),
        sa.Column("compared_at", UtcDateTime(), nullable=True),
        sa.Column("gone_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_badge_mappings")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_badge_mappings_quest_id_connection_id",
        "badge_mappings",
        ["quest_id", "connection_id"],
        unique=True,
    )
    op.create_index(
        "uq_badge_mappings_connection_id_remote_id",
        "badge_mappings",
        ["connection_id", "remote_id"],
        unique=True,
    )
    op.create_table(
        "badge_syncs",
        sa.Column("id", Id, nullable=False),
        *_of_connection("badge_syncs", "quest", "member"),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("problem", sa.JSON(), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_badge_syncs")),
        sqlite_autoincrement=True,
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_badge_syncs_due",
        "badge_syncs",
        ["connection_id", "due_at", "id"],
        postgresql_where=due,
        sqlite_where=due,
    )
    op.create_table(
        "badge_differences",
        sa.Column("id", Id, nullable=False),
        *_of_connection("badge_differences", "quest", "member"),
        sa.Column("held_there", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_badge_differences")),
        sqlite_autoincrement=True,
    )
    for table in ("badge_syncs", "badge_differences"):
        key = ["connection_id", "quest_id", "member_id"]
        op.create_index(f"uq_{table}_key", table, key, unique=True)
        op.create_index(f"ix_{table}_connection_id_id", table, ["connection_id", "id"])


def _of_connection(table: str, *others: str) -> list[sa.Column | sa.ForeignKeyConstraint]:
    """The columns of a connection's row that name it and these others, with their constraints."""
    columns: list[sa.Column | sa.ForeignKeyConstraint] = [
        sa.Column("connection_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name=op.f(f"fk_{table}_connection_id_connections"),
            ondelete="CASCADE",
        ),
    ]
    for other in others:
        columns.append(sa.Column(f"{other}_id", Id, nullable=False))
        columns.append(
            sa.ForeignKeyConstraint(
                [f"{other}_id"], [f"{other}s.id"], name=op.f(f"fk_{table}_{other}_id_{other}s")
            )
        )
    return columns


def downgrade() -> None:
    for name in ("badge_differences", "badge_syncs", "badge_mappings"):
        op.drop_table(name)
    op.drop_column("member_accounts", "marked")
    for name in ("shows_awards", "pace", "badges", "compare_at", "lease_owner", "lease_until"):
        op.drop_column("connections", name)
