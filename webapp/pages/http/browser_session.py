"""The browser's session: a signed cookie holds a key, and the database decides whether it is valid (adr/0003)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from flask import Response, after_this_request, current_app, g, request, session

from webapp.auth import remote_user as header
from webapp.auth import staff_sessions as sessions
from webapp.auth.staff_sessions import CurrentSession, ProviderSession
from webapp.domain.actor import Actor
from webapp.domain.staff import remote_user
from webapp.models import Origin, Staff
from webapp.pages.http import known_devices, user_agent

BY_HEADER = "by_header"  # in the cookie, signed together with the session's key


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
        # A proxy asks for its own second factor, as a provider does.
        return replace(staff_session, must_set_up=False) if BY_HEADER in session else staff_session
    session["former_account"] = session.pop(
        "account"
    )  # whose form input may be saved: see saved_form.py
    session.pop("key", None)
    session.pop(BY_HEADER, None)
    return None


def began_by_header() -> bool:
    """True if a proxy's header signed this session's owner in."""
    return BY_HEADER in session and current() is not None


def _goes_on(staff_session: CurrentSession, key: str) -> bool:
    """False if the proxy or the provider has ended the session."""
    if _is_named(staff_session.staff) and _is_renewed(staff_session):
        return True
    sessions.end(key)
    return False


def _is_named(staff: Staff) -> bool:
    """False if a proxy's header signed this person in, and is gone or names someone else now."""
    if BY_HEADER not in session:
        return True
    return remote_user.names(header.asserted(request.environ), staff)


def _is_renewed(staff_session: CurrentSession) -> bool:
    """False if the provider, asked again because its tokens expired, has ended the session or the person's role."""
    at, check_at = datetime.now(UTC), staff_session.check_at
    if check_at is None or check_at > at or not current_app.config["LAUREL"].oidc_issuer:
        return True
    from webapp.auth.oidc import renewal
    from webapp.auth.oidc.provider import current_provider

    actor = Actor(at, Origin.CONSOLE, address=request.remote_addr or "")
    return renewal.still_valid(current_provider(), staff_session.id, actor)


def begin(
    staff: Staff, provider: ProviderSession | None = None, *, by_header: bool = False
) -> None:
    """Sign `staff` in, and end this browser's previous session.

    With a password, or through a `provider`, or by a proxy's header: then the session lasts while the header does, and
    isn't confirmed, because the header doesn't say that anyone has just entered credentials.
    """
    _renew_token(staff)
    session.pop(BY_HEADER, None)
    if by_header:
        session[BY_HEADER] = True
    session["account"] = staff.security_stamp
    session["key"] = sessions.start(
        staff.id,
        datetime.now(UTC),
        session.get("key"),
        browser=user_agent.recognize(request.user_agent.string),
        address=request.remote_addr or "",
        provider=provider,
        confirmed=not by_header,
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
