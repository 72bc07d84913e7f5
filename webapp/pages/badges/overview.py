"""The overview of badges, and the page of each badge."""

from __future__ import annotations

from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain import rules
from webapp.domain.badges import catalogue
from webapp.domain.permissions import Permission
from webapp.pages.badges import blueprint, group_awards
from webapp.pages.http.authorization import permit
from webapp.pages.http.list_query import QueryReader
from webapp.pages.http.request_args import parse_number

LONGEST = 120  # characters in a search


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> ResponseReturnValue:
    reader = QueryReader(request.args)
    text = reader.text("q", LONGEST)
    shown = {"rows": catalogue.overview(text), "text": text, "warnings": reader.warnings}
    if request.htmx:
        return render_template("badges/_list.html", **shown)
    made = group_awards.just_made(parse_number(request.args.get("awarded", "")))
    return render_template("badges/index.html", **shown, **made)


@blueprint.get("/<int:badge_id>")
@permit(Permission.VIEW)
def show(badge_id: int) -> ResponseReturnValue:
    """A badge with its quests, their holders, and recent recipients."""
    return page(badge_id)


def page(badge_id: int, code: int = 200, **more: Any) -> ResponseReturnValue:
    """Render a badge's page. In `more`, `window` names a dialog open over it, and `new_quest` is that dialog's form."""
    shown = catalogue.detail(badge_id)
    context = {"shown": shown, "badge": shown.badge, "rules": rules.of_badge(badge_id)}
    return render_template("badges/show.html", **context, **more), code
