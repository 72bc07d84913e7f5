"""The member directory, profiles and imports."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("members", __name__, url_prefix="/members")


from webapp.pages.members import (  # noqa: E402
    directory,  # noqa: F401
    imports,  # noqa: F401
    link,  # noqa: F401
    profile,  # noqa: F401
    selection,  # noqa: F401
    status,  # noqa: F401
)
