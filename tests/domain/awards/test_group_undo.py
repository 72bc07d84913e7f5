"""A group award can be undone as a whole, for ten minutes, by the person who made it (E-6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain import rules
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.awards import group as group_awards
from webapp.domain.awards import manual, member_profile
from webapp.domain.awards import queries as award_queries
from webapp.domain.erasure import erase
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.rules import ConditionDraft, RuleDraft, evaluation
from webapp.domain.webhooks import endpoints
from webapp.models import AuditEvent, Award, Delivery, Origin, Quest, Staff, WebhookEvent
from webapp.models.rule import ConditionKind
from webapp.transaction import transaction


@pytest.fixture
def quest(make: Make) -> Quest:
    return make.quest("Answered 50 questions", make.badge("Helper"))


@pytest.fixture
def actor(make: Make) -> Actor:
    return Actor(NOW, Origin.CONSOLE, db.session.get_one(Staff, make.staff(name="Mara Kovač").id))


def given(quest: Quest, actor: Actor, text: str = "user1, user2, user3") -> int:
    with transaction():
        made = group_awards.award_group(text, quest.id, "", actor)
    assert made.group_id is not None
    return made.group_id


def undone(group_id: int, actor: Actor) -> tuple[int, int, bool]:
    with transaction():
        done = group_awards.undo(group_id, actor)
        return done.revoked, done.kept, done.changed


def holders(quest: Quest) -> list[int]:
    found = select(Award.member_id).where(Award.quest_id == quest.id, Award.revoked_at.is_(None))
    return list(db.session.scalars(found.order_by(Award.member_id)))


def acts(verb: str) -> list[AuditEvent]:
    return list(db.session.scalars(select(AuditEvent).where(AuditEvent.verb == verb)))


def test_a_group_award_is_undone_as_one_action(make: Make, quest: Quest, actor: Actor) -> None:
    """E-6, L-1: earlier holders keep theirs; the audit log has one entry; repeating it changes nothing."""
    ids = make.members(4)
    make.award(ids[3], quest.id)
    group_id = given(quest, actor, "user1, user2, user3, user4")
    group = group_awards.get(group_id)
    assert (group.awarded, group.already_held) == (3, 1)
    assert [one.member.id for one in group_awards.recipients(group)] == ids[:3]
    assert undone(group_id, actor) == (3, 0, True)
    assert holders(quest) == ids[3:]
    assert undone(group_id, replace(actor, at=NOW + timedelta(hours=1))) == (0, 0, False)
    (row,) = acts("group.undone")
    assert (row.detail["revoked"], row.staff_id) == (3, actor.staff_id)
    (line, _) = search.latest("quest", quest.id, 2)
    assert line.sentence == ("Mara Kovač undid a group award, revoking “Helper” from 3 members")
    revoked, awarded = member_profile.load(ids[0]).history.items
    assert (str(revoked.how), str(awarded.how)) == ("by undoing the group award", "group award")
    assert not group_awards.can_undo(group_awards.get(group_id), actor)


def test_awards_changed_since_stay(make: Make, quest: Quest, actor: Actor) -> None:
    """E-6: awards revoked or made since stay; those of restored and erased members are revoked."""
    revoked, again, restored, erased, untouched = ids = make.members(5)
    group_id = given(quest, actor, "user1, user2, user3, user4, user5")
    with transaction():
        for member_id in (revoked, again, restored):
            (held,) = award_queries.active_awards([member_id], quest.id)
            manual.revoke(member_id, held.id, "", actor)
            if member_id == restored:
                assert manual.restore(member_id, held.id, actor).changed
        assert manual.award(again, quest.id, "", actor).changed
    with transaction():
        erase.erase(erased, actor)
    active = {
        one.member.id: one.active for one in group_awards.recipients(group_awards.get(group_id))
    }
    assert active == {
        revoked: False, again: False, restored: True, erased: True, untouched: True,
    }  # fmt: skip
    assert undone(group_id, actor) == (3, 2, True)
    assert holders(quest) == [again]
    assert len(ids) == 5


def test_only_the_person_who_made_it_can_undo_it_and_for_ten_minutes(
    make: Make, quest: Quest, actor: Actor
) -> None:
    """E-6: with the reason, and nothing is revoked."""
    ids = make.members(2)
    group_id = given(quest, actor, "user1, user2")
    other = Actor(NOW, Origin.CONSOLE, db.session.get_one(Staff, make.staff().id))
    with pytest.raises(DomainError, match="Only the person who made this group award"):
        undone(group_id, other)
    with pytest.raises(DomainError, match="Only the person who made this group award"):
        undone(group_id, Actor(NOW, Origin.CONSOLE))
    with pytest.raises(DomainError, match="only within 10 minutes"):
        undone(group_id, replace(actor, at=NOW + timedelta(minutes=10, seconds=1)))
    with pytest.raises(NotFoundError):
        undone(group_id + 1, actor)
    assert holders(quest) == ids
    assert undone(group_id, replace(actor, at=NOW + timedelta(minutes=10))) == (2, 0, True)


def test_an_undone_group_award_is_sent_to_webhooks_as_revoked(
    make: Make, quest: Quest, actor: Actor
) -> None:
    """A-6, E-6: one `award.revoked` for each award, once."""
    make.members(3)
    with transaction():
        endpoints.create("https://hooks.example.org/", [WebhookEvent.AWARD_REVOKED], (), actor)
    group_id = given(quest, actor)
    for _ in range(2):
        undone(group_id, actor)
    kinds = db.session.execute(select(Delivery.kind, func.count()).group_by(Delivery.kind)).all()
    assert [tuple(one) for one in kinds] == [("award.revoked", 3)]


def test_a_rule_may_award_again_what_an_undo_revoked(make: Make, actor: Actor) -> None:
    """E-6, M-14: as with the undo of a batch; the member is evaluated immediately."""
    needed, earned = make.quest(), make.quest("Second", make.badge("Auto", automatic=True))
    ids = make.members(2)
    for member_id in ids:
        make.award(member_id, needed.id)
    group_id = given(earned, actor, "user1, user2")
    with transaction():
        draft = RuleDraft(
            (ConditionDraft(ConditionKind.QUEST, required_id=needed.id),), any_of=False
        )
        rules.save(earned.badge_id, earned.id, draft, actor)
    assert undone(group_id, actor) == (2, 0, True)
    assert holders(earned) == []
    with transaction():
        assert evaluation.evaluate_candidates(10, NOW + timedelta(minutes=1)) == 2
    assert holders(earned) == ids


def test_undoing_takes_the_same_number_of_statements_for_any_size(
    make: Make, quest: Quest, actor: Actor
) -> None:
    """50 members take no more statements than 2."""
    make.members(50)
    numbers = []
    for size in (2, 50):
        names = ", ".join(f"user{place}" for place in range(1, size + 1))
        group_id = given(quest, actor, names)
        with statements() as sent:
            undone(group_id, actor)
        numbers.append(len(sent))
    assert numbers[0] == numbers[1]


def test_concurrent_undos_revoke_once(app: Flask, make: Make, quest: Quest, actor: Actor) -> None:
    """E-6: eight concurrent requests."""
    make.members(3)
    group_id = given(quest, actor)
    staff_id, together = actor.staff_id, Barrier(8)

    def press(_: int) -> bool:
        with app.app_context():
            person = db.session.get_one(Staff, staff_id)
            together.wait()
            return undone(group_id, Actor(NOW, Origin.CONSOLE, person))[2]

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(press, range(8))) == [False] * 7 + [True]
    db.session.rollback()  # read what the others wrote
    assert len(acts("group.undone")) == 1
    assert holders(quest) == []
