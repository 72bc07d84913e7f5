"""Signing in and out."""

from __future__ import annotations

import logging
import secrets
import time
from datetime import UTC, datetime

from flask import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user, user_logged_in
from flask_security import RoleMixin, Security, UserDatastore
from flask_security.utils import login_user, logout_user, validate_redirect_url
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField

from webapp import sessions
from webapp.domain import attempts, sign_in
from webapp.domain.permissions import Permission
from webapp.models import Staff
from webapp.pages import browsers, devices, kept
from webapp.pages import proof as proofs
from webapp.pages.access import acting, arriving, permit, public, signed_in
from webapp.pages.typed import rows as rows_of
from webapp.transaction import transaction

log = logging.getLogger(__name__)

# Flask-Security's name for it: its functions find the pages by `security.login` and `security.logout`.
blueprint = Blueprint("security", __name__)

WRONG = "Email or password is wrong."
OF_A_PERSON = ("_user_id", "_fresh", "_id", "key", "fs_paa", "identity.name", "identity.auth_type")


class SignIn(FlaskForm):
    """An address, a password, and where to go then."""

    # A NUL can't stand in the page that shows the address again.
    email = StringField("Email", filters=[lambda typed: (typed or "").replace("\0", "\ufffd")])
    password = PasswordField("Password")
    next = HiddenField()


@blueprint.route("/sign-in", methods=["GET", "POST"], endpoint="login")
@public
def enter() -> ResponseReturnValue:
    """The sign-in page; a right password goes on to `next`, if that is ours, else to the start."""
    form = SignIn(next=request.args.get("next"))
    if request.method == "GET" and current_user.is_authenticated:
        return redirect(onward(form.next.data), 303)
    if form.validate_on_submit():
        person, waits = _check(form.email.data or "", form.password.data or "")
        if person and waits:
            session["browser"] = session.get("browser") or secrets.token_hex(8)
            session["halfway"] = [person.fs_uniquifier, int(time.time())]
            return redirect(url_for(".code", next=form.next.data or None), 303)
        if person:
            login_user(person, remember=False, authn_via=["password"])
            warn(person.id)
            return redirect(onward(form.next.data), 303)
        form.form_errors.append(WRONG)
    page = render_template("security/login_user.html", login_user_form=form)
    return page, 422 if form.is_submitted() else 200


@blueprint.post("/sign-out", endpoint="logout")
@public
def leave() -> ResponseReturnValue:
    """Ends the session here and in every copy of its cookie."""
    if signed_in():
        with transaction():
            sign_in.signed_out(acting())
    if "key" in session:
        sessions.end(session["key"])
    logout_user()
    session.clear()
    return redirect(url_for("security.login"), 303)


@blueprint.get("/sign-in/typed")
@permit(Permission.SEE)
def typed() -> ResponseReturnValue:
    """Shows what was typed while the session had ended, with a button that sends it."""
    form = kept.find(current_user.fs_uniquifier)
    if form is None:
        return redirect(url_for("start"), 303)
    rows = rows_of(form.path, form.fields)
    return render_template("security/typed.html", kept=form, rows=rows)


def _check(email: str, password: str) -> tuple[Staff | None, bool]:
    """Who this is, if the password is right, and whether they owe a code; a wrong one is counted.

    Answers 429 after too many.
    """
    act = arriving()
    attempt, proof = proofs.look(email, password, act.at)
    if proof is None:
        log.warning("failed sign-in from %s", request.remote_addr)
        with transaction():
            attempts.failed(attempt, email, act)
        return None, False
    with transaction():
        return sign_in.succeeded(attempt, proof, act)


def warn(staff_id: int, browser: str = "") -> None:
    """Tells whoever has just signed in about wrong codes that someone else typed after their password."""
    if text := sign_in.suspicion(staff_id, datetime.now(UTC), browser):
        flash(text, "warning")


def onward(address: str | None) -> str:
    """`address` where it is a path of this console, else the start page."""
    start = url_for("start")
    if not address or not address.startswith("/") or address.startswith("//"):
        return start
    if "\\" in address or any(ord(sign) < 33 for sign in address):
        return start
    return address if validate_redirect_url(address) else start


def load(name: str) -> Staff | None:
    """Whose the signed cookie is, if its session lives; what is left of a dead one is taken out of the cookie."""
    key = session.get("key")
    used = "X-Polling" not in request.headers
    seat = sessions.find(key, datetime.now(UTC), used=used) if key else None
    if seat is None or seat.staff.fs_uniquifier != name:
        session["was"] = session.get("_user_id")  # whose typed input may wait: see kept.py
        for part in OF_A_PERSON:
            session.pop(part, None)
        return None
    g.seat = seat
    return seat.staff


def renew_token(person: Staff) -> None:
    """Give the session another CSRF token: one that was known before the sign-in is worth nothing after it.

    If the same person was signed in here before, the former one is remembered, so that a form that was open all the
    while can be kept and shown to them again. It lets no form through.
    """
    former = session.pop("csrf_token", None)
    g.pop("csrf_token", None)
    if session.pop("was", None) == person.fs_uniquifier and former:
        session["csrf_before"] = former
    else:
        session.pop("csrf_before", None)
    session.pop("halfway", None)


def init_app(app: Flask) -> None:
    """Sets up signing in; registers its two pages."""
    app.config.update(
        SECURITY_PASSWORD_SALT=app.config["SECRET_KEY"],
        SECURITY_PASSWORD_SINGLE_HASH=True,
        SECURITY_API_ENABLED_METHODS=["session"],
        SECURITY_CLI_USERS_NAME=None,
        SECURITY_CLI_ROLES_NAME=None,
        SESSION_PROTECTION=None,
    )
    # A datastore that can neither read nor write: accounts are the domain's, and load() finds who is signed in.
    security = Security(app, UserDatastore(Staff, RoleMixin), register_blueprint=False)
    security.login_manager.user_loader(load)
    security.login_manager.request_loader(None)  # no tokens in headers or addresses
    security.principal.identity_loaders.clear()  # nobody is looked up before a page asks who it is
    app.jinja_env.globals["url_for_security"] = lambda page: url_for(f"security.{page}")
    app.register_blueprint(blueprint)

    @user_logged_in.connect_via(app)
    def begin(sender: Flask, user: Staff, **_: object) -> None:
        renew_token(user)
        session["key"] = sessions.start(
            user.id,
            datetime.now(UTC),
            session.get("key"),
            browser=browsers.called(request.user_agent.string),
            address=request.remote_addr or "",
        )
        email = user.email  # before the session's rows expire

        @after_this_request
        def remember(response: Response) -> Response:
            return devices.remember(response, email)
