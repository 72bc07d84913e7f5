"""Sign-in and sign-out, two-factor authentication, one-time links, and confirming the password again."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("security", __name__)


from webapp.pages.auth import (  # noqa: E402
    login,  # noqa: F401
    two_factor,  # noqa: F401
)
