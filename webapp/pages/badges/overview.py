"""The overview of badges, and the page of each badge."""

from __future__ import annotations

from typing import Any

from flask import make_response, redirect, render_template
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain import rules
from webapp.domain.awards import group_revocation, holders
from webapp.domain.badges import catalogue
from webapp.domain.errors import NotFoundError
from webapp.domain.permissions import Permission
from webapp.models import AwardSource, GroupRevocation
from webapp.pages.badges import blueprint, group_awards
from webapp.pages.badges.query import HolderQuery
from webapp.pages.http.authorization import current_actor, permit
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
    """A badge with its quests and holders. For htmx, the holders only."""
    query = HolderQuery.of(request.args, catalogue.get(badge_id))
    if request.htmx:
        answer = make_response(render_template("badges/_holders.html", **_holders(query)))
        answer.headers["HX-Push-Url"] = query.url(after=query.after, before=query.before)
        return answer
    if not query.warnings and not all(value for _, value in request.args.items(True)):
        return redirect(query.url(after=query.after, before=query.before), 303)
    return page(badge_id, revoked=_just_revoked(query))


def page(badge_id: int, code: int = 200, **more: Any) -> ResponseReturnValue:
    """Render a badge's page. In `more`, `window` names a dialog open over it, and `new_quest` is that dialog's form."""
    query = HolderQuery.of(request.args, catalogue.get(badge_id))
    return (
        render_template(
            "badges/show.html",
            rules=rules.of_badge(badge_id),
            sources=tuple(AwardSource),
            **_holders(query),
            **more,
        ),
        code,
    )


def _just_revoked(query: HolderQuery) -> GroupRevocation | None:
    """The group revocation in the URL if this person can still undo it."""
    if query.revoked is None:
        return None
    try:
        group = group_revocation.get(query.revoked)
    except NotFoundError:
        return None
    return group if group_revocation.can_undo(group, current_actor()) else None


def _holders(query: HolderQuery) -> dict[str, Any]:
    listing = holders.page(query.filters, query.after, query.before)
    return {"badge": query.badge, "query": query, "listing": listing}
