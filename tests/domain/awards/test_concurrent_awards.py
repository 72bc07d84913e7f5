"""Many people award and revoke the same badge concurrently."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

from flask import Flask
from sqlalchemy import select

from tests.factories import Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import group as group_awards
from webapp.domain.awards import manual, member_profile
from webapp.domain.awards.events import Event
from webapp.domain.pagination import PAGE_SIZE
from webapp.models import AuditEvent, Award, Member, Origin, Quest, Staff
from webapp.transaction import transaction

THREADS = 20


def at_once(app: Flask, do: Callable[[int], bool]) -> list[bool]:
    """The results of 20 threads, all started at the same moment."""
    together = Barrier(THREADS)

    def one(number: int) -> bool:
        with app.app_context():
            together.wait()
            with transaction():
                return do(number)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, range(THREADS)))


def now(staff: Staff | None = None) -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE, staff)


def whole_history(member: Member) -> list[Event]:
    """All events of a member, oldest first."""
    total = member_profile.load(member.id).history.total
    pages = range(1, -(-total // PAGE_SIZE) + 1)
    newest_first = [
        event for page in pages for event in member_profile.load(member.id, page).history.items
    ]
    return newest_first[::-1]


def check_one_history(member: Member, quest: Quest) -> None:
    """Awards and revocations alternate, and the audit log has the same events in the same order."""
    events = whole_history(member)
    record = db.session.scalars(
        select(AuditEvent)
        .where(AuditEvent.subject_kind == "award")
        .order_by(AuditEvent.at, AuditEvent.id)
    ).all()
    words = {"award.made": "Awarded", "award.revoked": "Revoked", "award.restored": "Restored"}
    assert [(words[row.verb], row.subject_id, row.at) for row in record] == [
        (event.kind, event.award.id, event.at) for event in events
    ]
    assert [row.id for row in record] == sorted(row.id for row in record)
    given = [event.kind != "Revoked" for event in events]
    assert given == [number % 2 == 0 for number in range(len(given))], given
    held = db.session.scalars(select(Award).where(Award.revoked_at.is_(None))).all()
    assert [one.quest_id for one in held] == ([quest.id] if len(given) % 2 else [])


def test_twenty_concurrent_awards_make_one(app: Flask, make: Make) -> None:
    """M-13: one of the twenty creates it; the others are told that the member already has it."""
    member, quest = make.member(), make.quest()

    def award(number: int) -> bool:
        if number % 2:
            return manual.award(member.id, quest.id, "", now()).changed
        return group_awards.award_group(member.username, quest.id, "", now()).awarded == 1

    answers = at_once(app, award)
    assert answers.count(True) == 1
    assert len(db.session.scalars(select(Award)).all()) == 1
    assert len(db.session.scalars(select(AuditEvent)).all()) == 1


def test_concurrent_awards_and_revocations_have_one_history(app: Flask, make: Make) -> None:
    """X27, M-13, M-14: whatever the order, each sees the state in the audit log."""
    member, quest, ivo = make.member(), make.quest(), make.staff()
    with transaction():
        manual.award(member.id, quest.id, "", now())

    def actor(number: int) -> bool:
        latest = db.session.scalars(select(Award.id).order_by(Award.id.desc())).first()
        assert latest is not None
        if number % 2:
            return manual.award(member.id, quest.id, "", now()).changed
        return manual.revoke(member.id, latest, "", now(ivo)).changed

    answers = at_once(app, actor) + at_once(app, actor)
    check_one_history(member, quest)
    assert member_profile.load(member.id).history.total == 1 + answers.count(True)


def test_twenty_concurrent_undos_restore_one_award(app: Flask, make: Make) -> None:
    """M-5: one award is restored."""
    member, quest, ivo = make.member(), make.quest(), make.staff()
    with transaction():
        first = manual.award(member.id, quest.id, "", now()).award.id
    with transaction():
        manual.revoke(member.id, first, "", now(ivo))
    answers = at_once(app, lambda _: manual.restore(member.id, first, now(ivo)).changed)
    assert answers.count(True) == 1
    check_one_history(member, quest)


def test_overlapping_groups_neither_deadlock_nor_award_twice(app: Flask, make: Make) -> None:
    """M-13: whatever the order of names."""
    ids, quest = make.members(30, "g"), make.quest()
    names = [f"g{number}" for number in range(1, 31)]

    def award(number: int) -> bool:
        turned = names[number:] + names[:number]
        text = ",".join(turned[::-1] if number % 2 else turned)
        return group_awards.award_group(text, quest.id, "", now()).awarded == 30

    assert at_once(app, award).count(True) == 1
    awarded = db.session.scalars(select(Award.member_id)).all()
    assert sorted(awarded) == sorted(ids)
