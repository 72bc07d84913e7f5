"""Two-factor authentication: setting it up with an authenticator app, recovery codes, turning it off (R-4)."""

from __future__ import annotations

from typing import Any

import segno
from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request
from markupsafe import Markup

from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.domain.staff import two_factor
from webapp.pages.account import blueprint
from webapp.pages.auth.login import safe_next
from webapp.pages.auth.step_up import confirmed
from webapp.pages.http.authorization import current_actor, current_session, current_staff, permit
from webapp.transaction import transaction


@blueprint.get("/second-factor", endpoint="second_factor")
@permit(Permission.VIEW)
def show() -> ResponseReturnValue:
    return _page({})


@blueprint.post("/second-factor")
@permit(Permission.VIEW)
@confirmed("set up two-factor authentication")
def begin() -> ResponseReturnValue:
    try:
        with transaction():
            two_factor.begin(current_session().id, current_actor())
    except DomainError as refusal:
        return _render_errors(refusal)
    return redirect(url_for(".second_factor", next=request.args.get("next")), 303)


@blueprint.post("/second-factor/confirmation")
@permit(Permission.VIEW)
def confirm() -> ResponseReturnValue:
    """Turn on two-factor authentication with the app's first code, and show the recovery codes once."""
    try:
        with transaction():
            typed = request.form.get("code", "")
            codes = two_factor.confirm(current_session().id, typed, current_actor())
    except DomainError as refusal:
        return _render_errors(refusal)
    return _codes(codes, "Two-factor authentication is on.")


@blueprint.post("/second-factor/codes")
@permit(Permission.VIEW)
@confirmed("create new recovery codes")
def renew_codes() -> ResponseReturnValue:
    try:
        with transaction():
            codes = two_factor.renew_codes(current_staff.id, current_actor())
    except DomainError as refusal:
        return _render_errors(refusal)
    return _codes(codes, "These codes replace your old ones.")


@blueprint.get("/second-factor/removal")
@permit(Permission.VIEW)
def removal_window() -> ResponseReturnValue:
    if request.htmx:
        return render_template("account/_removal.html", **_words({}))
    return _page({}, window="account/_removal.html")


@blueprint.post("/second-factor/removal")
@permit(Permission.VIEW)
@confirmed("turn off two-factor authentication")
def remove() -> ResponseReturnValue:
    try:
        with transaction():
            was_on = two_factor.remove_own(current_actor())
    except DomainError as refusal:
        return _render_errors(refusal, window="account/_removal.html")
    if was_on:
        flash("Two-factor authentication turned off.", "success")
    return redirect(url_for(".second_factor"), 303)


def picture_of(address: str) -> Markup:
    drawn = segno.make(address, error="m", micro=False)
    return Markup(drawn.svg_inline(border=0, omitsize=True, svgclass=None, lineclass=None))


def _words(errors: dict[str, str]) -> dict[str, Any]:
    staff = current_staff
    secret = two_factor.secret_to_scan(current_session().id, current_actor().at)
    address = two_factor.address_to_scan(secret, staff.email) if secret else ""
    return {
        "errors": {field: [sentence] for field, sentence in errors.items()},
        "factor": two_factor.state(staff),
        "walled": current_session().must_set_up,
        "secret": secret,
        "picture": picture_of(address) if address else None,
        "address": address,
        "onward": request.args.get("next"),
        "window": "",
    }


def _page(errors: dict[str, str], window: str = "") -> str:
    return render_template("account/second_factor.html", **{**_words(errors), "window": window})


def _render_errors(refusal: DomainError, window: str = "") -> ResponseReturnValue:
    return _page({refusal.field or "": refusal.message}, window), 422


def _codes(codes: list[str], message: str) -> str:
    return render_template(
        "account/codes.html",
        codes=codes,
        message=message,
        onward=safe_next(request.args.get("next")),
    )
