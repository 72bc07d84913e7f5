"""`Your account`: name, password, sessions, two-factor authentication, and the code at sign-in (R-4, W86, W88)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from tests.counting import statements
from tests.factories import Make
from tests.pages.auth.test_login import end_session_of
from tests.pages.client import Answer, ReviewingClient
from webapp import create_app
from webapp.auth import staff_sessions as sessions
from webapp.config import Settings
from webapp.database import db, engine
from webapp.domain.actor import Actor
from webapp.domain.staff import accounts, password_links, password_strength, two_factor
from webapp.domain.staff.login_throttle import PER_SOURCE
from webapp.messages import text_of
from webapp.models import AuditEvent, Batch, Origin, Role, Staff, StaffSession
from webapp.pages.auth.two_factor import PATIENCE, WRONG
from webapp.pages.http import user_agent as http_user_agent
from webapp.transaction import transaction

PASSWORD = "kettle onion tramway 42"
OTHER = "violet engine under snow"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def anna(make: Make) -> Staff:
    return make.staff(
        Role.DEV, email="anna@example.org", name="Anna", password=accounts.hash_of(PASSWORD)
    )


@pytest.fixture
def signed(client: ReviewingClient, anna: Staff) -> ReviewingClient:
    """Anna's browser, just signed in."""
    return client.sign_in(anna)


def browser(app: Flask) -> ReviewingClient:
    return ReviewingClient(app, None, use_cookies=True)


def enter(client: ReviewingClient, password: str = PASSWORD, **more: object) -> Answer:
    fields = {"email": "anna@example.org", "password": password}
    return client.post("/sign-in", fields, **more)


def is_in(client: ReviewingClient) -> bool:
    return client.get("/badges").status_code == 200


def set_up(client: ReviewingClient) -> tuple[pyotp.TOTP, list[str]]:
    """Set up two-factor authentication on the pages; return the app and the recovery codes."""
    page = client.post("/account/second-factor", follow_redirects=True)
    app = pyotp.TOTP(page.words("code.key"))
    shown = client.post("/account/second-factor/confirmation", {"code": app.now()})
    assert shown.status_code == 200
    return app, [str(code.get_text()) for code in shown.page.select("#codes li")]


def verbs(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEvent.verb).order_by(AuditEvent.id)))


def test_everyone_changes_their_own_password(app: Flask, signed: ReviewingClient) -> None:
    """R-4: the current password is required; other sessions end, and this one continues with a new key."""
    elsewhere = browser(app)
    enter(elsewhere)
    with signed.session_transaction() as kept:
        before = kept["key"]
    wrong = signed.post("/account/password", {"current": "wrong", "password": OTHER})
    assert wrong.status_code == 422
    assert wrong.words("#current-error") == "Incorrect password."
    assert is_in(elsewhere)
    weak = signed.post("/account/password", {"current": PASSWORD, "password": "anna@example.org"})
    assert "too easy to guess" in weak.words("#password-error")
    done = signed.post(
        "/account/password", {"current": PASSWORD, "password": OTHER}, follow_redirects=True
    )
    assert "Password changed." in done.words("[role=status]")
    assert is_in(signed)
    assert not is_in(elsewhere)
    with signed.session_transaction() as kept:
        assert kept["key"] != before
    assert enter(elsewhere).status_code == 422
    assert enter(elsewhere, OTHER).status_code == 303


def test_a_new_password_is_judged_after_the_present_one(
    signed: ReviewingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S6: people who don't know the password can't trigger the most expensive check."""
    judged: list[str] = []
    real = password_strength.problem

    def counted(password: str, email: str = "", name: str = "") -> str | None:
        judged.append(password)
        return real(password, email, name)

    monkeypatch.setattr(password_strength, "problem", counted)
    signed.post("/account/password", {"current": "wrong", "password": "password1234"})
    assert judged == []
    weak = signed.post("/account/password", {"current": PASSWORD, "password": "password1234"})
    assert "too easy to guess" in weak.words("#password-error")
    assert judged == ["password1234"]


def test_no_password_waits_in_a_cookie(signed: ReviewingClient) -> None:
    """R-2, S2: forms of the account are not saved in a cookie during sign-in."""
    end_session_of(signed)
    fields = {"current": PASSWORD, "password": OTHER}
    assert signed.post("/account/password", fields).status_code == 303
    with signed.session_transaction() as session:
        assert "kept" not in session


def test_a_link_ends_with_the_password_it_would_replace(
    app: Flask, signed: ReviewingClient, anna: Staff
) -> None:
    """R-3, R-4: otherwise anyone who found the link could still take over the account."""
    with app.app_context():
        with transaction():
            key = password_links.create(anna.id, Actor(datetime.now(UTC), Origin.CONSOLE))
        assert password_links.owner(key, datetime.now(UTC)) is not None
    signed.post("/account/password", {"current": PASSWORD, "password": OTHER})
    with app.app_context():
        assert password_links.owner(key, datetime.now(UTC)) is None


def test_guesses_at_the_present_password_are_limited(signed: ReviewingClient) -> None:
    """S6: an unlocked computer must not allow guessing."""
    for _ in range(PER_SOURCE):
        fields = {"current": "wrong", "password": OTHER}
        assert signed.post("/account/password", fields).status_code == 422
    answer = signed.post("/account/password", {"current": PASSWORD, "password": OTHER})
    assert answer.status_code == 429
    assert is_in(signed)


def test_everyone_sees_where_they_are_signed_in(app: Flask, signed: ReviewingClient) -> None:
    """R-4: when it began, last use, browser, address; only one's own sessions."""
    elsewhere = browser(app)
    enter(elsewhere, headers={"User-Agent": FIREFOX}, environ_base={"REMOTE_ADDR": "198.51.100.7"})
    stranger = browser(app)
    stranger.sign_in(Make(app).staff())
    shown = signed.get("/account")
    rows = [" ".join(row.get_text(" ").split()) for row in shown.page.select("tbody tr")]
    assert len(rows) == 2
    assert any("This browser" in row for row in rows)
    assert any("Firefox on Windows" in row and "198.51.100.7" in row for row in rows)


@pytest.mark.usefixtures("anna")
@pytest.mark.databases("sqlite", "postgresql")
def test_a_page_loads_while_someone_else_writes(
    app: Flask, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1: the session's last use can't be stored then; the next page stores it."""
    monkeypatch.setattr(engine, "LOCK_TIMEOUT_S", 300)
    impatient = create_app(database)
    signed = browser(impatient)
    enter(signed)

    def seen_at() -> datetime:
        with app.app_context():
            return db.session.scalars(select(StaffSession.seen_at)).one()

    ago = datetime.now(UTC) - timedelta(minutes=5)
    with app.app_context():
        with transaction():
            db.session.execute(update(StaffSession).values(seen_at=ago))
        with db.engine.connect().execution_options(write=True) as other:
            other.execute(
                select(StaffSession.id).with_for_update()
            )  # locks the whole SQLite database
            assert signed.get("/badges").status_code == 200
            assert seen_at() == ago
    assert signed.get("/badges").status_code == 200
    assert seen_at() > ago
    with impatient.app_context():
        db.engine.dispose()


def test_a_session_is_ended_from_another(app: Flask, signed: ReviewingClient, anna: Staff) -> None:
    """R-4, W86: only one's own sessions, whatever number is in the URL."""
    elsewhere, stranger = browser(app), browser(app)
    enter(elsewhere)
    stranger.sign_in(Make(app).staff())
    with app.app_context():
        ids = dict(
            db.session.execute(
                select(StaffSession.id, StaffSession.staff_id).order_by(StaffSession.id)
            ).all()
        )
    (foreign,) = (number for number, owner in ids.items() if owner != anna.id)
    other = max(number for number, owner in ids.items() if owner == anna.id)
    assert signed.post(f"/account/sessions/{foreign}/ending").status_code == 404
    assert is_in(stranger)
    done = signed.post(f"/account/sessions/{other}/ending", follow_redirects=True)
    assert "That session has been signed out." in done.words("[role=status]")
    assert not is_in(elsewhere)
    assert is_in(signed)
    assert signed.post(f"/account/sessions/{other}/ending").status_code == 404


def test_signed_out_everywhere(
    app: Flask, signed: ReviewingClient, as_support: ReviewingClient
) -> None:
    """R-4, W88, S2: including this session; a copy of the cookie is invalid; other people's sessions continue."""
    elsewhere = browser(app)
    enter(elsewhere)
    cookie = elsewhere.get_cookie("laurel")
    assert cookie is not None
    answer = signed.post("/account/sessions/ending")
    assert answer.headers["Location"] == "/sign-in"
    copy = browser(app)
    copy.set_cookie("laurel", cookie.value)
    assert not any(map(is_in, (signed, elsewhere, copy)))
    assert is_in(as_support)
    assert "staff.sessions_ended" in verbs(app)


def test_a_name_is_changed_by_its_owner(app: Flask, signed: ReviewingClient, anna: Staff) -> None:
    signed.post("/account/name", {"name": " Anna N. "})
    assert "Anna N." in signed.get("/account").words(".current-user")
    assert signed.post("/account/name", {"name": "x" * 121}).words("#name-error").endswith(".")
    signed.post("/account/name", {"name": "Anna N."})
    assert verbs(app).count("staff.renamed") == 1


def test_two_factor_authentication_is_set_up_and_required(
    app: Flask, signed: ReviewingClient
) -> None:
    """R-4: QR code and key are equal; a code is required after the password, and each code works once."""
    page = signed.post("/account/second-factor", follow_redirects=True).page
    assert page.select_one(".qr svg path") is not None
    secret = page.select_one("code.key")
    assert secret is not None
    assert f"secret={secret.get_text()}" in str(page.select_one("ol.steps a")["href"])
    wrong = signed.post("/account/second-factor/confirmation", {"code": "12345"})
    assert wrong.status_code == 422
    assert wrong.words("#code-error").startswith("Incorrect code.")
    shown = signed.post(
        "/account/second-factor/confirmation", {"code": pyotp.TOTP(secret.get_text()).now()}
    )
    assert len(shown.page.select("#codes li")) == 10
    assert secret.get_text() not in signed.get("/account/second-factor").text
    client = browser(app)
    asked = enter(client)
    assert asked.headers["Location"] == "/sign-in/code"
    assert not is_in(client)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2), tick=False):
        code = pyotp.TOTP(secret.get_text()).now()
        assert client.post("/sign-in/code", {"code": code}).headers["Location"] == "/"
        assert is_in(client)
        again = browser(app)
        enter(again)
        replayed = again.post("/sign-in/code", {"code": code})
        assert replayed.status_code == 422
        assert replayed.words("#code-error") == text_of(WRONG)
    assert verbs(app).count("staff.signed_in") == 1


def test_login_returns_to_requested_url_after_two_factor(
    app: Flask, signed: ReviewingClient
) -> None:
    _, codes = set_up(signed)
    client = browser(app)
    refused = client.get("/members?q=an")
    where = client.get(refused.headers["Location"]).page.select_one("input[name=next]")
    assert where is not None
    asked = client.post(
        "/sign-in",
        {"email": "anna@example.org", "password": PASSWORD, "next": where["value"]},
    )
    page = client.get(asked.headers["Location"]).page.select_one("main form")
    assert page is not None
    done = client.post(str(page["action"]), {"code": codes[0]})
    assert done.headers["Location"] == "/members?q=an"
    assert "9 codes left." in client.get("/members").words("[role=status]")


def test_attempts_at_the_code_are_limited(app: Flask, signed: ReviewingClient) -> None:
    """R-4, W91: five; entering the right password in between doesn't reset the count."""
    totp, codes = set_up(signed)
    client = browser(app)
    for _ in range(PER_SOURCE):
        enter(client)
        assert client.post("/sign-in/code", {"code": "000000"}).status_code == 422
    assert enter(client).status_code == 303
    for code in (totp.at(datetime.now(UTC) + timedelta(seconds=30)), codes[0]):
        answer = client.post("/sign-in/code", {"code": code})
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 800
    assert "staff.limited" in verbs(app)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=16), tick=False):
        enter(client)
        assert client.post("/sign-in/code", {"code": codes[0]}).status_code == 303


@pytest.mark.parametrize("what", ["nothing", "time", "another password", "disabled", "turned off"])
def test_the_second_step_needs_the_first(
    app: Flask, signed: ReviewingClient, anna: Staff, what: str
) -> None:
    """R-4: a right code alone doesn't sign in, and neither does it after a password that is no longer valid."""
    _, codes = set_up(signed)
    client = browser(app)
    actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
    if what != "nothing":
        enter(client)
    with app.app_context(), transaction():
        if what == "another password":
            accounts.change_password(anna.email, OTHER, actor)
        elif what == "disabled":
            db.session.get_one(Staff, anna.id).active = False
        elif what == "turned off":
            two_factor.remove(anna.id, actor)
    later = timedelta(seconds=PATIENCE + 1 if what == "time" else 1)
    with time_machine.travel(datetime.now(UTC) + later, tick=False):
        answer = client.post("/sign-in/code", {"code": codes[0]})
    assert answer.headers["Location"] == "/sign-in"
    assert not is_in(client)


def test_after_ten_minutes_the_password_is_asked_again(
    client: ReviewingClient, anna: Staff, app: Flask
) -> None:
    """R-4: before setting up or turning off two-factor authentication, and before creating new codes."""
    page = "/account/second-factor"
    with time_machine.travel(NOON, tick=False) as clock:
        client.sign_in(anna)
        clock.shift(timedelta(minutes=10, seconds=1))
        refused = client.post(page, {"confirm_password": "wrong"})
        assert refused.status_code == 422
        assert refused.words("#confirm_password-error") == "Incorrect password."
        begun = client.post(page, {"confirm_password": PASSWORD}, follow_redirects=True)
        totp = pyotp.TOTP(begun.words("code.key"))
        client.post(f"{page}/confirmation", {"code": totp.now()})
        clock.shift(timedelta(minutes=10, seconds=1))
        for actor in ("codes", "removal"):
            assert client.post(f"{page}/{actor}").words("h1") == "Confirm it's you"
        proof = {"confirm_password": PASSWORD, "confirm_code": totp.now()}
        renewed = client.post(f"{page}/codes", proof)
        assert len(renewed.page.select("#codes li")) == 10
        assert "only your password" in client.get(f"{page}/removal").words("dialog")
        assert client.post(f"{page}/removal").status_code == 303
    with app.app_context():
        assert not two_factor.is_on(anna.id)


def test_a_role_that_requires_it_sets_it_up_first(app: Flask, anna: Staff, make: Make) -> None:
    """R-4: from the next sign-in every page and fragment leads there, and afterwards to the requested page."""
    mara = make.staff()
    with app.app_context(), transaction():
        two_factor.require_for_roles([Role.DEV], Actor(datetime.now(UTC), Origin.CONSOLE, mara))
    client = browser(app)
    enter(client)
    led = client.get("/members?q=an")
    assert led.status_code == 303
    assert led.headers["Location"] == "/account/second-factor?next=/members?q%3Dan"
    fragment = client.htmx("/badges")
    assert fragment.status_code == 401
    assert fragment.headers["HX-Redirect"].startswith("/account/second-factor")
    for path in (
        "/account",
        "/audit-log/export.csv",
        "/batches/new",
        "/account/second-factor/removal",
    ):
        assert client.get(path).headers["Location"].startswith("/account/second-factor"), path
    assert client.post("/account/name", {"name": "x"}).status_code == 303
    assert client.post("/batches", {"name": "x"}).status_code == 303
    page = client.get(led.headers["Location"])
    assert "Your role requires two-factor authentication." in page.words("main")
    assert page.page.select_one("nav.nav") is None
    form = page.page.select_one("#factor form")
    assert form is not None
    begun = client.post(str(form["action"]), follow_redirects=True)
    confirm = begun.page.select_one("#factor form")
    assert confirm is not None
    totp = pyotp.TOTP(begun.words("code.key"))
    shown = client.post(str(confirm["action"]), {"code": totp.now()})
    onward = shown.page.select_one("main a.primary")
    assert onward is not None
    assert onward["href"] == "/members?q=an"
    assert is_in(client)


def test_a_key_planted_in_another_session_is_never_confirmed(
    app: Flask, signed: ReviewingClient
) -> None:
    """R-4: someone with the old password starts the set-up and waits; the owner confirms only the key shown to them."""
    thief = browser(app)
    enter(thief)
    planted = thief.post("/account/second-factor", follow_redirects=True).words("code.key")
    page = signed.get("/account/second-factor").page
    assert page.select_one("code.key") is None
    assert page.select_one("ol.steps") is None
    confirmation = "/account/second-factor/confirmation"
    assert signed.post(confirmation, {"code": pyotp.TOTP(planted).now()}).status_code == 422
    own = signed.post("/account/second-factor", follow_redirects=True).words("code.key")
    assert own != planted
    assert signed.post(confirmation, {"code": pyotp.TOTP(own).now()}).status_code == 200
    assert thief.post(confirmation, {"code": pyotp.TOTP(planted).now()}).status_code == 422


def test_a_form_sent_before_the_two_factor_setup_is_not_lost(
    app: Flask, anna: Staff, make: Make
) -> None:
    """R-2, R-4: it is saved during the set-up, shown with its labels, and sent with one button."""
    quest = make.quest("Ten answers", make.badge("Helper"))
    mara = make.staff()
    with app.app_context(), transaction():
        two_factor.require_for_roles([Role.DEV], Actor(datetime.now(UTC), Origin.CONSOLE, mara))
    client = browser(app)
    enter(client)
    led = client.post("/batches", {"name": "Spring", "quest": str(quest.id)})
    assert led.headers["Location"] == "/account/second-factor?next=/sign-in/typed"
    form = client.get(led.headers["Location"]).page.select_one("#factor form")
    assert form is not None
    begun = client.post(str(form["action"]), follow_redirects=True)
    form = begun.page.select_one("#factor form")
    assert form is not None
    code = pyotp.TOTP(begun.words("code.key")).now()
    onward = client.post(str(form["action"]), {"code": code}).page.select_one("main a.primary")
    assert onward is not None
    page = client.get(str(onward["href"]))
    assert page.words("form dl") == "Name Spring Badge Helper"
    form = page.page.select_one("main form")
    assert form is not None
    sent = {str(field["name"]): str(field["value"]) for field in form.select("input")}
    assert client.post(str(form["action"]), sent, csrf=False).status_code == 303
    with app.app_context():
        assert db.session.scalars(select(Batch.name)).all() == ["Spring"]


def test_redirects_never_leave_this_site(signed: ReviewingClient) -> None:  # W94
    begun = signed.post("/account/second-factor", follow_redirects=True)
    code = pyotp.TOTP(begun.words("code.key")).now()
    address = "/account/second-factor/confirmation?next=https://evil.example/"
    onward = signed.post(address, {"code": code}).page.select_one("main a.primary")
    assert onward is not None
    assert onward["href"] == "/"


def test_an_admin_turns_a_lost_one_off(
    app: Flask, signed: ReviewingClient, as_admin: ReviewingClient, anna: Staff
) -> None:
    """R-4: an admin lets in someone who has lost the app and the codes."""
    set_up(signed)
    assert "Turned on" in as_admin.get(f"/settings/staff/{anna.id}").words("main")
    window = as_admin.htmx(f"/settings/staff/{anna.id}/second-factor/removal")
    assert "stolen the password" in window.words("dialog")
    as_admin.post(f"/settings/staff/{anna.id}/second-factor/removal")
    client = browser(app)
    assert enter(client).headers["Location"] == "/"


def test_a_page_asks_who_is_there_in_one_query(signed: ReviewingClient, app: Flask) -> None:
    with app.app_context(), statements() as sent:
        signed.get("/account")
    assert len([one for one in sent if re.search(r"\bstaff_sessions\.key_hash =", one)]) == 1
    assert len(sent) <= 4


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Windows"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
            "Chrome on Linux",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Version/18 Safari/605.1.15",
            "Safari on macOS",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/140 Safari/604.1",
            "Chrome on iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("something (Linux)", "Unknown browser on Linux"),
        ("<script>" * 1000, "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_have_names_that_people_know(user_agent: str, name: str) -> None:
    assert StaffSession(browser=http_user_agent.recognize(user_agent)).browser_name == name


def test_earlier_sessions_have_no_browser(app: Flask, signed: ReviewingClient, anna: Staff) -> None:
    with app.app_context():
        sessions.start(anna.id, datetime.now(UTC))
    assert "Unknown browser" in signed.get("/account").words("tbody")


@pytest.mark.databases("sqlite", "postgresql")
def test_theme_and_density_belong_to_a_person(
    as_support: ReviewingClient, as_admin: ReviewingClient
) -> None:
    """E-11: in the page itself, so that it never appears in the wrong theme first; anything unknown is the default."""

    def look(browser: ReviewingClient) -> tuple[str, ...]:
        page = browser.get("/account").page
        root, meta = page.select_one("html"), page.select_one("meta[name=color-scheme]")
        assert root is not None
        assert meta is not None
        chosen = [str(one["value"]) for one in page.select("#main .choice input[checked]")]
        assert chosen == [root["data-theme"], root["data-density"]]
        return (*chosen, str(meta["content"]))

    default = ("system", "comfortable", "light dark")
    assert look(as_support) == default
    saved = as_support.post("/account/appearance", {"theme": "dark", "density": "compact"})
    assert "Appearance saved." in as_support.get(saved.headers["Location"]).words("main")
    assert look(as_support) == ("dark", "compact", "dark")
    assert look(as_admin) == default
    as_support.post("/account/appearance", {"theme": "neon", "density": ""})
    assert look(as_support) == default
