"""The baselines: the same rows written and read by handwritten SQL, on a plain driver connection, in one transaction.

`Floor` supports two dialects and knows nothing of the application except for its tables.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import psycopg

from webapp.config import Settings

AWARD = """
INSERT INTO awards (member_id, quest_id, batch_id, source, awarded_at, updated_at)
SELECT e.member_id, {quest}, e.batch_id, 'batch', {now}, {now} FROM entries e JOIN members m ON m.id = e.member_id
WHERE e.batch_id = {batch} AND e.outcome IS NULL AND m.status = 'active'
ON CONFLICT (member_id, quest_id) WHERE revoked_at IS NULL DO NOTHING
"""
EVENTS = """
INSERT INTO events (kind, subject_ids, number, at)
SELECT 'award.created', {ids}, count(*), {now} FROM awards WHERE batch_id = {batch}
"""
DECIDE = """
UPDATE entries SET outcome = CASE (SELECT a.batch_id FROM awards a WHERE a.member_id = entries.member_id
    AND a.quest_id + 0 = {quest} AND a.revoked_at IS NULL) WHEN {batch} THEN 'awarded' ELSE 'already_held' END,
    decided_at = {now}
WHERE batch_id = {batch} AND outcome IS NULL
"""
COUNT = """
UPDATE batches SET status = 'published', run_processed = run_total,
    published = (SELECT count(*) FROM entries WHERE batch_id = {batch} AND outcome IS NOT NULL)
WHERE id = {batch}
"""
RECORD = """
INSERT INTO audit_events (at, actor, origin, verb, subject_kind, subject_id, detail)
VALUES ({now}, 'floor', 'worker', 'batch.published', 'batch', {batch}, '{{}}')
"""


class Floor:
    """A plain connection to a database of the bench."""

    def __init__(self, settings: Settings) -> None:
        self.sqlite = settings.sqlite
        self.connection: Any
        if self.sqlite:
            path = Path(settings.database_url.removeprefix("sqlite:///"))
            self.connection = sqlite3.connect(path, isolation_level=None)
            for setting in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "busy_timeout=5000",
                "foreign_keys=ON",
            ):
                self.connection.execute(f"PRAGMA {setting}")
            self.ids = "json_group_array(id)"
            self.now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
        else:
            self.connection = psycopg.connect(
                settings.database_url.replace("+psycopg", ""), autocommit=True
            )
            self.now, self.ids = "now()", "json_agg(id)"

    def unlock(self, batch_id: int, quest_id: int) -> float:
        """Seconds for a batch's awards, events, entries, counts and audit log entry, set-based, in one transaction."""
        began = time.perf_counter()
        self.connection.execute("BEGIN IMMEDIATE" if self.sqlite else "BEGIN")
        for statement in (AWARD, EVENTS, DECIDE, COUNT, RECORD):
            self.connection.execute(
                statement.format(batch=batch_id, quest=quest_id, now=self.now, ids=self.ids)
            )
        self.connection.execute("COMMIT")
        return time.perf_counter() - began

    def preview(self, data: bytes) -> float:
        """Seconds to parse a file with three columns and to find the members of each, one query per column."""
        began = time.perf_counter()
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig")), delimiter=";"))[1:]
        found = 0
        for place, key in enumerate(("external_id", "username_key", "email_key")):
            wanted = [
                row[place].strip() if place == 0 else row[place].strip().casefold() for row in rows
            ]
            if self.sqlite:
                matches = "SELECT value FROM json_each(?)"
                cursor = self.connection.execute(
                    f"SELECT id, username, {key} FROM members WHERE {key} IN ({matches})",
                    (json.dumps(wanted),),
                )
            else:
                cursor = self.connection.execute(
                    f"SELECT id, username, {key} FROM members WHERE {key} = ANY(%s)", (wanted,)
                )
            found += len({row[2]: row for row in cursor.fetchall()})
        assert found, "the floor must find somebody"
        return time.perf_counter() - began

    def close(self) -> None:
        self.connection.close()
