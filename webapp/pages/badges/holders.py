"""The holders of a badge, listed on its page: their export, and revoking the badge from several of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.awards import group_revocation, holders, manual
from webapp.domain.awards.holders import HolderFilters
from webapp.domain.badges import catalogue
from webapp.domain.csv_files import writer
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.messages import Message
from webapp.messages.plurals import plural
from webapp.pages.badges import blueprint
from webapp.pages.badges.overview import page
from webapp.pages.badges.query import HolderQuery
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.downloads import csv_file
from webapp.pages.http.form import Form
from webapp.pages.http.list_query import parse_id, require_readable
from webapp.pages.http.request_args import redirect_to
from webapp.transaction import transaction


@blueprint.get("/<int:badge_id>/holders.csv")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def export_holders(badge_id: int) -> Response:
    """Stream all holders that match the query as a CSV file (E-4)."""
    query = _query(badge_id)
    require_readable(query.warnings, ".show", badge_id=badge_id)
    name = f"holders-{badge_id}-{datetime.now(UTC):%Y-%m-%d}.csv"
    return csv_file(_file(query.filters), name)


@dataclass(kw_only=True)
class RevocationForm(Form):
    reason: str = ""
    award: list[str] = field(default_factory=list)

    @property
    def award_ids(self) -> list[int]:
        return [number for number in map(parse_id, self.award) if number]


@blueprint.get("/<int:badge_id>/revocation")
@permit(Permission.REVOKE)
def holders_revocation(badge_id: int) -> ResponseReturnValue:
    """Ask before the badge is revoked from the selected holders."""
    return _window(_query(badge_id), RevocationForm(award=request.args.getlist("award")))


@blueprint.post("/<int:badge_id>/revocation")
@permit(Permission.REVOKE)
def revoke_holders(badge_id: int) -> ResponseReturnValue:
    """Revoke the badge from the selected holders, with `Undo` in the message (E-4)."""
    query, form = _query(badge_id), RevocationForm.sent()
    try:
        with transaction():
            done = group_revocation.revoke(badge_id, form.award_ids, form.reason, current_actor())
    except DomainError as refusal:
        form.refuse(refusal)
        return _window(query, form, 422)
    if done.group_id is None:
        flash(str(Message("awards.already_revoked")), "info")
    return redirect_to(query.url(revoked=done.group_id))


@blueprint.post("/group-revocations/<int:group_id>/undo")
@permit(Permission.REVOKE)
def undo_revocation(group_id: int) -> ResponseReturnValue:
    """Restore all awards of a group revocation (E-4)."""
    badge_id = group_revocation.get(group_id).badge_id
    try:
        with transaction():
            done = group_revocation.undo(group_id, current_actor())
            name = done.group.badge.name
    except DomainError as refusal:
        flash(refusal.message, "error")
    else:
        message = f"{name} restored for {plural(done.members, 'member')}."
        if done.kept:
            message += f" {plural(done.kept, 'award')} had changed since."
        if done.changed:
            flash(message, "success")
        else:
            flash("Already undone.", "info")
    return redirect(url_for(".show", badge_id=badge_id), 303)


def _query(badge_id: int) -> HolderQuery:
    return HolderQuery.of(request.args, catalogue.get(badge_id))


def _window(query: HolderQuery, form: RevocationForm, code: int = 200) -> ResponseReturnValue:
    """The confirmation, for htmx only the dialog. Back to the list if there is nothing to revoke."""
    try:
        awards = group_revocation.chosen(query.badge.id, form.award_ids)
    except DomainError as refusal:
        return _back(query, refusal.text)
    if not awards:
        return _back(query, Message("awards.already_revoked"))
    words = {
        "awards": awards,
        "members": len({award.member_id for award in awards}),
        "form": form,
        "needs_reason": manual.needs_reason(current_actor()),
    }
    if not request.htmx:
        return page(query.badge.id, code, window="revocation", **words)
    words |= {"badge": query.badge, "query": query}
    answer = make_response(render_template("badges/_revocation.html", **words), code)
    answer.headers |= {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"}
    return answer


def _back(query: HolderQuery, text: Message) -> ResponseReturnValue:
    flash(str(text), "info")
    # Without an anchor: otherwise the browser may not load a page that is already open.
    return redirect_to(query.url().partition("#")[0])


def _file(filters: HolderFilters) -> Iterator[bytes]:
    yield writer.write_csv([holders.HEADER])
    for rows in holders.rows(filters):
        yield writer.write_csv(rows, encoding="utf-8")
