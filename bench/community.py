"""A community to measure on: members by the database's own generator, and awards of a quest to all of them."""

from __future__ import annotations

from sqlalchemy import text

from webapp.database import db

MEMBERS = """
INSERT INTO members (external_id, username, username_key, email, email_key, name, status, joined_at, updated_at)
SELECT 'ID' || n, 'Member' || n, 'member' || n, 'Member' || n || '@example.org', 'member' || n || '@example.org',
    'Member Number ' || n, 'active', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000'
FROM ({numbers}) AS numbers
"""
AWARDS = """
INSERT INTO awards (member_id, quest_id, source, awarded_at)
SELECT id, {quest}, 'group', '2026-02-01 00:00:00.000000' FROM members
"""
# The words of `Member Number N`, as `keys.words` has them.
WORDS = """
INSERT INTO member_words (word, member_id)
SELECT 'member', id FROM members UNION ALL SELECT 'number', id FROM members
UNION ALL SELECT substr(external_id, 3), id FROM members
"""
NUMBERS = {
    "postgresql": "SELECT generate_series(1, {size}) AS n",
    "sqlite": "WITH RECURSIVE counted(n) AS "
    "(SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {size}) SELECT n FROM counted",
}


def raise_if_any(size: int, quest_id: int) -> None:
    """Makes `size` members `Member1` … (IDs `ID1` …), each holding the quest, and brings statistics up to date."""
    numbers = NUMBERS[db.engine.dialect.name].format(size=size)
    with db.engine.connect().execution_options(write=True) as connection:
        if db.engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(MEMBERS.format(numbers=numbers)))
        connection.execute(text(WORDS))
        connection.execute(text(AWARDS.format(quest=quest_id)))
        connection.commit()
        connection.execute(text("ANALYZE"))
        connection.commit()
