"""A badge is revoked from up to 50 holders at once, and restored as a whole (E-4)."""

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
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.awards import group_revocation, manual, member_profile
from webapp.domain.awards import queries as award_queries
from webapp.domain.erasure import erase
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.rules.criteria import was_revoked
from webapp.domain.webhooks import endpoints
from webapp.models import (
    AuditEvent,
    Award,
    Badge,
    Delivery,
    GroupRevocation,
    Member,
    Origin,
    Quest,
    Role,
    Staff,
    WebhookEvent,
)
from webapp.transaction import transaction


@pytest.fixture
def badge(make: Make) -> Badge:
    return make.badge("Helper")


@pytest.fixture
def quests(make: Make, badge: Badge) -> list[Quest]:
    return [make.quest(name, badge) for name in ("First", "Second")]


@pytest.fixture
def actor(make: Make) -> Actor:
    return person(make, "Mara Kovač")


def person(make: Make, name: str = "Ivo", role: Role = Role.ADMIN) -> Actor:
    db.session.rollback()  # to see the new row
    staff = db.session.get_one(Staff, make.staff(role, name=name).id)
    return Actor(NOW + timedelta(days=1), Origin.CONSOLE, staff)


def awards(make: Make, quest: Quest, number: int = 3) -> list[int]:
    ids = [make.award(member_id, quest.id).id for member_id in make.members(number)]
    db.session.rollback()  # to see the new rows
    return ids


def revoked(badge: Badge, ids: list[int], actor: Actor, reason: str = "Mistake") -> int:
    with transaction():
        done = group_revocation.revoke(badge.id, ids, reason, actor)
    assert done.group_id is not None
    return done.group_id


def undone(group_id: int, actor: Actor) -> tuple[int, int, bool]:
    with transaction():
        done = group_revocation.undo(group_id, actor)
        return done.members, done.kept, done.changed


def active(quest: Quest) -> list[str]:
    found = (
        select(Member.username)
        .join(Award, Award.member_id == Member.id)
        .where(Award.quest_id == quest.id, Award.revoked_at.is_(None))
    )
    return list(db.session.scalars(found.order_by(Member.username)))


def acts(verb: str) -> list[AuditEvent]:
    return list(db.session.scalars(select(AuditEvent).where(AuditEvent.verb == verb)))


def test_holders_lose_the_badge_as_one_action(
    make: Make, badge: Badge, quests: list[Quest], actor: Actor
) -> None:
    """E-4, L-1: with one reason and one entry of the audit log; repeating it changes nothing."""
    ids = awards(make, quests[0], 4)
    both = make.award(db.session.get_one(Award, ids[0]).member_id, quests[1].id)
    with transaction():
        done = group_revocation.revoke(badge.id, [*ids[:3], both.id], " Mistake ", actor)
    assert (done.members, done.gone) == (3, 0)
    assert (active(quests[0]), active(quests[1])) == (["user4"], [])
    kept = db.session.get_one(Award, ids[1])
    assert (kept.revoked_at, kept.revoked_by, kept.revoke_reason) == (
        actor.at,
        actor.staff_id,
        "Mistake",
    )
    (event, _) = member_profile.load(kept.member_id).history.items
    assert (event.by, str(event.how)) == ("Mara Kovač", "from the list of holders")
    with transaction():
        again = group_revocation.revoke(badge.id, ids[:3], "", actor)
    assert (again.members, again.gone, again.group_id) == (0, 3, None)
    (row,) = acts("group.revoked")
    assert (row.detail, row.staff_id) == ({"members": 3, "gone": 0}, actor.staff_id)
    (line,) = search.latest("badge", badge.id, 2)
    assert line.sentence == "Mara Kovač revoked “Helper” from 3 members"


def test_awards_that_cannot_be_revoked_are_left_out(
    make: Make, badge: Badge, quests: list[Quest], actor: Actor
) -> None:
    """E-4: those of other badges, of erased members, revoked before, and unknown ones; left members lose theirs."""
    ids = awards(make, quests[0], 2)
    other = make.award(make.member().id, make.quest().id).id
    gone = make.award(make.member(status="erased").id, quests[0].id).id
    left = make.award(make.member("left", status="left").id, quests[0].id).id
    with transaction():
        manual.revoke(db.session.get_one(Award, ids[0]).member_id, ids[0], "", actor)
    wanted = [*ids, other, gone, left, 99_999]
    names = [award.member.username for award in group_revocation.chosen(badge.id, wanted)]
    assert names == ["left", "user2"]
    with transaction():
        done = group_revocation.revoke(badge.id, wanted, "", actor)
    assert (done.members, done.gone) == (2, 4)
    assert db.session.get_one(Award, other).revoked_at is None
    assert db.session.get_one(Award, gone).revoked_at is None


def test_what_is_refused(make: Make, badge: Badge, quests: list[Quest], actor: Actor) -> None:
    """E-4, M-5: no holders, more than 50, too long a reason, and Support without one; nothing changes."""
    ids = awards(make, quests[0], 2)
    support = person(make, "Sue", Role.SUPPORT)
    for numbers, reason, by, code in (
        ([], "", actor, "awards.holders_missing"),
        (list(range(1, 52)), "", actor, "awards.too_many_holders"),
        (ids, "x" * 501, actor, "names.reason_too_long"),
        (ids, " ", support, "awards.reason_required"),
    ):
        with pytest.raises(DomainError) as raised, transaction():
            group_revocation.revoke(badge.id, numbers, reason, by)
        assert raised.value.text.code == code
    assert active(quests[0]) == ["user1", "user2"]
    assert revoked(badge, ids, support, "Asked for it")


def test_a_group_revocation_is_undone_as_a_whole(
    make: Make, badge: Badge, quests: list[Quest], actor: Actor
) -> None:
    """E-4, L-1: with the original date, source and reason; in one entry; repeating it changes nothing."""
    first = make.member("anna")
    made = make.award(first.id, quests[0].id, source="api", reason="Thanks")
    ids = [made.id, *awards(make, quests[1], 2)]
    group_id = revoked(badge, ids, actor)
    assert undone(group_id, actor) == (3, 0, True)
    assert (active(quests[0]), active(quests[1])) == (["anna"], ["user1", "user2"])
    (held,) = member_profile.load(first.id).held
    assert (held.at, held.award.source, held.award.reason) == (NOW, "api", "Thanks")
    assert (held.award.restores_id, held.award.restored_by) == (made.id, actor.staff_id)
    assert undone(group_id, actor) == (0, 0, False)
    (row,) = acts("group.restored")
    assert row.detail == {"members": 3, "kept": 0}
    (line, _) = search.latest("badge", badge.id, 2)
    assert line.sentence == "Mara Kovač undid a group revocation, restoring “Helper” to 3 members"
    found = select(func.count()).select_from(Member).where(was_revoked(quests[0].id))
    assert db.session.scalar(found) == 0  # M-14: rules may award it again


def test_what_has_changed_since_stays(
    make: Make, badge: Badge, quests: list[Quest], actor: Actor
) -> None:
    """E-4: restored or awarded again, or the member erased."""
    ids = awards(make, quests[0], 4)
    restored, again, erased, _ = (db.session.get_one(Award, one).member_id for one in ids)
    group_id = revoked(badge, ids, actor)
    with transaction():
        assert manual.restore(restored, ids[0], actor).changed
        assert manual.award(again, quests[0].id, "Anew", actor).changed
        erase.erase(erased, actor)
    assert undone(group_id, actor) == (1, 3, True)
    assert active(quests[0]) == ["user1", "user2", "user4"]
    (held,) = award_queries.active_awards([again], quests[0].id)
    assert held.reason == "Anew"


def test_only_its_author_undoes_it_within_ten_minutes(
    make: Make, badge: Badge, quests: list[Quest], actor: Actor
) -> None:
    """E-4: no one else, and not later."""
    group_id = revoked(badge, awards(make, quests[0]), actor)
    group = group_revocation.get(group_id)
    late = replace(actor, at=actor.at + timedelta(minutes=10, seconds=1))
    for by, code in (
        (person(make), "awards.undo_not_yours"),
        (Actor(NOW, Origin.CONSOLE), "awards.undo_not_yours"),
        (late, "awards.undo_too_late"),
    ):
        assert not group_revocation.can_undo(group, by)
        with pytest.raises(DomainError) as raised:
            undone(group_id, by)
        assert raised.value.text.code == code
    with pytest.raises(NotFoundError):
        undone(group_id + 1, actor)
    assert group_revocation.can_undo(group, actor)
    assert undone(group_id, replace(actor, at=actor.at + timedelta(minutes=10)))[2]


def test_webhooks_are_told_of_each_award(
    make: Make, badge: Badge, quests: list[Quest], actor: Actor
) -> None:
    """W-1: revoked, and restored by undoing it."""
    with transaction():
        kinds = [WebhookEvent.AWARD_RESTORED, WebhookEvent.AWARD_REVOKED]
        endpoints.create("https://hooks.example.org/", kinds, (), actor)
    ids = awards(make, quests[0])
    group_id = revoked(badge, ids, actor)
    sent = select(Delivery.subject_id).where(Delivery.kind == WebhookEvent.AWARD_REVOKED)
    assert sorted(db.session.scalars(sent)) == ids
    undone(group_id, actor)
    sent = select(func.count()).where(Delivery.kind == WebhookEvent.AWARD_RESTORED)
    assert db.session.scalar(sent) == 3


def test_statements_do_not_grow(
    make: Make, badge: Badge, quests: list[Quest], actor: Actor
) -> None:
    """E-4: the same for one holder and for 50."""
    counts = []
    for number in (1, 50):
        ids = [make.award(one, quests[0].id).id for one in make.members(number, f"of{number}-")]
        with statements() as revoking:
            group_id = revoked(badge, ids, actor)
        with statements() as undoing:
            assert undone(group_id, actor)[0] == number
        counts.append((len(revoking), len(undoing)))
    assert counts[0] == counts[1]


def test_two_people_revoke_each_award_once(
    app: Flask, make: Make, badge: Badge, quests: list[Quest]
) -> None:
    """E-4: at the same moment, each award is in one group, and each group knows its own."""
    ids = awards(make, quests[0], 20)
    people = [make.staff().id for _ in range(2)]
    together = Barrier(2)

    def run(staff_id: int) -> int:
        with app.app_context():
            by = Actor(NOW, Origin.CONSOLE, db.session.get_one(Staff, staff_id))
            db.session.rollback()
            together.wait()
            with transaction():
                mine = ids[:15] if staff_id == people[0] else ids[5:]
                return group_revocation.revoke(badge.id, mine, "", by).members

    with ThreadPoolExecutor(2) as pool:
        numbers = list(pool.map(run, people))
    assert sum(numbers) == 20
    groups = select(GroupRevocation.members, func.count()).join(
        Award, Award.group_revocation_id == GroupRevocation.id
    )
    rows = db.session.execute(groups.group_by(GroupRevocation.id)).all()
    assert all(members == counted for members, counted in rows)
