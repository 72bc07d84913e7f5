"""Signing in by the header of a trusted proxy: who is signed in, who is refused, and until when."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import inspect, select, update

from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp import create_app
from webapp.auth.remote_user import ASSERTED, RemoteUserMiddleware
from webapp.config import Settings
from webapp.database import db
from webapp.domain.staff import accounts
from webapp.models import AuditEvent, Role, Staff, StaffSession, TwoFactorRequiredRole
from webapp.transaction import transaction

PROXY = "10.1.2.3"
PASSWORD = "kettle onion tramway 42"


def behind_proxy(database: Settings) -> Flask:
    """The console behind a proxy at 10.1.2.3."""
    return create_app(
        replace(
            database,
            proxies=1,
            remote_user_header="X-Remote-User",
            remote_user_proxies=("10.1.2.0/24",),
        )
    )


@pytest.fixture(scope="module")
def _proxied(database: Settings) -> Flask:
    return behind_proxy(database)


@pytest.fixture
def proxied(app: Flask, _proxied: Flask) -> Iterator[Flask]:
    """The console behind a proxy, on the database of `app`."""
    yield _proxied
    with _proxied.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(proxied: Flask) -> ReviewingClient:
    return ReviewingClient(proxied, None, use_cookies=True)


@pytest.fixture
def anna(make: Make) -> Staff:
    return make.staff(Role.ADMIN, email="anna@example.org", name="Anna")


def come(client: ReviewingClient, path: str, who: str | None, peer: str = PROXY) -> Answer:
    """Request a page through the proxy, which names `who`, or no one."""
    headers = {} if who is None else {"X-Remote-User": who}
    return client.get(path, headers=headers, environ_base={"REMOTE_ADDR": peer})


def arrive(client: ReviewingClient, who: str, path: str = "/members") -> Answer:
    """Request a page like a browser that follows the redirects; return the last response."""
    answer = come(client, path, who)
    for _ in range(4):
        if answer.status_code != 303:
            break
        answer = come(client, answer.headers["Location"], who)
    return answer


def is_in(client: ReviewingClient, who: str | None, peer: str = PROXY) -> bool:
    return come(client, "/account", who, peer).status_code == 200


def rows(app: Flask, model: type[Any]) -> list[Any]:
    with app.app_context():
        return list(db.session.scalars(select(model).order_by(*inspect(model).primary_key)))


@pytest.mark.parametrize("who", ["anna@example.org", "ANNA@Example.org", " anna@example.org "])
def test_the_person_whom_the_proxy_names_is_signed_in(
    client: ReviewingClient, proxied: Flask, anna: Staff, who: str
) -> None:
    """With the page that was asked for, whatever the case of the email, and with an entry in the audit log."""
    answer = arrive(client, who, "/members?status=Active")
    assert (answer.status_code, answer.request.path) == (200, "/members")
    assert answer.request.args["status"] == "Active"
    assert len(rows(proxied, StaffSession)) == 1

    (entry,) = rows(proxied, AuditEvent)
    assert (entry.verb, entry.staff_id, entry.detail) == (
        "staff.signed_in",
        anna.id,
        {"header": "X-Remote-User"},
    )


def test_the_header_of_anyone_else_is_ignored(
    app: Flask, database: Settings, anna: Staff, caplog: pytest.LogCaptureFixture
) -> None:
    """And logged once per process: a proxy of ours may be missing in the setting."""
    caplog.set_level(logging.WARNING, "webapp.auth.remote_user")
    proxied = behind_proxy(database)  # no other test has made it log the warning
    client = ReviewingClient(proxied, None, use_cookies=True)
    for peer in ("10.1.3.3", "127.0.0.1", "::1", "", "unix:"):
        sent = come(client, "/members", "anna@example.org", peer)
        assert urlsplit(sent.headers["Location"]).path == "/sign-in"
        sent = come(client, "/sign-in/proxy", "anna@example.org", peer)
        assert urlsplit(sent.headers["Location"]).path == "/sign-in"
    assert rows(proxied, StaffSession) == []
    (warning,) = caplog.messages
    assert "X-Remote-User arrives from 10.1.3.3, which isn't in" in warning
    with proxied.app_context():
        db.session.remove()
        db.engine.dispose()


def test_a_forwarded_address_does_not_make_a_sender_trusted(
    client: ReviewingClient, proxied: Flask, anna: Staff
) -> None:
    """The address of the connection decides, not what it claims."""
    sent = client.get(
        "/sign-in/proxy",
        headers={"X-Remote-User": "anna@example.org", "X-Forwarded-For": PROXY},
        environ_base={"REMOTE_ADDR": "192.0.2.1"},
    )
    assert urlsplit(sent.headers["Location"]).path == "/sign-in"
    assert rows(proxied, StaffSession) == []


def test_without_the_setting_the_header_does_nothing(app: Flask, make: Make) -> None:
    make.staff(Role.ADMIN, email="anna@example.org")
    client = ReviewingClient(app, None, use_cookies=True)
    sent = come(client, "/members", "anna@example.org")
    assert urlsplit(sent.headers["Location"]).path == "/sign-in"
    sent = come(client, "/sign-in/proxy", "anna@example.org")
    assert urlsplit(sent.headers["Location"]).path == "/sign-in"


@pytest.mark.parametrize(
    ("who", "sentence"),
    [
        ("ben@example.org", "your email address has no account here"),
        ("anna", "should send your email address, but sent something else"),
        ("anna@example.org,anna@example.org", "sent something else"),
        ("anna@example.org, ben@example.org", "sent something else"),
        ("anna@example.org\x00", "sent something else"),
        ("anna@example.org\x7f", "sent something else"),
        ("a" * 5000 + "@example.org", "sent something else"),
        ("anna@example.org@example.org", "sent something else"),
        ("\xff\xfe@example.org", "sent something else"),
        ("<anna@example.org>", "sent something else"),
        ("' OR 1=1 --", "sent something else"),
    ],
    ids=str,
)
def test_other_values_are_refused_with_a_sentence(
    client: ReviewingClient, proxied: Flask, anna: Staff, who: str, sentence: str
) -> None:
    answer = arrive(client, who)
    assert answer.request.path == "/sign-in"
    assert sentence in answer.words(".note.error")
    assert rows(proxied, StaffSession) == []
    assert [entry.verb for entry in rows(proxied, AuditEvent)] == ["staff.proxy_refused"]


@pytest.mark.parametrize("who", ["", "  ", None])
def test_an_empty_header_names_no_one(
    client: ReviewingClient, anna: Staff, who: str | None
) -> None:
    sent = come(client, "/members", who)
    assert urlsplit(sent.headers["Location"]).path == "/sign-in"
    page = come(client, "/sign-in", who)
    assert "didn't say who you are" in page.words(".note.warning")


def test_a_disabled_account_is_refused(
    client: ReviewingClient, proxied: Flask, anna: Staff
) -> None:
    with proxied.app_context(), transaction():
        db.session.execute(update(Staff).values(active=False))
    assert "is disabled" in arrive(client, "anna@example.org").words(".note.error")


@pytest.mark.parametrize(
    ("who", "peer"),
    [(None, PROXY), ("", PROXY), ("ben@example.org", PROXY), ("anna@example.org", "192.0.2.1")],
    ids=["gone", "empty", "someone else", "around the proxy"],
)
def test_the_session_ends_with_the_header(
    client: ReviewingClient, proxied: Flask, make: Make, anna: Staff, who: str | None, peer: str
) -> None:
    """For every copy of its cookie: a stolen one is worthless without the proxy."""
    make.staff(Role.MANAGER, email="ben@example.org")
    arrive(client, "anna@example.org")
    assert is_in(client, "anna@example.org")
    assert not is_in(client, who, peer)
    assert rows(proxied, StaffSession) == []
    assert not is_in(client, "anna@example.org")


def test_someone_else_in_the_same_browser_gets_a_session_of_their_own(
    client: ReviewingClient, make: Make, anna: Staff
) -> None:
    make.staff(Role.MANAGER, email="ben@example.org")
    arrive(client, "anna@example.org")
    page = arrive(client, "ben@example.org", "/account")
    assert "ben@example.org" in page.words("main")


def test_a_session_that_began_with_a_password_does_not_depend_on_the_header(
    client: ReviewingClient, make: Make
) -> None:
    """A break-glass admin signs in around the proxy, also when passwords are off for others."""
    client.application.config["LAUREL"] = replace(
        client.application.config["LAUREL"], passwords="break-glass"
    )
    hashed = accounts.hash_of(PASSWORD)
    make.staff(Role.ADMIN, email="other@example.org", password=hashed)
    boss = make.staff(Role.ADMIN, email="boss@example.org", password=hashed, break_glass=True)
    form = {"email": "other@example.org", "password": PASSWORD}
    assert client.post("/sign-in", form).status_code == 422
    assert client.post("/sign-in", {**form, "email": boss.email}).status_code == 303
    assert is_in(client, None)
    assert is_in(client, "anna@example.org")


def test_signing_out_is_not_undone_at_once(client: ReviewingClient, anna: Staff) -> None:
    """The sign-in page offers to continue."""
    arrive(client, "anna@example.org")
    named = {"X-Remote-User": "anna@example.org"}
    left = client.post("/sign-out", headers=named, environ_base={"REMOTE_ADDR": PROXY})
    assert urlsplit(left.headers["Location"]).path == "/sign-in"
    page = come(client, "/sign-in?next=/badges", "anna@example.org")
    link = page.page.select_one("form a.primary")
    assert link is not None
    assert link.get_text(strip=True) == "Continue as anna@example.org"
    assert come(client, str(link["href"]), "anna@example.org").headers["Location"] == "/badges"


def test_signing_in_never_leads_to_another_site(client: ReviewingClient, anna: Staff) -> None:
    for onward in ("https://evil.example", "//evil.example", "/\\evil.example"):
        sent = come(client, f"/sign-in/proxy?next={onward}", "anna@example.org")
        assert sent.headers["Location"] == "/"


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_change_of_access_needs_the_password(
    client: ReviewingClient, proxied: Flask, make: Make, password: str | None
) -> None:
    """R-4: the header doesn't say that credentials were just entered. Without a password, the page says what to do."""
    hashed = accounts.hash_of(password) if password else None
    make.staff(Role.ADMIN, email="anna@example.org", password=hashed)
    sam = make.staff(Role.SUPPORT)
    arrive(client, "anna@example.org")

    def post(form: dict[str, str]) -> Answer:
        named = {"X-Remote-User": "anna@example.org"}
        path = f"/settings/staff/{sam.id}/role"
        return client.post(path, form, headers=named, environ_base={"REMOTE_ADDR": PROXY})

    asks = post({"role": "dev"}).words("main")
    if password is None:
        assert "To change a role, you need a password in Laurel" in asks
        assert post({"role": "dev", "confirm_password": ""}).status_code == 422
    else:
        assert "To change a role, enter your password" in asks
        assert post({"role": "dev", "confirm_password": password}).status_code == 303
    assert rows(proxied, Staff)[1].role == (Role.DEV if password else Role.SUPPORT)


def test_the_proxy_asks_for_the_second_factor(
    client: ReviewingClient, proxied: Flask, anna: Staff
) -> None:
    """A role that requires Laurel's applies to passwords only."""
    with proxied.app_context(), transaction():
        db.session.add(TwoFactorRequiredRole(role=Role.ADMIN, since=anna.created_at))
    assert arrive(client, "anna@example.org").request.path == "/members"


def test_pages_say_how_people_sign_in(client: ReviewingClient, make: Make, anna: Staff) -> None:
    make.staff(Role.SUPPORT, email="sam@example.org")
    arrive(client, "anna@example.org")
    pages = {
        path: come(client, path, "anna@example.org").words("main")
        for path in ("/account", "/settings/staff/1", "/settings/staff/2", "/settings/system")
    }
    assert "The proxy in front of Laurel signs you in." in pages["/account"]
    assert "Signs in through the proxy." in pages["/settings/staff/1"]
    assert "Invited. Signs in through the proxy, or sets a password." in pages["/settings/staff/2"]
    assert "X-Remote-User from 10.1.2.0/24" in pages["/settings/system"]


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::7", True),
        ("fd00::8", False),
        ("10.1.3.3", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_the_header_reaches_the_app_only_from_trusted_addresses(peer: str, trusted: bool) -> None:
    seen: dict[str, Any] = {}

    def app(environ: Any, _: Any) -> list[bytes]:
        seen.update(environ)
        return []

    middleware = RemoteUserMiddleware(app, "Remote-User", ("10.1.2.0/24", "fd00::7"))
    middleware({"REMOTE_ADDR": peer, "HTTP_REMOTE_USER": "anna"}, lambda *_: lambda _: None)
    assert "HTTP_REMOTE_USER" not in seen
    assert seen.get(ASSERTED) == ("anna" if trusted else None)
