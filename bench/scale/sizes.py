"""Disk space per award, by table and index."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text

from tests.faults.console import Console
from webapp.database import db

RELATIONS = """
SELECT c.relname AS "table", '' AS "index", pg_table_size(c.oid) AS bytes,
    pg_total_relation_size(c.oid) AS total
FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT t.relname, i.relname, pg_relation_size(i.oid), pg_total_relation_size(t.oid)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
WHERE t.relnamespace = 'public'::regnamespace
ORDER BY total DESC, "table", "index"
"""


class Relation(NamedTuple):
    """A table, or one of its indexes; `total` is the table with all its indexes."""

    table: str
    index: str
    bytes: int
    total: int


def relations(console: Console, least: int = 1_000_000) -> list[Relation]:
    """Tables and indexes of at least this size, the largest tables first."""
    with console.app.app_context():
        rows = [Relation(*row) for row in db.session.execute(text(RELATIONS))]
    return [row for row in rows if row.bytes >= least]


def database_bytes(console: Console) -> int:
    with console.app.app_context():
        return int(db.session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
