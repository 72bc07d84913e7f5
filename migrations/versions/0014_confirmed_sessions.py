"""Sessions store when their password was last confirmed; pending secrets get a session, links a creator."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff_sessions", sa.Column("confirmed_at", UtcDateTime(), nullable=True))
    op.execute("UPDATE staff_sessions SET confirmed_at = created_at")
    with op.batch_alter_table("staff_sessions") as table:
        table.alter_column("confirmed_at", existing_type=UtcDateTime(), nullable=False)
    op.create_table(
        "pending_factors",
        sa.Column("session_id", Id, autoincrement=False, nullable=False),
        sa.Column("secret", sa.String(length=255), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["staff_sessions.id"],
            name=op.f("fk_pending_factors_session_id_staff_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_pending_factors")),
    )
    op.execute("DELETE FROM second_factors WHERE confirmed_at IS NULL")
    with op.batch_alter_table("second_factors") as table:
        table.alter_column("confirmed_at", existing_type=UtcDateTime(), nullable=False)
    with op.batch_alter_table("staff_links") as table:
        table.add_column(sa.Column("made_by", Id, nullable=True))
        table.create_foreign_key(
            op.f("fk_staff_links_made_by_staff"), "staff", ["made_by"], ["id"], ondelete="CASCADE"
        )
    op.create_index("ix_staff_links_made_by", "staff_links", ["made_by"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_staff_links_made_by", table_name="staff_links")
    # On SQLite, its name tells whether the table was created with the column's later name.
    keys = sa.inspect(op.get_bind()).get_foreign_keys("staff_links")
    (name,) = (key["name"] for key in keys if key["constrained_columns"] == ["made_by"])
    with op.batch_alter_table("staff_links") as table:
        table.drop_constraint(op.f(name), type_="foreignkey")
        table.drop_column("made_by")
    with op.batch_alter_table("second_factors") as table:
        table.alter_column("confirmed_at", existing_type=UtcDateTime(), nullable=True)
    op.drop_table("pending_factors")
    op.drop_column("staff_sessions", "confirmed_at")
