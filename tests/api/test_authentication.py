"""Authentication: invalid, expired, revoked and misplaced keys; scopes; limits (A105 to A111, A-3, A-5, S8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from flask import Flask
from sqlalchemy import select

from tests.api.conftest import Caller
from tests.counting import statements
from tests.factories import Make
from tests.jobs.conftest import queue, server  # noqa: F401 fixtures
from tests.pages.client import ReviewingClient
from tests.rules.test_views import WRITES
from webapp.api.framework.operations import OPERATIONS
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.permissions import Scope
from webapp.infrastructure import rate_limiter
from webapp.infrastructure.rate_limiter import RateLimiter
from webapp.models import ApiKey, Origin, Role
from webapp.transaction import transaction


def revoke(app: Flask, caller: Caller) -> None:
    with app.app_context(), transaction():
        api_keys.revoke(caller.key_id, Actor(datetime.now(UTC), Origin.COMMAND_LINE))


def test_missing_wrong_expired_and_revoked_keys_are_rejected(
    app: Flask, key_for: Callable[..., Caller]
) -> None:
    """A105: 401 with the way to authenticate; a revocation takes effect on the next request."""
    good = key_for()
    assert good.get("/badges").status_code == 200
    flipped = good.key[:-7] + ("A" if good.key[-7] != "A" else "B") + good.key[-6:]
    wrong = {
        "": "key-missing",
        "Basic YTpi": "key-refused",
        "Bearer": "key-refused",
        "Bearer  ": "key-refused",
        f"Bearer {good.key[:-1]}": "key-refused",
        f"Bearer {flipped}": "key-refused",
        f"Bearer {good.key}x": "key-refused",
        "Bearer ключ": "key-refused",
        f"Token {good.key}": "key-refused",
    }
    for header, kind in wrong.items():
        answer = good.get("/badges", headers={"Authorization": header})
        assert answer.status_code == 401, header
        assert answer.json is not None
        assert answer.json["type"].endswith(kind), header
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="Laurel"')
    revoke(app, good)
    answer = good.get("/badges")
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["detail"] == "This API key has been revoked."
    short = key_for("short", expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert short.get("/badges").status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1, seconds=1)):
        answer = short.get("/badges")
    assert answer.json is not None
    assert (answer.status_code, answer.json["detail"]) == (401, "This API key has expired.")


def test_a_key_in_the_address_is_rejected(lms: Caller) -> None:
    """A105, S8: even in addition to the header, whatever the parameter's name; the request has no effect."""
    for query in (f"key={lms.key}", f"q={lms.key}", "access_token=x", "API_KEY=x", "token="):
        answer = lms.get(f"/members?{query}")
        assert answer.status_code == 401, query
        assert answer.json is not None
        assert answer.json["type"].endswith("key-in-url")
    assert lms.get(f"/members/{lms.key}").status_code == 401


@pytest.mark.databases("sqlite", "postgresql")
def test_every_operation_requires_its_scope(
    key_for: Callable[..., Caller], community: dict[str, Any]
) -> None:
    """A106, A-3: with all other scopes 403, and the request isn't even parsed."""
    for scope in Scope:
        others = key_for("others", *(set(Scope) - {scope}))
        for one in OPERATIONS:
            if one.scope != scope:
                continue
            path = one.path.replace("<member:", "<")
            for name in ("member_id", "badge_id", "award_id", "batch_id"):
                path = path.replace(f"<{name}>", "1")
            answer = others.ask(one.method, path, raw=b"not JSON")
            assert answer.status_code == 403, one.name
            assert answer.json is not None
            assert str(scope) in answer.json["detail"]


def test_the_database_does_not_contain_the_key(app: Flask, lms: Caller) -> None:
    """A107, S8: it contains the prefix and SHA-256 of the key."""
    lms.post("/batches", {"name": "x"}, headers={"Idempotency-Key": "1"})
    with app.app_context():
        for table in db.metadata.sorted_tables:
            for row in db.session.execute(select(table)):
                assert lms.key not in str(row), table.name
                assert lms.key[7:-6] not in str(row), table.name
        key = db.session.get_one(ApiKey, lms.key_id)
        assert lms.key.startswith(key.hint)
        assert len(key.hint) == 11
        assert key.key_hash == api_keys.hash_of(lms.key)


def test_a_session_does_not_authenticate_api_requests(
    app: Flask, as_admin_browser: ReviewingClient, community: dict[str, Any]
) -> None:
    """A108, S5: an admin's cookie and token don't authenticate here, and no cookie is ever set."""
    for method, path in (("GET", "/api/v1/badges"), ("POST", "/api/v1/awards")):
        answer = as_admin_browser.open(path, method=method, json={}, review=False)
        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers


@pytest.fixture
def as_admin_browser(app: Flask, make: Make) -> ReviewingClient:
    """A browser signed in as an admin."""
    return ReviewingClient(app, None, use_cookies=True).sign_in(make.staff(Role.ADMIN))


@pytest.mark.parametrize("away", [False, True], ids=["redis", "no-redis"])
def test_requests_over_the_limit_are_rejected(
    app: Flask,
    key_for: Callable[..., Caller],
    limited: Callable[[int], None],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    away: bool,
) -> None:
    """A111, A-5: 429 with Retry-After, also with Redis down; other keys are unaffected, and it ends after a minute."""
    if not away:
        request.getfixturevalue("queue")
    monkeypatch.setitem(app.extensions, "rate_limiter", RateLimiter())
    limited(5)
    busy, calm = key_for("busy"), key_for("calm")
    assert [busy.get("/badges").status_code for _ in range(7)] == [200] * 5 + [429] * 2
    refused = busy.get("/badges")
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert refused.headers["RateLimit"] == f'"key";r=0;t={wait}'
    assert "5 requests per minute" in refused.text
    assert calm.get("/badges").status_code == 200
    if away:
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
            assert busy.get("/badges").status_code == 200


def test_every_response_tells_what_remains_of_the_limit(
    app: Flask,
    key_for: Callable[..., Caller],
    limited: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A-14: as structured fields, also in errors and in responses to requests that aren't counted."""
    monkeypatch.setitem(app.extensions, "rate_limiter", RateLimiter())
    limited(5)
    one, other = key_for("one"), key_for("other", "badges:read")
    remaining = {"/badges": 4, "/badges/9": 3, "/badges?x=1": 2, "/nowhere": 2, "/members": 1}
    for path, left in remaining.items():
        headers = one.get(path).headers
        assert headers["RateLimit-Policy"] == '"key";q=5;w=60'
        assert re.fullmatch(rf'"key";r={left};t=([1-9]|[1-5][0-9]|60)', headers["RateLimit"]), path
    assert other.get("/members").status_code == 403
    assert '"key";r=4;t=' in other.get("/openapi.json").headers["RateLimit"]
    for authorization in ("", "Bearer nonsense", "Basic YTpi"):
        refused = one.get("/badges", headers={"Authorization": authorization})
        assert (refused.status_code, refused.headers["RateLimit"]) == (401, '"key";r=5;t=60')
    assert "RateLimit" not in app.test_client().get("/healthz").headers


def test_requests_are_counted_in_redis_whenever_it_works(
    app: Flask,
    key_for: Callable[..., Caller],
    limited: Callable[[int], None],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A-5: each backend has its own count; a Redis that returns errors counts as unavailable."""
    monkeypatch.setitem(app.extensions, "rate_limiter", RateLimiter())
    monkeypatch.setattr(rate_limiter, "RETRY_AFTER", 0)
    limited(2)
    busy = key_for("busy")

    def answers() -> list[int]:
        return [busy.get("/badges").status_code for _ in range(3)]

    assert answers() == [200, 200, 429]  # in memory
    shared: redis.Redis = request.getfixturevalue("queue")
    assert answers() == [200, 200, 429]
    (counter,) = shared.keys("laurel:LIMIT*")
    assert 0 < shared.ttl(counter) <= 60
    shared.delete(counter)
    shared.lpush(counter, "not a number")
    assert answers() == [429] * 3  # in memory again


def test_the_default_limit_is_600_requests_a_minute(app: Flask) -> None:  # A111, A-5
    assert app.config["LAUREL"].api_requests == 600


def test_last_use_is_noted_once_a_minute(app: Flask, lms: Caller) -> None:
    """A-3: not on every request."""

    def used() -> datetime | None:
        with app.app_context():
            return db.session.get_one(ApiKey, lms.key_id).used_at

    assert used() is None
    lms.get("/badges")
    first = used()
    assert first is not None
    lms.get("/badges")
    assert used() == first
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        lms.get("/badges")
    assert used() != first


def test_reading_writes_nothing_but_that(app: Flask, lms: Caller, make: Make) -> None:
    """No GET of the API changes the database, except for the key's own row."""
    members = make.members(2)
    award = make.award(members[0], make.quest().id)
    batch = make.batch(members)
    webhook: Any = lms.post(
        "/webhooks", {"url": "https://example.org/", "events": ["award.created"]}
    ).json
    lms.get("/events")  # gives new events their position, once
    ids = {
        "member:member_id": "USER1",
        "award_id": award.id,
        "badge_id": 1,
        "quest_id": award.quest_id,
        "batch_id": batch.id,
        "webhook_id": webhook["id"],
        "delivery_id": 1,
    }
    missing = {"/badges/1/quests/1/rule", f"/webhooks/{webhook['id']}/deliveries/1"}
    asked = 0
    for one in OPERATIONS:
        if one.method != "GET":
            continue
        path = re.sub("<([^>]+)>", lambda found: str(ids[found[1]]), one.path)
        with app.app_context(), statements() as sent:
            answer = lms.get(path)
        assert answer.status_code == (404 if path in missing else 200), path
        assert [line for line in sent if WRITES.match(line) and "api_keys" not in line] == []
        asked += 1
    assert asked == 15


def test_a_mistyped_key_is_recognized_without_a_query(app: Flask, lms: Caller) -> None:
    """S8: by prefix and checksum."""
    assert api_keys.is_well_formed(lms.key)
    for place in range(len(lms.key)):
        other = "0" if lms.key[place] != "0" else "1"
        assert not api_keys.is_well_formed(lms.key[:place] + other + lms.key[place + 1 :])
    with app.app_context(), statements() as sent:
        lms.get("/badges", headers={"Authorization": "Bearer laurel_nonsense"})
    assert sent == []
