"""The catalogue of badges, and their holders."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random

import pytest
from flask import Flask
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import IntegrityError

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.badges import catalogue, holder_counts
from webapp.domain.errors import NotFoundError
from webapp.models import Award, Badge, Quest
from webapp.transaction import transaction


def test_overview_counts_members_once_and_active_awards_only(make: Make) -> None:
    """M-15: holders and the last award; archived badges are still listed, at the end."""
    old = make.badge("Antique", archived_at=NOW)
    helper, empty = make.badge("Helper"), make.badge("Empty")
    first, second = make.quest("First", helper), make.quest("Second", helper)
    anna, bea, carl = make.members(3)
    make.award(anna, first.id, awarded_at=NOW - timedelta(days=3))
    make.award(anna, second.id, awarded_at=NOW - timedelta(days=2))
    make.award(bea, first.id, awarded_at=NOW - timedelta(days=4))
    make.award(carl, first.id, awarded_at=NOW - timedelta(days=1), revoked_at=NOW)
    assert [(row.badge.id, row.badge.holders, row.last_award) for row in catalogue.overview()] == [
        (empty.id, 0, None),
        (helper.id, 2, NOW - timedelta(days=2)),
        (old.id, 0, None),
    ]


def test_overview_takes_three_queries(make: Make) -> None:
    """M-15: whatever the number of badges and awards."""
    ids = make.members(10)
    for _ in range(5):
        quest = make.quest()
        for member_id in ids:
            make.award(member_id, quest.id)
    with statements() as seen:
        rows = catalogue.overview()
        assert [len(row.badge.quests) for row in rows] == [1] * 5
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["100%_done", "Äther", "Helper", "Self-help"]),
        ("HELP", ["Helper", "Self-help"]),
        (" help ", ["Helper", "Self-help"]),
        ("a\u0308T", ["Äther"]),
        ("%", ["100%_done"]),
        ("_", ["100%_done"]),
        ("\\", []),
        ("x" * 5000, []),
        ("'; --", []),
    ],
)
def test_overview_is_searched_by_name(make: Make, text: str, names: list[str]) -> None:
    """M-15: any part of the name, in any case and Unicode form, without wildcards."""
    for name in ("Helper", "Self-help", "Äther", "100%_done"):
        make.badge(name)
    assert sorted(row.badge.name for row in catalogue.overview(text)) == sorted(names)


def test_an_unknown_badge_is_not_found(make: Make) -> None:
    """M-15: an id that is no badge's."""
    with pytest.raises(NotFoundError):
        catalogue.get(7)


def kept(badge_id: int) -> tuple[int, list[int]]:
    db.session.rollback()
    db.session.expire_all()
    badge = catalogue.get(badge_id)
    return badge.holders, [quest.holders for quest in badge.quests]


def test_holder_counts_stay_correct_whatever_happens_to_awards(make: Make) -> None:
    """M-15: by one statement or many, for one quest or several, awarded, revoked, restored, deleted."""
    badge = make.badge("Helper")
    first, second = (make.quest(f"Quest {n}", badge, position=n) for n in range(2))
    anna, bea = make.members(2)
    with transaction():
        db.session.add_all(
            Award(member_id=member, quest_id=quest.id, source="group", awarded_at=NOW)
            for member in (anna, bea)
            for quest in (first, second)
        )
    assert kept(badge.id) == (2, [2, 2])
    with pytest.raises(IntegrityError):
        make.award(anna, first.id)
    assert kept(badge.id) == (2, [2, 2])
    with transaction():
        db.session.execute(
            update(Award).where(Award.quest_id == first.id).values(revoked_at=NOW, reason="x")
        )
    assert kept(badge.id) == (2, [0, 2])
    with transaction():  # repeating it is not a second revocation
        db.session.execute(update(Award).where(Award.member_id == anna).values(revoked_at=NOW))
    assert kept(badge.id) == (1, [0, 1])
    with transaction():
        db.session.execute(update(Award).values(revoked_at=None))
    assert kept(badge.id) == (2, [2, 2])
    with transaction():
        db.session.execute(delete(Award).where(Award.member_id == bea))
    assert kept(badge.id) == (1, [1, 1])
    assert holder_counts.differing() == []


@pytest.mark.databases("postgresql")
def test_holders_are_counted_by_index(make: Make) -> None:
    """Even if planned over an almost empty table, the triggers don't scan all awards for each new one."""
    quest, members = make.quest(), make.members(500)
    db.session.rollback()
    db.session.connection(execution_options={"write": True})
    db.session.execute(text("TRUNCATE awards CASCADE"))
    rows = [
        {"member_id": member, "quest_id": quest.id, "source": "batch", "awarded_at": NOW}
        for member in members
    ]
    db.session.execute(insert(Award), rows[:1])
    db.session.execute(text("ANALYZE awards"))
    read = text(
        "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relid = 'awards'::regclass"
    )
    before = db.session.scalar(read)
    db.session.execute(insert(Award), rows[1:])
    assert db.session.scalar(read) == before
    db.session.rollback()
    assert kept(quest.badge_id)[1] == [0]  # none of this was committed


def test_numbers_that_differ_are_found(make: Make) -> None:
    """Shows that the comparison of the counts can fail."""
    badge, other = make.badge("Helper"), make.badge("Other")
    make.award(make.members(1)[0], make.quest("First", badge).id)
    make.quest("Second", other)
    for wrong in (update(Badge).where(Badge.id == badge.id), update(Quest)):
        with transaction():
            db.session.execute(wrong.values(holders=7))
        found = holder_counts.differing()
        assert badge.id in found
    assert found == [badge.id, other.id]
    for badge_id in found:
        with transaction():
            holder_counts.recount(badge_id)
    assert holder_counts.differing() == []
    assert (kept(badge.id), kept(other.id)) == ((1, [1]), (0, [0]))


def test_holder_counts_stay_correct_under_concurrent_changes(app: Flask, make: Make) -> None:
    """M-15: 8 threads on the same members and quests of one badge; the counts match the awards."""
    badge = make.badge("Helper")
    quests = [make.quest(f"Quest {n}", badge).id for n in range(3)]
    members = make.members(4)

    def work(seed: int) -> None:
        random = Random(seed)
        with app.app_context():
            for _ in range(12):
                member_id, quest_id = random.choice(members), random.choice(quests)
                award = Award(
                    member_id=member_id, quest_id=quest_id, source="group", awarded_at=NOW
                )
                standing = update(Award).where(
                    Award.member_id == member_id,
                    Award.quest_id == quest_id,
                    Award.revoked_at.is_(None),
                )
                try:
                    with transaction():
                        if random.random() < 0.6:
                            db.session.add(award)
                        else:
                            db.session.execute(standing.values(revoked_at=NOW))
                except IntegrityError:
                    pass
            db.session.remove()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert holder_counts.differing() == []
