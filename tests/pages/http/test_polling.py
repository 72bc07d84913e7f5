"""An open page polls, and that keeps no one signed in (R-4)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp.adapters.contract import AdapterKind
from webapp.database import db
from webapp.domain.imports import imports
from webapp.models import BadgeMapping, Connection, ImportStatus, Role, Rule, StaffSession
from webapp.models.rule import Condition, ConditionKind
from webapp.transaction import transaction

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLLS = re.compile(r"<[^<>]*?hx-trigger=\"(?:[^\"]*\bevery\b[^\"]*)\".*?>", re.DOTALL)
# Every fragment that polls, and a page that contains it; new ones must be added here.
FRAGMENTS = {
    "system/_state.html": "/settings/system",
    "batches/_progress.html": "/batches/{batch}",
    "batches/_row.html": "/batches",
    "batches/_visibility.html": "/batches/{batch}",
    "connections/_comparison.html": "/settings/connections/{connection}/comparison",
    "members/_import.html": "/members/imports/{file}",
    "badges/_rule.html": "/badges/{badge}",
    "home/_work.html": "/",
    "batches/_done.html": "/members",
}


def seen(app: Flask) -> datetime:
    with app.app_context():
        return db.session.scalars(select(StaffSession.seen_at)).one()


@pytest.fixture
def busy(make: Make) -> dict[str, int]:
    """A batch, an import, a rule and a connection that workers are processing."""
    batch = make.batch(make.members(3), published=True)
    quest = make.quest(badge=make.badge("Writer", automatic=True))
    with make.app.app_context():
        file = make.member_import()
        with transaction():
            found = imports.get(file)
            found.status, found.rows = ImportStatus.RUNNING, 5
            condition = Condition(kind=ConditionKind.DAYS, amount=30)
            db.session.add(Rule(quest_id=quest.id, begun_at=NOON, total=5, conditions=[condition]))
            connection = Connection(
                kind=AdapterKind.WORDPRESS,
                address="https://club.example.org/",
                secret="",
                rate=60,
                created_at=NOON,
                compare_at=NOON,
            )
            db.session.add(connection)
            db.session.flush()
            connection_id = connection.id
            mapping = {"quest_id": batch.quest_id, "remote_id": "badge-1"}
            db.session.add(BadgeMapping(connection_id=connection_id, **mapping))
    return {
        "batch": batch.id,
        "file": file,
        "badge": quest.badge_id,
        "connection": connection_id,
    }


def test_every_fragment_that_polls_is_known() -> None:
    """Otherwise the tests below would miss it."""
    files = {
        str(file.relative_to(TEMPLATES))
        for file in TEMPLATES.rglob("*.html")
        if POLLS.search(file.read_text(encoding="utf-8"))
    }
    assert files == set(FRAGMENTS)


@pytest.mark.parametrize("fragment", list(FRAGMENTS))
def test_polling_keeps_no_session_alive(
    app: Flask, client: ReviewingClient, make: Make, busy: dict[str, int], fragment: str
) -> None:
    """R-4: polled as on the page for an hour; then the session expires."""
    with time_machine.travel(NOON, tick=False) as clock:
        client.sign_in(make.staff(Role.ADMIN))
        with client.session_transaction() as session:
            session["awaited_batches"] = [busy["batch"]]
        page = client.get(FRAGMENTS[fragment].format(**busy)).page
        polled = [one for one in page.select("[hx-trigger*=every]") if "hx-get" in one.attrs]
        assert polled, page
        for _ in range(5):
            clock.shift(timedelta(minutes=10))
            for one in polled:
                headers = json.loads(str(one["hx-headers"]))
                answer = client.htmx(str(one["hx-get"]), headers=headers, review=False)
                assert answer.status_code == 200
        assert seen(app) == NOON
        clock.shift(timedelta(minutes=10))
        assert client.htmx(str(polled[0]["hx-get"]), headers=headers).status_code == 401


def test_a_persons_actions_keep_the_session_alive(
    app: Flask, client: ReviewingClient, make: Make
) -> None:
    """R-4: a fragment requested by a click counts."""
    with time_machine.travel(NOON, tick=False) as clock:
        client.sign_in(make.staff(Role.ADMIN))
        clock.shift(timedelta(minutes=30))
        client.htmx("/settings/system")
        assert seen(app) == NOON + timedelta(minutes=30)
