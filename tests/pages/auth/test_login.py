"""Sign-in and sign-out: sessions, limits, passwords (R-2, S2, S3, S6, S7, W82, W87-W94)."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
import time_machine
from flask import Flask, session
from sqlalchemy import func, select, update

from tests.counting import statements
from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from tests.plugins.cheap_passwords import CHEAP
from webapp.auth import staff_sessions as sessions
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.staff import accounts
from webapp.domain.staff.login_throttle import PER_ADDRESS, PER_SOURCE
from webapp.models import AuditEvent, LoginAttempt, Origin, Role, Staff, StaffSession
from webapp.transaction import transaction

PASSWORD = "kettle onion tramway 42"


@pytest.fixture
def anna(make: Make) -> Staff:
    """An admin whose password is PASSWORD."""
    return make.staff(Role.ADMIN, email="anna@example.org", password=accounts.hash_of(PASSWORD))


def enter(
    client: ReviewingClient, email: str, password: str, address: str = "192.0.2.1", **more: str
) -> Answer:
    return client.post(
        "/sign-in",
        {"email": email, "password": password, **more},
        environ_base={"REMOTE_ADDR": address},
    )


def is_in(client: ReviewingClient) -> bool:
    """True if a page that requires sign-in opens."""
    return client.get("/sign-in/typed").headers["Location"] == "/"


def end_session_of(client: ReviewingClient) -> None:
    with client.session_transaction() as kept:
        key = kept["key"]
    with client.application.app_context():
        sessions.end(key)


def saved_cookie(client: ReviewingClient) -> str:
    cookie = client.get_cookie("laurel")
    assert cookie is not None
    return cookie.value


def replay(app: Flask, cookie: str) -> ReviewingClient:
    """Another browser with a copy of the cookie."""
    other = ReviewingClient(app, None, use_cookies=True)
    other.set_cookie("laurel", cookie)
    return other


def rows(app: Flask, model: type[StaffSession] | type[LoginAttempt]) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_signing_in_leads_to_the_requested_page(
    client: ReviewingClient, anna: Staff
) -> None:
    refused = client.get("/sign-in/typed?x=1")
    assert refused.status_code == 303
    page = client.get(refused.headers["Location"])
    assert page.page.select_one("input[name=next]")["value"] == "/sign-in/typed?x=1"
    answer = enter(client, " ANNA@example.org ", PASSWORD, next="/sign-in/typed?x=1")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sign-in/typed?x=1"
    assert is_in(client)


def test_the_sign_in_is_recorded(client: ReviewingClient, anna: Staff, app: Flask) -> None:  # L-1
    enter(client, anna.email, PASSWORD)
    with app.app_context():
        record = db.session.scalars(
            select(AuditEvent).where(AuditEvent.verb == "staff.signed_in")
        ).one()
        assert (record.staff_id, record.subject_id) == (anna.id, anna.id)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("anna@example.org", "wrong"),
        ("anna@example.org", PASSWORD + " "),
        ("nobody@example.org", PASSWORD),
        ("anna@example.org", ""),
        ("", ""),
        ("an\0na@example.org", PASSWORD),
        ("a" * 5000 + "@example.org", PASSWORD),
        ("anna@example.org", "x" * 100_000),
        ("' OR 1=1 --", "\0"),
    ],
)
def test_every_failure_gets_the_same_response(
    client: ReviewingClient, anna: Staff, email: str, password: str
) -> None:
    """S6: known and unknown accounts get the same status and message."""
    answer = enter(client, email, password)
    assert answer.status_code == 422
    assert answer.words("[role=alert]") == "Incorrect email or password."
    assert not is_in(client)


@pytest.mark.usefixtures("real_password_cost")
def test_known_unknown_and_disabled_take_as_long(app: Flask, make: Make) -> None:
    """W92: one hash more or less would double the time, or reduce it to nothing."""
    password = accounts.hash_of(PASSWORD)
    make.staff(email="anna@example.org", password=password)
    make.staff(email="gone@example.org", password=password, active=False)
    make.staff(email="invited@example.org")
    times: dict[str, list[float]] = {}
    with app.app_context():
        for _ in range(3):
            for who in ("anna", "nobody", "gone", "invited"):
                begun = time.process_time()
                assert accounts.authenticate(f"{who}@example.org", "not the password") is None
                times.setdefault(who, []).append(time.process_time() - begun)
    best = [min(taken) for taken in times.values()]  # a busy machine only makes it slower
    assert max(best) < 1.5 * min(best), times


def test_a_disabled_account_is_refused_like_a_wrong_password(
    client: ReviewingClient, make: Make
) -> None:
    make.staff(email="gone@example.org", password=accounts.hash_of(PASSWORD), active=False)
    assert enter(client, "gone@example.org", PASSWORD).status_code == 422


@pytest.mark.parametrize("email", ["anna@example.org", "nobody@example.org"])
def test_the_sixth_attempt_at_an_account_waits(
    client: ReviewingClient, make: Make, app: Flask, email: str
) -> None:
    """W91, S6: for known and unknown accounts, from a whole network, even with the right password; without Redis."""
    make.staff(email="anna@example.org", password=accounts.hash_of(PASSWORD))
    with time_machine.travel(datetime(2026, 11, 22, 12, tzinfo=UTC), tick=False) as clock:
        for number in range(PER_SOURCE):
            assert enter(client, email, "wrong", f"192.0.2.{number}").status_code == 422
        answer = enter(client, email.upper(), PASSWORD, "192.0.2.99")
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "900"
        assert answer.words("h1") == "Too many attempts"
        assert (
            rows(app, LoginAttempt) == PER_SOURCE
        )  # a rejected attempt doesn't count as another failure
        clock.shift(timedelta(minutes=15))
        assert enter(client, email, "wrong").status_code == 422


@pytest.mark.databases("sqlite", "postgresql")
def test_the_21st_attempt_from_an_address_waits(client: ReviewingClient, make: Make) -> None:
    """W91: for any accounts from one address; signing in successfully in between does not help."""
    make.staff(email="anna@example.org", password=accounts.hash_of(PASSWORD))
    for number in range(PER_ADDRESS - 1):
        assert enter(client, f"n{number}@example.org", "wrong").status_code == 422
    assert enter(client, "anna@example.org", PASSWORD).status_code == 303
    client.post("/sign-out")
    assert enter(client, "n98@example.org", "wrong").status_code == 422
    assert enter(client, "n99@example.org", "wrong").status_code == 429
    assert enter(client, "n99@example.org", "wrong", "192.0.2.2").status_code == 422


def test_a_forged_forwarded_header_does_not_help(client: ReviewingClient) -> None:
    """W98: without LAUREL_PROXIES the connection's address counts."""
    for number in range(PER_ADDRESS + 1):
        answer = client.post(
            "/sign-in",
            {"email": f"n{number}@example.org", "password": "wrong"},
            headers={
                "X-Forwarded-For": f"198.51.100.{number}",
                "Forwarded": f"for=198.51.100.{number}",
            },
        )
    assert answer.status_code == 429


def test_an_ipv6_network_counts_as_one_address(client: ReviewingClient) -> None:
    for number in range(PER_ADDRESS):
        enter(client, f"n{number}@example.org", "wrong", f"2001:db8:0:1::{number:x}")
    assert enter(client, "m@example.org", "wrong", "2001:db8:0:1:ffff::1").status_code == 429
    assert enter(client, "m@example.org", "wrong", "2001:db8:0:2::1").status_code == 422


@pytest.mark.databases("sqlite", "postgresql")
def test_concurrent_attempts_are_all_counted(app: Flask) -> None:
    """S6: 12 concurrent attempts don't give 12 chances."""
    answers: list[int] = []

    def try_once() -> None:
        client = ReviewingClient(app, None, use_cookies=True)
        answers.append(enter(client, "anna@example.org", "wrong").status_code)

    threads = [Thread(target=try_once) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [422] * PER_SOURCE + [429] * (12 - PER_SOURCE)


def test_a_right_password_is_no_failure(client: ReviewingClient, make: Make, app: Flask) -> None:
    make.staff(email="anna@example.org", password=accounts.hash_of(PASSWORD))
    for _ in range(PER_SOURCE + 1):
        assert enter(client, "anna@example.org", PASSWORD).status_code == 303
        client.post("/sign-out")
    assert rows(app, LoginAttempt) == 0


@pytest.mark.usefixtures("real_password_cost")
def test_an_old_hash_is_replaced(client: ReviewingClient, make: Make, app: Flask) -> None:
    """S7: with argon2id's current cost."""
    anna = make.staff(email="anna@example.org", password=CHEAP.hash(PASSWORD))
    assert enter(client, anna.email, PASSWORD).status_code == 303
    with app.app_context():
        kept = db.session.get_one(Staff, anna.id).password
    assert kept is not None
    assert kept.startswith("$argon2id$v=19$m=65536,")
    client.post("/sign-out")
    assert enter(client, anna.email, PASSWORD).status_code == 303


def test_a_hash_that_is_none_is_a_wrong_password(client: ReviewingClient, make: Make) -> None:
    make.staff(email="anna@example.org", password="plain text")
    assert enter(client, "anna@example.org", "plain text").status_code == 422


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        "/\r\nSet-Cookie: a=b",
        "sign-in",
    ],
)
def test_next_never_leaves_this_site(client: ReviewingClient, anna: Staff, elsewhere: str) -> None:
    """W94; also for someone who is already signed in."""
    assert enter(client, anna.email, PASSWORD, next=elsewhere).headers["Location"] == "/"
    again = client.get("/sign-in", query_string={"next": elsewhere})
    assert again.headers["Location"] == "/"


def test_signing_out_kills_every_copy_of_the_cookie(
    app: Flask, client: ReviewingClient, anna: Staff
) -> None:  # W88, S2
    enter(client, anna.email, PASSWORD)
    copy = saved_cookie(client)
    assert is_in(replay(app, copy))
    answer = client.post("/sign-out")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert not is_in(client)
    assert not is_in(replay(app, copy))
    assert rows(app, StaffSession) == 0


def test_signing_out_is_a_post(as_admin: ReviewingClient) -> None:
    assert as_admin.get("/sign-out").status_code == 405
    assert is_in(as_admin)
    assert as_admin.post("/sign-out", csrf=False).status_code == 400
    assert is_in(as_admin)


def test_signing_in_again_ends_the_session_before(
    app: Flask, client: ReviewingClient, anna: Staff
) -> None:
    """W88, W90: each sign-in has its own key, and the previous key is invalid."""
    client.get("/sign-in")
    given = saved_cookie(client)
    enter(client, anna.email, PASSWORD)
    first = saved_cookie(client)
    assert not is_in(replay(app, given))
    enter(client, anna.email, PASSWORD)
    assert saved_cookie(client) != first
    assert is_in(client)
    assert not is_in(replay(app, first))
    assert rows(app, StaffSession) == 1


def test_a_disabled_account_is_signed_out_at_the_next_request(
    app: Flask, client: ReviewingClient, anna: Staff
) -> None:  # W88
    client.sign_in(anna)
    with app.app_context(), transaction():
        db.session.execute(update(Staff).where(Staff.id == anna.id).values(active=False))
    assert client.get("/sign-in/typed").headers["Location"].startswith("/sign-in?")


def test_another_password_ends_all_sessions(
    app: Flask, client: ReviewingClient, anna: Staff, as_support: ReviewingClient
) -> None:
    """W88: all sessions of the account end; other people's continue."""
    client.sign_in(anna)
    now = datetime.now(UTC)
    with app.app_context(), transaction():
        accounts.change_password(anna.email, "violet engine under snow", Actor(now, Origin.CONSOLE))
    assert not is_in(client)
    assert is_in(as_support)


def test_a_session_expires_after_an_idle_hour(client: ReviewingClient, anna: Staff) -> None:
    """W89: 59 minutes are fine and restart the period; 61 are not."""
    with time_machine.travel(datetime(2026, 11, 22, 8, tzinfo=UTC), tick=False) as clock:
        client.sign_in(anna)
        for _ in range(3):
            clock.shift(timedelta(minutes=59))
            assert is_in(client)
        clock.shift(timedelta(minutes=61))
        assert not is_in(client)


def test_a_session_lasts_twelve_hours(client: ReviewingClient, anna: Staff) -> None:
    """W89: not a second longer, whatever the activity."""
    with time_machine.travel(datetime(2026, 11, 22, 8, tzinfo=UTC), tick=False) as clock:
        client.sign_in(anna)
        for _ in range(14):
            clock.shift(timedelta(minutes=50))
            assert is_in(client)
        clock.shift(timedelta(minutes=20, seconds=1))
        assert not is_in(client)


def test_a_session_is_noted_once_a_minute(app: Flask, client: ReviewingClient, anna: Staff) -> None:
    def seen() -> datetime:
        with app.app_context():
            return db.session.scalars(select(StaffSession.seen_at)).one()

    start = datetime(2026, 11, 22, 8, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        client.sign_in(anna)
        clock.shift(timedelta(seconds=59))
        assert is_in(client)
        assert seen() == start
        clock.shift(timedelta(seconds=1))
        assert is_in(client)
        assert seen() == start + timedelta(seconds=60)


def test_the_table_does_not_hold_what_the_cookie_holds(
    app: Flask, client: ReviewingClient, anna: Staff
) -> None:
    enter(client, anna.email, PASSWORD)
    with client.session_transaction() as kept:
        key = kept["key"]
    with app.app_context():
        row = db.session.scalars(select(StaffSession)).one()
        assert key not in (row.key_hash, str(row.id))
        assert len(row.key_hash) == 64


def test_a_session_needs_its_owner(
    app: Flask, client: ReviewingClient, make: Make, anna: Staff
) -> None:
    """A valid session key with another person's id is rejected."""
    client.sign_in(anna)
    with client.session_transaction() as kept:
        kept["account"] = make.staff().security_stamp
    assert not is_in(client)


def test_visitors_make_no_rows(client: ReviewingClient, app: Flask) -> None:
    client.get("/sign-in")
    client.get("/badges")
    client.get("/healthz")
    assert rows(app, StaffSession) == 0


def test_static_files_and_health_ask_no_database(as_admin: ReviewingClient, app: Flask) -> None:
    with app.app_context(), statements() as sent:
        assert as_admin.get("/healthz").text == "ok"
        assert as_admin.get("/static/css/base.css").status_code == 200
    assert sent == []


def test_there_is_no_remember_me(app: Flask, client: ReviewingClient, anna: Staff) -> None:
    """The one cookie that outlives the session grants no access."""
    answer = enter(client, anna.email, PASSWORD, remember="y")
    names = {cookie.split("=")[0] for cookie in answer.headers.getlist("Set-Cookie")}
    assert names == {"laurel", "laurel-device"}
    other = ReviewingClient(app, None, use_cookies=True)
    device = client.get_cookie("laurel-device")
    assert device is not None
    other.set_cookie("laurel-device", device.value)
    assert not is_in(other)


def test_tokens_in_headers_and_addresses_are_nothing(
    client: ReviewingClient, anna: Staff, app: Flask
) -> None:
    with app.app_context():
        token = anna.security_stamp
    for headers in ({"Authentication-Token": token}, {"Authorization": f"Bearer {token}"}):
        answer = client.get(f"/sign-in/typed?auth_token={token}", headers=headers)
        assert answer.headers["Location"].startswith("/sign-in?")


def test_unknown_fields_are_ignored(
    client: ReviewingClient, anna: Staff, app: Flask
) -> None:  # W87
    enter(client, anna.email, PASSWORD, role="dev", active="", id="99")
    with app.app_context():
        assert db.session.get_one(Staff, anna.id).role == Role.ADMIN


def test_the_cookie_over_https(app: Flask) -> None:
    """S3: checked in the settings, because tests use plain HTTP."""
    from dataclasses import replace

    from webapp.config import flask_config

    made = flask_config(replace(app.config["LAUREL"], address="https://badges.example.org"))
    assert made["SESSION_COOKIE_NAME"] == "__Host-laurel"
    assert made["SESSION_COOKIE_SECURE"] is True
    assert (made["SESSION_COOKIE_PATH"], made.get("SESSION_COOKIE_DOMAIN")) == ("/", None)


def test_the_cookie_is_closed_to_scripts_and_other_sites(client: ReviewingClient) -> None:  # S3
    cookie = client.get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize("htmx", [False, True])
def test_typed_input_survives_an_ended_session(
    odd_client: ReviewingClient, anna: Staff, odd_notes: list[str], htmx: bool
) -> None:
    """R-2: the form is saved during sign-in, and sent with one button."""
    client = odd_client
    end_session_of(client.sign_in(anna))
    answer = client.post("/odd/save", {"note": "<b>Zoë & co", "password": "x"}, htmx=htmx)
    if htmx:
        assert answer.status_code == 401
        to = answer.headers["HX-Redirect"]
    else:
        assert answer.status_code == 303
        to = answer.headers["Location"]
    assert to == "/sign-in?next=/sign-in/typed"
    assert odd_notes == []
    assert (
        enter(client, anna.email, PASSWORD, next="/sign-in/typed").headers["Location"]
        == "/sign-in/typed"
    )
    page = client.get("/sign-in/typed")
    assert "<b>Zoë & co" in page.words("form dl")
    form = page.page.select_one("main form")
    assert form is not None
    assert form["action"] == "/odd/save"
    fields = {field["name"]: field["value"] for field in form.select("input")}
    assert "password" not in fields
    assert client.post(str(form["action"]), fields, csrf=False).status_code == 200
    assert odd_notes == ["<b>Zoë & co"]
    assert client.get("/sign-in/typed").headers["Location"] == "/"


@pytest.mark.parametrize(
    ("note", "kept"),
    [
        (", ".join(f"søren.kierkegård{n}@example.org" for n in range(50)), True),
        ("Zoë said so. " * 700, True),
        ("".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(100)), False),
    ],
    ids=["fifty names", "a long text", "more than a cookie holds"],
)
def test_a_saved_form_never_exceeds_a_cookie(
    odd_client: ReviewingClient, anna: Staff, note: str, kept: bool
) -> None:
    """R-2: compressed, and never too large: browsers would drop the cookie and sign the person out."""
    client = odd_client
    end_session_of(client.sign_in(anna))
    answer = client.post("/odd/save", {"note": note})
    assert answer.headers["Location"].startswith("/sign-in?next=/sign-in/typed") == kept
    assert all(len(cookie) < 4096 for cookie in answer.headers.getlist("Set-Cookie"))
    enter(client, anna.email, PASSWORD)
    if kept:
        assert " ".join(note.split()) in client.get("/sign-in/typed").words("form dl")
    assert client.get("/account").status_code == 200


def test_typed_input_of_someone_else_is_not_shown(
    odd_client: ReviewingClient, anna: Staff, make: Make
) -> None:
    client = odd_client
    end_session_of(client.sign_in(anna))
    client.post("/odd/save", {"note": "private"})
    client.sign_in(make.staff(Role.SUPPORT))
    assert client.get("/sign-in/typed").status_code == 303


def test_words_from_another_site_are_not_kept(odd_client: ReviewingClient, anna: Staff) -> None:
    client = odd_client
    answer = client.post("/odd/save", {"note": "planted"}, csrf=False)
    assert answer.status_code == 303
    client.sign_in(anna)
    assert client.get("/sign-in/typed").headers["Location"] == "/"


def test_a_fragment_sends_the_whole_page_to_sign_in(client: ReviewingClient) -> None:
    answer = client.htmx(
        "/sign-in/typed", headers={"HX-Current-URL": "http://localhost/badges?page=2"}
    )
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/badges?page%3D2"
    other = client.htmx("/sign-in/typed", headers={"HX-Current-URL": "http://evil.example/x"})
    assert other.headers["HX-Redirect"] == "/sign-in"


def test_sessions_need_no_queue(client: ReviewingClient, anna: Staff, app: Flask) -> None:
    """The tests' Redis address leads nowhere."""
    assert "nonexistent" in app.config["LAUREL"].redis_url
    assert enter(client, anna.email, PASSWORD).status_code == 303


def test_flasks_session_is_what_the_browser_holds(app: Flask) -> None:
    with app.test_request_context("/"):
        assert not session


def test_an_unchecked_password_is_no_failed_attempt(
    app: Flask, client: ReviewingClient, anna: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W91: the password was not checked; as soon as there is capacity, the right one works."""
    monkeypatch.setattr(accounts, "_PATIENCE", 0.05)
    with accounts._HashingSlot(), accounts._HashingSlot():
        for _ in range(PER_SOURCE + 1):
            busy = enter(client, anna.email, PASSWORD)
            assert (busy.status_code, busy.headers["Retry-After"]) == (429, "10")
    with app.app_context():
        assert db.session.scalars(select(LoginAttempt)).all() == []
    assert enter(client, anna.email, PASSWORD).status_code == 303


def token_on(page: Answer) -> str:
    field = page.page.select_one("input[name=csrf_token]")
    assert field is not None
    return str(field["value"])


def test_signing_in_renews_the_token(client: ReviewingClient, anna: Staff) -> None:
    """S5: a token of this browser known before sign-in can't be used afterwards."""
    before = token_on(client.get("/sign-in"))
    sent = {"email": anna.email, "password": PASSWORD, "csrf_token": before}
    assert client.post("/sign-in", sent, csrf=False).status_code == 303
    known = {"X-CSRFToken": before}
    assert client.post("/badges", {"name": "x"}, csrf=False, headers=known).status_code == 400
    assert client.post("/sign-out", csrf=False, headers=known).status_code == 400
    assert is_in(client)
    assert token_on(client.get("/account")) != before


@pytest.mark.parametrize("htmx", [False, True])
def test_a_form_open_since_before_the_sign_in_is_shown_again(
    odd_client: ReviewingClient, anna: Staff, odd_notes: list[str], htmx: bool
) -> None:
    """R-2: with two tabs: the session ends, the person signs in in one, and sends the form in the other."""
    client = odd_client
    end_session_of(client.sign_in(anna))
    old = {"X-CSRFToken": client.token()}
    client.get("/badges")
    enter(client, anna.email, PASSWORD)
    answer = client.post("/odd/save", {"note": "Zoë"}, csrf=False, headers=old, htmx=htmx)
    to = answer.headers["HX-Redirect" if htmx else "Location"]
    assert (to, odd_notes) == ("/sign-in/typed", [])
    page = client.get(to)
    assert "Zoë" in page.words("form dl")
    client.post("/odd/save", {"note": "Zoë", "csrf_token": token_on(page)}, csrf=False)
    assert odd_notes == ["Zoë"]


def test_a_token_of_someone_elses_session_saves_nothing(
    odd_client: ReviewingClient, anna: Staff, make: Make
) -> None:
    client = odd_client
    end_session_of(client.sign_in(make.staff(Role.SUPPORT)))
    old = {"X-CSRFToken": client.token()}
    client.get("/badges")
    enter(client, anna.email, PASSWORD)
    planted = client.post("/odd/save", {"note": "planted"}, csrf=False, headers=old)
    assert planted.status_code == 400
    assert client.get("/sign-in/typed").headers["Location"] == "/"
