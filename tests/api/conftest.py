"""Clients of the API: each sends JSON with a key, and checks every response against the API description."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.permissions import Scope
from webapp.models import Origin, Role
from webapp.transaction import transaction


@pytest.fixture
def client(app: Flask) -> ReviewingClient:
    """A browser that is not signed in."""
    return ReviewingClient(app, None, use_cookies=True)


@pytest.fixture
def as_support(app: Flask, make: Make) -> ReviewingClient:
    """A browser signed in as Support."""
    return ReviewingClient(app, None, use_cookies=True).sign_in(make.staff(Role.SUPPORT))


class Caller:
    """Another system with a key; `get`, `post` … take a path under /api/v1 and return the response."""

    def __init__(self, app: Flask, key: str, key_id: int) -> None:
        self.app, self.key, self.key_id = app, key, key_id

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> TestResponse:
        """Send a request; `raw` is a body as bytes instead of the JSON of `body`."""
        sent = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        client = Client(self.app, use_cookies=False)
        answer = client.open(f"/api/v1{path}", method=method, data=data, headers=sent)
        read(answer)
        return answer

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        return self.ask("POST", path, body, **more)

    def put(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        return self.ask("PUT", path, body, **more)

    def delete(self, path: str, **more: Any) -> TestResponse:
        return self.ask("DELETE", path, **more)


def read(answer: TestResponse) -> None:
    """Fail if a response isn't JSON, or if a problem lacks required fields (A-5)."""
    assert "Set-Cookie" not in answer.headers
    if answer.status_code == 204:
        assert answer.data == b""
        return
    if answer.status_code < 400:
        assert answer.mimetype == "application/json"
        json.loads(answer.data)
        return
    assert answer.mimetype == "application/problem+json", answer.data
    problem = json.loads(answer.data)
    assert problem["status"] == answer.status_code
    assert problem["type"].startswith("/api/docs#problem-")
    assert problem["title"]
    for wrong in problem.get("errors", []):
        assert wrong["message"].endswith((".", "found", "merged")), wrong
        assert ("pointer" in wrong) != ("parameter" in wrong)


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """The app's context, for tests that also call the domain."""
    with app.app_context():
        yield


@pytest.fixture
def key_for(app: Flask) -> Callable[..., Caller]:
    """Create callers: `key_for("LMS", "awards:write")`; without scopes, one with all permissions."""

    def build(name: str = "LMS", *scopes: str, expires_at: datetime | None = None) -> Caller:
        with app.app_context(), transaction():
            actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
            made = api_keys.create(name, scopes or list(Scope), expires_at, actor)
            text, key_id = made.text, made.key.id
        return Caller(app, text, key_id)

    return build


@pytest.fixture
def lms(key_for: Callable[..., Caller]) -> Caller:
    """A learning platform with all permissions."""
    return key_for()


@pytest.fixture
def limited(app: Flask) -> Iterator[Callable[[int], None]]:
    """Set how many requests a key may send per minute."""
    before = app.config["LAUREL"]

    def set_(number: int) -> None:
        app.config["LAUREL"] = replace(before, api_requests=number)

    yield set_
    app.config["LAUREL"] = before


@pytest.fixture
def community(make: Make) -> dict[str, Any]:
    """A few members, and a badge with two quests, one of them archived."""
    badge = make.badge("Course")
    return {
        "anna": make.member("anna", external_id="4821", email="anna@example.org", name="Anna N."),
        "boris": make.member("boris", external_id="4822"),
        "lost": make.member("lost", external_id="9", status="left"),
        "slash": make.member("sla/sh", external_id="eu/42 ü?"),
        "badge": badge,
        "quest": make.quest("Passed", badge),
        "old": make.quest("Before", badge, archived_at=badge.created_at),
    }
