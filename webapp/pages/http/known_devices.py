"""Known browsers: those that have signed in before each have their own counter of failed attempts (S6).

A cookie holds a random ID for each of the last accounts that signed in here, signed together with the account's
email. It grants no access: a copy only allows five more failed attempts.
"""

from __future__ import annotations

import hashlib
import secrets

from flask import Response, current_app, request
from itsdangerous import BadSignature, TimestampSigner

from webapp.config import Settings
from webapp.domain.normalization import fold

NAME = "laurel-device"
LASTS = 365 * 24 * 60 * 60  # seconds
MOST = 5  # accounts remembered per browser
_BETWEEN = "~"  # occurs in no ID and no signature


def known(email: str) -> str:
    """The ID under which this browser has signed in to the account before; "" if it hasn't."""
    return next((device for token in _tokens() if (device := _device_in(token, email))), "")


def remember(response: Response, email: str) -> Response:
    """Replace this browser's ID for the account that signed in."""
    token = _signer(email).sign(secrets.token_urlsafe(16)).decode()
    other_tokens = [token for token in _tokens() if not _device_in(token, email)]
    response.set_cookie(
        _name(),
        _BETWEEN.join([token, *other_tokens][:MOST]),
        max_age=LASTS,
        secure=_settings().secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _tokens() -> list[str]:
    return request.cookies.get(_name(), "").split(_BETWEEN)[:MOST]


def _device_in(token: str, email: str) -> str:
    try:
        return _signer(email).unsign(token, max_age=LASTS).decode()
    except BadSignature:
        return ""


def _signer(email: str) -> TimestampSigner:
    account = hashlib.sha256(fold(email).encode("utf-8", "surrogatepass")).hexdigest()
    keys = [*current_app.config["SECRET_KEY_FALLBACKS"], current_app.config["SECRET_KEY"]]
    return TimestampSigner(keys, salt=f"device {account}", digest_method=hashlib.sha256)


def _name() -> str:
    return f"__Host-{NAME}" if _settings().secure else NAME


def _settings() -> Settings:
    settings: Settings = current_app.config["LAUREL"]
    return settings
