"""Signing in by the header of a trusted proxy."""

from __future__ import annotations

from flask import Blueprint, Flask, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.auth import remote_user as header
from webapp.config import Settings
from webapp.domain.errors import DomainError
from webapp.domain.staff import remote_user
from webapp.pages.auth.login import safe_next
from webapp.pages.http import browser_session
from webapp.pages.http.authorization import anonymous_actor, public, signed_in
from webapp.transaction import transaction

blueprint = Blueprint("remote_user", __name__, url_prefix="/sign-in")


def init_app(app: Flask) -> None:
    settings: Settings = app.config["LAUREL"]
    app.register_blueprint(blueprint)
    app.jinja_env.globals["remote_user_header"] = settings.remote_user_header


@blueprint.get("/proxy", endpoint="begin")
@public
def begin() -> ResponseReturnValue:
    """Sign in the person whom the proxy names. Unlike other GETs this writes, once for each session that begins."""
    onward = request.args.get("next")
    value = header.asserted(request.environ)
    if signed_in():
        return redirect(safe_next(onward), 303)
    if not value:
        return redirect(url_for("security.login", next=onward or None), 303)
    settings: Settings = current_app.config["LAUREL"]
    with transaction():
        found = remote_user.sign_in(value, settings.remote_user_header, anonymous_actor())
    if found.person is None:
        flash(DomainError(found.refusal).message, "error")
        return redirect(url_for("security.login", next=onward or None), 303)
    browser_session.begin(found.person, by_header=True)
    return redirect(safe_next(onward), 303)
