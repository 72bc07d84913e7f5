"""Connections to communities, members' accounts there, and pulls of their members."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime, text_key

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "connections",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(190), server_default="", nullable=False),
        sa.Column("address", sa.String(2000), nullable=False),
        sa.Column("account", sa.String(255), server_default="", nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("match_by", sa.String(12), nullable=False),
        sa.Column("imports_members", sa.Boolean(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", Id, nullable=True),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.Column("checked_at", UtcDateTime(), nullable=True),
        sa.Column("version", sa.String(60), server_default="", nullable=False),
        sa.Column("pulled_at", UtcDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("backoff_until", UtcDateTime(), nullable=True),
        sa.Column("problem", sa.JSON(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["staff.id"], name=op.f("fk_connections_created_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "member_accounts",
        sa.Column("id", Id, nullable=False),
        sa.Column("connection_id", Id, nullable=False),
        sa.Column("member_id", Id, nullable=False),
        sa.Column("remote_id", text_key(190), nullable=False),
        sa.Column("username", sa.String(190), server_default="", nullable=False),
        sa.Column("missing_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name=op.f("fk_member_accounts_connection_id_connections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_member_accounts_member_id_members")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_accounts")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_member_accounts_connection_id_remote_id",
        "member_accounts",
        ["connection_id", "remote_id"],
        unique=True,
    )
    op.create_index(
        "uq_member_accounts_member_id_connection_id",
        "member_accounts",
        ["member_id", "connection_id"],
        unique=True,
    )
    op.create_table(
        "pulled_members",
        sa.Column("import_id", Id, autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("remote_id", text_key(190), nullable=False),
        sa.Column("external_id", text_key(190), nullable=False),
        sa.Column("match_key", text_key(960), server_default="", nullable=False),
        sa.Column("username", sa.Text(), server_default="", nullable=False),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.String(12), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["member_imports.id"],
            name=op.f("fk_pulled_members_import_id_member_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_pulled_members")),
    )
    op.create_index(
        "uq_pulled_members_import_id_remote_id",
        "pulled_members",
        ["import_id", "remote_id"],
        unique=True,
    )
    op.create_index("ix_pulled_members_external_id", "pulled_members", ["import_id", "external_id"])
    op.create_index(
        "ix_pulled_members_match_key", "pulled_members", ["import_id", "match_key", "line"]
    )
    for column in (
        sa.Column("connection_id", Id, nullable=True),
        sa.Column("cursor", sa.Text(), server_default="", nullable=False),
        sa.Column("unattended", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("departing", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("problem", sa.JSON(), server_default="[]", nullable=False),
    ):
        op.add_column("member_imports", column)


def downgrade() -> None:
    op.execute("DELETE FROM member_imports WHERE connection_id IS NOT NULL")
    for name in ("connection_id", "cursor", "unattended", "departing", "expected", "problem"):
        op.drop_column("member_imports", name)
    for name in ("pulled_members", "member_accounts", "connections"):
        op.drop_table(name)
