"""The directory of members."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from webapp.domain import directory
from webapp.domain.permissions import Permission
from webapp.pages.access import permit

blueprint = Blueprint("members", __name__, url_prefix="/members")


@blueprint.get("")
@permit(Permission.SEE)
def index() -> ResponseReturnValue:
    """Members found by the beginning of ID, username or email (D-1); for htmx the list alone."""
    text = request.args.get("q", "").replace("\x00", "\ufffd")  # HTML has no NUL
    listing = directory.search(text, request.args.get("page", 1, type=int))
    alone = request.headers.get("HX-Request") == "true"
    template = "members/_list.html" if alone else "members/index.html"
    return render_template(template, listing=listing, text=text.strip())
