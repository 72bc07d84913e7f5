"""Guessing is limited without locking out the account's owner (S6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pyotp
import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select

from tests.conftest import SECRET
from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp import create_app
from webapp.cli import main
from webapp.config import Settings
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.staff import accounts, password_links
from webapp.domain.staff.login_throttle import (
    CODES_PER_ACCOUNT,
    PER_ACCOUNT,
    PER_SOURCE,
    UNKNOWN_ACCOUNTS,
)
from webapp.infrastructure.encryption import encrypt
from webapp.models import AuditEvent, Origin, Role, SecondFactor, Staff
from webapp.transaction import transaction

pytestmark = pytest.mark.databases("sqlite", "postgresql")

EMAIL = "anna@example.org"
PASSWORD = "kettle onion tramway 42"
OTHER = "violet engine under snow"
HOME = "198.51.100.7"


@pytest.fixture
def anna(make: Make) -> Staff:
    return make.staff(Role.ADMIN, name="Anna", email=EMAIL, password=accounts.hash_of(PASSWORD))


def browser(app: Flask) -> ReviewingClient:
    return ReviewingClient(app, None, use_cookies=True)


def enter(
    client: ReviewingClient, password: str = PASSWORD, address: str = HOME, email: str = EMAIL
) -> Answer:
    form = {"email": email, "password": password}
    return client.post("/sign-in", form, environ_base={"REMOTE_ADDR": address})


def guess(app: Flask, number: int, address: str = "192.0.2.{}", email: str = EMAIL) -> list[int]:
    """Send this many wrong passwords, each from a new browser and another address; return the responses."""
    return [
        enter(browser(app), "wrong", address.format(place), email).status_code
        for place in range(number)
    ]


def entries(app: Flask, verb: str) -> list[AuditEvent]:
    with app.app_context():
        found = select(AuditEvent).where(AuditEvent.verb == verb).order_by(AuditEvent.id)
        rows = list(db.session.scalars(found))
        db.session.expunge_all()
        return rows


def set_up_codes(app: Flask, staff: Staff) -> pyotp.TOTP:
    """Turn on two-factor authentication; return the authenticator app."""
    secret, now = pyotp.random_base32(), datetime.now(UTC)
    with app.app_context(), transaction():
        factor = SecondFactor(staff_id=staff.id, secret=encrypt(secret), created_at=now)
        factor.confirmed_at = now
        db.session.add(factor)
    return pyotp.TOTP(secret)


def type_code(client: ReviewingClient, code: str, address: str = HOME) -> int:
    form = {"code": code}
    answer = client.post("/sign-in/code", form, environ_base={"REMOTE_ADDR": address})
    return answer.status_code


def test_guesses_from_another_network_do_not_lock_the_owner_out(app: Flask, anna: Staff) -> None:
    """S6: five attempts per network; the owner can sign in from a new browser."""
    assert guess(app, PER_SOURCE + 1) == [422] * PER_SOURCE + [429]
    assert enter(browser(app)).status_code == 303


def test_a_network_of_ipv6_is_one_source(app: Flask, anna: Staff) -> None:
    """S6: an attacker may have a whole /48 to guess from."""
    answers = guess(app, PER_SOURCE + 1, "2001:db8:7:{:x}::1")
    assert answers == [422] * PER_SOURCE + [429]
    assert enter(browser(app), address="2001:db8:8::1").status_code == 303


def test_an_account_has_a_ceiling_that_known_browsers_are_above(app: Flask, anna: Staff) -> None:
    """S6: guesses from many networks are stopped; a browser that has signed in before is not affected."""
    own = browser(app)
    enter(own)
    own.post("/sign-out")
    assert guess(app, PER_ACCOUNT, "192.0.{}.1") == [422] * PER_ACCOUNT
    assert enter(browser(app)).status_code == 429
    assert enter(own, address="203.0.113.80").status_code == 303
    own.post("/sign-out")
    assert [enter(own, "wrong").status_code for _ in range(PER_SOURCE)] == [422] * PER_SOURCE
    assert enter(own).status_code == 429


def test_a_known_browser_uses_up_only_its_own_attempts(app: Flask, anna: Staff) -> None:
    """S6: a known browser has five attempts of its own."""
    own = browser(app)
    enter(own)
    own.post("/sign-out")
    for _ in range(PER_SOURCE + 1):
        enter(own, "wrong")
    assert enter(browser(app)).status_code == 303


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        lambda token: "x" + token,
        lambda token: "~".join([""] * 5 + [token]),
        lambda token: "",
        lambda token: "....~~~\x7f",
    ],
)
def test_a_forged_device_cookie_is_none(
    app: Flask, anna: Staff, spoil: Callable[[str], str]
) -> None:
    """S6: without the signature, an attacker could have any number of counters."""
    own = browser(app)
    enter(own)
    cookie = own.get_cookie("laurel-device")
    assert cookie is not None
    answers = []
    for place in range(PER_SOURCE + 1):
        forger = browser(app)
        forger.set_cookie("laurel-device", spoil(cookie.value))
        answers.append(enter(forger, "wrong", f"192.0.2.{place}").status_code)
    assert answers[-1] == 429


def test_the_device_cookie_is_bound_to_the_account(app: Flask, anna: Staff, make: Make) -> None:
    """S6: colleagues can't use their own cookie to guess at another account; a shared browser knows several."""
    other = make.staff(email="eve@example.org", password=accounts.hash_of(PASSWORD))
    shared = browser(app)
    enter(shared, email=other.email)
    shared.post("/sign-out")
    guess(app, PER_SOURCE, "198.51.100.{}")
    assert enter(shared, "wrong").status_code == 429
    enter(shared, address="203.0.113.1")
    shared.post("/sign-out")
    for email in (EMAIL, other.email):
        guess(app, PER_SOURCE, "198.51.100.{}", email)
        assert enter(browser(app), email=email).status_code == 429
        assert enter(shared, email=email).status_code == 303
        shared.post("/sign-out")


def test_the_device_cookie_is_closed_to_scripts_and_lasts(
    app: Flask, anna: Staff, database: Settings
) -> None:
    """S3, S6: signed, HttpOnly, valid for a year; it doesn't reveal the account; Secure over HTTPS."""
    answer = enter(browser(app))
    (cookie,) = [one for one in answer.headers.getlist("Set-Cookie") if "laurel-device" in one]
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"} <= set(cookie.split("; "))
    assert "anna" not in cookie
    tls = create_app(replace(database, address="https://localhost"))
    with tls.app_context():
        secure = enter(ReviewingClient(tls, None, use_cookies=True)).headers
        db.session.remove()
        db.engine.dispose()
    (cookie,) = [one for one in secure.getlist("Set-Cookie") if "laurel-device" in one]
    assert cookie.startswith("__Host-laurel-device=")
    assert "; Secure" in cookie


def test_the_device_cookie_survives_a_new_secret(
    app: Flask, anna: Staff, database: Settings
) -> None:
    """S6: as long as the previous secret is among the fallbacks."""
    own = browser(app)
    enter(own)
    cookie = own.get_cookie("laurel-device")
    assert cookie is not None
    guess(app, PER_SOURCE, "198.51.100.{}")
    new = replace(database, secret_key="n" * 40, secret_key_fallbacks=(SECRET,))
    rotated = create_app(new)
    client = ReviewingClient(rotated, None, use_cookies=True)
    client.set_cookie("laurel-device", cookie.value)
    assert enter(client).status_code == 303
    with rotated.app_context():
        db.session.remove()
        db.engine.dispose()


def test_confirming_a_password_counts_for_the_session(app: Flask, anna: Staff) -> None:
    """S6: guesses at sign-in don't block the signed-in owner, and guesses in one session block no others."""
    here, there = browser(app).sign_in(anna), browser(app).sign_in(anna)
    guess(app, PER_ACCOUNT, "192.0.{}.1")
    wrong, right = ({"current": one, "password": OTHER} for one in ("wrong", PASSWORD))
    for _ in range(PER_SOURCE):
        assert here.post("/account/password", wrong).status_code == 422
    assert here.post("/account/password", right).status_code == 429
    failed = entries(app, "staff.confirmation_failed")
    assert [(one.staff_id, one.detail["tries"]) for one in failed] == [(anna.id, 1), (anna.id, 5)]
    assert there.post("/account/password", right).status_code == 303


def _by_command(*arguments: str) -> Callable[[Flask, Staff], None]:
    def run(app: Flask, _: Staff) -> None:
        settings: Settings = app.config["LAUREL"]
        environ = {
            "LAUREL_ENV": "test",
            "SECRET_KEY": SECRET,
            "DATABASE_URL": settings.database_url,
            "LAUREL_DATA": str(settings.data),
        }
        command = ["staff", "password", "--email", EMAIL, *arguments]
        done = CliRunner(env=environ).invoke(main, command, input=PASSWORD + "\n")
        assert done.exit_code == 0, done.output

    return run


def _by_page(app: Flask, anna: Staff) -> None:
    fields = {"current": PASSWORD, "password": OTHER}
    assert browser(app).sign_in(anna).post("/account/password", fields).status_code == 303


def _by_link(app: Flask, anna: Staff) -> None:
    with app.app_context(), transaction():
        key = password_links.create(anna.id, Actor(datetime.now(UTC), Origin.CONSOLE))
    guess(app, PER_ACCOUNT, "192.0.{}.1")
    fields = {"name": "Anna", "password": OTHER}
    assert browser(app).post(password_links.URL_PREFIX + key, fields).status_code == 303


def _by_making_a_link(app: Flask, anna: Staff) -> None:
    with app.app_context(), transaction():
        password_links.create(anna.id, Actor(datetime.now(UTC), Origin.CONSOLE))


@pytest.mark.parametrize(
    "renew",
    [
        _by_command("--password-stdin"),
        _by_command("--link"),
        _by_page,
        _by_link,
        _by_making_a_link,
    ],
    ids=["command", "command with a link", "page", "link used", "link made"],
)
def test_a_new_password_or_link_clears_the_counters(
    app: Flask, anna: Staff, renew: Callable[[Flask, Staff], None]
) -> None:
    """S6: an owner who gets help doesn't have to wait for 15 minutes."""
    guess(app, PER_ACCOUNT, "192.0.{}.1")
    assert enter(browser(app)).status_code == 429
    renew(app, anna)
    assert enter(browser(app), "wrong").status_code == 422
    with app.app_context():
        right = PASSWORD if accounts.authenticate(EMAIL, PASSWORD) else OTHER
    assert enter(browser(app), right).status_code == 303


def test_codes_have_a_lower_ceiling_and_known_browsers_are_above_it(
    app: Flask, anna: Staff
) -> None:
    """S6, R-4: someone who knows the password can't try a million codes, and doesn't lock the owner out."""
    own = browser(app)
    enter(own)
    own.post("/sign-out")
    totp = set_up_codes(app, anna)
    for place in range(CODES_PER_ACCOUNT):
        thief = browser(app)
        enter(thief, address=f"192.0.{place}.1")
        assert type_code(thief, "000000", f"192.0.{place}.1") == 422
    late = browser(app)
    enter(late, address="203.0.113.1")
    assert type_code(late, totp.now(), "203.0.113.1") == 429
    enter(own)
    assert type_code(own, totp.now()) == 303


def test_a_wrong_code_is_recorded_and_its_owner_warned(app: Flask, anna: Staff) -> None:
    """R-4, L-1: after the next sign-in, and on the account's page."""
    totp = set_up_codes(app, anna)
    thief = browser(app)
    for _ in range(2):
        enter(thief, address="192.0.2.1")
        type_code(thief, "000000", "192.0.2.1")
    found = entries(app, "staff.code_failed")
    assert [(one.subject_id, one.staff_id, one.address) for one in found] == [
        (anna.id, None, "192.0.2.1")
    ] * 2
    own = browser(app)
    enter(own)
    assert type_code(own, totp.now()) == 303
    told = own.get("/account")
    assert "entered an incorrect code 2 times since you last signed in, most recently from" in (
        told.words(".flashes")
    )
    assert len(told.page.select("#failed-codes li")) == 2
    assert "192.0.2.1" in told.words("#failed-codes")
    assert "entered an incorrect code 2 times" not in own.get("/account").words()


def test_ones_own_mistyped_code_is_no_alarm(app: Flask, anna: Staff) -> None:
    """R-4: if the same browser then signs in; and each warning is shown only once."""
    totp = set_up_codes(app, anna)
    own = browser(app)
    enter(own)
    assert type_code(own, "000000") == 422
    assert type_code(own, totp.now()) == 303
    assert own.get("/account").page.select_one(".flashes") is None
    assert entries(app, "staff.signed_in")[-1].detail["failed"] == 1


def test_failed_sign_ins_are_entries_and_cannot_flood_the_log(app: Flask, anna: Staff) -> None:
    """L-1: one per account and network, with the address; then the limit; on success, the number of failures."""
    guess(app, PER_SOURCE + 3)
    assert enter(browser(app), "wrong").status_code == 422
    assert enter(browser(app)).status_code == 303
    found = entries(app, "staff.sign_in_failed")
    assert [(one.subject_id, one.address) for one in found] == [
        (anna.id, "192.0.2.0"),
        (anna.id, HOME),
    ]
    assert entries(app, "staff.signed_in")[-1].detail["failed"] == 1
    for place in range(UNKNOWN_ACCOUNTS + 5):
        guess(app, 1, f"10.0.{place}.1", f"nobody{place}@example.org")
    unknown = [one for one in entries(app, "staff.sign_in_failed") if one.subject_id is None]
    assert len(unknown) == UNKNOWN_ACCOUNTS
