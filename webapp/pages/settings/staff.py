"""The `Staff` pages: accounts, roles, and invite and reset links (R-3)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.config import Settings
from webapp.domain.api_access import keys as api_keys
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission, is_reduced, may
from webapp.domain.staff import administration, break_glass, password_links, two_factor
from webapp.domain.staff.administration import Account
from webapp.domain.webhooks import endpoints
from webapp.models import Role, Staff
from webapp.pages.auth.step_up import confirmed
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.request_args import parse_number
from webapp.transaction import transaction

blueprint = Blueprint("staff", __name__, url_prefix="/settings/staff")


@blueprint.get("")
@permit(Permission.STAFF)
def index() -> ResponseReturnValue:
    accounts = administration.list_accounts()
    return render_template(
        "staff/index.html",
        accounts=accounts,
        ways={account.person.id: _ways(account) for account in accounts},
        needs=two_factor.required_roles(),
        roles=list(Role),
    )


@blueprint.get("/invitations")
@permit(Permission.STAFF)
def invitation() -> ResponseReturnValue:
    return _invitation({})


@blueprint.post("/invitations")
@permit(Permission.STAFF)
@confirmed("invite someone")
def invite() -> ResponseReturnValue:
    typed = request.form.get("email", ""), request.form.get("name", "")
    role = _role()
    if role is None:
        return _invitation({"role": ["Choose a role."]}), 422
    try:
        with transaction():
            person, key = administration.invite(*typed, role, current_actor())
    except DomainError as refusal:
        return _invitation({refusal.field or "email": [refusal.message]}), 422
    return _link(person, key)


@blueprint.get("/<int:staff_id>")
@permit(Permission.STAFF)
def show(staff_id: int) -> ResponseReturnValue:
    return _page(staff_id)


@blueprint.post("/<int:staff_id>/link")
@permit(Permission.STAFF)
@confirmed("create a link")
def make_link(staff_id: int) -> ResponseReturnValue:
    """Create a link to choose a password, and show it once."""
    try:
        with transaction():
            key = password_links.create(staff_id, current_actor())
    except DomainError as refusal:
        return _page(staff_id, {"": [refusal.message]}), 422
    return _link(administration.get(staff_id).person, key)


@blueprint.get("/<int:staff_id>/link")
@permit(Permission.STAFF)
def link(staff_id: int) -> ResponseReturnValue:
    """A link is shown only once: the URL of the page that showed it redirects to the account."""
    return redirect(url_for(".show", staff_id=staff_id), 303)


@blueprint.post("/<int:staff_id>/role")
@permit(Permission.STAFF)
@confirmed("change a role")
def change_role(staff_id: int) -> ResponseReturnValue:
    role = _role()
    if role is None:
        return _page(staff_id, {"role": ["Choose a role."]}), 422
    account = administration.get(staff_id)
    asks = "asked" not in request.form and is_reduced(Role(account.person.role), role)
    if asks and any(_made_by(staff_id).values()):
        return _page(staff_id, window="staff/_role_change.html", chosen=role)
    try:
        with transaction():
            changed = administration.change_role(
                staff_id, role, current_actor(), _selected_ids("key"), _selected_ids("webhook")
            )
    except DomainError as refusal:
        return _page(staff_id, {"role": [refusal.message]}), 422
    name = administration.get(staff_id).person.display_name
    return _redirect_with_message(
        staff_id, f"{name} now has the role {role.label}." if changed else ""
    )


@blueprint.get("/<int:staff_id>/disablement")
@permit(Permission.STAFF)
def disablement(staff_id: int) -> ResponseReturnValue:
    return _window(staff_id, "staff/_disablement.html")


@blueprint.post("/<int:staff_id>/disablement")
@permit(Permission.STAFF)
@confirmed("disable an account")
def disable(staff_id: int) -> ResponseReturnValue:
    try:
        with transaction():
            changed = administration.disable(
                staff_id, current_actor(), _selected_ids("key"), _selected_ids("webhook")
            )
    except DomainError as refusal:
        return _page(staff_id, {"": [refusal.message]}), 422
    return _redirect_with_message(
        staff_id, "Account disabled and signed out everywhere." if changed else ""
    )


@blueprint.post("/<int:staff_id>/enablement")
@permit(Permission.STAFF)
@confirmed("enable an account")
def enable(staff_id: int) -> ResponseReturnValue:
    with transaction():
        changed = administration.enable(staff_id, current_actor())
    return _redirect_with_message(staff_id, "Account enabled." if changed else "")


@blueprint.get("/<int:staff_id>/second-factor/removal")
@permit(Permission.STAFF)
def factor_removal(staff_id: int) -> ResponseReturnValue:
    return _window(staff_id, "staff/_factor_removal.html")


@blueprint.post("/<int:staff_id>/second-factor/removal")
@permit(Permission.STAFF)
@confirmed("turn off someone's two-factor authentication")
def remove_factor(staff_id: int) -> ResponseReturnValue:
    try:
        with transaction():
            changed = two_factor.remove(staff_id, current_actor())
    except DomainError as refusal:
        return _page(staff_id, {"": [refusal.message]}), 422
    return _redirect_with_message(
        staff_id, "Two-factor authentication turned off." if changed else ""
    )


@blueprint.post("/<int:staff_id>/break-glass")
@permit(Permission.STAFF)
@confirmed("change who is a break-glass admin")
def set_break_glass(staff_id: int) -> ResponseReturnValue:
    change = break_glass.turn_on if request.form.get("on") == "yes" else break_glass.turn_off
    try:
        with transaction():
            changed = change(staff_id, current_actor())
    except DomainError as refusal:
        return _page(staff_id, {"": [refusal.message]}), 422
    return _redirect_with_message(staff_id, "Saved." if changed else "")


@blueprint.post("/second-factor-roles")
@permit(Permission.STAFF)
@confirmed("change who needs two-factor authentication")
def demand() -> ResponseReturnValue:
    ticked = request.form.getlist("role")
    with transaction():
        changed = two_factor.require_for_roles(
            [role for role in Role if role in ticked], current_actor()
        )
    if changed:
        flash("Saved. Applies at each person's next sign-in.", "success")
    return redirect(url_for(".index"), 303)


def _ways(account: Account) -> list[str]:
    """How someone can sign in now."""
    person, settings = account.person, _settings()
    ways = {
        "Single sign-on": settings.oidc_issuer and account.linked_at,
        "Proxy": settings.remote_user_header,
        "Password": person.password and (_everyone() or person.break_glass),
    }
    return [way for way, works in ways.items() if works and person.active]


def _everyone() -> bool:
    """True if passwords sign in everyone, not only break-glass admins."""
    return _settings().passwords == "everyone"


def _settings() -> Settings:
    settings: Settings = current_app.config["LAUREL"]
    return settings


def _role() -> Role | None:
    sent = request.form.get("role", "")
    return Role(sent) if sent in set(Role) else None


def _selected_ids(name: str) -> list[int]:
    """The ids of the API keys or webhooks ticked for removal."""
    return [number for text in request.form.getlist(name) if (number := parse_number(text))]


def _made_by(staff_id: int) -> dict[str, Any]:
    return {
        "keys": api_keys.created_by(staff_id, current_actor().at),
        "webhooks": endpoints.created_by(staff_id),
    }


def _invitation(errors: dict[str, list[str]]) -> str:
    typed = {name: request.form.get(name, "") for name in ("email", "name")}
    return render_template(
        "staff/invitation.html",
        errors=errors,
        typed=typed,
        chosen=_role(),
        roles=list(Role),
        everyone=_everyone(),
    )


def _page(
    staff_id: int,
    errors: dict[str, list[str]] | None = None,
    window: str = "",
    chosen: Role | None = None,
) -> str:
    account = administration.get(staff_id)
    return render_template(
        "staff/show.html",
        account=account,
        ways=_ways(account),
        everyone=_everyone(),
        chosen=chosen or account.person.role,
        **(_made_by(staff_id) if window else {}),
        errors=errors or {},
        left_over=[] if may_integrate(account.person) else _made_by(staff_id)["keys"],
        roles=list(Role),
        window=window,
    )


def may_integrate(person: Staff) -> bool:
    return may(person.role, Permission.MANAGE_INTEGRATIONS)


def _window(staff_id: int, template: str) -> str:
    if request.htmx:
        return render_template(template, account=administration.get(staff_id), **_made_by(staff_id))
    return _page(staff_id, window=template)


def _link(person: Staff, key: str) -> str:
    address = _settings().address + password_links.URL_PREFIX + key
    return render_template("staff/link.html", person=person, address=address, everyone=_everyone())


def _redirect_with_message(staff_id: int, text: str) -> Response:
    if text:
        flash(text, "success")
    return redirect(url_for(".show", staff_id=staff_id), 303)
