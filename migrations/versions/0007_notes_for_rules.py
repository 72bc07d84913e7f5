"""Candidates for rules: a row for each time, so that inserting never conflicts with a row being processed."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE checks_before AS SELECT rule_id, member_id, since FROM checks")
    op.drop_table("checks")
    op.create_table(
        "checks",
        sa.Column("id", Id, nullable=False),
        *_columns(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
    )
    op.create_index("ix_checks_rule_id", "checks", ["rule_id"])
    op.create_index("ix_checks_member_id", "checks", ["member_id"])
    op.execute(
        "INSERT INTO checks (rule_id, member_id, since) "
        "SELECT rule_id, member_id, since FROM checks_before ORDER BY since"
    )
    op.drop_table("checks_before")


def downgrade() -> None:
    op.execute(
        "CREATE TABLE checks_before AS "
        "SELECT rule_id, member_id, min(since) AS since FROM checks GROUP BY rule_id, member_id"
    )
    op.drop_table("checks")
    op.create_table(
        "checks",
        *_columns(),
        sa.PrimaryKeyConstraint("rule_id", "member_id", name=op.f("pk_checks")),
    )
    op.create_index("ix_checks_since", "checks", ["since"])
    op.create_index("ix_checks_member_id", "checks", ["member_id"])
    op.execute(
        "INSERT INTO checks (rule_id, member_id, since) "
        "SELECT rule_id, member_id, since FROM checks_before"
    )
    op.drop_table("checks_before")


def _columns() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("rule_id", Id, autoincrement=False, nullable=False),
        sa.Column("member_id", Id, autoincrement=False, nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["rules.id"], name=op.f("fk_checks_rule_id_rules"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["members.id"],
            name=op.f("fk_checks_member_id_members"),
            ondelete="CASCADE",
        ),
    ]
