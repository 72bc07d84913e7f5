"""Workers are killed while awarding by rules: no one is missed, no one is awarded twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from tests.domain.rules.world import activity_of
from tests.faults.conftest import QUICK
from tests.faults.console import Console, await_, horse, kill
from webapp.database import db
from webapp.domain import rules
from webapp.domain.activities import counters
from webapp.domain.activities.counters import ActivityEventIn
from webapp.domain.actor import Actor
from webapp.domain.rules import RuleDraft
from webapp.models import AuditEvent, Origin, Quest
from webapp.models.rule import RuleCandidate
from webapp.transaction import transaction

MEMBERS = 4_000


def actor() -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE)


@pytest.fixture
def quest(console: Console) -> Quest:
    return console.make.quest("Earned", console.make.badge("Automatic", automatic=True))


def count(console: Console, members: list[int], event: str) -> None:
    """Count an event for each member, a thousand per call."""
    for first in range(0, len(members), 1000):
        some = members[first : first + 1000]
        with console.app.app_context(), transaction():
            events = [
                ActivityEventIn(f"{event}-{one}", one, "posts", 1, actor().at) for one in some
            ]
            counters.record_events(events, actor())


def save(console: Console, quest: Quest, posts: int) -> None:
    with console.app.app_context(), transaction():
        rules.save(quest.badge_id, quest.id, RuleDraft((activity_of(posts, "posts"),)), actor())


def checks(console: Console) -> int:
    return console.read(
        lambda: db.session.scalar(select(func.count()).select_from(RuleCandidate)) or 0
    )


def done(console: Console, quest: Quest) -> bool:
    looking = console.read(lambda: rules.of_badge(quest.badge_id)[quest.id].evaluating)
    return not looking and not checks(console)


def recorded(console: Console) -> int:
    """The number of awards in the audit log."""
    rows = console.read(
        lambda: db.session.scalars(
            select(AuditEvent.detail).where(AuditEvent.verb == "rule.awarded")
        ).all()
    )
    return sum(row["members"] for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["everybody", "noted"])
def test_a_killed_worker_misses_no_one(console: Console, quest: Quest, way: str) -> None:
    """T-2, T-3, J1, J3: kill -9 of worker and child midway, twice; the next one continues by itself."""
    members = console.make.members(MEMBERS)
    if way == "everybody":
        count(console, members[: MEMBERS // 2], "first")
        save(console, quest, 1)
    else:
        save(console, quest, 1)
        worker = console.start_worker()
        await_(lambda: done(console, quest), 60, "everybody is looked at")
        worker.terminate()
        worker.wait()
        count(console, members[: MEMBERS // 2], "first")
    console.start_clock()
    for part in (1, 2):
        worker = console.start_worker()
        await_(lambda part=part: console.awards() >= part * 100, 60, "some are awarded")
        child = horse(worker)
        kill(worker.pid)
        if child:
            kill(child)
        worker.wait()
        if done(console, quest):
            break
    console.start_worker()
    await_(lambda: done(console, quest), 90, "nobody is left")
    assert console.awards() == MEMBERS // 2 == recorded(console)


def test_an_event_is_answered_within_seconds(console: Console, quest: Quest) -> None:
    """T-2: from the event to the award, through the queue; the clock isn't running."""
    (member,) = console.make.members(1)
    save(console, quest, 2)
    console.start_worker()
    await_(lambda: done(console, quest), 30, "everybody is looked at")
    count(console, [member], "one")
    count(console, [member], "two")
    await_(lambda: console.awards() == 1, 10, "the quest is earned")


def test_events_are_processed_after_a_queue_outage(consoles: Callable[..., Console]) -> None:
    """T-2, J7: events that arrive while the queue is down are processed when the clock runs."""
    console = consoles(**QUICK)
    quest = console.make.quest("Earned", console.make.badge("Automatic", automatic=True))
    (member,) = console.make.members(1)
    save(console, quest, 1)
    count(console, [member], "one")
    assert console.awards() == 0
    console.start_queue()
    console.start_worker()
    console.start_clock()
    await_(lambda: console.awards() == 1, 30, "the quest is earned")
