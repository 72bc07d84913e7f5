"""The link to a member's own page: shown to staff, and replaced (OB-2)."""

from __future__ import annotations

from flask import flash, redirect, url_for
from werkzeug.wrappers import Response

from webapp.domain.credentials import sharing
from webapp.domain.permissions import Permission
from webapp.pages.auth.step_up import confirmed
from webapp.pages.credentials import address
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.members import blueprint
from webapp.pages.members.profile import render_dialog
from webapp.transaction import transaction


@blueprint.get("/<int:member_id>/link")
@permit(Permission.AWARD)
def link_window(member_id: int) -> Response:
    urls = sharing.page_urls(address())
    url = urls and urls.of([member_id])[member_id]
    return render_dialog(member_id, "profile/_link.html", url=url)


@blueprint.post("/<int:member_id>/link")
@permit(Permission.AWARD)
@confirmed("replace a member's link")
def replace_link(member_id: int) -> Response:
    with transaction():
        sharing.replace_link(member_id, current_actor())
    flash("The old link no longer works. Send the member the new one.", "success")
    return redirect(url_for(".show", member_id=member_id), 303)
