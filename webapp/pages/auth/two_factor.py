"""The second step of sign-in: a code, for accounts with two-factor authentication (R-4)."""

from __future__ import annotations

import logging
import time

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.domain.staff import login, login_throttle, recovery_codes
from webapp.messages import text_of
from webapp.messages.plurals import plural
from webapp.models import Staff
from webapp.pages.auth import blueprint
from webapp.pages.auth.login import safe_next, warn
from webapp.pages.auth.reauthentication import too_many
from webapp.pages.http import browser_session, known_devices
from webapp.pages.http.authorization import anonymous_actor, public
from webapp.transaction import transaction

log = logging.getLogger(__name__)

WRONG = "staff.code_used"
PATIENCE = 600  # seconds between the password and the code


@blueprint.route("/sign-in/code", methods=["GET", "POST"])
@public
def code() -> ResponseReturnValue:
    """Ask for a code after the right password; on success, continue as after the password."""
    person = _halfway()
    if person is None:
        flash("Sign in with your password first.", "info")
        return redirect(url_for(".login", next=request.args.get("next")), 303)
    if request.method == "POST":
        typed = request.form.get("code", "")
        if _check_code(person, typed):
            session.pop("halfway", None)
            if recovery_codes.looks_like_one(typed):
                left = recovery_codes.remaining(person.id)
                flash(f"You used a recovery code. {plural(left, 'code')} left.", "warning")
            browser_session.begin(person)
            warn(person.id, session.pop("browser", ""))
            return redirect(safe_next(request.args.get("next")), 303)
        return render_template("security/code.html", wrong=text_of(WRONG)), 422
    return render_template("security/code.html", wrong="")


def _check_code(person: Staff, typed: str) -> bool:
    """True if the code is right. Wrong codes are counted; after too many, responds 429."""
    actor, staff_id, name = anonymous_actor(), person.id, person.security_stamp
    try:
        with transaction():
            attempt = login_throttle.record_attempt(
                person.email,
                request.remote_addr or "",
                actor.at,
                tried=login_throttle.CODE,
                device=known_devices.known(person.email),
            )
    except login_throttle.TooManyAttemptsError as refusal:
        raise too_many(refusal) from None
    with transaction():
        right = login.verify_code(attempt, staff_id, name, typed, actor, session.get("browser", ""))
    if not right:
        log.warning("wrong code from %s", request.remote_addr)
    return right


def _halfway() -> Staff | None:
    """Return the account whose password was just entered in this browser and that still needs a code."""
    name, at = session.get("halfway") or ("", 0)
    if not name or time.time() - at > PATIENCE:
        session.pop("halfway", None)
        return None
    return login.pending_two_factor(name)
