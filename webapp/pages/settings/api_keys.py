"""Create, show once and revoke API keys (A-3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain import dates
from webapp.domain.api_access import keys as api_keys
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission, grantable
from webapp.domain.webhooks import endpoints
from webapp.pages.auth.step_up import confirmed
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.form import Form
from webapp.transaction import transaction

blueprint = Blueprint("api_keys", __name__, url_prefix="/settings/api-keys")

USUAL = timedelta(days=365)  # the default lifetime of a key


@dataclass(kw_only=True)
class KeyForm(Form):
    name: str = ""
    scopes: list[str] = field(default_factory=list)
    expires: str = ""

    def expires_at(self) -> datetime | None:
        if not self.expires:
            return None
        day = dates.parse_day(self.expires)
        if day is None:
            raise DomainError("api_access.expiry_invalid", "expires")
        return dates.end_of_day(day)


@blueprint.get("")
@permit(Permission.MANAGE_INTEGRATIONS)
def index() -> ResponseReturnValue:
    return render_template("api_keys/index.html", keys=api_keys.all_keys(), now=datetime.now(UTC))


@blueprint.get("/new")
@permit(Permission.MANAGE_INTEGRATIONS)
def new() -> ResponseReturnValue:
    in_a_year: date = (datetime.now(UTC) + USUAL).date()
    return _form(KeyForm(expires=in_a_year.isoformat()))


@blueprint.post("")
@permit(Permission.MANAGE_INTEGRATIONS)
@confirmed("create an API key")
def make() -> ResponseReturnValue:
    """Create a key and show it once. There is no redirect, because no page can show it again."""
    form = KeyForm.sent()
    try:
        expires_at = form.expires_at()
        with transaction():
            made = api_keys.create(form.name, form.scopes, expires_at, current_actor())
            shown = {"name": made.key.name, "key": made.text}
    except DomainError as refusal:
        form.refuse(refusal)
        return _form(form, 422)
    return render_template("api_keys/created.html", **shown), 201


@blueprint.get("/<int:key_id>/revocation")
@permit(Permission.MANAGE_INTEGRATIONS)
def revocation_window(key_id: int) -> ResponseReturnValue:
    shown = {"key": api_keys.get(key_id), "webhooks": endpoints.set_by_key(key_id)}
    if request.htmx:
        return render_template("api_keys/_revocation.html", **shown)
    return render_template(
        "api_keys/index.html", keys=api_keys.all_keys(), now=datetime.now(UTC), **shown
    )


@blueprint.post("/<int:key_id>/revocation")
@permit(Permission.MANAGE_INTEGRATIONS)
@confirmed("revoke an API key")
def revoke(key_id: int) -> ResponseReturnValue:
    with transaction():
        changed = api_keys.revoke(key_id, current_actor())
        name = api_keys.get(key_id).name
    message = f"Key “{name}” revoked." if changed else f"Key “{name}” has already been revoked."
    flash(message, "success" if changed else "info")
    return redirect(url_for(".index"), 303)


def _form(form: KeyForm, code: int = 200) -> ResponseReturnValue:
    today = datetime.now(UTC).date()
    staff = current_actor().staff
    scopes = grantable(staff.role) if staff else []
    return render_template(
        "api_keys/new.html", form=form, scopes=scopes, first=today.isoformat()
    ), code
