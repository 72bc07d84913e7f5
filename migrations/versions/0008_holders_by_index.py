"""Holders are counted by index on PostgreSQL, whatever its statistics.

A worker's connection plans the triggers' statements once. Planned for an empty table of awards, each new award
scanned the whole table: 64 million rows, and ten seconds, for 8,000 awards before the next ANALYZE.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FUNCTIONS = [f"awards_holders_{event}()" for event in ("insert", "update", "delete")]


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for function in FUNCTIONS:
            op.execute(f"ALTER FUNCTION {function} SET enable_seqscan = off")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for function in FUNCTIONS:
            op.execute(f"ALTER FUNCTION {function} RESET enable_seqscan")
