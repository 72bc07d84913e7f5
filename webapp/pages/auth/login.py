"""Signing in and out."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.auth import remote_user
from webapp.config import Settings
from webapp.domain.permissions import Permission
from webapp.domain.staff import first_admin, login, login_throttle, single_sign_on
from webapp.domain.staff.accounts import LONGEST_EMAIL
from webapp.models import Staff
from webapp.pages.auth import blueprint, reauthentication
from webapp.pages.auth.form_summary import rows as rows_of
from webapp.pages.http import browser_session, saved_form
from webapp.pages.http.authorization import (
    anonymous_actor,
    current_actor,
    current_session,
    current_staff,
    permit,
    public,
    signed_in,
)
from webapp.pages.http.form import Form
from webapp.transaction import transaction

log = logging.getLogger(__name__)

WRONG = "Incorrect email or password."


@dataclass(kw_only=True)
class LoginForm(Form):
    email: str = ""
    password: str = ""
    next: str = ""


@blueprint.route("/sign-in", methods=["GET", "POST"], endpoint="login")
@public
def enter() -> ResponseReturnValue:
    """Show the sign-in page. On success, redirect to `next` if it is a path of this console, else to the home page."""
    sent = request.method == "POST"
    form = LoginForm.sent() if sent else LoginForm(next=request.args.get("next", ""))
    if not sent and signed_in():
        return redirect(safe_next(form.next), 303)
    if sent:
        person, waits = _check(form.email, form.password)
        if person and waits:
            session["browser"] = session.get("browser") or secrets.token_hex(8)
            session["halfway"] = [person.security_stamp, int(time.time())]
            return redirect(url_for(".code", next=form.next or None), 303)
        if person:
            browser_session.begin(person)
            warn(person.id)
            return redirect(safe_next(form.next), 303)
        form.errors[""] = [WRONG]
    page = render_template(
        "security/login.html",
        form=form,
        no_admin=first_admin.is_missing(),
        everyone=_settings().passwords == "everyone",
        remote_user=remote_user.asserted(request.environ)[:LONGEST_EMAIL],
        outage=single_sign_on.outage(_settings().oidc_issuer) if _settings().oidc_issuer else None,
    )
    return page, 422 if sent else 200


@blueprint.post("/sign-out", endpoint="logout")
@public
def leave() -> ResponseReturnValue:
    """End the session here and for every copy of its cookie."""
    onward = ""
    if signed_in():
        from webapp.pages.auth.single_sign_on import sign_out_address  # it needs `safe_next`

        onward = sign_out_address(current_session().id)
        with transaction():
            login.record_sign_out(current_actor())
    browser_session.end()
    if onward:
        # A page instead of a redirect, because `form-action` forbids those from a form to another site.
        page = render_template("security/leaving.html", address=onward)
        return page, 200, {"Refresh": f"0; url={onward}"}
    return redirect(url_for("security.login"), 303)


@blueprint.get("/sign-in/typed")
@permit(Permission.VIEW)
def typed() -> ResponseReturnValue:
    """Show the form that was sent after the session expired, with a button to send it again."""
    form = saved_form.find(current_staff.security_stamp)
    if form is None:
        return redirect(url_for("home.index"), 303)
    rows = rows_of(form.path, form.fields)
    return render_template("security/resume_form.html", kept=form, rows=rows)


def _check(email: str, password: str) -> tuple[Staff | None, bool]:
    """Return the account if the password is right, and whether a code is still required.

    Wrong passwords are counted; after too many, responds 429.
    """
    actor = anonymous_actor()
    attempt, proof = reauthentication.verify_password(email, password, actor.at)
    if proof is None:
        log.warning("failed sign-in from %s", request.remote_addr)
        with transaction():
            login_throttle.record_failure(attempt, email, actor)
        return None, False
    with transaction():
        return login.complete(attempt, proof, actor, everyone=_settings().passwords == "everyone")


def _settings() -> Settings:
    settings: Settings = current_app.config["LAUREL"]
    return settings


def warn(staff_id: int, browser: str = "") -> None:
    """Warn about wrong codes that someone else entered after using this person's password."""
    if text := login.wrong_code_warning(staff_id, datetime.now(UTC), browser):
        flash(str(text), "warning")


def safe_next(address: str | None) -> str:
    """Return `address` if it is a path of this console, else the home page."""
    path = address or ""
    is_local = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_local and all(ord(sign) > 32 for sign in path) else url_for("home.index")
