"""The `Staff` page and the pages of invite and reset links (R-3, W86, W87, W93)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from tests.counting import statements
from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.staff import accounts, password_links
from webapp.domain.webhooks import endpoints
from webapp.models import Origin, Role, Staff
from webapp.pages.auth.login import WRONG
from webapp.transaction import transaction

GOOD = "kettle onion tramway 42"


@pytest.fixture
def mara(make: Make) -> Staff:
    return make.staff(Role.ADMIN, name="Mara", password=accounts.hash_of(GOOD))


@pytest.fixture
def admin(client: ReviewingClient, mara: Staff) -> ReviewingClient:
    """A browser signed in as an admin with a password."""
    return client.sign_in(mara)


@pytest.fixture
def guest(app: Flask) -> ReviewingClient:
    """Another browser, of the person who got the link."""
    return ReviewingClient(app, None, use_cookies=True)


def person(app: Flask, email: str) -> Staff:
    with app.app_context():
        return db.session.scalars(select(Staff).where(Staff.email == email)).one()


def link_on(answer: Answer) -> str:
    """The path of the link on a page; its host must be the console's own public address."""
    field = answer.page.select_one("#link")
    assert field is not None
    whole = urlsplit(str(field["value"]))
    assert f"{whole.scheme}://{whole.netloc}" == "http://localhost:8000"
    return whole.path


def invite(admin: ReviewingClient, **more: str) -> Answer:
    fields = {"email": "zoe@example.org", "name": "Zoë", "role": "dev", **more}
    return admin.post("/settings/staff/invitations", fields)


def test_an_invited_person_chooses_a_password_and_signs_in(
    admin: ReviewingClient, guest: ReviewingClient, app: Flask
) -> None:
    """R-3: from the form to the first sign-in, without a mail server."""
    assert admin.get("/settings/staff/invitations").status_code == 200
    shown = invite(admin)
    assert shown.status_code == 200
    assert "no-store" in shown.headers["Cache-Control"]
    link = link_on(shown)
    assert "Invited" in admin.get("/settings/staff").words("main")
    for _ in range(2):  # chat programs open links before people do
        welcome = guest.get(link)
        assert welcome.words("h1") == "Welcome"
        assert "as Dev" in welcome.words("main")
    weak = guest.post(link, {"name": "Zoë", "password": "zoe@example.org"})
    assert weak.status_code == 422
    assert "too easy to guess" in weak.words("#password-error")
    done = guest.post(link, {"name": "Zoë", "password": GOOD})
    assert (done.status_code, done.headers["Location"]) == (303, "/sign-in")
    assert "Password set." in guest.get("/sign-in").words("[role=status]")
    assert guest.post("/sign-in", {"email": "zoe@example.org", "password": GOOD}).status_code == 303
    assert guest.get("/badges").status_code == 200
    for method in ("get", "post"):
        again = getattr(guest, method)(link)
        assert again.status_code == 404
        assert again.words("h1") == "This link has expired"
    assert person(app, "zoe@example.org").role == Role.DEV


def test_an_unknown_and_an_old_link_say_the_same(
    admin: ReviewingClient, guest: ReviewingClient
) -> None:
    """R-3: 24 hours."""
    link = link_on(invite(admin))
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24, seconds=1), tick=False):
        late = guest.get(link)
    unknown = guest.get("/welcome/" + "x" * 43)
    assert (late.status_code, unknown.status_code) == (404, 404)
    assert late.words("main") == unknown.words("main")


def test_the_link_never_follows_the_host_that_was_asked(
    database: object, admin: ReviewingClient
) -> None:
    """W93: it uses LAUREL_ADDRESS, whatever the request's Host."""
    shown = admin.post(
        "/settings/staff/invitations",
        {"email": "zoe@example.org", "role": "dev"},
        headers={"X-Forwarded-Host": "evil.example"},
    )
    assert link_on(shown).startswith("/welcome/")


def test_a_link_does_not_skip_the_code_and_ends_a_foreign_session(
    admin: ReviewingClient, as_support: ReviewingClient
) -> None:
    """R-3: anyone signed in in that browser is signed out; the link itself is not a sign-in."""
    link = link_on(invite(admin))
    as_support.post(link, {"password": GOOD})
    assert as_support.get("/badges").headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"email": "not an address"}, "#email-error"),
        ({"email": "mara@example.org\0"}, "#email-error"),
        ({"role": ""}, "#role-error"),
        ({"role": "queen"}, "#role-error"),
        ({"name": "x" * 121}, "#name-error"),
    ],
)
def test_a_bad_invitation_keeps_what_was_typed(
    admin: ReviewingClient, fields: dict[str, str], at: str
) -> None:
    answer = invite(admin, **fields)
    assert answer.status_code == 422
    assert answer.words(at).endswith(".")
    typed = answer.page.select_one("#name")
    assert typed is not None
    assert typed["value"] == fields.get("name", "Zoë")


def test_unknown_fields_are_ignored(
    admin: ReviewingClient, guest: ReviewingClient, app: Flask
) -> None:
    """W87: neither the invitation nor the link's page accepts extra fields."""
    link = link_on(invite(admin, active="", password=GOOD, id="99"))
    assert person(app, "zoe@example.org").password is None
    guest.post(link, {"name": "Zoë", "password": GOOD, "role": "admin", "email": "eve@example.org"})
    assert person(app, "zoe@example.org").role == Role.DEV


def test_disabled_at_the_next_request_and_enabled_again(
    admin: ReviewingClient, guest: ReviewingClient, make: Make
) -> None:
    """R-3, W88: with a confirmation, in a dialog that also works as a page."""
    sam = make.staff(
        Role.SUPPORT, email="sam@example.org", name="Sam", password=accounts.hash_of(GOOD)
    )
    guest.sign_in(sam)
    assert guest.get("/badges").status_code == 200
    for window in (
        admin.get(f"/settings/staff/{sam.id}/disablement"),
        admin.htmx(f"/settings/staff/{sam.id}/disablement"),
    ):
        assert "Sam will be signed out everywhere" in window.words("dialog")
    done = admin.post(f"/settings/staff/{sam.id}/disablement", follow_redirects=True)
    assert "Account disabled" in done.words("[role=status]")
    assert guest.get("/badges").status_code == 303
    assert guest.htmx("/badges").status_code == 401
    answer = guest.post("/sign-in", {"email": "sam@example.org", "password": GOOD})
    assert answer.words("[role=alert]") == WRONG
    admin.post(f"/settings/staff/{sam.id}/enablement")
    assert guest.get("/badges").status_code == 303  # previous sessions stay ended
    assert guest.post("/sign-in", {"email": "sam@example.org", "password": GOOD}).status_code == 303


def test_a_new_role_holds_from_the_next_request_on(
    admin: ReviewingClient, guest: ReviewingClient, make: Make
) -> None:
    sam = make.staff(Role.SUPPORT, name="Sam")
    guest.sign_in(sam)
    assert guest.get("/batches/new").status_code == 403
    said = admin.post(f"/settings/staff/{sam.id}/role", {"role": "dev"}, follow_redirects=True)
    assert "Sam now has the role Dev." in said.words("[role=status]")
    assert guest.get("/batches/new").status_code == 200
    admin.post(f"/settings/staff/{sam.id}/role", {"role": "support"})
    assert guest.get("/batches/new").status_code == 403
    assert admin.post(f"/settings/staff/{sam.id}/role", {"role": "queen"}).status_code == 422


def test_the_last_admin_cannot_be_removed(
    admin: ReviewingClient, mara: Staff, app: Flask
) -> None:
    sentence = "Mara is the last admin who can sign in. Make someone else an admin first."
    refused = admin.post(f"/settings/staff/{mara.id}/disablement")
    assert refused.status_code == 422
    assert refused.words("[role=alert]") == sentence
    demoted = admin.post(f"/settings/staff/{mara.id}/role", {"role": "dev"})
    assert demoted.status_code == 422
    assert demoted.words("#role-error") == sentence
    assert admin.get("/settings/staff").status_code == 200


def test_an_admin_may_disable_themselves_if_there_is_another(
    admin: ReviewingClient, mara: Staff, make: Make
) -> None:
    make.staff(Role.ADMIN, password="a hash")
    window = admin.get(f"/settings/staff/{mara.id}/disablement")
    assert "This is your own account" in window.words("dialog")
    admin.post(f"/settings/staff/{mara.id}/disablement")
    assert admin.get("/settings/staff").headers["Location"].startswith("/sign-in")


def test_a_password_is_reset_by_a_link(
    admin: ReviewingClient, guest: ReviewingClient, make: Make
) -> None:
    """R-3: shown once: the URL of the page that showed it redirects back."""
    sam = make.staff(Role.SUPPORT, email="sam@example.org", password=accounts.hash_of(GOOD))
    shown = admin.post(f"/settings/staff/{sam.id}/link")
    link = link_on(shown)
    assert (
        admin.get(f"/settings/staff/{sam.id}/link").headers["Location"]
        == f"/settings/staff/{sam.id}"
    )
    assert link not in admin.get(f"/settings/staff/{sam.id}").text
    assert guest.get(link).words("h1") == "New password"
    guest.post(link, {"password": "violet engine under snow"})
    signed = guest.post("/sign-in", {"email": sam.email, "password": "violet engine under snow"})
    assert signed.status_code == 303


def test_roles_are_asked_for_a_second_factor(admin: ReviewingClient) -> None:
    """R-4: the checkboxes show the current state; none checked requires it of no one."""

    def ticked() -> list[str]:
        page = admin.get("/settings/staff").page
        return [str(box["value"]) for box in page.select("input[name=role][checked]")]

    said = admin.post(
        "/settings/staff/second-factor-roles",
        {"role": ["admin", "dev", "queen"]},
        follow_redirects=True,
    )
    assert "next sign-in" in said.words("[role=status]")
    assert ticked() == ["admin", "dev"]
    admin.post("/settings/staff/second-factor-roles", {})
    assert ticked() == []


def test_unknown_accounts_are_404(admin: ReviewingClient) -> None:  # W86
    for path in ("", "/link", "/role", "/disablement", "/enablement", "/second-factor/removal"):
        fields = {"role": "dev"}
        answer = (
            admin.post(f"/settings/staff/999{path}", fields)
            if path
            else admin.get("/settings/staff/999")
        )
        assert answer.status_code == 404, path


def test_the_list_takes_as_many_queries_for_thirty_as_for_one(
    admin: ReviewingClient, make: Make, app: Flask
) -> None:
    def sent() -> int:
        with app.app_context(), statements() as seen:
            assert admin.get("/settings/staff").status_code == 200
        return len(seen)

    before = sent()
    for _ in range(30):
        make.staff(Role.SUPPORT)
    assert sent() == before <= 4


def keys_of(app: Flask, person: Staff) -> dict[str, int]:
    """Two keys created by a person, by name."""
    actor = Actor(datetime.now(UTC), Origin.CONSOLE, person)
    with app.app_context(), transaction():
        return {
            name: api_keys.create(name, ["badges:read"], None, actor).key.id
            for name in ("LMS", "Bot")
        }


def revoked(app: Flask) -> set[str]:
    with app.app_context():
        return {key.name for key in api_keys.all_keys() if key.revoked_at}


def test_the_window_before_disabling_lists_their_keys(
    admin: ReviewingClient, make: Make, app: Flask
) -> None:
    """A-3, R-3: with a checkbox for each; checked ones are revoked with the account."""
    sam = make.staff(Role.DEV, name="Sam")
    keys = keys_of(app, sam)
    path = f"/settings/staff/{sam.id}/disablement"
    for window in (admin.get(path), admin.htmx(path)):
        boxes = window.page.select("dialog input[name=key][checked]")
        assert {int(str(box["value"])) for box in boxes} == set(keys.values())
        assert "Revoke LMS" in window.words("dialog")
    admin.post(path, {"key": [str(keys["LMS"]), "x"]})
    assert revoked(app) == {"LMS"}
    assert not person(app, sam.email).active


def test_webhooks_are_listed_with_the_keys(admin: ReviewingClient, make: Make, app: Flask) -> None:
    """A-6, R-3: even for a person who created no key."""
    sam = make.staff(Role.DEV, name="Sam")
    actor = Actor(datetime.now(UTC), Origin.CONSOLE, sam)
    with app.app_context(), transaction():
        hook = endpoints.create(
            "https://hooks.example.org/", ["award.created"], (), actor
        ).endpoint.id
    path = f"/settings/staff/{sam.id}"
    asked = admin.post(f"{path}/role", {"role": "support"})
    assert "Turn off https://hooks.example.org/" in asked.words("dialog#role-change")
    assert "Turn off" in admin.htmx(f"{path}/disablement").words("dialog")
    admin.post(f"{path}/disablement", {"webhook": str(hook)})
    with app.app_context():
        assert endpoints.created_by(sam.id) == []


def test_a_smaller_role_asks_about_keys_first(
    admin: ReviewingClient, make: Make, app: Flask
) -> None:
    """A-3, R-3: nothing changes until the dialog is answered; with a larger role or without keys, nothing is asked."""
    sam = make.staff(Role.DEV, name="Sam")
    path = f"/settings/staff/{sam.id}/role"
    admin.post(path, {"role": "admin"})
    assert person(app, sam.email).role == Role.ADMIN
    keys = keys_of(app, sam)
    asked = admin.post(path, {"role": "support"})
    assert "LMS" in asked.words("dialog#role-change")
    assert person(app, sam.email).role == Role.ADMIN
    form = asked.page.select_one("dialog#role-change form")
    assert form is not None
    sent = {str(box["name"]): str(box["value"]) for box in form.select("input[type=hidden]")}
    sent.pop("csrf_token")
    admin.post(str(form["action"]), {**sent, "key": str(keys["Bot"])})
    assert person(app, sam.email).role == Role.SUPPORT
    assert revoked(app) == {"Bot"}
    zoe = make.staff(Role.DEV)
    admin.post(f"/settings/staff/{zoe.id}/role", {"role": "support"})
    assert person(app, zoe.email).role == Role.SUPPORT


def test_a_name_that_looks_like_a_colleagues_is_rejected_at_its_field(
    app: Flask, as_admin: ReviewingClient, client: ReviewingClient, make: Make
) -> None:
    """L-1: when inviting, on one's own account, and with a link, which can be used again."""
    make.staff(name="Mara Kovač")
    eve = make.staff(name="Eve", email="eve@example.org")
    said = "A colleague has this name"
    form = {"email": "new@example.org", "name": "mara kovac", "role": "dev"}
    invited = as_admin.post("/settings/staff/invitations", form)
    assert invited.status_code == 422
    assert said in invited.words("#name-error")
    client.sign_in(eve)
    renamed = client.post("/account/name", {"name": "Маra Kovač"})
    assert renamed.status_code == 422
    assert said in renamed.words("#name-error")
    with app.app_context(), transaction():
        key = password_links.create(eve.id, Actor(datetime.now(UTC), Origin.COMMAND_LINE))
    chosen = {"name": "MARA KOVAČ", "password": "violet engine under snow"}
    refused = client.post(password_links.URL_PREFIX + key, chosen)
    assert refused.status_code == 422
    assert said in refused.words("#name-error")
    assert client.post(password_links.URL_PREFIX + key, chosen | {"name": "Eve"}).status_code == 303
