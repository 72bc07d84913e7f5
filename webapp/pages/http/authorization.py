"""Authorization: each view declares its permission, and one guard enforces it (R-1, R-2)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, redirect, session, url_for
from htmx_flask import request
from werkzeug.local import LocalProxy
from werkzeug.wrappers import Response as Answer

from webapp.auth import remote_user
from webapp.auth.staff_sessions import CurrentSession
from webapp.database import DB_UNAVAILABLE
from webapp.domain import community, permissions
from webapp.domain.actor import Actor
from webapp.domain.audit_log import denials
from webapp.domain.community import Brand
from webapp.domain.permissions import Permission, Scope
from webapp.models import Origin, Role, Staff
from webapp.pages.http import browser_session, saved_form
from webapp.transaction import transaction

log = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])

PUBLIC = "public"
# The only endpoints for staff who must set up two-factor authentication first.
SETTING_UP = {"account.second_factor", "account.begin", "account.confirm"}
# The people with a role, for sentences.
_PEOPLE = {
    Role.ADMIN: "admins",
    Role.DEV: "developers",
    Role.MANAGER: "community managers",
    Role.SUPPORT: "support staff",
}


def permit(permission: Permission) -> Callable[[View], View]:
    """Declare the permission a view requires. Goes below the route's decorator."""

    def state(view: View) -> View:
        view.__dict__["asks_for"] = permission
        return view

    return state


def public(view: View) -> View:
    """Declare that a view is open to anyone, signed in or not."""
    view.__dict__["asks_for"] = PUBLIC
    return view


def permission_of(app: Flask, endpoint: str) -> Permission | Scope | str | None:
    """What an endpoint's view declares: a permission, an API scope, `PUBLIC`, or None."""
    return getattr(app.view_functions[endpoint], "asks_for", None)


def signed_in() -> Staff | None:
    staff_session = browser_session.current()
    return staff_session.staff if staff_session else None


def current_session() -> CurrentSession:
    staff_session = browser_session.current()
    assert staff_session is not None
    return staff_session


def brand() -> Brand:
    """The name and logo that pages show: read with the session; on signed-out pages by a query of its own.

    Looked up once per request. If the database is away, Laurel's.
    """
    if "brand" not in g:
        try:
            staff_session = browser_session.current()
            g.brand = staff_session.brand if staff_session else community.brand()
        except DB_UNAVAILABLE:
            g.brand = Brand()
    return cast(Brand, g.brand)


# The signed-in person, for templates; falsy if signed out. Looked up on first use.
current_staff = cast(Staff, LocalProxy(signed_in))


def current_actor() -> Actor:
    return replace(anonymous_actor(), staff=signed_in())


def anonymous_actor() -> Actor:
    """The actor of a request before sign-in, with its IP address."""
    return Actor(at=datetime.now(UTC), origin=Origin.CONSOLE, address=request.remote_addr or "")


def may(permission: Permission | str) -> bool:
    """True if the signed-in person has this permission, given as such or by name (`"BATCH_UNLOCK"`)."""
    required = permission if isinstance(permission, Permission) else Permission[permission]
    staff = signed_in()
    return permissions.may(staff.role if staff else None, required)


def init_app(app: Flask) -> None:
    """Install the guard in front of every view, and give templates what depends on who is signed in."""
    if app.has_static_folder:
        public(app.view_functions["static"])
    app.before_request(_guard)
    app.jinja_env.globals.update(
        may=may,
        missing_permission=missing_permission,
        current_staff=current_staff,
        community=LocalProxy(brand),
        navigation=LocalProxy(navigation),
    )


def _guard() -> Answer | None:
    if request.endpoint is None:  # unknown URL: the dispatch answers 404 or 405
        return None
    required = permission_of(current_app, request.endpoint)
    if required == PUBLIC or isinstance(
        required, Scope
    ):  # a busy database must not change the response
        return None
    if not isinstance(required, Permission):
        log.error("endpoint %s declares no permission, request refused", request.endpoint)
        abort(403)
    if signed_in() is None:
        return _to_sign_in()
    if current_session().must_set_up and request.endpoint not in SETTING_UP:
        kept_here = saved_form.save(current_staff.security_stamp)
        onward = url_for("security.typed") if kept_here else return_url()
        return _redirect(url_for("account.second_factor", next=onward))
    if not may(required):
        _note_denial()
        abort(403, description=refusal(required))
    if saved_form.from_before(current_staff.security_stamp):
        return _redirect(url_for("security.typed"))
    saved_form.discard_if_submitted()
    return None


def _note_denial() -> None:
    actor, route = current_actor(), f"{request.method} {request.url_rule}"
    log.warning("refused %s to account %s from %s", route, actor.staff_id, actor.address)
    with (
        suppress(*DB_UNAVAILABLE),
        transaction(),
    ):  # a busy database must not change the response
        denials.record_denial(route, actor)


def refusal(permission: Permission) -> str:
    """The sentence that names the roles with access."""
    roles = [_PEOPLE[role] for role in permissions.roles_that_may(permission)]
    named = " and ".join([", ".join(roles[:-1]), roles[-1]] if len(roles) > 1 else roles)
    return f"Only {named} can {permission.value}."


def missing_permission(permission: str) -> str:
    """The sentence that names the roles with a permission, given by name; "" for people who have it."""
    return "" if may(permission) else refusal(Permission[permission])


def _to_sign_in() -> Answer:
    onward = (
        url_for("security.typed")
        if saved_form.save(session.get("former_account"))
        else return_url()
    )
    endpoint = "remote_user.begin" if remote_user.asserted(request.environ) else "security.login"
    return _redirect(url_for(endpoint, next=onward))


def _redirect(address: str) -> Answer:
    if request.htmx:
        return Response(status=401, headers={"HX-Redirect": address})
    return redirect(address, 303)


def return_url() -> str | None:
    """The page of this console that the request came from, or else the requested one."""
    if request.method in ("GET", "HEAD"):
        if not request.htmx:
            return request.full_path.rstrip("?")
        seen = urlsplit(request.htmx.current_url or "")
    else:
        seen = urlsplit(request.referrer or "")
    if seen.netloc != request.host:
        return None
    return seen.path + (f"?{seen.query}" if seen.query else "")


_Link = tuple[str, str, str, bool]

# The menu `Manage`: groups of (label, endpoint, icon).
_MENU: list[tuple[str, list[tuple[str, str, str]]]] = [
    ("", [("Home", "home.index", "house")]),
    (
        "Gamification",
        [("Badges", "badges.index", "award"), ("Batch unlock", "batches.index", "layers")],
    ),
    (
        "Community",
        [("Members", "members.index", "users"), ("Activities", "activities.index", "zap")],
    ),
    (
        "",
        [
            ("Insights", "insights.index", "chart-column"),
            ("Audit log", "audit_log.index", "scroll-text"),
        ],
    ),
    (
        "Settings",
        [
            ("Community", "community.index", "palette"),
            ("Open Badges", "open_badges.index", "badge-check"),
            ("Staff", "staff.index", "user-cog"),
            ("API keys", "api_keys.index", "key-round"),
            ("Webhooks", "webhooks.index", "webhook"),
            ("Connections", "connections.index", "cable"),
            ("System", "system.index", "activity"),
        ],
    ),
    ("", [("Help", "help.index", "circle-question-mark")]),
]


def navigation() -> list[tuple[str, list[_Link]]]:
    groups = []
    for group, entries in _MENU:
        links: list[_Link] = [
            (label, url_for(endpoint), icon, _is_current(endpoint))
            for label, endpoint, icon in entries
            if reachable(endpoint)
        ]
        if links:
            groups.append((group, links))
    return groups


def reachable(endpoint: str) -> bool:
    """True if the signed-in person may open the page."""
    required = permission_of(current_app, endpoint)
    return required == PUBLIC or (isinstance(required, Permission) and may(required))


def _is_current(endpoint: str) -> bool:
    return request.blueprint == endpoint.partition(".")[0]
