"""Pushes: a community shows what members hold here, whatever happens in between."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from jobs import connections as job
from tests.adapters.fakes import LOOPBACK
from tests.counting import statements
from tests.domain.batches.test_processing import run
from tests.factories import NOW, Make
from tests.jobs import test_pulls
from tests.jobs.community import Community
from tests.jobs.process import on_loopback
from tests.jobs.test_pulls import Connect, actor
from tests.lock_waits import run_behind
from webapp.adapters.contract import ConnectionProblem, Refused, RemoteBadge, RetryAfter
from webapp.database import db
from webapp.domain.awards import group, manual
from webapp.domain.batches import runs
from webapp.domain.connections import comparison, mappings, pushes, settings
from webapp.domain.erasure import erase
from webapp.domain.errors import DomainError
from webapp.messages import Message
from webapp.models import Award, BadgeDifference, BadgeMapping, BadgeSync, Connection, Member, Quest
from webapp.transaction import transaction

process, community, connect = on_loopback, test_pulls.community, test_pulls.connect


@pytest.fixture
def linked(connect: Connect, community: Community) -> int:
    """A connection with 20 linked members and two badges there."""
    community.join(*(f"user{number}" for number in range(1, 21)))
    community.badge_names = {"b1": "Helper there", "b2": "Guest there"}
    connection_id = connect()
    test_pulls.pull(connection_id)
    return connection_id


def map_(connection_id: int, quest: Quest, badge: str = "b1") -> int:
    with transaction():
        remote = RemoteBadge(badge, f"Badge {badge}")
        return mappings.create(connection_id, quest.id, remote, actor()).id


def award(quest: Quest, *numbers: int) -> None:
    with transaction():
        _award(quest, *numbers)


def _award(quest: Quest, *numbers: int) -> None:
    names = ", ".join(f"user{number}" for number in numbers)
    group.award_group(names, quest.id, "", actor())


def revoke(quest: Quest, number: int) -> None:
    with transaction():
        _revoke(quest, number)


def _revoke(quest: Quest, number: int) -> None:
    query = (
        select(Award.id)
        .join(Member)
        .where(
            Member.username == f"user{number}",
            Award.quest_id == quest.id,
            Award.revoked_at.is_(None),
        )
    )
    award_id = db.session.scalar(query) or 0
    member_id = db.session.scalar(select(Member.id).where(Member.username == f"user{number}")) or 0
    manual.revoke(member_id, award_id, "", actor())


def push(connection_id: int) -> None:
    """Let pauses end, and run the job."""
    with transaction():
        db.session.execute(update(Connection).values(backoff_until=None, lease_until=None))
        due = update(BadgeSync).where(BadgeSync.due_at.is_not(None))
        db.session.execute(due.values(due_at=NOW))
    job.push(connection_id)
    db.session.rollback()


def left() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(BadgeSync)) or 0


def expected(quest: Quest) -> set[str]:
    """Accounts whose members hold a quest here."""
    db.session.rollback()
    query = select(Member.external_id).join(Award, Award.member_id == Member.id)
    return set(
        db.session.scalars(query.where(Award.quest_id == quest.id, Award.revoked_at.is_(None)))
    )


def test_awards_appear_and_revocations_disappear(
    linked: int, community: Community, make: Make
) -> None:
    quest = make.quest()
    map_(linked, quest)
    award(quest, 1, 2, 3)
    assert left() == 3
    push(linked)
    assert community.held["b1"] == {"1", "2", "3"}
    assert left() == 0
    revoke(quest, 2)
    push(linked)
    assert community.held["b1"] == {"1", "3"}


def test_what_was_awarded_before_the_mapping_appears_too(
    linked: int, community: Community, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes, "MARKED_TOGETHER", 3)
    quest = make.quest()
    award(quest, *range(1, 11))
    assert left() == 0
    map_(linked, quest)
    assert pushes.waiting(NOW) == [linked]
    push(linked)
    assert community.held["b1"] == {str(number) for number in range(1, 11)}
    assert pushes.waiting(NOW) == []


@pytest.mark.parametrize(("change", "number"), [(_award, 2), (_revoke, 1)])
def test_a_change_that_began_before_the_mapping_is_shown_too(
    process: Flask,
    linked: int,
    community: Community,
    make: Make,
    change: Callable[[Quest, int], None],
    number: int,
) -> None:
    """It doesn't see the mapping, so it doesn't mark what it changes: the push waits for its end."""
    quest = make.quest()
    award(quest, 1)

    def map_and_push() -> None:
        map_(linked, quest)
        push(linked)

    run_behind(process, lambda: change(quest, number), map_and_push)
    assert community.held.get("b1", set()) == expected(quest)
    assert left() == 0


def test_members_who_join_later_show_what_they_hold(
    linked: int, community: Community, make: Make
) -> None:
    quest = make.quest()
    map_(linked, quest)
    make.member("zoe", external_id="21")
    with transaction():
        group.award_group("zoe", quest.id, "", actor())
    assert left() == 0
    community.join("zoe", first=21)
    test_pulls.pull(linked)
    push(linked)
    assert community.held["b1"] == {"21"}


def test_changes_before_a_push_are_one_change(
    linked: int, community: Community, make: Make
) -> None:
    quest = make.quest()
    map_(linked, quest)
    for _ in range(3):
        award(quest, 1)
        revoke(quest, 1)
    assert left() == 1
    push(linked)
    assert [change.held for change in community.changes] == [False]


def test_a_change_while_it_is_sent_is_not_lost(
    linked: int, community: Community, make: Make
) -> None:
    quest = make.quest()
    map_(linked, quest)
    award(quest, 1)
    push_once = iter([True])

    def revoke_meanwhile() -> None:
        if next(push_once, False):
            revoke(quest, 1)

    community.before = revoke_meanwhile
    push(linked)
    push(linked)
    assert community.held["b1"] == set()
    assert [change.held for change in community.changes] == [True, False]
    assert left() == 0


def test_a_batch_is_shown_and_its_undo_hidden(
    linked: int, community: Community, make: Make
) -> None:
    quest = make.quest()
    map_(linked, quest)
    ids = list(db.session.scalars(select(Member.id).order_by(Member.id)))
    db.session.rollback()
    batch = make.batch(ids, quest, published=True)
    run(batch.id)
    push(linked)
    assert len(community.held["b1"]) == 20
    with transaction():
        runs.undo(batch.id, actor(5))
    run(batch.id)
    push(linked)
    assert community.held["b1"] == set()


def test_an_outage_pauses_and_nothing_is_lost(
    linked: int, community: Community, make: Make
) -> None:
    quest = make.quest()
    map_(linked, quest)
    award(quest, 1, 2)
    community.problems = [ConnectionProblem("webhooks.timed_out", temporary=True, retry_after=300)]
    push(linked)
    connection = settings.get(linked)
    assert connection.error == "Timed out."
    assert connection.backoff_until is not None
    assert pushes.waiting(NOW + timedelta(days=3650)) == [linked]
    assert connection.lease_owner is None
    assert left() == 2
    push(linked)
    assert community.held["b1"] == {"1", "2"}
    assert settings.get(linked).error == ""


def test_a_long_outage_pauses_longer_each_time(
    linked: int, community: Community, make: Make
) -> None:
    quest = make.quest()
    map_(linked, quest)
    award(quest, 1)
    for number in range(1, 4):
        community.problems = [ConnectionProblem("webhooks.timed_out", temporary=True)]
        push(linked)
        assert settings.get(linked).failures == number


def test_a_slow_rate_sends_all_the_same(
    linked: int, community: Community, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round ends after its first request if that had to wait for longer than a round."""
    monkeypatch.setattr(job, "ROUND_SECONDS", -1.0)
    community.max_changes = 1
    quest = make.quest()
    map_(linked, quest)
    award(quest, 1, 2, 3)
    push(linked)
    assert community.held["b1"] == {"1", "2", "3"}


def test_retry_after_pauses_the_connection(linked: int, community: Community, make: Make) -> None:
    quest = make.quest()
    map_(linked, quest)
    award(quest, 1, 2)
    community.outcomes = {"1": RetryAfter(120)}
    push(linked)
    assert community.held["b1"] == {"2"}
    assert settings.get(linked).backoff_until is not None
    community.outcomes = {}
    push(linked)
    assert community.held["b1"] == {"1", "2"}


def test_what_is_refused_waits_for_a_person(linked: int, community: Community, make: Make) -> None:
    quest = make.quest()
    map_(linked, quest)
    award(quest, 1, 2, 3)
    community.outcomes = {"1": Refused(Message("webhooks.tls"))}
    del community.members["2"]
    push(linked)
    page = pushes.pending(linked, refused=True)
    whys = {sync.member.username: sync.error for sync in page.items}
    assert whys == {
        "user1": "The TLS certificate or connection isn't valid.",
        "user2": "The member no longer exists there.",
    }
    figures = pushes.figures(settings.get(linked))
    assert (figures.waiting, figures.refused) == (0, 2)
    assert test_pulls.accounts()["user2"] == "(2)"
    community.outcomes = {}
    with transaction():
        assert pushes.retry_refused(linked, actor()) == 2
    push(linked)
    assert community.held["b1"] == {"1", "3"}


def test_a_badge_that_is_gone_is_reported(linked: int, community: Community, make: Make) -> None:
    quest = make.quest()
    map_(linked, quest, "nowhere")
    award(quest, 1)
    push(linked)
    assert db.session.scalar(select(BadgeMapping.gone_at)) is not None
    (sync,) = pushes.pending(linked, refused=True).items
    assert sync.error == "The badge no longer exists there."


def test_a_quest_and_a_badge_are_mapped_once(linked: int, make: Make) -> None:
    quest, other = make.quest(), make.quest()
    mapping_id = map_(linked, quest)
    assert map_(linked, quest) == mapping_id
    with pytest.raises(DomainError, match="This quest has a badge there already") as refusal:
        map_(linked, quest, "b2")
    assert refusal.value.field == "quest"
    with pytest.raises(DomainError, match="This badge shows another quest already") as refusal:
        map_(linked, other)
    assert refusal.value.field == "badge"
    award(quest, 1)
    with transaction():
        mappings.remove(linked, mapping_id, actor())
    assert left() == 0


def test_a_badge_there_is_chosen_or_created(linked: int, community: Community, make: Make) -> None:
    quest = make.quest("Answered", make.badge("Helper"))
    with transaction():
        mappings.store_badges(linked, community.badges())
    connection = settings.get(linked)

    def choose(badge_id: str | None, quest_id: int | None = quest.id) -> RemoteBadge:
        return mappings.choose_badge(connection, quest_id, badge_id, LOOPBACK)

    assert choose("b2") == RemoteBadge("b2", "Guest there")
    created = choose(None)
    assert community.badge_names[created.id] == created.name == "Helper"
    assert choose(None) == created
    with pytest.raises(DomainError, match="Choose a quest") as refusal:
        choose("b1", None)
    assert refusal.value.field == "quest"
    with pytest.raises(DomainError, match="Choose the community's badge") as refusal:
        choose("b9")
    assert refusal.value.field == "badge"
    mapped = make.quest("Asked")
    map_(linked, mapped)
    before = dict(community.badge_names)
    with pytest.raises(DomainError, match="This quest has a badge there already") as refusal:
        choose(None, mapped.id)
    assert refusal.value.field == "quest"
    assert community.badge_names == before
    community.problems = [ConnectionProblem("connections.secret_unreadable")]
    with pytest.raises(DomainError):
        choose(None)


def test_an_erased_member_is_forgotten(linked: int, community: Community, make: Make) -> None:
    quest = make.quest()
    map_(linked, quest)
    award(quest, 1)
    member_id = db.session.scalar(select(Member.id).where(Member.username == "user1")) or 0
    with transaction():
        erase.erase(member_id, actor())
    assert left() == 0
    push(linked)
    assert community.changes == []


def test_a_connection_that_is_off_sends_later(
    linked: int, community: Community, make: Make
) -> None:
    quest = make.quest()
    map_(linked, quest)
    with transaction():
        settings.switch(linked, False, actor())
    award(quest, 1)
    push(linked)
    assert community.changes == []
    with transaction():
        settings.switch(linked, True, actor())
    push(linked)
    assert community.held["b1"] == {"1"}


def compare(connection_id: int) -> None:
    with transaction():
        comparison.start(connection_id, actor())
    push(connection_id)


def test_a_comparison_finds_what_was_changed_there_and_repairs_it_on_request(
    linked: int, community: Community, make: Make
) -> None:
    community.page_size = 2
    quest, other = make.quest(), make.quest()
    map_(linked, quest)
    map_(linked, other, "b2")
    award(quest, 1, 2, 3, 4, 5)
    push(linked)
    community.held["b1"] -= {"2", "4"}  # revoked there by hand
    community.held["b2"] = {"7", "unknown"}  # awarded there by hand
    push(linked)
    assert community.held["b1"] == {"1", "3", "5"}  # not overwritten
    compare(linked)
    assert not comparison.is_running(settings.get(linked))
    assert comparison.counts(linked) == (2, 1)
    found = {(one.member.username, one.held_there) for one in comparison.differences(linked).items}
    assert found == {("user2", False), ("user4", False), ("user7", True)}
    assert community.held["b1"] == {"1", "3", "5"}
    with transaction():
        assert comparison.repair(linked, actor()) == 3
    push(linked)
    assert community.held["b1"] == {"1", "2", "3", "4", "5"}
    assert community.held["b2"] == {"unknown"}
    compare(linked)
    assert comparison.counts(linked) == (0, 0)


def test_random_histories_end_alike(linked: int, community: Community, make: Make) -> None:
    """Awards, revocations, outages and pushes in any order: at the end both sides are the same."""
    dice = random.Random(7)
    quests = [make.quest(), make.quest()]
    for quest, badge in zip(quests, ("b1", "b2"), strict=True):
        map_(linked, quest, badge)
    for _ in range(60):
        quest, number = dice.choice(quests), dice.randint(1, 20)
        action = dice.random()
        if str(number) in expected(quest):
            revoke(quest, number)
        else:
            award(quest, number)
        if action < 0.2:
            community.problems = [ConnectionProblem("webhooks.timed_out", temporary=True)]
        if action < 0.4:
            push(linked)
    push(linked)
    push(linked)
    for quest, badge in zip(quests, ("b1", "b2"), strict=True):
        assert community.held.get(badge, set()) == expected(quest)
    assert left() == 0


@pytest.mark.parametrize("connected", [False, True])
def test_a_chunk_of_a_batch_costs_no_statement_without_a_connection(
    process: Flask, make: Make, connect: Connect, connected: bool
) -> None:
    """With one, it costs a statement to mark, whatever the size."""
    quest = make.quest()
    if connected:
        map_(connect(), quest)
    counts = []
    for number in (5, 50):
        batch = make.batch(make.members(number, f"set{number}x"), quest, published=True)
        with statements() as sent:
            run(batch.id, chunk=100)
        counts.append(len(sent))
        marks = [one for one in sent if one.startswith("INSERT INTO badge_syncs")]
        assert len(marks) == connected
    assert counts[0] == counts[1]


def test_lists_take_a_fixed_number_of_statements(
    linked: int, community: Community, make: Make
) -> None:
    quest = make.quest()
    map_(linked, quest)

    def read() -> int:
        db.session.rollback()
        connection = settings.get(linked)
        with statements() as sent:
            pushes.pending(linked, refused=False)
            comparison.differences(linked)
            mappings.overview(linked)
            pushes.figures(connection)
            comparison.counts(linked)
        return len(sent)

    before = read()
    award(quest, *range(1, 21))
    assert read() == before
    assert db.session.scalar(select(func.count()).select_from(BadgeDifference)) == 0
