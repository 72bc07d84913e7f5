"""Holders are counted by look-ups alone on PostgreSQL.

Without current statistics, PostgreSQL takes `quests` and `badges` for tables of one row. It joined all changed awards
with each quest, and each badge with all of those: 230 ms for 2,000 awards with 26 badges, and more with each badge.
A subquery per row has only one plan.
"""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

CHANGES = {
    "insert": "SELECT member_id, quest_id, 1 AS by FROM fresh WHERE revoked_at IS NULL",
    "update": (
        "SELECT fresh.member_id, fresh.quest_id, CASE WHEN fresh.revoked_at IS NULL THEN 1 ELSE -1 END AS by "
        "FROM fresh JOIN gone ON gone.id = fresh.id "
        "WHERE (fresh.revoked_at IS NULL) <> (gone.revoked_at IS NULL)"
    ),
    "delete": "SELECT member_id, quest_id, -1 AS by FROM gone WHERE revoked_at IS NULL",
}
BADGE = "(SELECT badge_id FROM quests WHERE id = {quest})"
# Before (migrations 1 and 8).
JOINED_BADGES = """SELECT q.badge_id FROM ({changes}) AS c JOIN quests AS q ON q.id = c.quest_id"""
JOINED_TOUCHED = """SELECT q.badge_id, d.member_id, sum(d.by) AS by
            FROM ({changes}) AS d JOIN quests AS q ON q.id = d.quest_id GROUP BY q.badge_id, d.member_id"""
JOINED_STANDING = """SELECT count(*) FROM
    (SELECT quest_id FROM awards WHERE member_id = m.member_id AND revoked_at IS NULL OFFSET 0) AS a
    JOIN quests AS o ON o.id = a.quest_id WHERE o.badge_id = m.badge_id"""
# After.
BADGES = f"""SELECT {BADGE.format(quest="c.quest_id")} FROM (SELECT DISTINCT quest_id FROM ({{changes}}) AS e) AS c"""
TOUCHED = f"""SELECT badge_id, member_id, sum(by) AS by FROM
            (SELECT {BADGE.format(quest="c.quest_id")} AS badge_id, c.member_id, c.by FROM ({{changes}}) AS c) AS d
            GROUP BY badge_id, member_id"""
STANDING = f"""SELECT count(*) FROM
    (SELECT {BADGE.format(quest="awards.quest_id")} AS badge_id FROM awards
    WHERE member_id = m.member_id AND revoked_at IS NULL OFFSET 0) AS a WHERE a.badge_id = m.badge_id"""


def upgrade() -> None:
    _replace(f"= ANY (ARRAY({BADGES}))", TOUCHED, STANDING)


def downgrade() -> None:
    _replace(f"IN ({JOINED_BADGES})", JOINED_TOUCHED, JOINED_STANDING)


def _replace(badges: str, touched: str, standing: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for event, changes in CHANGES.items():
        op.execute(
            f"""CREATE OR REPLACE FUNCTION awards_holders_{event}() RETURNS trigger LANGUAGE plpgsql
        SET enable_seqscan = off AS $$ BEGIN
        PERFORM 1 FROM badges WHERE id {badges.format(changes=changes)} ORDER BY id FOR NO KEY UPDATE;
        IF NOT FOUND THEN RETURN NULL; END IF;
        UPDATE quests SET holders = holders + c.by FROM
            (SELECT quest_id, sum(by) AS by FROM ({changes}) AS d GROUP BY quest_id) AS c
            WHERE id = c.quest_id;
        WITH touched AS MATERIALIZED (
            {touched.format(changes=changes)}),
        counted AS MATERIALIZED (
            SELECT m.badge_id, m.by, ({standing}) AS standing FROM touched AS m),
        moved AS (
            SELECT badge_id, sum((standing > 0)::int - (standing - by > 0)::int) AS by
            FROM counted GROUP BY badge_id)
        UPDATE badges SET holders = holders + moved.by FROM moved
            WHERE id = moved.badge_id AND moved.by <> 0;
        RETURN NULL; END $$"""
        )
