"""The holders of a badge: filters, pages, totals and the export (E-4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.domain.awards import holders
from webapp.domain.awards.holders import HolderFilters
from webapp.domain.members import search
from webapp.models import Award, AwardSource, Badge, MemberStatus, Quest


@pytest.fixture
def badge(make: Make) -> Badge:
    return make.badge("Helper")


@pytest.fixture
def quests(make: Make, badge: Badge) -> list[Quest]:
    return [make.quest(f"Quest {place}", badge, position=place) for place in range(3)]


@pytest.fixture
def anyone(quests: list[Quest]) -> HolderFilters:
    return HolderFilters(tuple(quest.id for quest in quests))


def found(filters: HolderFilters, **place: int | None) -> list[str]:
    return [event.award.member.username for event in holders.page(filters, **place).holders]


def test_holders_of_all_quests_are_newest_first(
    make: Make, quests: list[Quest], anyone: HolderFilters
) -> None:
    """E-4: without revoked awards and those of other badges; each with how and when it was made."""
    ivo = make.staff(name="Ivo")
    ids = make.members(4)
    make.award(ids[0], quests[0].id, awarded_at=NOW - timedelta(days=3))
    make.award(ids[1], quests[1].id, awarded_by=ivo.id, source="group", reason="Well done")
    make.award(ids[1], quests[0].id, awarded_at=NOW - timedelta(days=1))
    make.award(ids[2], quests[2].id, revoked_at=NOW)
    make.award(ids[3], make.quest().id)
    listing = holders.page(anyone)
    shown = [(one.award.member.username, one.award.quest.name) for one in listing.holders]
    assert shown == [("user2", "Quest 1"), ("user2", "Quest 0"), ("user1", "Quest 0")]
    first = listing.holders[0]
    assert (first.by, str(first.how), first.reason, first.at) == (
        "Ivo",
        "group award",
        "Well done",
        NOW,
    )
    assert (listing.total, listing.more, listing.previous, listing.next) == (3, False, None, None)


def test_each_filter_narrows_the_holders(
    make: Make, quests: list[Quest], anyone: HolderFilters
) -> None:
    """E-4: quest, source, period, member; erased members are listed without a name."""
    anna = make.member("anna", email="zoe@example.org", name="Anna Brandt")
    zoe = make.member("zoe")
    gone = make.member("Erased member", status=MemberStatus.ERASED)
    make.award(anna.id, quests[0].id, awarded_at=NOW - timedelta(days=2), source="rule")
    make.award(zoe.id, quests[1].id, awarded_at=NOW - timedelta(days=1))
    make.award(gone.id, quests[1].id)
    assert found(anyone) == ["Erased member", "zoe", "anna"]
    assert found(HolderFilters((quests[0].id,))) == ["anna"]
    assert found(replace(anyone, source=AwardSource.RULE)) == ["anna"]
    assert found(replace(anyone, since=NOW - timedelta(days=1))) == ["Erased member", "zoe"]
    assert found(replace(anyone, until=NOW - timedelta(days=1))) == ["anna"]
    assert found(replace(anyone, text="zoe")) == ["zoe", "anna"]
    assert found(replace(anyone, text="brandt")) == ["anna"]
    assert found(replace(anyone, text="zoe", source=AwardSource.RULE)) == ["anna"]
    assert found(replace(anyone, text="erased")) == []
    assert found(HolderFilters(())) == []


def test_many_matching_names_give_the_same_holders(
    monkeypatch: pytest.MonkeyPatch, make: Make, quests: list[Quest], anyone: HolderFilters
) -> None:
    """E-4: too many to collect, they are checked one by one."""
    for place, member_id in enumerate(make.members(5)):
        make.award(member_id, quests[place % 3].id, awarded_at=NOW + timedelta(hours=place))
    make.award(make.member("other").id, quests[0].id)
    few = found(replace(anyone, text="user"))
    monkeypatch.setattr(search, "COLLECT_LIMIT", 1)
    assert found(replace(anyone, text="user")) == few == [f"user{n}" for n in (5, 4, 3, 2, 1)]


def test_pages_lead_forward_and_back(
    make: Make, quests: list[Quest], anyone: HolderFilters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E-4: also among awards made at the same time; an unknown place is the first page."""
    monkeypatch.setattr(holders, "SIZE", 3)
    for place, member_id in enumerate(make.members(7)):
        make.award(member_id, quests[place % 2].id)
    first = holders.page(anyone)
    second = holders.page(anyone, after=first.next)
    third = holders.page(anyone, after=second.next)
    names = [one.award.member.username for page in (first, second, third) for one in page.holders]
    assert names == [f"user{n}" for n in range(7, 0, -1)]
    assert (first.previous, third.next) == (None, None)
    assert {page.total for page in (first, second, third)} == {7}
    assert holders.page(anyone, before=third.previous).holders == second.holders
    assert holders.page(anyone, before=second.previous) == first
    assert holders.page(anyone, after=99_999) == first


def test_totals_are_exact_up_to_a_limit(
    make: Make, quests: list[Quest], anyone: HolderFilters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E-4: all holders are already counted; filtered ones are counted up to a limit."""
    monkeypatch.setattr(holders, "SIZE", 2)
    for member_id in make.members(5):
        make.award(member_id, quests[0].id)
    by_hand = replace(anyone, source=AwardSource.PROFILE)
    assert (holders.page(by_hand).total, holders.page(by_hand).more) == (5, False)
    monkeypatch.setattr(holders, "COLLECT_LIMIT", 3)
    assert (holders.page(by_hand).total, holders.page(by_hand).more) == (3, True)
    assert (holders.page(anyone).total, holders.page(anyone).more) == (5, False)


def test_queries_do_not_grow(make: Make, quests: list[Quest], anyone: HolderFilters) -> None:
    """E-4: two for the first page, at most six with filters, whatever the number of holders."""
    wanted = replace(anyone, text="user", source=AwardSource.PROFILE)
    counts = []
    for number in (60, 180):
        made = [make.award(id_, quests[0].id) for id_ in make.members(number, f"user{number}-")]
        with statements() as plain:
            holders.page(anyone)
        with statements() as filtered:
            holders.page(wanted, after=made[-1].id)
        counts.append((len(plain), len(filtered)))
    assert counts[0] == counts[1]
    assert counts[0] <= (3, 6)


def test_the_export_has_every_holder_once(
    make: Make, quests: list[Quest], anyone: HolderFilters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E-4: in chunks, newest first, in the columns of the template and more; without erased members."""
    monkeypatch.setattr(holders, "CHUNK", 2)
    for place, member_id in enumerate(make.members(5)):
        make.award(member_id, quests[place % 2].id, reason=f"Reason {place}")
    make.award(make.member(status=MemberStatus.ERASED).id, quests[0].id)
    rows = [row for chunk in holders.rows(anyone) for row in chunk]
    assert [row[1] for row in rows] == [f"user{n}" for n in (5, 4, 3, 2, 1)]
    row = dict(zip(holders.HEADER, rows[0], strict=True))
    assert row == {
        "ID": "USER5",
        "Username": "user5",
        "Registered email": "user5@example.org",
        "Name": "",
        "Status": "Active",
        "Badge": "Helper",
        "Quest": "Quest 0",
        "Awarded at": "2026-11-20T12:00:00Z",
        "Source": "Profile",
        "Awarded by": "",
        "Batch": "",
        "Reason": "Reason 4",
    }
    (only,) = [row for chunk in holders.rows(replace(anyone, text="user3")) for row in chunk]
    assert only[1] == "user3"


def test_a_batch_is_named(make: Make, quests: list[Quest], anyone: HolderFilters) -> None:
    """E-4: with the name that it has now."""
    (member_id,) = make.members(1)
    batch = make.batch([member_id], quests[0], "Spring")
    award: Award = make.award(member_id, quests[0].id, source="batch", batch_id=batch.id)
    (event,) = holders.page(anyone).holders
    assert (event.award.id, event.batch, str(event.how)) == (award.id, "Spring", "in the batch")
