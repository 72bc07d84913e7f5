"""The `Open Badges` page: the issuer's details and signing keys (OB-1)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain.credentials import issuer
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.pages.auth.step_up import confirmed
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.form import Form
from webapp.pages.http.request_args import parse_number
from webapp.transaction import transaction

blueprint = Blueprint("open_badges", __name__, url_prefix="/settings/open-badges")


@dataclass(kw_only=True)
class IssuerForm(Form):
    url: str = ""
    email: str = ""


@blueprint.get("")
@permit(Permission.MANAGE_COMMUNITY)
def index() -> ResponseReturnValue:
    return _page()


@blueprint.post("/activation")
@permit(Permission.MANAGE_COMMUNITY)
@confirmed("turn on Open Badges")
def turn_on() -> ResponseReturnValue:
    with transaction():
        changed = issuer.turn_on(current_actor())
    return _saved("Open Badges turned on." if changed else "")


@blueprint.post("")
@permit(Permission.MANAGE_COMMUNITY)
def change() -> ResponseReturnValue:
    form = IssuerForm.sent()
    try:
        with transaction():
            changed = issuer.change(form.url, form.email, current_actor())
    except DomainError as refusal:
        form.refuse(refusal)
        return _page(form=form), 422
    return _saved("Saved." if changed else "")


@blueprint.get("/key")
@permit(Permission.MANAGE_COMMUNITY)
def key_window() -> ResponseReturnValue:
    keys = issuer.keys()
    if not keys:
        return redirect(url_for(".index"), 303)
    if request.htmx:
        return render_template("open_badges/_rotation.html", key=keys[0])
    return _page(window=True, key=keys[0])


@blueprint.post("/key")
@permit(Permission.MANAGE_COMMUNITY)
@confirmed("rotate the key that signs badges")
def rotate_key() -> ResponseReturnValue:
    try:
        with transaction():
            changed = issuer.rotate_key(
                parse_number(request.form.get("in_use", "")), current_actor()
            )
    except DomainError as refusal:
        return _page(errors=[refusal.message]), 422
    return _saved("New badges are now signed with a new key." if changed else "")


def _saved(text: str) -> ResponseReturnValue:
    if text:
        flash(text, "success")
    return redirect(url_for(".index"), 303)


def _page(form: IssuerForm | None = None, **more: object) -> str:
    found = issuer.find()
    if found and form is None:
        form = IssuerForm(url=found.url, email=found.email)
    did = issuer.did_of(current_app.config["LAUREL"].address)
    return render_template(
        "open_badges/index.html",
        issuer=found,
        form=form or IssuerForm(),
        keys=issuer.keys(),
        did=did,
        readable=issuer.are_secrets_readable(),
        **more,
    )
