"""Editing badges: unique names, versions to detect conflicts, images in two sizes."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime, text_key
from webapp.domain.normalization import fold

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPEN = sa.text("archived_at IS NULL")
UNIQUE = {
    "uq_badges_name_key": ("badges", ["name_key"]),
    "uq_quests_name_key": ("quests", ["badge_id", "name_key"]),
}


def upgrade() -> None:
    op.add_column("badges", sa.Column("version", sa.Integer(), server_default="0", nullable=False))
    op.add_column("quests", sa.Column("name_key", text_key(360), server_default="", nullable=False))
    _give_keys()
    for name, (table, columns) in UNIQUE.items():
        op.create_index(name, table, columns, unique=True, postgresql_where=OPEN, sqlite_where=OPEN)
    op.drop_table("images")  # not written to yet
    op.create_table(
        "images",
        *_image_columns(),
        sa.Column("small", sa.LargeBinary(), nullable=False),
        *_image_constraints(),
    )


def downgrade() -> None:
    op.drop_table("images")
    op.create_table(
        "images",
        *_image_columns(),
        sa.Column("mimetype", sa.String(length=20), nullable=False),
        *_image_constraints(),
    )
    op.execute("UPDATE badges SET art_hash = ''")
    for name, (table, _) in UNIQUE.items():
        op.drop_index(name, table_name=table)
    op.drop_column("quests", "name_key")
    op.drop_column("badges", "version")


def _image_columns() -> list[sa.Column]:
    return [
        sa.Column("badge_id", Id, autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    ]


def _image_constraints() -> list[sa.Constraint]:
    return [
        sa.ForeignKeyConstraint(
            ["badge_id"],
            ["badges.id"],
            name=op.f("fk_images_badge_id_badges"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("badge_id", name=op.f("pk_images")),
    ]


def _give_keys() -> None:
    """Add the quests' keys; active quests with the same name in a badge are numbered, except for the first."""
    connection = op.get_bind()
    for table, within in (("badges", "0"), ("quests", "badge_id")):
        seen: set[tuple[int, str]] = set()
        rows = connection.execute(
            sa.text(f"SELECT id, {within}, name, archived_at IS NULL FROM {table} ORDER BY id")
        ).all()
        for row_id, place, name, is_open in rows:
            number, called = 2, name
            while is_open and (place, fold(called)) in seen:
                called = f"{name[:110]} ({number})"
                number += 1
            if is_open:
                seen.add((place, fold(called)))
            connection.execute(
                sa.text(f"UPDATE {table} SET name = :name, name_key = :key WHERE id = :id"),
                {"name": called, "key": fold(called), "id": row_id},
            )
