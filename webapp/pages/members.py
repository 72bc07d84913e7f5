"""The directory of members: searched and filtered, as a file, and as a batch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from flask import (
    Blueprint,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from werkzeug.wrappers import Response

from webapp.domain import batch_list, directory, exports, member_batches, member_export
from webapp.domain.directory import Filters
from webapp.domain.permissions import Permission
from webapp.domain.refusals import Refused
from webapp.models.member import STANDINGS
from webapp.pages.access import acting, permit
from webapp.pages.members_asked import Asked, choices
from webapp.transaction import transaction

blueprint = Blueprint("members", __name__, url_prefix="/members")


@blueprint.get("")
@permit(Permission.SEE)
def index() -> str | Response:
    """Members as the address asks (D-1); for htmx the list alone. A form's address is made short."""
    asked = _asked()
    alone = request.headers.get("HX-Request") == "true"
    if not alone and not asked.notes and not all(value for _, value in request.args.items(True)):
        return redirect(asked.url(after=asked.after, before=asked.before), 303)
    found = directory.page(asked.filters, asked.sort, asked.after, asked.before)
    counted = directory.count(asked.filters) if asked.counted and found.more else None
    shown = {"asked": asked, "found": found, "counted": counted}
    if not alone:
        return render_template(
            "members/index.html", choices=list(choices(asked.tree)), statuses=STANDINGS, **shown
        )
    answer = make_response(render_template("members/_list.html", **shown))
    answer.headers["HX-Push-Url"] = asked.url(after=asked.after, before=asked.before)
    return answer


@blueprint.get("/export.csv")
@permit(Permission.MOVE_MEMBERS)
def export() -> Response:
    """All that the address asks for as a CSV file, sent while it is read (D-2)."""
    name = f"members-{datetime.now(UTC):%Y-%m-%d}.csv"
    return Response(
        stream_with_context(_file(_asked().filters)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@blueprint.post("/batch")
@permit(Permission.BATCH_UNLOCK)
def create_batch() -> Response:
    """Opens a draft with all that the address asks for; where they are too many, the list says how many (D-3)."""
    asked = _asked()
    limit = current_app.config["LAUREL"].batch_max_members
    try:
        with transaction():
            batch_id = member_batches.create(asked.filters, limit, acting()).id
    except Refused as refusal:
        flash(refusal.message, "error")
        return redirect(asked.url(), 303)
    flash("This draft has the members of your list. Give it a name and a badge.", "success")
    return redirect(url_for("batches.edit", batch_id=batch_id), 303)


def _asked() -> Asked:
    return Asked.of(request.args, batch_list.tree())


def _file(filters: Filters) -> Iterator[bytes]:
    yield exports.written([member_export.HEADER])
    for rows in member_export.rows(filters):
        yield exports.written(rows, encoding="utf-8")
