"""The adapter of WordPress: what only it does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.fakes import LOOPBACK, Answer, FakeWordPress
from tests.adapters.test_bad_input import code
from tests.adapters.test_contract import change, pull_all
from webapp.adapters.contract import Refused
from webapp.adapters.wordpress import WordPress


@pytest.fixture
def site() -> Iterator[FakeWordPress]:
    fake = FakeWordPress()
    yield fake
    fake.close()


@pytest.fixture
def adapter(site: FakeWordPress) -> Iterator[WordPress]:
    made = WordPress(site.to, site.credentials, LOOPBACK)
    yield made
    made.close()


def test_no_member_is_skipped_when_others_are_deleted_during_a_pull(
    site: FakeWordPress, adapter: WordPress
) -> None:
    """Those after the deleted ones move up, by one or by several pages."""
    users = site.add_users(950)
    deleted: set[str] = set()
    for first, number in ((0, 1), (150, 30), (20, 130), (500, 99)):
        seen: list[str] = []
        cursor, wanted = "", 4
        while True:
            pulled = adapter.pull(cursor)
            seen += [member.id for member in pulled.members]
            cursor, wanted = pulled.next_cursor, wanted - 1
            if wanted == 0:
                for user in users[first : first + number]:
                    site.delete_user(user)
                    deleted.add(user)
            if not cursor:
                break
        assert len(seen) == len(set(seen))
        assert set(users) - deleted <= set(seen)


def test_everyone_deleted_during_a_pull(site: FakeWordPress, adapter: WordPress) -> None:
    users = site.add_users(250)
    first = adapter.pull()
    for user in users:
        site.delete_user(user)
    rest = adapter.pull(first.next_cursor)
    assert (rest.members, rest.next_cursor) == ((), "")


def test_the_end_is_found_without_a_count(site: FakeWordPress, adapter: WordPress) -> None:
    """A proxy may remove the header."""
    site.add_users(299)

    def without(request: object) -> Answer:
        answer = site.answer(request)  # type: ignore[arg-type]
        answer.headers.pop("X-WP-Total", None)
        return answer

    site.fault = without
    assert len(pull_all(adapter)) == 300


def test_without_the_plugin_members_can_be_read_and_badges_cannot(
    site: FakeWordPress, adapter: WordPress
) -> None:
    site.plugin = False
    (warning,) = adapter.check().warnings
    assert warning.code == "connections.remote_plugin_missing"
    assert len(adapter.pull().members) == 1
    assert code(adapter.badges) == "connections.remote_plugin_missing"
    assert (
        code(lambda: adapter.set_badges([change("1", "x")])) == "connections.remote_plugin_missing"
    )


def test_one_request_makes_many_changes(site: FakeWordPress, adapter: WordPress) -> None:
    badge = adapter.create_badge("Good helper", "").id
    changes = [change(user, badge) for user in site.add_users(50)]
    before = len(site.requests)
    adapter.set_badges(changes)
    assert len(site.requests) == before + 1
    sent = site.requests[-1].body["changes"][0]
    assert sent["at"] == "2026-03-04T05:06:07Z"
    assert sent["reason"] == "For “help” \\ & <b>more</b>"


def test_a_member_whom_the_account_may_not_change(site: FakeWordPress, adapter: WordPress) -> None:
    site.fault = lambda _: Answer(body={"results": [{"status": "not_allowed"}]})
    (outcome,) = adapter.set_badges([change("1", "badge-1")])
    assert isinstance(outcome, Refused)
    assert outcome.reason.code == "connections.remote_member_protected"


def test_fewer_results_than_changes(site: FakeWordPress, adapter: WordPress) -> None:
    site.fault = lambda _: Answer(body={"results": []})
    assert code(lambda: adapter.set_badges([change("1", "b")])) == "connections.remote_unexpected"
