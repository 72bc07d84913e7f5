"""What communities that don't work as they should lead to: a code, a sentence, and whether to try again (CN-1)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.adapters.fakes import FAKES, LOOPBACK, Answer, FakeCommunity, Request
from tests.adapters.test_contract import change, pull_all
from webapp.adapters import adapter_for, rest
from webapp.adapters.contract import (
    Adapter,
    AdapterKind,
    ConnectionProblem,
    Credentials,
    Refused,
    RetryAfter,
)
from webapp.infrastructure.network_policy import Target

CALLS: dict[str, Callable[[Adapter], Any]] = {
    "check": lambda adapter: adapter.check(),
    "pull": lambda adapter: adapter.pull(),
    "badges": lambda adapter: adapter.badges(),
    "create_badge": lambda adapter: adapter.create_badge("Good helper", ""),
    "set_badges": lambda adapter: adapter.set_badges([change("2", "100")]),
    "holders": lambda adapter: adapter.holders("100"),
}
FORM = ("connections.remote_not_json", "connections.remote_unexpected")
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def problem(call: Callable[[], Any]) -> ConnectionProblem:
    with pytest.raises(ConnectionProblem) as raised:
        call()
    sentence = str(raised.value)
    assert sentence.endswith(".")
    assert "…" not in sentence
    return raised.value


def result_of(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the problem that it raises."""
    try:
        return call()
    except ConnectionProblem as found:
        return found


def code(call: Callable[[], Any]) -> str:
    return problem(call).message.code


@every_call
def test_a_web_page_instead_of_data(
    community: FakeCommunity, adapter: Adapter, call: Callable[[Adapter], Any]
) -> None:
    page = b"<!DOCTYPE html><title>Sign in</title>"
    for status in (200, 404):
        community.fault = lambda _, status=status: Answer(status, page)
        found = problem(lambda: call(adapter))
        assert found.message.code in ("connections.remote_not_json", "connections.remote_status")
        assert not found.temporary


@every_call
@pytest.mark.parametrize(
    "body",
    [
        b"[[[" * 50_000,
        b"null",
        b'"text"',
        b"[1, 2]",
        b'{"users": 3}',
        b"{}",
        b"\xff\xfe",
        b"",
        b"1e999",
    ],
    ids=lambda body: str(body[:6]),
)
def test_data_in_another_form(
    community: FakeCommunity, adapter: Adapter, call: Callable[[Adapter], Any], body: bytes
) -> None:
    community.fault = lambda _: Answer(200, body)
    found = result_of(lambda: call(adapter))
    if isinstance(found, ConnectionProblem):
        assert found.message.code in FORM
        assert not found.temporary


@every_call
def test_the_community_is_busy(
    community: FakeCommunity, adapter: Adapter, call: Callable[[Adapter], Any]
) -> None:
    """429 with and without Retry-After."""
    for headers, seconds in (({"Retry-After": "37"}, 37), ({}, 0), ({"Retry-After": "soon"}, 0)):
        community.fault = lambda _, headers=headers: Answer(429, {}, headers)
        found = result_of(lambda: call(adapter))
        if isinstance(found, ConnectionProblem):
            assert found.message.code == "connections.remote_busy"
            assert (found.temporary, found.retry_after) == (True, seconds)
        else:
            assert found == [RetryAfter(seconds)]


@every_call
def test_the_community_fails(
    community: FakeCommunity, adapter: Adapter, call: Callable[[Adapter], Any]
) -> None:
    community.fault = lambda _: Answer(503, b"<h1>Maintenance</h1>", {"Retry-After": "120"})
    found = problem(lambda: call(adapter))
    assert (found.message.code, found.temporary) == ("connections.remote_failed", True)
    assert found.retry_after == 120


@every_call
def test_redirects_are_not_followed(
    community: FakeCommunity, adapter: Adapter, call: Callable[[Adapter], Any]
) -> None:
    """The credentials stay with the address that was entered."""
    leads_to = {"Location": "https://www.example.org/\x01" + "a" * 900}
    community.fault = lambda _: Answer(301, b"", leads_to)
    found = problem(lambda: call(adapter))
    assert found.message.code == "connections.remote_redirect"
    assert "https://www.example.org/ aaa" in str(found)
    assert len(str(found)) < 400
    assert len(community.requests) == 1


@every_call
def test_wrong_or_revoked_credentials(
    community: FakeCommunity, adapter: Adapter, call: Callable[[Adapter], Any]
) -> None:
    community.revoked = True
    found = problem(lambda: call(adapter))
    assert (found.message.code, found.temporary) == ("connections.remote_credentials", False)


def test_an_account_without_the_rights(community: FakeCommunity, adapter: Adapter) -> None:
    community.admin = False
    assert code(adapter.check) == "connections.remote_rights"


def test_wrong_addresses(community: FakeCommunity) -> None:
    """Another path, a closed port, a name that doesn't exist, and an address inside the network."""

    def checked(to: Target, networks: tuple[str, ...] = LOOPBACK) -> ConnectionProblem:
        adapter = adapter_for(community.kind, to, community.credentials, networks)
        found = problem(adapter.check)
        adapter.close()
        return found

    assert checked(replace(community.to, path="/")).message.code == "connections.remote_not_json"
    private = checked(community.to, ())
    assert str(private) == "The community can't be reached. This address isn't public."
    assert not private.temporary
    missing = checked(replace(community.to, host="forum.invalid"))
    assert str(missing) == "The community can't be reached. Host not found."
    assert missing.temporary
    community.close()
    closed = checked(community.to)
    assert str(closed) == "The community can't be reached. Couldn't connect."
    assert closed.temporary


def test_a_community_that_hangs(community: FakeCommunity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "SECONDS", 0.3)
    released = threading.Event()
    community.fault = lambda _: Answer(200, {}) if released.wait(60) else None
    adapter = adapter_for(community.kind, community.to, community.credentials, LOOPBACK)
    found = problem(adapter.pull)
    released.set()
    adapter.close()
    assert str(found) == "The community can't be reached. Timed out."
    assert found.temporary


def test_a_response_that_is_too_long(
    community: FakeCommunity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "BYTES", 20_000)
    community.add_users(600)
    adapter = adapter_for(community.kind, community.to, community.credentials, LOOPBACK)
    community.fault = lambda _: Answer(200, b"[" + b" " * 30_000)
    assert code(adapter.pull) == "connections.remote_too_long"
    adapter.close()


def test_a_page_that_repeats_forever(community: FakeCommunity, adapter: Adapter) -> None:
    """A community that ignores the position would never end, and miss most members."""
    community.add_users(1_200)

    def first_page(request: Request) -> Answer:
        request.query.update({"page": "1"} if "page" in request.query else {"offset": "0"})
        answer = community.answer(request)
        answer.headers.pop("Link", None)
        return answer

    community.fault = first_page
    assert code(lambda: pull_all(adapter)) == "connections.remote_repeats"


def test_a_hundred_thousand_members(community: FakeCommunity, adapter: Adapter) -> None:
    """Each page costs one request, wherever it is."""
    community.add_users(100_000)
    end = {
        AdapterKind.WORDPRESS: "99900:99900",
        AdapterKind.DISCOURSE: "1000:98900",
        AdapterKind.NODEBB: "200:99001",
    }[community.kind]
    assert len(adapter.pull(end).members) >= 99
    assert len(community.requests) == 1


def test_secrets_are_not_shown(community: FakeCommunity) -> None:
    credentials = Credentials("laurel", "a secret")
    assert "a secret" not in f"{credentials} {credentials!r}"
    adapter = adapter_for(community.kind, community.to, credentials, LOOPBACK)
    assert "a secret" not in str(problem(adapter.check))
    adapter.close()


def test_every_kind_has_a_fake() -> None:
    assert FAKES.keys() == set(AdapterKind)


def test_what_a_community_refuses_for_one_member(
    community: FakeCommunity, adapter: Adapter
) -> None:
    (user,) = community.add_users(1)
    badge = adapter.create_badge("Good helper", "").id
    refusals = {
        AdapterKind.WORDPRESS: Answer(
            200, {"results": [{"status": "refused", "message": "No\x00 way"}]}
        ),
        AdapterKind.DISCOURSE: Answer(422, {"errors": ["No", "way"]}),
        AdapterKind.NODEBB: Answer(400, {"status": {"code": "bad-request", "message": "No way"}}),
    }
    writes = ("POST", "PUT")
    community.fault = lambda request: refusals[community.kind] if request.method in writes else None
    (outcome,) = adapter.set_badges([change(user, badge)])
    assert isinstance(outcome, Refused)
    assert str(outcome.reason) == "The community refused the change: No way"
