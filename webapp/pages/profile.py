"""The profile of a member."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from webapp.domain import profile
from webapp.domain.permissions import Permission
from webapp.pages.access import permit
from webapp.pages.members import blueprint


@blueprint.get("/<int:member_id>")
@permit(Permission.SEE)
def show(member_id: int) -> ResponseReturnValue:
    """What a member holds, and how it came."""
    shown = profile.of(member_id, request.args.get("page", 1, type=int))
    alone = request.headers.get("HX-Request") == "true"
    return render_template("profile/_history.html" if alone else "profile/show.html", shown=shown)
