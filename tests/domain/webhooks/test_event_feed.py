"""The feed of events: nothing is missed, repeated or out of order, with any number of writers (A-8)."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event as Flag

import pytest
from flask import Flask
from sqlalchemy import func, select

from jobs import periodic
from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import group as group_awards
from webapp.domain.awards import manual
from webapp.domain.webhooks import event_feed, outbox
from webapp.domain.webhooks.event_feed import Event, EventsExpiredError, FeedPage, Place
from webapp.models import Award, EventGroup, Origin, WebhookEvent
from webapp.transaction import transaction

WRITERS, TURNS = 20, 8
ACT = Actor(NOW, Origin.CONSOLE)


def poll(after: Place | None = None, limit: int = 50) -> FeedPage:
    """Read as the API does."""
    db.session.rollback()
    if event_feed.is_behind():
        with transaction():
            event_feed.place()
    return event_feed.read(after, limit)


def emit(*subject_ids: int, kind: WebhookEvent = WebhookEvent.AWARD_CREATED) -> None:
    with transaction():
        outbox.emit(kind, list(subject_ids), NOW)


def subjects(page: FeedPage) -> list[int]:
    return [event.subject_id for event in page.events]


@pytest.mark.databases("postgresql")  # SQLite has one writer at a time
def test_a_transaction_open_during_a_read_is_read_later(app: Flask, make: Make) -> None:
    """A-8: its event has a lower ID than the one already read."""
    written, seen = Flag(), Flag()

    def slow() -> None:
        with app.app_context(), transaction():
            outbox.emit(WebhookEvent.AWARD_CREATED, [1], NOW)
            written.set()
            assert seen.wait(30)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(slow)
        assert written.wait(30)
        emit(2)
        first = poll()
        seen.set()
        writing.result()
    second = poll(first.next)
    assert (subjects(first), subjects(second), subjects(poll(second.next))) == ([2], [1], [])


def test_twenty_writers_and_a_reader(app: Flask, make: Make) -> None:
    """A-8: every award and revocation once, those of a member in their order, whatever commits meanwhile.

    On PostgreSQL, every writer's first transaction stays open until a read has seen events of the others.
    """
    people, staff = make.members(6), make.staff()
    quest, of_groups = make.quest(), make.quest()
    apart = db.engine.dialect.name == "postgresql"
    turned, read_some, over = [Flag() for _ in range(WRITERS)], Flag(), Flag()

    def toggle(member_id: int, actor: Actor) -> None:
        award = manual.award(member_id, quest.id, "", actor)
        if not award.changed:
            manual.revoke(member_id, award.award.id, "", actor)

    def write(number: int) -> None:
        random = Random(number)
        with app.app_context():
            for turn in range(TURNS):
                actor = Actor(datetime.now(UTC), Origin.CONSOLE, staff)
                with transaction():
                    outbox.emit(WebhookEvent.BADGE_CHANGED, [number * TURNS + turn], actor.at)
                    if apart and turn == 0 and number % 2:
                        turned[number].set()
                        assert read_some.wait(60)
                    if number == 0:
                        group_awards.award_members(people, of_groups.id, "", actor)
                    toggle(random.choice(people), actor)
            db.session.remove()

    def follow() -> list[Event]:
        """Read until the writers have ended and nothing is left."""
        events: list[Event] = []
        place = None
        with app.app_context():
            for flag in turned[1::2] if apart else ():
                assert flag.wait(60)
            while True:
                ended = over.is_set()
                page = poll(place, limit=7)
                events += page.events
                place = page.next
                if events:
                    read_some.set()
                if ended and not page.events:
                    return events

    with ThreadPoolExecutor(WRITERS + 1) as threads:
        reading = threads.submit(follow)
        list(threads.map(write, range(WRITERS)))
        over.set()
        events = reading.result()

    changed = [one.subject_id for one in events if one.kind == WebhookEvent.BADGE_CHANGED]
    assert sorted(changed) == list(range(WRITERS * TURNS))
    for number in range(WRITERS):
        mine = [subject for subject in changed if subject // TURNS == number]
        assert mine == sorted(mine)
    db.session.rollback()
    awards = {award.id: award for award in db.session.scalars(select(Award))}
    expected = [("award.created", award_id) for award_id in awards]
    expected += [("award.revoked", id_) for id_, award in awards.items() if award.revoked_at]
    got = [
        (str(one.kind), one.subject_id) for one in events if one.kind != WebhookEvent.BADGE_CHANGED
    ]
    assert sorted(got) == sorted(expected)
    history = defaultdict(list)
    for kind, award_id in got:
        history[awards[award_id].member_id, awards[award_id].quest_id].append((kind, award_id))
    for steps in history.values():  # an award, its revocation, the next award …
        assert [kind for kind, _ in steps] == [
            ("award.created", "award.revoked")[place % 2] for place in range(len(steps))
        ]
        assert [award_id for _, award_id in steps] == sorted(award_id for _, award_id in steps)


def test_pages_of_any_size_give_the_same_events(make: Make) -> None:
    """A-8: also if a page ends within events that were written together."""
    emit(1)
    emit(2, 3, 4, 5, 6)
    emit(7, 8, kind=WebhookEvent.AWARD_REVOKED)
    emit(*range(9, 2_600))
    for limit in (1, 2, 5, 8, 200):
        found: list[int] = []
        place, more = None, True
        while more and len(found) < 30:
            page = poll(place, limit)
            assert len(page.events) == limit
            found += subjects(page)
            place, more = page.next, page.more
        assert found == list(range(1, len(found) + 1))
    total = 0
    place = None
    while (page := poll(place, 200)).events:
        total, place = total + len(page.events), page.next
    assert total == 2_599


def test_a_place_stays_valid_while_nothing_is_new(make: Make) -> None:
    """A-8: at the end, and in an empty feed; the end can be asked for before an initial load."""
    empty = poll()
    assert (empty.events, empty.more, poll(empty.next)) == ([], False, empty)
    emit(1)
    with transaction():
        event_feed.place()
    end = event_feed.end()
    assert poll(end) == FeedPage([], end, False)
    emit(2)
    assert subjects(poll(end)) == [2]
    assert subjects(poll(empty.next)) == [1, 2]


def test_events_are_deleted_after_90_days(make: Make) -> None:
    """A-8: who has read them goes on; who hasn't is told to start again; positions are never used twice."""
    start = poll()
    emit(1, 2)
    half, whole = poll(limit=1), poll()
    with transaction():
        event_feed.purge(NOW + timedelta(days=90))
    assert subjects(poll(half.next)) == [2]
    with transaction():
        event_feed.purge(NOW + timedelta(days=90, seconds=1))
    assert db.session.scalar(select(func.count()).select_from(EventGroup)) == 0
    for place in (start.next, half.next):
        with pytest.raises(EventsExpiredError):
            poll(place)
    emit(3)
    assert subjects(poll(whole.next)) == subjects(poll()) == [3]


def test_events_without_a_position_are_not_deleted(make: Make) -> None:
    """A-8: however old they are."""
    start = poll()
    emit(1)
    with transaction():
        event_feed.purge(NOW + timedelta(days=100))
    assert subjects(poll(start.next)) == [1]


def test_a_place_of_another_feed_is_expired(make: Make) -> None:
    """A-8: after a restore, positions begin again."""
    page = poll()
    emit(1)
    with pytest.raises(EventsExpiredError):
        poll(Place(page.next.epoch + 1, 1))


def test_few_rows_are_placed_at_once(make: Make) -> None:
    """A-8: so that no reader holds the feed for long; each call goes on where the last one ended."""
    for subject_id in range(1, 6):
        emit(subject_id)
    with transaction():
        assert event_feed.place(3) == 3
    assert subjects(event_feed.read(None, 50)) == [1, 2, 3]
    with transaction():
        assert [event_feed.place(3), event_feed.place(3)] == [2, 0]
    assert subjects(poll()) == [1, 2, 3, 4, 5]


def test_the_scheduler_places_events_too(make: Make) -> None:
    """A-8: all that wait, so that a reader finds few; without any, it writes nothing."""
    for subject_id in range(1, 4):
        emit(subject_id)
    periodic.place_events()
    assert subjects(event_feed.read(None, 50)) == [1, 2, 3]
    with statements() as sent:
        periodic.place_events()
    assert len(sent) == 1


def test_a_rolled_back_change_has_no_event(make: Make) -> None:
    with pytest.raises(RuntimeError), transaction():
        outbox.emit(WebhookEvent.AWARD_CREATED, [1], NOW)
        raise RuntimeError
    assert poll().events == []


def test_the_statements_of_a_page_are_fixed(make: Make) -> None:
    """A-8: the same for one event and for a page of them; fewer if there is nothing new to place."""
    counted = []
    place = poll().next
    for number in (1, 300):
        emit(*range(1, number + 1))
        for subject_id in range(number):
            emit(subject_id + 1)
        with statements() as sent:
            place = poll(place, 200).next
        counted.append(len(sent))
    assert counted[0] == counted[1] <= 7
    with statements() as sent:
        poll(place, 200)
    assert len(sent) <= 3
