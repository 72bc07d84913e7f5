"""Forms sent while the session had expired, or before two-factor authentication was set up.

The form is kept during sign-in or set-up, and then offered to be sent again (R-2).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from flask import current_app, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import validate_csrf
from wtforms import ValidationError

MAX_COOKIE_BYTES = (
    3700  # bytes of the whole cookie; browsers accept 4096, including its name and attributes
)
SECRET = (
    "account",
    "security",
    "welcome",
)  # their forms hold passwords and codes, which don't belong in a cookie
SECRET_FIELDS = {"current", "code", "confirm_code"}  # and all that have "password" in their name
MAX_BODY_BYTES = 20_000  # bytes of a signed-out request that are read


@dataclass(frozen=True)
class SavedForm:
    path: str
    whose: str
    fields: list[tuple[str, str]]


def save(whose: str | None, token: str = "csrf_token") -> bool:
    """Save this request's form in the cookie; False if there is none, or if it may be someone else's.

    `whose` is the `security_stamp` of the person who is or was signed in here. `token` is the session's key with the
    secret that the form's CSRF token must match.
    """
    if request.method != "POST" or not whose or request.blueprint in SECRET:
        return False
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return False
    try:  # otherwise another site could enter text in someone's name
        sent = request.form.get("csrf_token") or request.headers.get("X-CSRFToken")
        validate_csrf(sent, token_key=token)
    except ValidationError:
        return False
    fields = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name != "csrf_token" and name not in SECRET_FIELDS and "password" not in name
    ]
    if not fields or request.files:
        return False
    kept = [request.path, whose, fields]
    if _size_of_cookie({**session, "kept": kept}) > MAX_COOKIE_BYTES:
        return False
    session["kept"] = kept
    return True


def from_before(whose: str) -> bool:
    """Save a form from a page opened before this person signed in again; False for all others."""
    if request.method != "POST" or "csrf_before" not in session:
        return False
    sent = request.form.get("csrf_token") or request.headers.get("X-CSRFToken")
    with suppress(ValidationError):
        validate_csrf(sent)
        return False
    return save(whose, "csrf_before")


def _size_of_cookie(content: dict[str, object]) -> int:
    signer = SecureCookieSessionInterface().get_signing_serializer(current_app)
    assert signer is not None
    return len(signer.dumps(content))


def find(whose: str) -> SavedForm | None:
    """Return the form saved for this person; discard anyone else's."""
    if "kept" not in session:
        return None
    path, owner, fields = session["kept"]
    if owner != whose:
        session.pop("kept")
        return None
    return SavedForm(path, owner, [(name, value) for name, value in fields])


def discard_if_submitted() -> None:
    if request.method == "POST" and session.get("kept", [None])[0] == request.path:
        session.pop("kept")
