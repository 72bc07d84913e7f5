"""Actions for the members selected in the directory: those checked, or all that match its filters (E-5)."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from webapp.domain.awards.group import AT_MOST
from webapp.domain.members import directory
from webapp.domain.members.filters import MemberFilters
from webapp.domain.permissions import Permission
from webapp.messages import message
from webapp.pages.http.authorization import may, permit
from webapp.pages.http.list_query import parse_id
from webapp.pages.members import blueprint
from webapp.pages.members.directory import create_draft, current_query, export_csv, readable_query


@blueprint.post("/selection/award")
@permit(Permission.AWARD)
def award_selected() -> Response:
    """Open `Award Badge` with the selected members; if they are more than 50, a batch with them."""
    filters = _selected()
    if filters is None:
        return _nothing_selected()
    members = directory.first(filters, AT_MOST + 1)
    if len(members) <= AT_MOST:
        ids = [member.id for member in members]
        return redirect(url_for("badges.award_window", member=ids), 303)
    if may(Permission.BATCH_UNLOCK):
        flash(f"More than {AT_MOST} members selected: continue as a batch.", "info")
        return create_draft(filters)
    number = directory.count(filters)
    flash(str(message("awards.too_many_selected", number=number, limit=AT_MOST)), "error")
    return redirect(current_query().url(), 303)


@blueprint.post("/selection/batch")
@permit(Permission.BATCH_UNLOCK)
def batch_of_selected() -> Response:
    filters = _selected()
    return create_draft(filters) if filters else _nothing_selected()


@blueprint.post("/selection/export")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def export_selected() -> Response:
    filters = _selected()
    return export_csv(filters) if filters else _nothing_selected()


def _selected() -> MemberFilters | None:
    """Return filters for the selected members: with `all`, those of the list; None if nothing is selected."""
    if request.form.get("all"):
        return readable_query().filters
    ids = tuple(number for number in map(parse_id, request.form.getlist("member")) if number)
    return MemberFilters(ids=ids) if ids else None


def _nothing_selected() -> Response:
    flash(str(message("members.none_selected")), "info")
    return redirect(current_query().url(), 303)
