"""What there is to hold, and who holds it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.domain import badges
from webapp.domain.refusals import NotFound


def test_overview_counts_members_once_and_standing_awards_only(make: Make) -> None:
    """M-15: holders and the last award; archived badges stay visible, at the end."""
    old = make.badge("Antique", archived_at=NOW)
    helper, empty = make.badge("Helper"), make.badge("Empty")
    first, second = make.quest("First", helper), make.quest("Second", helper)
    anna, bea, carl = make.members(3)
    make.award(anna, first.id, awarded_at=NOW - timedelta(days=3))
    make.award(anna, second.id, awarded_at=NOW - timedelta(days=2))
    make.award(bea, first.id, awarded_at=NOW - timedelta(days=4))
    make.award(carl, first.id, awarded_at=NOW - timedelta(days=1), revoked_at=NOW)
    assert [(row.badge.id, row.holders, row.last_award) for row in badges.overview()] == [
        (empty.id, 0, None),
        (helper.id, 2, NOW - timedelta(days=2)),
        (old.id, 0, None),
    ]


def test_overview_takes_four_queries(make: Make) -> None:
    """M-15: whatever the number of badges and awards."""
    ids = make.members(10)
    for _ in range(5):
        quest = make.quest()
        for member_id in ids:
            make.award(member_id, quest.id)
    with statements() as seen:
        rows = badges.overview()
        assert [len(row.badge.quests) for row in rows] == [1] * 5
    assert len(seen) == 4


def test_detail_tells_holders_of_each_quest_and_the_latest(make: Make) -> None:
    """M-15: the latest of all quests together, revoked ones left out; five queries."""
    badge = make.badge("Helper")
    quests = [make.quest(f"Quest {n}", badge, position=n) for n in range(3)]
    ids = make.members(20)
    for place, member_id in enumerate(ids):
        make.award(member_id, quests[place % 2].id, awarded_at=NOW - timedelta(hours=place))
    make.award(ids[0], quests[2].id, awarded_at=NOW, revoked_at=NOW)
    with statements() as seen:
        shown = badges.detail(badge.id)
        usernames = [award.member.username for award in shown.latest]
    assert len(seen) == 5
    assert usernames == [f"user{n}" for n in range(1, badges.LATEST + 1)]
    assert shown.holders == 20
    assert [shown.holders_of[quest.id] for quest in quests] == [10, 10, 0]


def test_a_badge_without_quests_has_nobody(make: Make) -> None:
    """M-15: and says so without an error."""
    shown = badges.detail(make.badge("Empty").id)
    assert (shown.holders, shown.latest) == (0, [])


def test_there_is_no_detail_of_no_badge(make: Make) -> None:
    """M-15: a number that is no badge's is not found."""
    with pytest.raises(NotFound):
        badges.detail(7)
