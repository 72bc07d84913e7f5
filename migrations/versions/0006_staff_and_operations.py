"""One-time links, the address of a session, two-factor authentication, and heartbeats of workers and clocks."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "staff_sessions",
        sa.Column("browser", sa.String(length=60), server_default="", nullable=False),
    )
    op.add_column(
        "staff_sessions",
        sa.Column("address", sa.String(length=64), server_default="", nullable=False),
    )
    op.create_table(
        "staff_links",
        sa.Column("staff_id", Id, autoincrement=False, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff.id"],
            name=op.f("fk_staff_links_staff_id_staff"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_staff_links")),
    )
    op.create_index("uq_staff_links_key_hash", "staff_links", ["key_hash"], unique=True)
    op.create_index("ix_staff_links_made_at", "staff_links", ["made_at"], unique=False)
    op.create_table(
        "second_factors",
        sa.Column("staff_id", Id, autoincrement=False, nullable=False),
        sa.Column("secret", sa.String(length=255), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff.id"],
            name=op.f("fk_second_factors_staff_id_staff"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", Id, nullable=False),
        sa.Column("staff_id", Id, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff.id"],
            name=op.f("fk_recovery_codes_staff_id_staff"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
    )
    op.create_index(
        "uq_recovery_codes_staff_id_code_hash",
        "recovery_codes",
        ["staff_id", "code_hash"],
        unique=True,
    )
    op.create_table(
        "factor_roles",
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_factor_roles")),
    )
    op.create_table(
        "processes",
        sa.Column("id", Id, nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("host", sa.String(length=120), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
    )
    op.create_index("uq_processes_key", "processes", ["key"], unique=True)
    op.create_index("ix_processes_seen_at", "processes", ["seen_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_processes_seen_at", table_name="processes")
    op.drop_index("uq_processes_key", table_name="processes")
    op.drop_table("processes")
    op.drop_table("factor_roles")
    op.drop_index("uq_recovery_codes_staff_id_code_hash", table_name="recovery_codes")
    op.drop_table("recovery_codes")
    op.drop_table("second_factors")
    op.drop_index("ix_staff_links_made_at", table_name="staff_links")
    op.drop_index("uq_staff_links_key_hash", table_name="staff_links")
    op.drop_table("staff_links")
    op.drop_column("staff_sessions", "address")
    op.drop_column("staff_sessions", "browser")
