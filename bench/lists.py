"""The list of batches: 10,000 of them with 1,000,000 entries compared with 100, and 300 badges with five quests."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, literal, select, text, true

from webapp.database import db
from webapp.domain.normalization import fold
from webapp.models import Badge, Batch, Entry, Member, Quest
from webapp.transaction import transaction

if TYPE_CHECKING:
    from bench.measures import Bench
    from tests.pages.client import ReviewingClient

FEW, MANY, ENTRIES = 100, 10_000, 1_000_000
ROUNDS = 40
ADDRESSES = {
    "newest first": "/batches",
    "filtered": "/batches?status=published&name=meetup&created_after=2020-01-01&zone=Europe/Berlin",
    "sorted by title": "/batches?sort=title",
    "sorted by badge": "/batches?sort=badge",
}


def rows(bench: Bench, _kind: str) -> list[tuple[str, str, str]]:
    """Rows of the table: operation, duration, goal. Deletes the batches it created."""
    browser, quests = bench.browser(), [bench.quest() for _ in range(12)]
    with bench.console.app.app_context():
        before = db.session.scalar(select(func.max(Batch.id))) or 0
        db.session.rollback()
        _batches(FEW, quests)
        _analyze()
    few = {name: _median(browser, address) for name, address in ADDRESSES.items()}
    with bench.console.app.app_context():
        _batches(MANY - FEW, quests)
        _entries(before)
        _analyze()
    told = []
    for name, address in ADDRESSES.items():
        many = _median(browser, address)
        value = f"{1000 * many:.1f} ms, {many / few[name]:.2f} x"
        told.append((f"Batch list, {name}: {MANY:,} against {FEW}", value, "1.3 x"))
    for _ in range(300):
        with bench.console.app.app_context(), transaction():
            number = next(bench.serial)
            badge = Badge(name=f"Tree {number}", name_key=f"tree {number}", created_at=_now())
            badge.quests = [
                Quest(name=f"Quest {place}", name_key=f"quest {place}", position=place)
                for place in range(5)
            ]
            db.session.add(badge)
    value = " / ".join(
        f"{1000 * _median(browser, address):.0f} ms" for address in ("/batches", "/batches/new")
    )
    told.append(("List and New Batch, 300 badges of 5 quests", value, ""))
    with bench.console.app.app_context(), transaction():
        db.session.execute(delete(Batch).where(Batch.id > before))
    return told


def _now() -> datetime:
    return datetime.now(UTC)


def _batches(number: int, quests: list[int]) -> None:
    began = _now() - timedelta(days=700)
    plan = [
        {
            "name": f"{name} {place}",
            "name_key": fold(f"{name} {place}"),
            "status": "published" if place % 9 else "partially_published",
            "quest_id": quests[place % len(quests)],
            "entry_count": ENTRIES // MANY,
            "published": ENTRIES // MANY,
            "created_at": began + timedelta(hours=place * 1.6),
            "updated_at": began + timedelta(hours=place * 1.6 + place % 50),
        }
        for place, name in (
            (place, ("Spring meetup", "Course completions", "Beta testers")[place % 3])
            for place in range(number)
        )
    ]
    with transaction():
        db.session.execute(insert(Batch), plan)


def _entries(before: int) -> None:
    people = select(Member.id).order_by(Member.id).limit(ENTRIES // MANY).subquery()
    with transaction():
        db.session.execute(
            insert(Entry).from_select(
                ["batch_id", "member_id", "attempts"],
                select(Batch.id, people.c.id, literal(0))
                .join(people, true())
                .where(Batch.id > before),
                include_defaults=False,
            )
        )


def _analyze() -> None:
    with db.engine.connect().execution_options(write=True) as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


def _median(browser: ReviewingClient, address: str) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = browser.get(address, review=False)
        taken.append(time.perf_counter() - began)
        assert answer.status_code == 200
    return statistics.median(taken)
