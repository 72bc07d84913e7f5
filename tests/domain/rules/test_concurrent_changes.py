"""Concurrent events, awards and rule changes: no one who qualifies is missed or awarded twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from threading import Barrier, Event

import pytest
from flask import Flask
from sqlalchemy import select

from tests.domain.rules.world import World, activity_of, holding
from tests.factories import Make
from webapp.database import db, dialect_name
from webapp.domain import leases, rules
from webapp.domain.activities import counters
from webapp.domain.activities.counters import ActivityEventIn
from webapp.domain.actor import Actor
from webapp.domain.awards import manual
from webapp.domain.badges import settings
from webapp.domain.rules import RuleDraft, backfill, evaluation
from webapp.models import ActivityCount, Origin, Rule
from webapp.transaction import transaction

THREADS = 12


@pytest.mark.parametrize("seed", range(2))
def test_counting_awarding_and_changing_rules_at_once(app: Flask, make: Make, seed: int) -> None:
    """T-1 to T-3: twelve threads count, award, switch and change rules, and process, without deadlocks.

    In the end, exactly the members who qualify by its last rule have a quest.
    """
    world = World(make)
    by_posts, by_holding = world.quest(), world.quest()
    by_hand = make.quest()
    world.rule(by_posts, activity_of(1_000, "posts"))
    world.rule(by_holding, holding(by_hand), activity_of(1_000, "posts"), any_of=True)
    members = make.members(24)
    together = Barrier(THREADS)
    actor = Actor(datetime.now(UTC), Origin.CONSOLE, world.staff)
    switch = settings.BadgeSettings("Switched", "", True, "circle", "green", "award")

    def write(number: int, turn: int, random: Random) -> None:
        if number < 6:
            events = [
                ActivityEventIn(f"{number}-{turn}-{one}", one, "posts", 4, actor.at)
                for one in random.sample(members, 3)
            ]
            counters.record_events(events, actor)
        elif number < 8:
            manual.award(random.choice(members), by_hand.id, "", actor)
        elif number == 8:
            draft = RuleDraft((activity_of(random.choice((4, 6, 9)), "posts"),))
            rules.save(by_posts.badge_id, by_posts.id, draft, actor)
        else:
            wanted = replace(switch, automatic=turn % 2 > 0)
            settings.change(by_holding.badge_id, wanted, actor)

    def work(owner: str) -> None:
        with transaction():
            evaluation.evaluate_candidates(5, actor.at)
        for rule_id in backfill.waiting()[:1]:
            with transaction():
                mine = backfill.claim(rule_id, owner, 60, actor.at)
            if mine:
                with suppress(leases.LeaseLostError), transaction():
                    backfill.evaluate_some(rule_id, owner, 60, 7, actor.at)
                with transaction():
                    leases.release(Rule, rule_id, owner)

    def one(number: int) -> None:
        random = Random(seed * 100 + number)
        with app.app_context():
            together.wait()
            for turn in range(8):
                if number >= 10:
                    work(f"{number}-{turn}")
                    continue
                with transaction():
                    write(number, turn, random)
            db.session.remove()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one, range(THREADS)))
    with transaction():
        rules.save(by_posts.badge_id, by_posts.id, RuleDraft((activity_of(4, "posts"),)), actor)
        settings.change(by_holding.badge_id, switch, actor)
    world.work()
    wrote = set(db.session.scalars(select(ActivityCount.member_id)))
    assert len(wrote) > 10
    assert world.holds(by_posts) == wrote
    assert world.holds(by_holding) == world.holds(by_hand)


def test_a_candidate_added_during_evaluation_is_evaluated_again(app: Flask, make: Make) -> None:
    """T-2: the second condition becomes true in a transaction that ends after a worker has evaluated the member."""
    world = World(make)
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, activity_of(10, "posts"), activity_of(5, "likes"))
    world.work()
    world.count(anna, "posts", 10)
    one_writer = dialect_name() == "sqlite"  # the worker waits there for the transaction to end
    noted, looked = Event(), Event()

    def like() -> None:
        with app.app_context(), transaction():
            event = ActivityEventIn("the-likes", anna.id, "likes", 5, world.at)
            assert counters.record_events([event], Actor(world.at, Origin.CONSOLE))
            noted.set()
            assert one_writer or looked.wait(30)

    with ThreadPoolExecutor(1) as pool:
        liking = pool.submit(like)
        assert noted.wait(30)
        with transaction():
            evaluation.evaluate_candidates(100, world.at)
        looked.set()
        liking.result()
    world.work()
    assert world.holds(quest) == {anna.id}
