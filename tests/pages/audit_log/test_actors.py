"""Every entry of the audit log has the account and the address it came from (L-1)."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select

from tests.conftest import SECRET
from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient
from webapp import create_app
from webapp.cli import main
from webapp.config import Settings
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.permissions import Scope
from webapp.domain.staff import accounts, password_links
from webapp.domain.staff.login_throttle import PER_ADDRESS
from webapp.models import AuditEvent, Origin, Role
from webapp.transaction import transaction

PASSWORD = "kettle onion tramway 42"
HERE = {"REMOTE_ADDR": "192.0.2.7"}


def entries(app: Flask) -> list[tuple[str, str, str]]:
    """Action, actor's ID and address of every entry, oldest first."""
    with app.app_context():
        found = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
        return [(one.verb, one.actor_id, one.address) for one in found]


def test_page_actions_keep_the_account_and_the_address(
    app: Flask, as_admin: ReviewingClient, make: Make
) -> None:
    """L-1: signing in, an action, signing out, and choosing a password with a link."""
    client = ReviewingClient(app, None, use_cookies=True)
    anna = make.staff(email="anna@example.org", password=accounts.hash_of(PASSWORD))
    form = {"email": anna.email, "password": PASSWORD}
    client.post("/sign-in", form, environ_base=HERE)
    client.post("/account/name", {"name": "Anna"}, environ_base=HERE)
    client.post("/sign-out", environ_base=HERE)
    with app.app_context(), transaction():
        key = password_links.create(anna.id, Actor(datetime.now(UTC), Origin.COMMAND_LINE))
    chosen = {"name": "Anna", "password": "violet engine under snow"}
    assert (
        client.post(password_links.URL_PREFIX + key, chosen, environ_base=HERE).status_code == 303
    )
    mine = [one for one in entries(app) if one[0] != "staff.link_made"]
    assert [verb for verb, _, _ in mine] == [
        "staff.signed_in",
        "staff.renamed",
        "staff.signed_out",
        "staff.password_changed",
    ]
    assert {one[1:] for one in mine} == {(f"staff {anna.id}", "192.0.2.7")}
    page = as_admin.get("/audit-log")
    assert f"staff {anna.id}" in page.words("#audit-log")
    assert "192.0.2.7" in page.words("#audit-log")


@pytest.mark.parametrize(("proxies", "expected"), [(0, "127.0.0.1"), (1, "203.0.113.9")])
def test_behind_a_proxy_the_address_is_the_clients(
    app: Flask, database: Settings, proxies: int, expected: str
) -> None:
    """L-1: determined with LAUREL_PROXIES; without it, a forwarded address is ignored."""
    proxied = create_app(replace(database, proxies=proxies))
    client = ReviewingClient(proxied, None, use_cookies=True)
    form = {"email": "anna@example.org", "password": PASSWORD}
    for _ in range(PER_ADDRESS):
        client.post("/sign-in", form, headers={"X-Forwarded-For": "203.0.113.9"})
        form["email"] = "x" + form["email"]
    with proxied.app_context():
        db.session.remove()
        db.engine.dispose()
    assert entries(app)[-1] == ("address.limited", "", expected)


def test_api_actions_keep_the_key_and_the_address(app: Flask, make: Make) -> None:  # L-1
    with app.app_context(), transaction():
        made = api_keys.create("LMS", list(Scope), None, Actor(NOW, Origin.COMMAND_LINE))
        text, key_id = made.text, made.key.id
    answer = app.test_client().put(
        "/api/v1/members/7",
        json={"username": "anna"},
        headers={"Authorization": f"Bearer {text}"},
        environ_base=HERE,
    )
    assert answer.status_code == 201
    assert entries(app)[-1] == ("member.created", f"key {key_id}", "192.0.2.7")


def test_commands_keep_the_user_account(app: Flask, database: Settings) -> None:
    """L-1: a command has no network address; the user account that ran it takes its place."""
    environ = {
        "LAUREL_ENV": "test",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": database.database_url,
        "LAUREL_DATA": str(database.data),
        "LOGNAME": "ops",
    }
    run = CliRunner(env=environ)
    arguments = ["staff", "add", "--email", "a@example.org", "--role", "dev", "--password-stdin"]
    done = run.invoke(main, arguments, input=PASSWORD + "\n")
    assert done.exit_code == 0, done.output
    assert entries(app) == [("staff.added", "", "user ops")]


@pytest.mark.databases("sqlite", "postgresql")
def test_the_file_has_the_account_and_the_address(
    app: Flask, as_admin: ReviewingClient, make: Make
) -> None:  # L-1
    anna = make.staff(Role.SUPPORT, name="Anna")
    with app.app_context(), transaction():
        audit_log.write(
            Actor(NOW, Origin.CONSOLE, anna, address="2001:db8::1"), "staff.signed_in", "staff"
        )
        audit_log.write(Actor(NOW, Origin.WORKER), "rule.awarded", "quest", members=2)
    text = as_admin.get("/audit-log/export.csv").data.decode("utf-8-sig")
    head, *rows = list(csv.reader(io.StringIO(text), delimiter=";"))
    assert head[:4] == ["Time", "Actor", "Actor ID", "IP address"]
    assert [row[1:4] for row in rows] == [
        ["Laurel", "", ""],
        ["Anna", f"staff {anna.id}", "2001:db8::1"],
    ]


def test_an_address_is_found_by_search(app: Flask) -> None:  # L-1
    with app.app_context():
        for address in ("192.0.2.7", "192.0.2.70"):
            with transaction():
                audit_log.write(
                    Actor(NOW, Origin.CONSOLE, address=address), "staff.signed_out", "staff"
                )
        found = search.page(AuditFilters(text="192.0.2.7")).lines
        assert [line.event.address for line in found] == ["192.0.2.7"]
