"""The page `System`: whether workers and clock are there, what waits, and what runs in which version."""

from __future__ import annotations

import platform

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from webapp import later, package
from webapp.database.version import newest_revision, server_version
from webapp.domain import system
from webapp.domain.permissions import Permission
from webapp.pages.access import permit

blueprint = Blueprint("system", __name__, url_prefix="/settings/system")


@blueprint.get("")
@permit(Permission.STAFF)
def index() -> ResponseReturnValue:
    """How the system does; for htmx the part that moves alone."""
    alone = request.headers.get("HX-Request") == "true"
    return render_template(
        "system/_state.html" if alone else "system/index.html",
        state=system.state(),
        rings=later.depth(),
        versions=None if alone else _versions(),
        newest=newest_revision(),
    )


def _versions() -> list[tuple[str, str]]:
    return [
        ("Laurel", package.version()),
        ("Python", platform.python_version()),
        ("Database", server_version()),
        ("Queue", later.server_version() or "can't be reached"),
    ]
