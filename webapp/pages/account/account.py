"""`Your account`: the person's own name, password and sessions (R-4)."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.home import first_steps
from webapp.domain.permissions import Permission
from webapp.domain.staff import accounts, login, sessions, two_factor
from webapp.models import Density, Theme
from webapp.pages.account import blueprint
from webapp.pages.auth import reauthentication
from webapp.pages.http import browser_session
from webapp.pages.http.authorization import current_actor, current_session, current_staff, permit
from webapp.transaction import transaction


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> ResponseReturnValue:
    return _page({})


@blueprint.post("/name")
@permit(Permission.VIEW)
def rename() -> ResponseReturnValue:
    try:
        with transaction():
            changed = accounts.rename(request.form.get("name", ""), current_actor())
    except DomainError as refusal:
        return _page({"name": refusal.message}), 422
    if changed:
        flash("Name changed.", "success")
    return redirect(url_for(".index"), 303)


@blueprint.post("/appearance")
@permit(Permission.VIEW)
def set_appearance() -> ResponseReturnValue:
    """Set theme and density; anything unknown becomes the default."""
    theme, density = request.form.get("theme"), request.form.get("density")
    with transaction():
        accounts.set_appearance(
            current_staff.id,
            Theme(theme) if theme in set(Theme) else Theme.SYSTEM,
            Density(density) if density in set(Density) else Density.COMFORTABLE,
        )
    flash("Appearance saved.", "success")
    return redirect(url_for(".index"), 303)


@blueprint.post("/hide-first-steps")
@permit(Permission.VIEW)
def hide_first_steps() -> ResponseReturnValue:
    with transaction():
        first_steps.hide(current_staff.id)
    return redirect(url_for("home.index"), 303)


@blueprint.post("/password")
@permit(Permission.VIEW)
def change_password() -> ResponseReturnValue:
    """Change the signed-in person's password, given their current one, and end their other sessions."""
    new = request.form.get("password", "")
    try:
        reauthentication.require_password()  # first: checking a new password costs more
        accounts.ensure_strong_password(new, current_staff.email, current_staff.name)
        hashed = accounts.hash_of(new)
    except DomainError as refusal:
        return _page({refusal.field or "password": refusal.message}), 422
    with transaction():
        person = accounts.change_own_password(hashed, current_actor())
    browser_session.begin(person)  # all sessions have ended, including this one
    flash("Password changed. You've been signed out everywhere else.", "success")
    return redirect(url_for(".index"), 303)


@blueprint.post("/sessions/<int:session_id>/ending")
@permit(Permission.VIEW)
def end_session(session_id: int) -> ResponseReturnValue:
    with transaction():
        ended = sessions.end(session_id, current_actor())
    if not ended:
        raise NotFoundError("common.session_not_found")
    flash("That session has been signed out.", "success")
    return redirect(url_for(".index"), 303)


@blueprint.post("/sessions/ending")
@permit(Permission.VIEW)
def end_sessions() -> ResponseReturnValue:
    with transaction():
        sessions.end_all(current_actor())
    session.clear()
    flash("You've been signed out everywhere.", "success")
    return redirect(url_for("security.login"), 303)


def _page(errors: dict[str, str], **more: Any) -> str:
    actor = current_actor()
    return render_template(
        "account/index.html",
        errors={field: [sentence] for field, sentence in errors.items()},
        themes=list(Theme),
        densities=list(Density),
        typed_name=request.form.get("name") or current_staff.name,
        sessions=sessions.list_sessions(current_staff.id, actor.at),
        staff_session=current_session(),
        factor=two_factor.state(current_staff),
        failed_codes=login.failed_codes(current_staff.id, actor.at - login.SUSPICION_LASTS),
        **more,
    )
