"""The `System` page: workers and scheduler, pending work, versions."""

from __future__ import annotations

import platform
from typing import Any

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp import package
from webapp.config import Settings
from webapp.database.version import newest_revision, server_version
from webapp.domain.operations import status as system_status
from webapp.domain.permissions import Permission
from webapp.domain.staff import break_glass, single_sign_on
from webapp.infrastructure import job_queue
from webapp.pages.http.authorization import permit

blueprint = Blueprint("system", __name__, url_prefix="/settings/system")


@blueprint.get("")
@permit(Permission.STAFF)
def index() -> ResponseReturnValue:
    return render_template(
        "system/_state.html" if request.htmx else "system/index.html",
        state=system_status.state(),
        rings=job_queue.depth(),
        versions=None if request.htmx else _versions(),
        ways=None if request.htmx else _ways_to_sign_in(),
        newest=newest_revision(),
        provider=_provider(),
    )


def _provider() -> dict[str, Any]:
    """What is wrong with the ways to sign in other than passwords."""
    settings: Settings = current_app.config["LAUREL"]
    issuer = settings.oidc_issuer
    return {
        "outage": single_sign_on.outage(issuer) if issuer else None,
        "no_break_glass": settings.passwords == "break-glass" and not break_glass.exists(),
    }


def _ways_to_sign_in() -> list[tuple[str, str]]:
    settings: Settings = current_app.config["LAUREL"]
    ways = []
    if settings.oidc_issuer:
        ways.append(("Single sign-on", f"{settings.oidc_name}, {settings.oidc_issuer}"))
    if settings.remote_user_header:
        trusted = ", ".join(settings.remote_user_proxies)
        ways.append(("Proxy's header", f"{settings.remote_user_header} from {trusted}"))
    everyone = settings.passwords == "everyone"
    return [*ways, ("Passwords", "Everyone" if everyone else "Break-glass admins only")]


def _versions() -> list[tuple[str, str]]:
    return [
        ("Laurel", package.version()),
        ("Python", platform.python_version()),
        ("Database", server_version()),
        ("Queue", job_queue.server_version() or "can't be reached"),
    ]
