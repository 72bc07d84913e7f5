"""The pages of API keys: created, shown once, revoked; and who has access (A-3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import Client

from tests.pages.client import ReviewingClient
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.webhooks import endpoints
from webapp.models import ApiKey, AuditEvent, Origin
from webapp.transaction import transaction

NEW = {"name": "LMS", "scopes": ["badges:read", "awards:write"], "expires": "2999-12-31"}


def key_of(answer: object) -> str:
    field = answer.page.select_one("#key")  # type: ignore[attr-defined]
    assert field is not None
    return str(field["value"])


def ask(app: Flask, key: str) -> int:
    client = Client(app, use_cookies=False)
    headers = {"Authorization": f"Bearer {key}"}
    return client.get("/api/v1/badges", headers=headers).status_code


@pytest.mark.databases("sqlite", "postgresql")
def test_a_key_is_made_shown_once_and_revoked(app: Flask, as_dev: ReviewingClient) -> None:
    """A-3: it works from the response on, is never shown again, and ends with the next request."""
    answer = as_dev.post("/settings/api-keys", NEW)
    assert answer.status_code == 201
    key = key_of(answer)
    assert ask(app, key) == 200
    listed = as_dev.get("/settings/api-keys")
    assert key not in listed.text
    assert key[:11] in listed.words("#keys")
    assert "awards:write" in listed.words("#keys")
    with app.app_context():
        row = db.session.scalars(select(ApiKey)).one()
        key_id = row.id
        assert row.created_by is not None
        assert row.expires_at is not None
        assert (row.expires_at.year, row.scopes) == (3000, ["badges:read", "awards:write"])
        with transaction():
            actor = Actor(datetime.now(UTC), Origin.API, key=row)
            endpoints.create("https://lms.example.org/hook", ["award.created"], (), actor)
    asked = as_dev.get(f"/settings/api-keys/{key_id}/revocation").words("#revocation")
    assert "Anything using LMS will stop working" in asked
    assert "This webhook, whose URL it set, is turned off: https://lms.example.org" in asked
    for said in ("revoked", "has already been revoked"):
        done = as_dev.post(f"/settings/api-keys/{key_id}/revocation", follow_redirects=True)
        assert f"Key “LMS” {said}." in done.words("main")
    assert "Revoked" in as_dev.get("/settings/api-keys").words("#keys")
    assert ask(app, key) == 401
    with app.app_context():
        verbs = db.session.scalars(select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert verbs == ["key.made", "endpoint.made", "key.revoked", "endpoint.disabled"]


def test_only_admins_make_keys_that_erase_members(
    as_dev: ReviewingClient, as_admin: ReviewingClient
) -> None:
    """A-9: no one gives a key more than they may do themselves."""
    scope = "members:erase"
    assert scope not in as_dev.get("/settings/api-keys/new").text
    assert scope in as_admin.get("/settings/api-keys/new").text
    refused = as_dev.post("/settings/api-keys", {**NEW, "scopes": [scope]})
    assert refused.status_code == 422
    assert "Ask an admin to create it." in refused.words("#scopes-error")
    assert as_admin.post("/settings/api-keys", {**NEW, "scopes": [scope]}).status_code == 201


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"name": "  "}, "name", "Enter a name."),
        ({"name": "x" * 121}, "name", "the limit is 120"),
        ({"name": "a\x00b"}, "name", "can't be stored"),
        ({"scopes": []}, "scopes", "Choose at least one"),
        ({"scopes": ["everything"]}, "scopes", "There is no scope"),
        ({"expires": "yesterday"}, "expires", "Enter a valid date."),
        ({"expires": "2020-01-01"}, "expires", "This date has passed."),
    ],
)
def test_invalid_keys_are_rejected(
    app: Flask, as_admin: ReviewingClient, changed: dict[str, object], field: str, sentence: str
) -> None:
    """A-3: the reason is next to its field, and the input is kept."""
    answer = as_admin.post("/settings/api-keys", NEW | changed)

    assert answer.status_code == 422
    assert sentence in answer.words(f"#{field}-error")
    assert answer.page.select_one("input[name=expires]")["value"] == (NEW | changed)["expires"]
    with app.app_context():
        assert db.session.scalars(select(ApiKey)).all() == []


def test_a_key_may_live_for_ever_or_a_year(app: Flask, as_admin: ReviewingClient) -> None:
    """A-3: the default is a year."""

    def in_a_year() -> str:
        return (datetime.now(UTC) + timedelta(days=365)).date().isoformat()

    before = in_a_year()
    field = as_admin.get("/settings/api-keys/new").page.select_one("#expires")
    assert field is not None
    assert field["value"] in (before, in_a_year())  # midnight may have passed
    as_admin.post("/settings/api-keys", NEW | {"expires": ""})
    with app.app_context():
        (key,) = api_keys.all_keys()
        assert key.expires_at is None
    assert "Never" in as_admin.get("/settings/api-keys").words("#keys")


def test_only_permitted_roles_have_access(
    as_manager: ReviewingClient, as_support: ReviewingClient
) -> None:
    """R-1, R-2: admins and developers; for others there is no such menu item."""
    for browser in (as_manager, as_support):
        assert "API keys" not in browser.get("/badges").words(".nav")
        for path in ("/settings/api-keys", "/settings/api-keys/new", "/settings/webhooks"):
            answer = browser.get(path)
            assert answer.status_code == 403
            assert (
                "Only admins and developers can manage API keys, webhooks and connections."
                in answer.words("main")
            )
        assert browser.post("/settings/api-keys", NEW).status_code == 403


def test_without_keys_the_page_explains_their_use(as_admin: ReviewingClient) -> None:
    assert "No API keys yet" in as_admin.get("/settings/api-keys").words("#keys")
    assert as_admin.get("/settings/api-keys/999/revocation").status_code == 404
    assert as_admin.get("/settings/api-keys/999/revocation", htmx=True).status_code == 404


def test_the_last_day_of_a_key_is_the_day_that_was_chosen(
    app: Flask, as_admin: ReviewingClient
) -> None:
    """A-3: before and after it has passed; a key that ends within a day shows the time."""
    as_admin.post("/settings/api-keys", NEW | {"expires": "2999-11-30"})
    shown = as_admin.get("/settings/api-keys")
    assert "30 Nov 2999 last day (UTC)" in shown.words("td[data-label=Expires]")
    assert shown.page.select_one("td[data-label=Expires] time")["datetime"] == "2999-11-30"
    for at, words in (
        (datetime(2026, 3, 1, tzinfo=UTC), "Expired Last day 28 Feb 2026"),
        (datetime(2999, 3, 1, 9, 30, tzinfo=UTC), "1 Mar 2999, 09:30 UTC"),
    ):
        with app.app_context(), transaction():
            db.session.execute(update(ApiKey).values(expires_at=at))
        assert as_admin.get("/settings/api-keys").words("td[data-label=Expires]") == words
    field = as_admin.get("/settings/api-keys/new").page.select_one("#expires")
    assert field["min"] <= datetime.now(UTC).date().isoformat()  # a key may be only for today
