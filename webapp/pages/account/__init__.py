"""`Your account`: name, password, sessions and two-factor authentication."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("account", __name__, url_prefix="/account")


from webapp.pages.account import (  # noqa: E402
    account,  # noqa: F401
    two_factor,  # noqa: F401
)
