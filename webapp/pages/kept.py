"""What somebody typed while the session had ended: kept through the sign-in, and offered to be sent again (R-2)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flask import request, session
from flask_wtf.csrf import validate_csrf
from wtforms import ValidationError

AT_MOST = 2000  # characters: a cookie holds 4 kB in all
SECRET = (
    "account",
    "security",
    "welcome",
)  # whose forms hold passwords and codes; a cookie is no place for them
READ_AT_MOST = 20_000  # bytes of a request that are looked at for a person not signed in


@dataclass(frozen=True)
class Kept:
    """A form that could not be sent: where to, whose, and its fields in order."""

    path: str
    whose: str
    fields: list[tuple[str, str]]


def keep() -> bool:
    """Keeps this request's form in the cookie; False where there is none, or it is not surely this person's own."""
    whose = session.get("was")
    if request.method != "POST" or not whose or request.blueprint in SECRET:
        return False
    if (request.content_length or 0) > READ_AT_MOST:
        return False
    try:  # else another site could put words into somebody's mouth
        validate_csrf(request.form.get("csrf_token") or request.headers.get("X-CSRFToken"))
    except ValidationError:
        return False
    fields = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name != "csrf_token" and "password" not in name
    ]
    if not fields or request.files or len(json.dumps(fields)) > AT_MOST:
        return False
    session["kept"] = [request.path, whose, fields]
    return True


def find(whose: str) -> Kept | None:
    """What is kept for this person; somebody else's is thrown away."""
    if "kept" not in session:
        return None
    path, owner, fields = session["kept"]
    if owner != whose:
        session.pop("kept")
        return None
    return Kept(path, owner, [(name, value) for name, value in fields])


def forget_if_sent() -> None:
    """Forgets what was kept once a form is sent to the same address."""
    if request.method == "POST" and session.get("kept", [None])[0] == request.path:
        session.pop("kept")
