"""Rows that the measured addresses name: different ones on each visit, the same on every run."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote_plus

from sqlalchemy import text

from bench.scale.community import Size
from tests.faults.console import Console
from webapp.database import db
from webapp.schemas import cursors

SEED = 18
# `number` is random: up to the number of members or batches, or to 900.
QUESTIONS = {
    "member": ("members", "SELECT id FROM members WHERE id = :number"),
    "audit": ("top", "SELECT max(id) * :number / 1000 FROM audit_events"),
    "batch": (
        "batches",
        "SELECT id FROM batches WHERE id >= :number AND status = 'published' ORDER BY id",
    ),
    "faulty": ("top", "SELECT id FROM batches WHERE status = 'partially_published' ORDER BY id"),
    "draft": (
        "top",
        "SELECT id FROM batches WHERE status = 'draft' AND entry_count > 0 ORDER BY id",
    ),
    "day": (
        "top",
        "SELECT (awarded_at - :number * interval '1 day')::date FROM awards ORDER BY awarded_at DESC",
    ),
    "title": ("batches", "SELECT name FROM batches WHERE id = :number"),
    "delivery": ("top", "SELECT id FROM deliveries ORDER BY id DESC"),
    "events_middle": ("top", "SELECT epoch, last_position * :number / 1000 + 1, 0 FROM event_feed"),
    "events_end": ("top", "SELECT epoch, last_position - 20, 0 FROM event_feed"),
    "awards_end": ("top", "SELECT awarded_at, id FROM awards ORDER BY awarded_at, id OFFSET 30"),
    "batches_end": ("top", "SELECT created_at, id FROM batches ORDER BY created_at, id OFFSET 30"),
    "members_end": (
        "top",
        "SELECT 1, username_key, id FROM members ORDER BY username_key DESC OFFSET 30",
    ),
    "deliveries_end": ("top", "SELECT id FROM deliveries ORDER BY id OFFSET 30"),
}
CURSORS = {
    "events_middle": "events",
    "events_end": "events",
    "awards_end": "awards",
    "batches_end": "batches",
    "members_end": "members",
    "deliveries_end": "deliveries",
}


@dataclass(frozen=True)
class Samples:
    """Values for the placeholders of the addresses."""

    console: Console
    size: Size

    def draw(self, number: int) -> dict[str, str]:
        """The values of a visit; a list's end is the same on every visit."""
        dice = Random(SEED + number)
        with self.console.app.app_context():
            found = {name: self._ask(name, dice) for name in QUESTIONS}
            found |= self._member(int(found["member"]), dice)
            found |= self._badge(dice)
            return found | self._batch(int(found["batch"]))

    def _ask(self, name: str, dice: Random) -> str:
        among, question = QUESTIONS[name]
        most = {"members": self.size.members, "batches": self.size.batches * 9 // 10, "top": 900}
        row = _first(question, number=dice.randint(1, most[among]))
        if name in CURSORS:
            return cursors.encode(CURSORS[name], tuple(row)) or ""
        return quote_plus(str(row[0]))

    def _member(self, member_id: int, dice: Random) -> dict[str, str]:
        columns = "external_id, username, username_key, name"
        person = _first(f"SELECT {columns} FROM members WHERE id = :number", number=member_id)
        award = _first(
            "SELECT id, member_id FROM awards WHERE member_id >= :number AND revoked_at IS NULL "
            "ORDER BY member_id, id",
            number=member_id,
        )
        words = [word for word in person.name.split() if word.isalpha()] or ["anna"]
        return {
            "award": str(award.id),
            "member": str(award.member_id),
            "external": person.external_id,
            "username": quote_plus(person.username),
            "prefix": quote_plus(person.username_key[: dice.randint(1, 6)]),
            "word": quote_plus(words[0][:4]),
            "name": quote_plus(person.name),
        }

    def _badge(self, dice: Random) -> dict[str, str]:
        quest = _first(
            "SELECT id, badge_id FROM quests WHERE id = :number", number=dice.randint(1, 50)
        )
        awards = "SELECT id FROM awards WHERE quest_id = :number AND revoked_at IS NULL"
        award = _first(f"{awards} ORDER BY awarded_at OFFSET 40", number=quest.id)
        return {
            "quest": str(quest.id),
            "badge": str(quest.badge_id),
            "badge_award": str(award.id),
            "rare": str(dice.randint(51, 60)),
            "group": str(dice.randint(1, self.size.groups)),
            "staff": str(dice.randint(1, 50)),
            "key": "1",
            "endpoint": "1",
        }

    def _batch(self, batch_id: int) -> dict[str, str]:
        row = _first("SELECT min(id) + 30 FROM entries WHERE batch_id = :number", number=batch_id)
        return {"entries_end": cursors.encode("entries", tuple(row)) or ""}


def _first(question: str, **values: Any) -> Any:
    rows = db.session.execute(text(f"{question} LIMIT 1"), values)
    return rows.one()
