"""Actions that change who has access ask for the password, unless it was just confirmed in this session (R-4)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from tests.counting import statements
from tests.factories import Make
from tests.pages.client import UNSAFE, Answer, ReviewingClient
from webapp.auth import staff_sessions as sessions
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.permissions import Permission
from webapp.domain.staff import accounts, two_factor
from webapp.domain.staff import sessions as staff_sessions
from webapp.domain.staff.accounts import VerifiedPassword
from webapp.messages import text_of
from webapp.models import ApiKey, AuditEvent, Origin, Role, Staff, StaffLink
from webapp.pages.auth.step_up import FRESH, WRONG_CODE, WRONG_PASSWORD, confirms
from webapp.pages.http.authorization import permission_of
from webapp.transaction import transaction

PASSWORD = "kettle onion tramway 42"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)

STEP_UP = {
    "account.begin",
    "account.renew_codes",
    "account.remove",
    "api_keys.make",
    "api_keys.revoke",
    "connections.change",
    "connections.make",
    "members.replace_link",
    "open_badges.rotate_key",
    "open_badges.turn_on",
    "staff.change_role",
    "staff.demand",
    "staff.disable",
    "staff.enable",
    "staff.invite",
    "staff.make_link",
    "staff.remove_factor",
    "staff.set_break_glass",
    "webhooks.change",
    "webhooks.make",
    "webhooks.rotate",
}
# These change neither who has access nor where data is sent. Adding a view here is a decision.
WITHOUT = {
    "connections.check",
    "connections.fetch_badges",
    "connections.map_badge",
    "connections.pull",
    "connections.remove",
    "connections.repair",
    "connections.retry",
    "connections.start_comparison",
    "connections.switch",
    "connections.unmap",
    "webhooks.redeliver",
    "webhooks.remove",
    "webhooks.switch",
    "webhooks.test",
}


@pytest.fixture
def clock() -> object:
    with time_machine.travel(NOON, tick=False) as travelled:
        yield travelled


@pytest.fixture
def mara(make: Make) -> Staff:
    return make.staff(
        Role.ADMIN, email="mara@example.org", name="Mara", password=accounts.hash_of(PASSWORD)
    )


@pytest.fixture
def sam(make: Make) -> Staff:
    return make.staff(Role.SUPPORT, name="Sam", password="a hash")


@pytest.fixture
def stale(clock: time_machine.Coordinates, client: ReviewingClient, mara: Staff) -> ReviewingClient:
    """An admin's browser, ten minutes and a second after signing in."""
    client.sign_in(mara)
    clock.shift(FRESH + SECOND)
    return client


def browser(app: Flask) -> ReviewingClient:
    return ReviewingClient(app, None, use_cookies=True)


def set_up_factor(app: Flask, person: Staff) -> pyotp.TOTP:
    """Turn on two-factor authentication in a separate session."""
    at = datetime.now(UTC)
    actor = Actor(at, Origin.CONSOLE, person)
    with app.app_context():
        staff_session = sessions.find(sessions.start(person.id, at), at)
        assert staff_session is not None
        with transaction():
            two_factor.begin(staff_session.id, actor)
        totp = pyotp.TOTP(two_factor.secret_to_scan(staff_session.id, at) or "")
        with transaction():
            two_factor.confirm(staff_session.id, totp.at(at), actor)
    return totp


def role_of(app: Flask, person: Staff) -> str:
    with app.app_context():
        return str(db.session.get_one(Staff, person.id).role)


def rows(app: Flask, model: type) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def asks(answer: Answer) -> bool:
    return "Confirm it's you" in answer.words() and bool(answer.page.select("#confirm_password"))


def fields_of(answer: Answer) -> list[tuple[str, str]]:
    """The fields of the confirmation form as a browser without JavaScript sends them, without the token."""
    inputs = answer.page.select("form[action] input[name]")
    return [
        (str(field["name"]), str(field.get("value", "")))
        for field in inputs
        if field["name"] not in ("csrf_token", "confirm_password", "confirm_code")
        and field.find_parent("form").select("#confirm_password")  # type: ignore[union-attr]
    ]


def test_every_view_that_changes_access_asks_to_confirm(app: Flask) -> None:
    """A new view that changes staff, keys or webhooks must be in one of the two lists."""
    stated, sensitive = set(), set()
    for rule in app.url_map.iter_rules():
        if confirms(app, rule.endpoint):
            stated.add(rule.endpoint)
            assert "GET" not in (rule.methods or set()), rule
        if set(UNSAFE) & (rule.methods or set()) and permission_of(app, rule.endpoint) in (
            Permission.STAFF,
            Permission.MANAGE_INTEGRATIONS,
        ):
            sensitive.add(rule.endpoint)
    assert stated == STEP_UP
    assert sensitive - stated == WITHOUT


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_none_of_them_runs_after_ten_minutes(
    app: Flask, stale: ReviewingClient, htmx: bool
) -> None:
    """Each is requested for an object that doesn't exist: it would answer 404 or 422 if it ran; nothing is written."""
    seen = 0
    for rule in app.url_map.iter_rules():
        if not confirms(app, rule.endpoint):
            continue
        with app.app_context(), statements() as sent:
            answer = stale.post(
                re.sub(r"<int:\w+>", "999999999", rule.rule), {"role": "dev"}, htmx=htmx
            )
        assert (answer.status_code, asks(answer)) == (200, True), rule
        if htmx:
            assert answer.headers["HX-Retarget"] == "#dialog"
        assert [one for one in sent if WRITES.match(one) and "staff_sessions" not in one] == []
        seen += 1
    assert seen == len(STEP_UP)


def test_up_to_ten_minutes_nothing_is_asked(
    app: Flask, client: ReviewingClient, clock: time_machine.Coordinates, mara: Staff, sam: Staff
) -> None:
    """Signing in counts as a confirmation."""
    client.post("/sign-in", {"email": mara.email, "password": PASSWORD})
    clock.shift(FRESH)
    client.post(f"/settings/staff/{sam.id}/role", {"role": "dev"})
    assert role_of(app, sam) == "dev"
    clock.shift(SECOND)
    assert asks(client.post(f"/settings/staff/{sam.id}/role", {"role": "manager"}))
    assert role_of(app, sam) == "dev"


def test_the_request_is_carried_out_without_typing_it_again(
    app: Flask, stale: ReviewingClient, clock: time_machine.Coordinates, sam: Staff
) -> None:
    """The question says what it is for, and repeats the request; then nothing is asked for ten minutes."""
    path = f"/settings/staff/{sam.id}/role"
    asked = stale.post(path, {"role": "dev"})
    assert "To change a role, enter your password." in asked.words("main")
    shown = asked.words("main dl")
    assert "Sam" in shown
    assert "Dev" in shown
    assert asked.page.select_one("main form")["action"] == path  # type: ignore[index]
    assert fields_of(asked) == [("role", "dev")]
    wrong = stale.post(path, {"role": "dev", "confirm_password": "wrong"})
    assert wrong.status_code == 422
    assert wrong.words("#confirm_password-error") == text_of(WRONG_PASSWORD)
    assert fields_of(wrong) == [("role", "dev")]
    assert role_of(app, sam) == "support"
    done = stale.post(path, dict(fields_of(wrong)) | {"confirm_password": PASSWORD})
    assert done.status_code == 303
    assert role_of(app, sam) == "dev"
    clock.shift(FRESH)
    stale.post(path, {"role": "manager"})
    assert role_of(app, sam) == "manager"
    clock.shift(SECOND)
    assert asks(stale.post(path, {"role": "dev"}))


def test_several_values_of_a_field_and_hostile_text_come_through(
    app: Flask, stale: ReviewingClient
) -> None:
    new = {
        "name": 'A "key" <b>&\n\0 Zoë',
        "scopes": ["badges:read", "awards:write"],
        "expires": "2999-12-31",
    }
    asked = stale.post("/settings/api-keys", new)
    assert [value for name, value in fields_of(asked) if name == "scopes"] == new["scopes"]
    shown = asked.words("main dl")
    assert "Award and revoke badges" in shown
    assert "<b>" in shown
    sent: dict[str, object] = {"confirm_password": PASSWORD}
    for name, value in fields_of(asked):
        sent[name] = [*sent.get(name, []), value]  # type: ignore[misc]
    assert stale.post("/settings/api-keys", sent).status_code == 201
    with app.app_context():
        assert db.session.scalars(select(ApiKey)).one().scopes == ["badges:read", "awards:write"]


def test_from_htmx_the_question_is_a_window_with_a_plain_form(
    app: Flask, stale: ReviewingClient, sam: Staff
) -> None:
    path = f"/settings/staff/{sam.id}/role"
    asked = stale.htmx(path, {"role": "dev"})
    assert asked.headers["HX-Reswap"] == "innerHTML"
    form = asked.page.select_one("dialog#step-up form")
    assert form is not None
    assert form["action"] == path
    assert not form.has_attr("hx-post")
    stale.post(path, dict(fields_of(asked)) | {"confirm_password": PASSWORD})
    assert role_of(app, sam) == "dev"


def test_with_two_factor_authentication_the_code_is_asked_as_well(
    app: Flask, stale: ReviewingClient, clock: time_machine.Coordinates, mara: Staff, sam: Staff
) -> None:
    """Wrong, missing and used codes are rejected; the password alone is not enough."""
    totp = set_up_factor(app, mara)
    clock.shift(timedelta(minutes=2))
    path, role = f"/settings/staff/{sam.id}/role", {"role": "dev"}
    assert stale.post(path, role).page.select_one("#confirm_code") is not None
    right = {**role, "confirm_password": PASSWORD}
    for wrong in ({}, {"confirm_code": "000000"}, {"confirm_code": "x" * 3000}):
        answer = stale.post(path, right | wrong)
        assert answer.status_code == 422
        assert answer.words("#confirm_code-error") == text_of(WRONG_CODE)
    code = {"confirm_code": totp.now()}
    wrong_password = stale.post(path, {**role, **code, "confirm_password": "wrong"})
    assert wrong_password.words("#confirm_password-error") == text_of(WRONG_PASSWORD)
    assert role_of(app, sam) == "support"
    assert stale.post(path, right | code).status_code == 303
    assert role_of(app, sam) == "dev"
    clock.shift(FRESH + SECOND)
    other = browser(app).sign_in(mara)
    clock.shift(FRESH + SECOND)
    spent = {"confirm_code": totp.now()}
    assert other.post(path, right | spent).status_code == 303
    replayed = stale.post(path, {**right, **spent, "role": "manager"})
    assert replayed.words("#confirm_code-error") == text_of(WRONG_CODE)
    assert role_of(app, sam) == "dev"


def test_people_who_must_set_up_two_factor_are_asked_on_a_bare_page(
    app: Flask, client: ReviewingClient, clock: time_machine.Coordinates, mara: Staff
) -> None:
    """R-4: no other page is available to them, so this page links to none."""
    with app.app_context(), transaction():
        two_factor.require_for_roles([Role.ADMIN], Actor(NOON, Origin.COMMAND_LINE))
    client.post("/sign-in", {"email": mara.email, "password": PASSWORD})
    clock.shift(FRESH + SECOND)
    asked = client.post("/account/second-factor?next=/members")
    assert asks(asked)
    assert asked.page.select("nav.nav") == []
    form = asked.page.select_one("main form")
    assert form is not None
    begun = client.post(str(form["action"]), {"confirm_password": PASSWORD}, follow_redirects=True)
    assert begun.words("code.key")
    confirm = begun.page.select_one("ol.steps form")
    assert confirm is not None
    assert "next=/members" in str(confirm["action"])


def test_a_confirmation_counts_in_its_own_session_only(
    app: Flask, stale: ReviewingClient, mara: Staff, sam: Staff
) -> None:
    """A confirmation in one of a person's browsers has no effect in another."""
    path = f"/settings/staff/{sam.id}/role"
    with time_machine.travel(NOON, tick=False):
        other = browser(app).sign_in(mara)
    stale.post(path, {"role": "dev", "confirm_password": PASSWORD})
    assert role_of(app, sam) == "dev"
    assert asks(other.post(path, {"role": "manager"}))
    assert role_of(app, sam) == "dev"


def test_an_old_cookie_brings_no_confirmation_back(
    app: Flask, stale: ReviewingClient, clock: time_machine.Coordinates, sam: Staff
) -> None:
    """The time is stored in the database, so an old copy of the cookie is worth nothing."""
    path = f"/settings/staff/{sam.id}/role"
    stale.post(path, {"role": "dev", "confirm_password": PASSWORD})
    cookie = stale.get_cookie("laurel")
    assert cookie is not None
    clock.shift(FRESH + SECOND)
    copy = browser(app)
    copy.set_cookie("laurel", cookie.value)
    assert asks(copy.post(path, {"role": "manager"}))
    assert role_of(app, sam) == "dev"


def test_a_page_kept_from_another_session_carries_out_nothing(
    app: Flask, stale: ReviewingClient, mara: Staff, sam: Staff
) -> None:
    """The question contains the token of its session; sent from another session, it is rejected and discarded."""
    asked = stale.post(f"/settings/staff/{sam.id}/role", {"role": "dev"})
    token = asked.page.select_one("main form input[name=csrf_token]")
    assert token is not None
    sent = {"role": "dev", "confirm_password": PASSWORD, "csrf_token": str(token["value"])}
    with time_machine.travel(NOON, tick=False):
        other = browser(app).sign_in(mara)
        other.token()
    refused = other.post(f"/settings/staff/{sam.id}/role", sent, csrf=False)
    assert refused.status_code == 400
    assert role_of(app, sam) == "support"


def test_a_forged_request_is_not_offered_for_confirmation(
    stale: ReviewingClient, sam: Staff
) -> None:
    """Another site can't have its text shown under `Confirm it's you`."""
    answer = stale.post(f"/settings/staff/{sam.id}/role", {"role": "admin"}, csrf=False)
    assert answer.status_code == 400
    assert not asks(answer)


def test_access_is_checked_before_asking_to_confirm(
    app: Flask, clock: time_machine.Coordinates, as_support: ReviewingClient, sam: Staff
) -> None:
    clock.shift(FRESH + SECOND)
    answer = as_support.post(f"/settings/staff/{sam.id}/role", {"role": "admin"})
    assert answer.status_code == 403


def test_guesses_at_the_question_are_limited(
    app: Flask, stale: ReviewingClient, sam: Staff
) -> None:
    """An unlocked computer must not allow guessing; the error page still shows the requested action."""
    path = f"/settings/staff/{sam.id}/role"
    answers = [stale.post(path, {"role": "dev", "confirm_password": f"{n}"}) for n in range(12)]
    assert {answer.status_code for answer in answers} == {422, 429}
    last = stale.post(path, {"role": "dev", "confirm_password": PASSWORD})
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) > 0
    assert fields_of(last) == [("role", "dev")]
    assert role_of(app, sam) == "support"


def test_guesses_at_the_code_are_limited(
    app: Flask, stale: ReviewingClient, mara: Staff, sam: Staff
) -> None:
    totp = set_up_factor(app, mara)
    path, right = f"/settings/staff/{sam.id}/role", {"role": "dev", "confirm_password": PASSWORD}
    answers = [stale.post(path, {**right, "confirm_code": f"{n:06}"}) for n in range(12)]
    assert {answer.status_code for answer in answers} == {422, 429}
    later = totp.at(datetime.now(UTC) + timedelta(seconds=30))
    assert stale.post(path, {**right, "confirm_code": later}).status_code == 429
    assert role_of(app, sam) == "support"


def test_a_password_changed_in_between_confirms_nothing(
    app: Flask, mara: Staff, make: Make
) -> None:
    """A confirmation with the old password after the change has no effect, nor in someone else's session."""
    at = datetime.now(UTC)
    sam = make.staff(Role.ADMIN, password="another hash")
    with app.app_context():
        staff_session = sessions.find(sessions.start(mara.id, at - 2 * FRESH), at)
        assert staff_session is not None
        for proof, actor in (
            (VerifiedPassword(mara.id, "the hash before", None), Actor(at, Origin.CONSOLE, mara)),
            (VerifiedPassword(mara.id, str(mara.password), None), Actor(at, Origin.CONSOLE, sam)),
            (VerifiedPassword(sam.id, str(sam.password), None), Actor(at, Origin.CONSOLE, sam)),
        ):
            with transaction():
                assert not staff_sessions.confirm(staff_session.id, proof, "", actor)
        with transaction():
            right = VerifiedPassword(mara.id, str(mara.password), None)
            assert staff_sessions.confirm(
                staff_session.id, right, "", Actor(at, Origin.CONSOLE, mara)
            )


def test_a_form_confirmed_after_the_session_ended_is_kept_without_its_secrets(
    app: Flask, stale: ReviewingClient, clock: time_machine.Coordinates, sam: Staff
) -> None:
    """R-2, S2: neither the password nor the code is stored in a cookie."""
    path = f"/settings/staff/{sam.id}/role"
    stale.token()
    clock.shift(timedelta(hours=2))
    sent = {"role": "dev", "confirm_password": PASSWORD, "confirm_code": "123456"}
    assert stale.post(path, sent).status_code == 303
    with stale.session_transaction() as kept:
        assert kept["kept"][2] == [("role", "dev")]


def test_the_staff_page_has_no_link_or_factor_removal_for_oneself(
    app: Flask, client: ReviewingClient, mara: Staff
) -> None:
    """R-3, R-4: a stolen admin session must not give access to the account; the page offers neither."""
    set_up_factor(app, mara)
    client.sign_in(mara)
    page = client.get(f"/settings/staff/{mara.id}")
    assert page.page.select("form[action$='/link'], a[href$='/second-factor/removal']") == []
    assert "Your account" in page.words("main")
    for actor in ("link", "second-factor/removal"):
        refused = client.post(f"/settings/staff/{mara.id}/{actor}")
        assert refused.status_code == 422
        assert "Your account" in refused.words("[role=alert]")
    assert rows(app, StaffLink) == 0
    with app.app_context():
        assert two_factor.is_on(mara.id)


def test_confirming_is_not_in_the_audit_log(app: Flask, stale: ReviewingClient, sam: Staff) -> None:
    """L-1: only the action itself is recorded, once."""
    path = f"/settings/staff/{sam.id}/role"
    stale.post(path, {"role": "dev"})
    stale.post(path, {"role": "dev", "confirm_password": PASSWORD})
    with app.app_context():
        verbs = list(db.session.scalars(select(AuditEvent.verb)))
    assert verbs == ["staff.role_changed"]
