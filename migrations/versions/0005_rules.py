"""Rules by which quests are earned."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime, text_key

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activities",
        sa.Column("name", text_key(60), nullable=False),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_activities")),
    )
    op.execute(
        "INSERT INTO activities (name, first_at) "
        "SELECT activity, min(received_at) FROM activity_events GROUP BY activity"
    )
    op.create_index("ix_activity_counts_activity", "activity_counts", ["activity", "amount"])
    op.create_table(
        "rules",
        sa.Column("id", Id, nullable=False),
        sa.Column("quest_id", Id, nullable=False),
        sa.Column("any_of", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("days_at", UtcDateTime(), nullable=True),
        sa.Column("begun_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("position", Id, server_default="0", nullable=False),
        sa.Column("through", Id, server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("looked_at", sa.Integer(), server_default="0", nullable=False),
        sa.Column("awarded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(length=36), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("fruitless", sa.Integer(), server_default="0", nullable=False),
        sa.Column("trouble", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["quest_id"], ["quests.id"], name=op.f("fk_rules_quest_id_quests")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_rules_quest_id", "rules", ["quest_id"], unique=True)
    op.create_table(
        "conditions",
        sa.Column("id", Id, nullable=False),
        sa.Column("rule_id", Id, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("activity", text_key(60), nullable=True),
        sa.Column("required_id", Id, nullable=True),
        sa.ForeignKeyConstraint(
            ["rule_id"],
            ["rules.id"],
            name=op.f("fk_conditions_rule_id_rules"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["required_id"], ["quests.id"], name=op.f("fk_conditions_required_id_quests")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conditions")),
    )
    for column in ("rule_id", "activity", "required_id"):
        op.create_index(f"ix_conditions_{column}", "conditions", [column])
    op.create_table(
        "checks",
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
        sa.PrimaryKeyConstraint("rule_id", "member_id", name=op.f("pk_checks")),
    )
    op.create_index("ix_checks_since", "checks", ["since"])
    op.create_index("ix_checks_member_id", "checks", ["member_id"])


def downgrade() -> None:
    for table in ("checks", "conditions", "rules"):
        op.drop_table(table)
    op.drop_index("ix_activity_counts_activity", table_name="activity_counts")
    op.drop_table("activities")
