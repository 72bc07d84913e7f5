"""An admin's actions on a member other than awards: changing the status, and erasing (D-5)."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from webapp.domain.erasure import erase as erase_member
from webapp.domain.errors import DomainError
from webapp.domain.members import directory
from webapp.domain.members import status as member_status
from webapp.domain.permissions import Permission
from webapp.messages.plurals import plural
from webapp.models.member import ASSIGNABLE_STATUSES, MemberStatus
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.members import blueprint
from webapp.pages.members.profile import render_dialog
from webapp.transaction import transaction

STANDING, ERASURE = "profile/_status_form.html", "profile/_erasure.html"


@blueprint.get("/<int:member_id>/standing")
@permit(Permission.MANAGE_MEMBER_STATUS)
def standing_window(member_id: int) -> Response:
    return render_dialog(member_id, STANDING, standings=ASSIGNABLE_STATUSES)


@blueprint.post("/<int:member_id>/standing")
@permit(Permission.MANAGE_MEMBER_STATUS)
def change_standing(member_id: int) -> Response:
    """Change the status. Repeating it changes nothing."""
    status = request.form.get("status", "")
    try:
        with transaction():
            changed = member_status.change(member_id, status, current_actor())
    except DomainError as refusal:
        return render_dialog(
            member_id, STANDING, 422, standings=ASSIGNABLE_STATUSES, problem=refusal.message
        )
    name, label = directory.get(member_id).display_name, MemberStatus(status).label
    flash(
        f"{name} is now {label}." if changed else f"{name} is already {label}.",
        "success" if changed else "info",
    )
    return redirect(url_for(".show", member_id=member_id), 303)


@blueprint.get("/<int:member_id>/erasure")
@permit(Permission.MANAGE_MEMBER_STATUS)
def erasure_window(member_id: int) -> Response:
    return render_dialog(member_id, ERASURE)


@blueprint.post("/<int:member_id>/erasure")
@permit(Permission.MANAGE_MEMBER_STATUS)
def erase(member_id: int) -> Response:
    """Erase a member permanently; if already erased, responds 404."""
    with transaction():
        awards = erase_member.erase(member_id, current_actor())
    counted = (
        f" {plural(awards, 'badge stays', 'badges stay')} in totals anonymously." if awards else ""
    )
    flash(f"Member erased.{counted}", "success")
    return redirect(url_for(".index"), 303)
