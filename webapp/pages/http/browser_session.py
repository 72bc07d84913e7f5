"""The session of this browser: the signed cookie holds a key, the database decides whether it is valid (adr/0003)."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, after_this_request, g, request, session

from webapp.auth import staff_sessions as sessions
from webapp.auth.staff_sessions import CurrentSession
from webapp.models import Staff
from webapp.pages.http import known_devices, user_agent


def current() -> CurrentSession | None:
    """The valid session of this browser, or None. Queried once per request, and only if a view asks."""
    if "seat" not in g:
        g.seat = _find()
    seat: CurrentSession | None = g.seat
    return seat


def _find() -> CurrentSession | None:
    if "account" not in session:
        return None
    account, key = session["account"], session.get("key", "")
    seat = sessions.find(key, datetime.now(UTC), used="X-Polling" not in request.headers)
    if seat and seat.staff.security_stamp == account:
        return seat
    session["was"] = session.pop("account")  # whose typed input may be kept: see saved_form.py
    session.pop("key", None)
    return None


def begin(staff: Staff) -> None:
    """Signs `staff` in; the session that this browser had before ends."""
    _renew_token(staff)
    session["account"] = staff.security_stamp
    session["key"] = sessions.start(
        staff.id,
        datetime.now(UTC),
        session.get("key"),
        browser=user_agent.describe(request.user_agent.string),
        address=request.remote_addr or "",
    )
    g.pop("seat", None)
    email = staff.email  # before the session's rows expire

    @after_this_request
    def remember(response: Response) -> Response:
        return known_devices.remember(response, email)


def _renew_token(staff: Staff) -> None:
    """Replaces the CSRF token, so that one known before signing in is worthless afterwards.

    If the same person was signed in here before, the old token is remembered: it lets no form through, but a form that
    stayed open can be saved and shown to them again.
    """
    former = session.pop("csrf_token", None)
    g.pop("csrf_token", None)
    if session.pop("was", None) == staff.security_stamp and former:
        session["csrf_before"] = former
    else:
        session.pop("csrf_before", None)
    session.pop("halfway", None)


def end() -> None:
    """Signs out: every copy of the cookie stops working, and the cookie is cleared."""
    if "key" in session:
        sessions.end(session["key"])
    session.clear()
    g.pop("seat", None)
