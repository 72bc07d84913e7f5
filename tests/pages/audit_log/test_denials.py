"""Denied access is recorded with the person or key, the address and the route (L-1)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.permissions import Scope
from webapp.models import AuditEvent, Origin, Role
from webapp.transaction import transaction

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HERE = {"REMOTE_ADDR": "192.0.2.7"}


def entries(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        denied = (
            select(AuditEvent).where(AuditEvent.verb == "access.denied").order_by(AuditEvent.id)
        )
        found = db.session.scalars(denied).all()
        return [(one.actor_id, one.address, one.detail["route"]) for one in found]


def test_a_page_that_a_role_may_not_open_is_an_entry(
    app: Flask, client: ReviewingClient, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """L-1: one entry per person and route within an hour, a log line each time; neither has a member's name."""
    eve = make.staff(Role.SUPPORT, name="Eve")
    mine = f"staff {eve.id}"
    with time_machine.travel(NOON, tick=False) as clock, caplog.at_level(logging.WARNING):
        client.sign_in(eve)
        for number in range(30):
            answer = client.get(f"/settings/staff/{number}", environ_base=HERE)
            assert answer.status_code == 403
        client.post("/settings/staff/7/role", {"role": "admin"}, environ_base=HERE)
        routes = ["GET /settings/staff/<int:staff_id>", "POST /settings/staff/<int:staff_id>/role"]
        assert entries(app) == [(mine, "192.0.2.7", route) for route in routes]
        clock.shift(timedelta(minutes=59))
        client.get("/audit-log")
        client.get("/settings/staff/7", environ_base=HERE)
        assert len(entries(app)) == 2
        clock.shift(timedelta(minutes=2))
        client.get("/settings/staff/7", environ_base=HERE)
        assert len(entries(app)) == 3
    lines = [one.getMessage() for one in caplog.records]
    said = f"refused GET /settings/staff/<int:staff_id> to account {eve.id} from 192.0.2.7"
    assert lines.count(said) == 32
    page = client.sign_in(make.staff(Role.ADMIN)).get("/audit-log?act=access.denied")
    assert "Eve was denied access to GET /settings/staff/<int:staff_id>" in page.words("#audit-log")


@pytest.mark.databases("sqlite", "postgresql")
def test_a_key_without_the_scope_is_an_entry_with_the_key(app: Flask) -> None:  # L-1, A-3
    with app.app_context(), transaction():
        made = api_keys.create(
            "LMS", [Scope.MEMBERS_READ], None, Actor(NOW_ISH, Origin.COMMAND_LINE)
        )
        text, key_id = made.text, made.key.id
    headers = {"Authorization": f"Bearer {text}"}
    for _ in range(3):
        answer = app.test_client().put(
            "/api/v1/members/7", json={"username": "a"}, headers=headers, environ_base=HERE
        )
        assert answer.status_code == 403
    (entry,) = entries(app)
    assert entry == (f"key {key_id}", "192.0.2.7", "PUT /api/v1/members/<member:member_id>")


def test_a_key_that_opens_nothing_leaves_a_line_with_its_number(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """A-3, S8: and never the key itself."""
    with app.app_context():
        actor = Actor(NOW_ISH, Origin.COMMAND_LINE)
        with transaction():
            made = api_keys.create("LMS", [Scope.MEMBERS_READ], None, actor)
            text, key_id = made.text, made.key.id
        with transaction():
            api_keys.revoke(key_id, actor)
    with caplog.at_level(logging.WARNING):
        for key in (text, "nonsense"):
            headers = {"Authorization": f"Bearer {key}"}
            answer = app.test_client().get("/api/v1/members", headers=headers, environ_base=HERE)
            assert answer.status_code == 401
    logged = [one for one in caplog.records if one.name == "webapp.api.authentication"]
    first, second = (one.getMessage() for one in logged)
    assert first.startswith(f"refused GET /api/v1/members to API key {key_id} from 192.0.2.7")
    assert second.startswith("refused GET /api/v1/members to an unknown API key from 192.0.2.7")
    assert text not in first
    assert entries(app) == []


NOW_ISH = datetime.now(UTC)
