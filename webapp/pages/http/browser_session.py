"""The browser's session: a signed cookie holds a key, and the database decides whether it is valid (adr/0003)."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, after_this_request, current_app, g, request, session

from webapp.auth import staff_sessions as sessions
from webapp.auth.staff_sessions import CurrentSession, ProviderSession
from webapp.domain.actor import Actor
from webapp.models import Origin, Staff
from webapp.pages.http import known_devices, user_agent


def current() -> CurrentSession | None:
    """The valid session of this browser, or None. Queried at most once per request, on first use."""
    if "staff_session" not in g:
        g.staff_session = _find()
    staff_session: CurrentSession | None = g.staff_session
    return staff_session


def _find() -> CurrentSession | None:
    if "account" not in session:
        return None
    account, key = session["account"], session.get("key", "")
    staff_session = sessions.find(key, datetime.now(UTC), used="X-Polling" not in request.headers)
    if (
        staff_session
        and staff_session.staff.security_stamp == account
        and _goes_on(staff_session, key)
    ):
        return staff_session
    session["former_account"] = session.pop(
        "account"
    )  # whose form input may be saved: see saved_form.py
    session.pop("key", None)
    return None


def _goes_on(staff_session: CurrentSession, key: str) -> bool:
    """False if the provider, asked again because its tokens expired, has ended the session or the person's role."""
    at, check_at = datetime.now(UTC), staff_session.check_at
    if check_at is None or check_at > at or not current_app.config["LAUREL"].oidc_issuer:
        return True
    from webapp.auth.oidc import renewal
    from webapp.auth.oidc.provider import current_provider

    actor = Actor(at, Origin.CONSOLE, address=request.remote_addr or "")
    if renewal.still_valid(current_provider(), staff_session.id, actor):
        return True
    sessions.end(key)
    return False


def begin(staff: Staff, provider: ProviderSession | None = None) -> None:
    """Sign `staff` in, with a password or through a provider, and end this browser's previous session."""
    _renew_token(staff)
    session["account"] = staff.security_stamp
    session["key"] = sessions.start(
        staff.id,
        datetime.now(UTC),
        session.get("key"),
        browser=user_agent.recognize(request.user_agent.string),
        address=request.remote_addr or "",
        provider=provider,
    )
    g.pop("staff_session", None)
    email = staff.email  # before the session's rows expire

    @after_this_request
    def remember(response: Response) -> Response:
        return known_devices.remember(response, email)


def _renew_token(staff: Staff) -> None:
    """Replace the CSRF token, so that one known before sign-in is worthless afterwards.

    If the same person was signed in here before, the old token is kept. It no longer validates forms, but a form that
    stayed open can be saved and shown to them again.
    """
    former = session.pop("csrf_token", None)
    g.pop("csrf_token", None)
    if session.pop("former_account", None) == staff.security_stamp and former:
        session["csrf_before"] = former
    else:
        session.pop("csrf_before", None)
    session.pop("halfway", None)


def end() -> None:
    """Sign out: invalidate every copy of the cookie, then clear it."""
    if "key" in session:
        sessions.end(session["key"])
    session.clear()
    g.pop("staff_session", None)
