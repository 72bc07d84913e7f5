"""Signing in and out, the second step, one-time links, and confirming one's password again."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("security", __name__)


from webapp.pages.auth import (  # noqa: E402
    login,  # noqa: F401
    two_factor,  # noqa: F401
)
