"""The adapters of Discourse and NodeBB: what only they do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.fakes import LOOPBACK, Answer, FakeDiscourse, FakeNodeBB, Request
from tests.adapters.test_bad_input import code
from tests.adapters.test_contract import change
from webapp.adapters.contract import Done, MemberGone
from webapp.adapters.discourse import Discourse
from webapp.adapters.nodebb import NodeBB


@pytest.fixture
def discourse() -> Iterator[FakeDiscourse]:
    fake = FakeDiscourse()
    yield fake
    fake.close()


@pytest.fixture
def nodebb() -> Iterator[FakeNodeBB]:
    fake = FakeNodeBB()
    yield fake
    fake.close()


def test_discourse_revokes_by_its_own_award_id(discourse: FakeDiscourse) -> None:
    adapter = Discourse(discourse.to, discourse.credentials, LOOPBACK)
    (user,) = discourse.add_users(1)
    badge = adapter.create_badge("Good helper", "").id
    adapter.set_badges([change(user, badge)])
    discourse.requests.clear()
    assert adapter.set_badges([change(user, badge, False)]) == [Done()]
    assert [(one.method, one.path.removeprefix("/community")) for one in discourse.requests] == [
        ("GET", f"/admin/users/{user}.json"),
        ("GET", "/user-badges/member0.json"),
        ("DELETE", f"/user_badges/{badge}0000{user}.json"),
    ]
    adapter.close()


def test_discourse_users_of_its_own_are_no_members(discourse: FakeDiscourse) -> None:
    adapter = Discourse(discourse.to, discourse.credentials, LOOPBACK)
    assert [member.username for member in adapter.pull().members] == ["laurel"]
    adapter.close()


def test_a_nodebb_member_who_is_gone_is_not_a_wrong_token(nodebb: FakeNodeBB) -> None:
    """It answers both with 401, and in the forum's language."""
    adapter = NodeBB(nodebb.to, nodebb.credentials, LOOPBACK)
    badge = adapter.create_badge("Good helper", "").id
    assert adapter.set_badges([change("99", badge)]) == [MemberGone()]

    def in_german(request: Request) -> Answer | None:
        invalid = Answer(
            401, {"status": {"code": "not-authorised", "message": "Ungültige Benutzer-ID"}}
        )
        return invalid if "membership" in request.path else None

    nodebb.fault = in_german
    assert adapter.set_badges([change("99", badge)]) == [MemberGone()]
    assert code(lambda: adapter.set_badges([change("1", badge)])) == "connections.remote_rights"
    nodebb.revoked = True
    assert (
        code(lambda: adapter.set_badges([change("99", badge)])) == "connections.remote_credentials"
    )
    adapter.close()


def test_a_nodebb_email_counts_once_it_is_confirmed(nodebb: FakeNodeBB) -> None:
    adapter = NodeBB(nodebb.to, nodebb.credentials, LOOPBACK)
    nodebb.add_user("zoe", email="")
    assert [member.email for member in adapter.pull().members] == ["laurel@example.org", ""]
    adapter.close()


def test_a_nodebb_master_token_names_its_user(nodebb: FakeNodeBB) -> None:
    adapter = NodeBB(nodebb.to, nodebb.credentials, LOOPBACK)
    adapter.check()
    adapter.pull()
    assert {request.query["_uid"] for request in nodebb.requests} == {"1"}
    adapter.close()


def test_a_nodebb_badge_is_a_group_that_members_cannot_join(nodebb: FakeNodeBB) -> None:
    adapter = NodeBB(nodebb.to, nodebb.credentials, LOOPBACK)
    adapter.create_badge("Good helper", "Helped ten members")
    body = nodebb.requests[-1].body
    assert (body["userTitle"], body["userTitleEnabled"]) == ("Good helper", 1)
    assert (body["private"], body["disableJoinRequests"], body["disableLeave"]) == (1, 1, 1)
    adapter.close()
