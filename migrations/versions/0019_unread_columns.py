"""Drop columns that were never read; the audit log says who created a batch or an import."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES = ("batches", "member_imports")
AUTOINCREMENT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    for name in TABLES:
        last_id = _last_id(name)
        with op.batch_alter_table(name, table_kwargs=AUTOINCREMENT) as table:
            table.drop_constraint(f"fk_{name}_created_by_staff", type_="foreignkey")
            table.drop_column("created_by")
        _set_last_id(name, last_id)
    op.drop_column("activity_events", "received_at")


def downgrade() -> None:
    for name in TABLES:
        last_id = _last_id(name)
        with op.batch_alter_table(name, table_kwargs=AUTOINCREMENT) as table:
            table.add_column(sa.Column("created_by", Id))
            table.create_foreign_key(f"fk_{name}_created_by_staff", "staff", ["created_by"], ["id"])
        _set_last_id(name, last_id)
    with op.batch_alter_table("activity_events") as table:
        table.add_column(sa.Column("received_at", UtcDateTime))
    op.execute("UPDATE activity_events SET received_at = at")
    with op.batch_alter_table("activity_events") as table:
        table.alter_column("received_at", nullable=False)


def _last_id(name: str) -> int:
    """The highest id ever used: SQLite forgets it when a table is rebuilt, and would reuse deleted ids."""
    if op.get_bind().dialect.name != "sqlite":
        return 0
    statement = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    return op.get_bind().scalar(statement, {"name": name}) or 0


def _set_last_id(name: str, last_id: int) -> None:
    if last_id:
        values = {"name": name, "last_id": last_id}
        op.get_bind().execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
        op.get_bind().execute(
            sa.text("INSERT INTO sqlite_sequence VALUES (:name, :last_id)"), values
        )
