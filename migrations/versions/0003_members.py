"""The directory: words of names, activity, sort keys; imports on the page; awards by source and day."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime, text_key
from webapp.domain.normalization import name_words

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AT_ONCE = 5_000  # members whose words are written at once


def upgrade() -> None:
    op.add_column(
        "members", sa.Column("activity", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.create_index("ix_members_joined_at", "members", ["joined_at", "id"])
    op.create_index("ix_members_activity", "members", ["activity", "id"])
    apart = sa.text("status <> 'active'")
    op.create_index(
        "ix_members_apart",
        "members",
        ["status", "id"],
        postgresql_where=apart,
        sqlite_where=apart,
    )
    op.create_table(
        "member_words",
        sa.Column("word", text_key(60), nullable=False),
        sa.Column("member_id", Id, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("word", "member_id", name=op.f("pk_member_words")),
        sqlite_with_rowid=False,
    )
    _write_words()
    op.create_index("ix_member_words_member_id", "member_words", ["member_id", "word"])
    op.create_table(
        "member_imports",
        sa.Column("id", Id, nullable=False),
        sa.Column("filename", sa.String(length=255), server_default="", nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("encoding", sa.String(length=20), server_default="", nullable=False),
        sa.Column("header", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("columns", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", Id, nullable=True),
        sa.Column("run_at", UtcDateTime(), nullable=True),
        sa.Column("run_by", Id, nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        *(
            sa.Column(name, sa.Integer(), server_default="0", nullable=False)
            for name in ("rows", "line", "created", "changed", "unchanged", "bad")
        ),
        sa.Column("lease_owner", sa.String(length=36), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("fruitless", sa.Integer(), server_default="0", nullable=False),
        sa.Column("trouble", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["staff.id"], name=op.f("fk_member_imports_created_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["run_by"], ["staff.id"], name=op.f("fk_member_imports_run_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_imports")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_member_imports_status", "member_imports", ["status", "id"])
    op.create_index("ix_member_imports_created_at", "member_imports", ["created_at"])
    op.create_table(
        "member_import_rows",
        sa.Column("id", Id, nullable=False),
        sa.Column("import_id", Id, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["member_imports.id"],
            name=op.f("fk_member_import_rows_import_id_member_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_import_rows")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_member_import_rows_kind", "member_import_rows", ["import_id", "kind", "line"]
    )
    first = sa.text("restores_id IS NULL")
    op.create_index(
        "ix_awards_way", "awards", ["way", "awarded_at"], postgresql_where=first, sqlite_where=first
    )


def _write_words() -> None:
    """Write the words of existing names, a few thousand members at a time."""
    connection = op.get_bind()
    members = sa.table("members", sa.column("id", Id), sa.column("name", sa.String))
    kept = sa.table("member_words", sa.column("word", sa.String), sa.column("member_id", Id))
    last = 0
    while True:
        found = connection.execute(
            sa.select(members.c.id, members.c.name)
            .where(members.c.id > last)
            .order_by(members.c.id)
            .limit(AT_ONCE)
        ).all()
        if not found:
            return
        last = found[-1].id
        rows = [
            {"word": word, "member_id": row.id} for row in found for word in name_words(row.name)
        ]
        if rows:
            connection.execute(sa.insert(kept), rows)


def downgrade() -> None:
    op.drop_index("ix_awards_way", table_name="awards")
    op.drop_table("member_import_rows")
    op.drop_table("member_imports")
    op.drop_table("member_words")
    for name in ("ix_members_apart", "ix_members_activity", "ix_members_joined_at"):
        op.drop_index(name, table_name="members")
    op.drop_column("members", "activity")
