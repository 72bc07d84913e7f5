"""Many awards and revocations at once: concurrent calls, dates, and what batches and erasure do meanwhile (A-10)."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.domain.awards.test_concurrent_awards import THREADS, at_once
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import bulk, bulk_revocation
from webapp.domain.awards.bulk import AwardItem, Status
from webapp.domain.awards.bulk_revocation import RevocationItem
from webapp.domain.batches import processing
from webapp.domain.batches.ranges import ClaimedRange
from webapp.domain.csv_files.rows import row_of
from webapp.domain.dates import parse_moment
from webapp.domain.errors import DomainError
from webapp.models import AuditEvent, Award, Badge, Origin, Quest
from webapp.transaction import transaction

ACT = Actor(NOW, Origin.API)


def item(username: str, quest: Quest, at: str = "") -> AwardItem:
    return AwardItem(row_of(1, {"username": username}, []), quest.id, at=parse_moment(at))


def test_concurrent_calls_award_each_pair_once(app: Flask, make: Make) -> None:
    """A-10, M-13: twenty calls with the same pairs in different orders: no deadlock, no second award."""
    quests = [make.quest(f"Quest {n}", make.badge(f"Badge {n}")) for n in range(6)]
    make.members(10)
    items = [item(f"user{n}", quest) for n in range(1, 11) for quest in quests]

    def award(number: int) -> bool:
        turned = items[number * 3 :] + items[: number * 3]
        outcomes = bulk.award(turned[::-1] if number % 2 else turned, ACT)
        assert {one.award_id is not None for one in outcomes} == {True}
        return sum(one.status == Status.AWARDED for one in outcomes) == len(items)

    answers = at_once(app, award)
    assert Counter(answers) == {True: 1, False: THREADS - 1}
    assert db.session.scalar(select(func.count()).select_from(Award)) == len(items)
    assert db.session.scalar(select(func.count()).select_from(AuditEvent)) == 1
    assert set(db.session.scalars(select(Badge.holders))) == {10}


def test_concurrent_awards_and_revocations_keep_the_counts(app: Flask, make: Make) -> None:
    """A-10, M-13: awards and revocations of the same pairs, in opposite orders."""
    quests = [make.quest(f"Quest {n}", make.badge(f"Badge {n}")) for n in range(4)]
    make.members(8)
    items = [item(f"user{n}", quest) for n in range(1, 9) for quest in quests]

    def change(number: int) -> bool:
        if number % 2:
            outcomes = bulk.award(items, ACT)
        else:
            gone = [RevocationItem(None, one.quest_id, one.member) for one in items[::-1]]
            outcomes = bulk_revocation.revoke(gone, ACT)
        return Status.ERROR not in {one.status for one in outcomes}

    assert at_once(app, change) == [True] * THREADS
    active = select(Award.quest_id, func.count()).where(Award.revoked_at.is_(None))
    held = dict(db.session.execute(active.group_by(Award.quest_id)).all())
    for quest in quests:
        assert db.session.get_one(Quest, quest.id).holders == held.get(quest.id, 0)
    twice = select(Award.member_id).where(Award.revoked_at.is_(None))
    twice = twice.group_by(Award.member_id, Award.quest_id).having(func.count() > 1)
    assert db.session.scalars(twice).all() == []


def test_a_batch_and_a_call_with_the_same_members(app: Flask, make: Make) -> None:
    """A-10: workers don't lock members; whatever the order of the batch, neither waits for the other forever."""
    for round_ in range(4):
        ids = make.members(300, f"round{round_}-")
        quest = make.quest("Passed", make.badge(f"Badge {round_}"))
        batch_id = make.batch(ids[::-1], quest, published=True).id
        with transaction():
            claimed = processing.claim(batch_id, "worker", 60, 300, NOW)
        items = [item(f"round{round_}-{n}", quest) for n in range(1, 301)]
        together = Barrier(2)

        def process(claimed: ClaimedRange = claimed, together: Barrier = together) -> None:
            with app.app_context():
                together.wait()
                with transaction():
                    processing.process_chunk(claimed, 300, NOW)

        with ThreadPoolExecutor(1) as threads:
            batch = threads.submit(process)
            together.wait()
            with transaction():
                outcomes = bulk.award(items, ACT)
            batch.result()
        assert {one.status for one in outcomes} <= {Status.AWARDED, Status.ALREADY_HELD}
        db.session.expire_all()
        assert db.session.get_one(Quest, quest.id).holders == 300


def test_a_slow_clock_puts_nothing_before_what_happened(app: Flask, make: Make) -> None:
    """X27: revocations and new awards come after the awards they follow; past awards keep their dates."""
    member, quest = make.member("anna"), make.quest()
    late = NOW + timedelta(minutes=1)
    made = make.award(member.id, quest.id, awarded_at=late)
    with transaction():
        bulk_revocation.revoke([RevocationItem(made.id)], ACT)
        (again,) = bulk.award([item("anna", quest)], ACT)
    assert again.status == Status.AWARDED
    times = db.session.execute(select(Award.awarded_at, Award.revoked_at).order_by(Award.id)).all()
    assert times == [(late, late), (late, None)]


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("2024-05-31", "2026-01-01T00:00", "2024-05-31T12:00"),
        ("2024-05-31T00:00", "2026-01-01T00:00", "2024-05-31T00:00"),
        ("2026-01-01", "2026-01-01T09:00", "2026-01-01T09:00"),
        ("2026-01-02", "2026-01-01T10:00", "2026-01-01T10:00"),  # in New Zealand
        ("2026-01-02", "2026-01-01T09:59", None),
        ("2026-01-01T10:04", "2026-01-01T10:00", "2026-01-01T10:00"),
        ("2026-01-01T10:06", "2026-01-01T10:00", None),
        ("1990-01-01", "2026-01-01T10:00", "1990-01-01T12:00"),
        ("1989-12-31", "2026-01-01T10:00", None),
    ],
)
def test_dates(text: str, now: str, expected: str | None) -> None:
    """A-16: never in the future, except for clocks and time zones; a day means noon."""
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    if expected is None:
        with pytest.raises(DomainError):
            bulk.validate_date(parse_moment(text), at)
        return
    found = bulk.validate_date(parse_moment(text), at)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
