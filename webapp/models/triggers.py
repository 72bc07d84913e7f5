"""Triggers that count the holders of quests and badges, and keep the audit log append-only.

New databases get them with the tables; databases of earlier versions got the same ones from migrations.
"""

from __future__ import annotations

from sqlalchemy import DDL, Table, event

from webapp.models.audit_event import AuditEvent
from webapp.models.award import Award

APPEND_ONLY = "the audit log is append-only"

# The numbers are correct however awards are written; counting a million awards would take half a second. A badge is
# counted once per member, so its number changes with the member's first or last active award of it.


def _sqlite_holders(name: str, change: str, row: str, by: int, when: str) -> str:
    return f"""CREATE TRIGGER awards_holders_{name} AFTER {change} ON awards WHEN {when} BEGIN
    UPDATE quests SET holders = holders + ({by}) WHERE id = {row}.quest_id;
    UPDATE badges SET holders = holders + ({by})
        WHERE id = (SELECT badge_id FROM quests WHERE id = {row}.quest_id) AND (SELECT count(*) FROM
            (SELECT quest_id FROM awards WHERE member_id = {row}.member_id AND revoked_at IS NULL) AS a
            JOIN quests AS o ON o.id = a.quest_id WHERE o.badge_id = badges.id) = {max(by, 0)};
    END"""


def _badge(quest: str) -> str:
    """A subquery per row: without current statistics, PostgreSQL would join all awards with each quest and badge."""
    return f"(SELECT badge_id FROM quests WHERE id = {quest})"


def _postgresql_holders(change: str, tables: str, changes: str) -> list[str]:
    function = f"awards_holders_{change.lower()}"
    # Each member's active awards of the badge now (`standing - by` were there before). OFFSET makes PostgreSQL look up
    # the member's awards first: its statistics may not know yet that a quest has thousands.
    standing = f"""SELECT count(*) FROM (SELECT {_badge("awards.quest_id")} AS badge_id FROM awards
            WHERE member_id = m.member_id AND revoked_at IS NULL OFFSET 0) AS a WHERE a.badge_id = m.badge_id"""
    return [
        # Lock the badges first, so that each later statement sees concurrent changes to them.
        f"""CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
        SET enable_seqscan = off AS $$ BEGIN
        PERFORM 1 FROM badges WHERE id = ANY (ARRAY(SELECT {_badge("c.quest_id")} FROM
            (SELECT DISTINCT quest_id FROM ({changes}) AS e) AS c)) ORDER BY id FOR NO KEY UPDATE;
        IF NOT FOUND THEN RETURN NULL; END IF;
        UPDATE quests SET holders = holders + c.by FROM
            (SELECT quest_id, sum(by) AS by FROM ({changes}) AS d GROUP BY quest_id) AS c
            WHERE id = c.quest_id;
        WITH touched AS MATERIALIZED (
            SELECT badge_id, member_id, sum(by) AS by FROM
            (SELECT {_badge("c.quest_id")} AS badge_id, c.member_id, c.by FROM ({changes}) AS c) AS d
            GROUP BY badge_id, member_id),
        counted AS MATERIALIZED (
            SELECT m.badge_id, m.by, ({standing}) AS standing FROM touched AS m),
        moved AS (
            SELECT badge_id, sum((standing > 0)::int - (standing - by > 0)::int) AS by
            FROM counted GROUP BY badge_id)
        UPDATE badges SET holders = holders + moved.by FROM moved
            WHERE id = moved.badge_id AND moved.by <> 0;
        RETURN NULL; END $$""",
        f"CREATE TRIGGER {function} AFTER {change} ON awards {tables} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
    ]


ENDED = "OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL"
RESUMED = "OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL"
TRIGGERS: dict[type, dict[str, list[str]]] = {
    Award: {
        "sqlite": [
            _sqlite_holders("insert", "INSERT", "NEW", 1, "NEW.revoked_at IS NULL"),
            _sqlite_holders("begin", "UPDATE OF revoked_at", "NEW", 1, RESUMED),
            _sqlite_holders("end", "UPDATE OF revoked_at", "NEW", -1, ENDED),
            _sqlite_holders("delete", "DELETE", "OLD", -1, "OLD.revoked_at IS NULL"),
        ],
        "postgresql": [
            *_postgresql_holders(
                "INSERT",
                "REFERENCING NEW TABLE AS fresh",
                "SELECT member_id, quest_id, 1 AS by FROM fresh WHERE revoked_at IS NULL",
            ),
            *_postgresql_holders(
                "UPDATE",
                "REFERENCING OLD TABLE AS gone NEW TABLE AS fresh",
                "SELECT fresh.member_id, fresh.quest_id, "
                "CASE WHEN fresh.revoked_at IS NULL THEN 1 ELSE -1 END AS by "
                "FROM fresh JOIN gone ON gone.id = fresh.id "
                "WHERE (fresh.revoked_at IS NULL) <> (gone.revoked_at IS NULL)",
            ),
            *_postgresql_holders(
                "DELETE",
                "REFERENCING OLD TABLE AS gone",
                "SELECT member_id, quest_id, -1 AS by FROM gone WHERE revoked_at IS NULL",
            ),
        ],
    },
    AuditEvent: {
        "sqlite": [
            f"CREATE TRIGGER audit_events_no_{name} BEFORE {change} ON audit_events {when}"
            f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
            for name, change, when in (
                ("update", "UPDATE", ""),
                ("delete", "DELETE", ""),
                # INSERT OR REPLACE deletes without firing the trigger on DELETE.
                (
                    "replace",
                    "INSERT",
                    "WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id) ",
                ),
            )
        ],
        "postgresql": [
            "CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{APPEND_ONLY}'; END $$",
            "CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only()",
        ],
    },
}


def _create_with_tables() -> None:
    for model, statements in TRIGGERS.items():
        table: Table = model.__table__  # type: ignore[attr-defined]
        for dialect, texts in statements.items():
            for statement in texts:
                event.listen(table, "after_create", DDL(statement).execute_if(dialect=dialect))


_create_with_tables()
