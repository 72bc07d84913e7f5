"""Access for each role, and security headers (R-1, R-2, S1, S4, S5, W81-W86, W96, W104)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from markupsafe import escape
from werkzeug.routing import Rule

from tests.factories import Make
from tests.pages.client import UNSAFE, ReviewingClient
from tests.pages.review import problems
from webapp.domain.permissions import ALLOWED, Permission, Scope, may
from webapp.models import Role
from webapp.pages.http.authorization import PUBLIC, permission_of, public, refusal
from webapp.pages.http.security_headers import ALWAYS, RESOURCES

# R-1, written out by hand again: the table in the code must match.
MAY = {
    Permission.VIEW: "admin dev manager support",
    Permission.AWARD: "admin dev manager",
    Permission.REVOKE: "admin dev manager support",
    Permission.EDIT_BADGES: "admin dev manager",
    Permission.IMPORT_EXPORT_MEMBERS: "admin dev manager",
    Permission.BATCH_UNLOCK: "admin dev",
    Permission.MANAGE_INTEGRATIONS: "admin dev",
    Permission.MANAGE_MEMBER_STATUS: "admin",
    Permission.STAFF: "admin",
    Permission.MANAGE_COMMUNITY: "admin",
}

SIGNS_OUT = "/account/sessions/ending"
# Leave for /sign-in: signed out, or no provider is set up.
TO_SIGN_IN = {SIGNS_OUT, "/sso/confirmation"}
# Here a forged request can't use a session: they prove who asks by a link or a signed token.
WITHOUT_SESSION = ("outside.", "sso.back_channel_logout")
# What verifiers on other sites read.
PUBLISHED = {"/.well-known/did.json", "/credentials/status/999999999"}


def test_the_table_of_permissions() -> None:
    assert {permission: set(roles.split()) for permission, roles in MAY.items()} == {
        permission: {str(role) for role in roles} for permission, roles in ALLOWED.items()
    }


def pages_of(app: Flask) -> list[Rule]:
    """The rules for browsers."""
    rules = app.url_map.iter_rules()
    return [rule for rule in rules if not isinstance(permission_of(app, rule.endpoint), Scope)]


def requests_of(app: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every rule with each of its methods and a URL without an object: ids are 999,999,999.

    Operations of the API are left out: sessions don't authenticate there (tests/api/test_authentication.py).
    """
    for rule in pages_of(app):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path = re.sub(r"<int:\w+>", "999999999", rule.rule)
            yield rule, method, re.sub(r"<(\w+:)?\w+>", "nothing", path)


@pytest.mark.parametrize("role", [*Role, None])
@pytest.mark.databases("sqlite", "postgresql")
def test_every_route_requires_its_declared_permission(
    app: Flask, client: ReviewingClient, make: Make, role: Role | None
) -> None:
    """W85, S1, R-2: each role at each route: allowed ones get in, others see which roles have access."""
    person = make.staff(role) if role else None
    if person:
        client.sign_in(person)
    seen: Counter[tuple[Permission, int]] = Counter()
    for rule, method, path in requests_of(app):
        asked = permission_of(app, rule.endpoint)
        if asked == PUBLIC:
            continue
        assert isinstance(asked, Permission), rule
        answer = client.open(path, method=method, review=False)
        what = (rule.rule, method, role, answer.status_code)
        kind = (asked, answer.status_code)
        # The 403 and 404 pages are always the same; parsing is slow, so one is enough.
        known = kind in seen and answer.status_code in (403, 404)
        if answer.mimetype == "text/html" and not known:
            assert problems(answer) == [], what
        led = answer.headers.get("Location", "").startswith("/sign-in")
        if person is None:
            assert (answer.status_code, led) == (303, True), what
        elif role in MAY[asked].split():
            assert answer.status_code not in (401, 403), what
            assert answer.status_code < 500, what
            assert led == (path in TO_SIGN_IN), what  # when signed out, no page is shown any more
            if led:
                client.sign_in(person)
        else:
            assert answer.status_code == 403, what
            main = answer.text.partition("<main")[2].partition("</main>")[0]
            assert escape(refusal(asked)) in main, what
        seen[kind] += 1
    assert seen.total() > 10


def test_support_changes_nothing_but_revocations_and_their_own_account(app: Flask) -> None:
    asked = {
        rule.endpoint: permission_of(app, rule.endpoint)
        for rule in pages_of(app)
        if set(UNSAFE) & (rule.methods or set()) and not rule.endpoint.startswith("account.")
    }
    allowed = {
        endpoint
        for endpoint, permission in asked.items()
        if permission != PUBLIC and may(Role.SUPPORT, Permission(permission))
    }
    assert allowed == {
        "members.revoke",
        "members.restore",
        "badges.revoke_holders",
        "badges.undo_revocation",
    }
    assert len(asked) > 30


def test_fragments_are_answered_401(app: Flask, client: ReviewingClient) -> None:
    for rule, method, path in requests_of(app):
        if permission_of(app, rule.endpoint) != PUBLIC:
            answer = client.open(path, method=method, htmx=True)
            assert answer.status_code == 401, rule
            assert answer.headers["HX-Redirect"].startswith("/sign-in"), rule
            assert answer.text == ""


def test_the_refusal_names_the_roles() -> None:
    assert refusal(Permission.BATCH_UNLOCK) == "Only admins and developers can create batches."
    assert (
        refusal(Permission.AWARD)
        == "Only admins, developers and community managers can award badges."
    )
    assert refusal(Permission.STAFF) == "Only admins can manage staff accounts."


def test_the_menu_leads_to_pages_that_open(app: Flask, client: ReviewingClient, make: Make) -> None:
    """B-1, R-2: for every role; the current page is marked."""
    for role in Role:
        client.sign_in(make.staff(role))
        page = client.get("/").page
        links = page.select("nav.nav li a")
        expected = [
            "Home",
            "Badges",
            "Batch unlock",
            "Members",
            "Activities",
            "Insights",
            "Audit log",
        ]
        expected += ["Community", "Open Badges", "Staff"] if role == Role.ADMIN else []
        expected += (
            ["API keys", "Webhooks", "Connections"]
            if may(role, Permission.MANAGE_INTEGRATIONS)
            else []
        )
        expected += ["System"] if role == Role.ADMIN else []
        expected += ["Help"]
        assert [link.get_text(strip=True) for link in links] == expected
        for link in links:
            opened = client.get(str(link["href"]))
            assert opened.status_code == 200
            marked = opened.page.select_one("nav.nav a[aria-current=page]")
            assert marked is not None
            assert marked["href"] == link["href"]


@pytest.mark.parametrize(
    "what", ["no token", "htmx without one", "another session's", "an altered one"]
)
def test_unsafe_without_the_right_token_is_refused(
    app: Flask, as_admin: ReviewingClient, as_dev: ReviewingClient, what: str
) -> None:
    """W81, W82, W83, S5: for each unsafe route."""
    token = as_admin.token()
    # A different ending: the last two letters carry ten bits.
    altered = token[:-2] + ("AA" if token[-2:] != "AA" else "BA")
    headers = {
        "no token": {},
        "htmx without one": {"HX-Request": "true"},
        "another session's": {"X-CSRFToken": as_dev.token()},
        "an altered one": {"X-CSRFToken": altered},
    }[what]
    seen = 0
    for rule, method, path in requests_of(app):
        if method in UNSAFE and not rule.endpoint.startswith(WITHOUT_SESSION):
            answer = as_admin.open(path, method=method, csrf=False, headers=headers, review=False)
            assert answer.status_code == 400, rule
            seen += 1
    assert seen > 3


def test_a_token_of_an_earlier_page_stays_good(as_admin: ReviewingClient) -> None:
    """A page may stay open: its token does not expire."""
    token = as_admin.token()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=3), tick=False):
        answer = as_admin.post("/sign-out", csrf=False, headers={"X-CSRFToken": token})
    assert answer.status_code == 303


def test_headers_of_every_answer(
    app: Flask, client: ReviewingClient, as_admin: ReviewingClient
) -> None:
    """S4, W96, W104: pages, fragments, errors, redirects, files, for every role."""
    answers = [
        browser.open(path, method=method, htmx=htmx, review=False)
        for browser in (client, as_admin)
        for _, method, path in requests_of(app)
        for htmx in (False, True)
        if path not in ("/sign-out", SIGNS_OUT)
    ]
    answers.append(as_admin.get("/nowhere"))
    answers.append(as_admin.get("/sign-in", headers={"Host": "evil.example"}))
    assert as_admin.get("/badges").status_code == 200  # signed in throughout
    answers += [as_admin.post(path) for path in (SIGNS_OUT, "/sign-out")]
    for answer in answers:
        policy = dict(
            part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
        )
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "connect-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
            "object-src": "'none'",
        }
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in answer.headers["Permissions-Policy"]
        assert ("no-store" in answer.headers["Cache-Control"]) != (
            answer.status_code == 200 and answer.request.path in PUBLISHED
        ), answer.request.path
        assert "Strict-Transport-Security" not in answer.headers  # plain HTTP on loopback
        assert ("Access-Control-Allow-Origin" in answer.headers) == (
            answer.status_code == 200 and answer.request.path in PUBLISHED
        )
        assert not {"Server", "X-Powered-By"} & set(answer.headers.keys())


def test_a_view_may_only_let_other_sites_read_what_it_serves(
    app: Flask, client: ReviewingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = dict.fromkeys([*ALWAYS, RESOURCES], "loose")
    rule, _ = app.url_map.bind("").match("/healthz", return_rule=True)
    monkeypatch.setitem(app.view_functions, rule.endpoint, public(lambda: ("", loose)))
    assert client.get("/healthz").headers[RESOURCES] == "loose"
    for name, value in ALWAYS.items():
        assert client.get("/healthz").headers.getlist(name) == [value]


def test_static_files_may_be_kept(client: ReviewingClient) -> None:
    for path in ("css/base.css", "js/app.js", "vendor/htmx.org/dist/htmx.min.js"):
        answer = client.get(f"/static/{path}")
        assert answer.status_code == 200
        assert "max-age=3600" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers
        again = client.get(f"/static/{path}", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
    assert "no-store" in client.get("/static/nothing.css").headers["Cache-Control"]


def test_health_is_public(client: ReviewingClient) -> None:
    assert client.get("/healthz").text == "ok"
    assert client.open("/healthz", method="HEAD").status_code == 200
