"""What every adapter does. `make connections` runs the same tests against a real WordPress (CN-1, CN-4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from tests.adapters.fakes import FAKES, FakeCommunity
from tests.adapters.real_wordpress import RealWordPress
from webapp.adapters.contract import (
    Adapter,
    AdapterKind,
    BadgeChange,
    BadgeGone,
    Done,
    MemberGone,
    Outcome,
    RemoteAccount,
    RemoteBadge,
    RemoteMember,
)

Community = FakeCommunity | RealWordPress
REAL = pytest.param("real-wordpress", marks=pytest.mark.connections)
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def real_wordpress() -> Iterator[RealWordPress]:
    site = RealWordPress()
    yield site
    site.close()


@pytest.fixture(params=[*AdapterKind, REAL], ids=str)
def community(request: pytest.FixtureRequest) -> Iterator[Community]:
    """Each kind in turn; in `make connections` only the real one."""
    if request.param == REAL.values[0]:
        site = request.getfixturevalue("real_wordpress")
        site.reset()
        yield site
        assert site.problems() == []
        return
    fake = FAKES[request.param]()
    yield fake
    fake.close()


def change(user_id: str, badge_id: str, held: bool = True, username: str = "") -> BadgeChange:
    account = RemoteAccount(user_id, username or f"name-of-{user_id}")
    return BadgeChange(account, badge_id, held, AT, "For “help” \\ & <b>more</b>")


def set_badges(adapter: Adapter, changes: Sequence[BadgeChange]) -> list[Outcome]:
    """Make changes in as many calls as the adapter needs."""
    most = adapter.max_changes
    return [
        outcome
        for start in range(0, len(changes), most)
        for outcome in adapter.set_badges(changes[start : start + most])
    ]


def pull_all(adapter: Adapter) -> list[RemoteMember]:
    members: list[RemoteMember] = []
    cursor = ""
    while True:
        pulled = adapter.pull(cursor)
        members += pulled.members
        cursor = pulled.next_cursor
        if not cursor:
            return members


def all_holders(adapter: Adapter, badge_id: str) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = adapter.holders(badge_id, cursor)
        found += page.account_ids
        cursor = page.next_cursor
        if not cursor:
            return found


def test_a_check_says_where_we_are_and_as_whom(adapter: Adapter) -> None:
    check = adapter.check()
    assert (check.community, check.account, check.warnings) == ("Forum & friends", "laurel", ())


def test_every_member_is_pulled_once(community: Community, adapter: Adapter) -> None:
    zoe = community.add_user("zoe", "Zoë O’Brien & Söhne 🎉", "zoe@example.org")
    community.add_users(1_203)
    members = pull_all(adapter)
    ids = [member.id for member in members]
    assert len(ids) == len(set(ids)) == 1_205
    assert RemoteMember(zoe, "zoe", "Zoë O’Brien & Söhne 🎉", "zoe@example.org") in members


def test_the_end_is_found_at_every_length(community: Community, adapter: Adapter) -> None:
    """At the size of a page, one less and one more."""
    for number in (98, 1, 1, 99, 1, 299, 1):
        community.add_users(number)
        assert len(pull_all(adapter)) == len(community.users)


def test_members_who_join_during_a_pull_cost_no_other(
    community: Community, adapter: Adapter
) -> None:
    before = set(community.add_users(700))
    first = adapter.pull()
    community.add_users(3)
    members = [*first.members]
    cursor = first.next_cursor
    while cursor:
        pulled = adapter.pull(cursor)
        members, cursor = [*members, *pulled.members], pulled.next_cursor
    assert before <= {member.id for member in members}


def test_a_badge_is_created_once(community: Community, adapter: Adapter) -> None:
    assert adapter.badges() == []
    made = adapter.create_badge("Good helper", "Helped ten members")
    assert adapter.create_badge("Good helper", "Helped ten members") == made
    assert adapter.badges() == [made] == [RemoteBadge(made.id, "Good helper")]
    others = [adapter.create_badge(f"Badge {n}", "") for n in range(45)]
    assert adapter.badges() == [made, *others]


def test_badges_are_given_and_taken(community: Community, adapter: Adapter) -> None:
    users = community.add_users(120)
    badge = adapter.create_badge("Good helper", "").id
    other = adapter.create_badge("Author", "").id
    assert set_badges(adapter, [change(user, badge) for user in users]) == [Done()] * 120
    set_badges(adapter, [change(user, other) for user in users[:3]])
    assert community.holders(badge) == set(users) == set(all_holders(adapter, badge))
    assert len(all_holders(adapter, badge)) == 120

    assert set_badges(adapter, [change(user, badge, False) for user in users[2:]]) == [Done()] * 118
    assert community.holders(badge) == set(users[:2]) == set(all_holders(adapter, badge))
    assert community.holders(other) == set(users[:3])


def test_repeating_a_change_is_done(community: Community, adapter: Adapter) -> None:
    (user,) = community.add_users(1)
    badge = adapter.create_badge("Good helper", "").id
    for held in (False, True, True, False, False):
        assert adapter.set_badges([change(user, badge, held)]) == [Done()]
        assert all_holders(adapter, badge) == ([user] if held else [])


def test_a_deleted_member_is_gone_and_a_renamed_one_is_not(
    community: Community, adapter: Adapter
) -> None:
    deleted, renamed, other = community.add_users(3)
    badge = adapter.create_badge("Good helper", "").id
    set_badges(adapter, [change(user, badge) for user in (deleted, renamed)])
    community.delete_user(deleted)
    community.rename(renamed, "someone-else")
    community.rename(other, "member1")  # took the name that was free
    for held in (False, True):
        changes = [
            change(deleted, badge, held, "member0"),
            change(renamed, badge, held, "member1"),
        ]
        assert set_badges(adapter, changes) == [MemberGone(), Done()]
        assert all_holders(adapter, badge) == ([renamed] if held else [])
    assert {member.username for member in pull_all(adapter)} >= {"someone-else", "member1"}


def test_a_deleted_badge_is_gone(community: Community, adapter: Adapter) -> None:
    (user,) = community.add_users(1)
    badge = adapter.create_badge("Good helper", "").id
    adapter.set_badges([change(user, badge)])
    community.delete_badge(badge)
    assert adapter.set_badges([change(user, badge)]) == [BadgeGone()]
    assert adapter.holders(badge).account_ids == ()
    assert adapter.badges() == []


def test_an_award_that_was_taken_there_by_hand_is_seen(
    community: Community, adapter: Adapter
) -> None:
    users = community.add_users(2)
    badge = adapter.create_badge("Good helper", "").id
    set_badges(adapter, [change(user, badge) for user in users])
    community.take_away(badge, users[0])
    assert all_holders(adapter, badge) == [users[1]]
