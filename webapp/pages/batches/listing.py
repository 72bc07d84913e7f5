"""The list of batches and of drafts."""

from __future__ import annotations

from flask import make_response, redirect, render_template
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.batches import drafts, listing
from webapp.domain.permissions import Permission
from webapp.pages.batches import blueprint
from webapp.pages.batches.query import FIELDS, OPERATORS, STATUSES, BatchQuery
from webapp.pages.http.authorization import permit

FORM_FIELD = "created_is"  # the form always sends this field; links omit it


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> Response:
    query = BatchQuery.of(request.args, listing.tree())
    sought = FORM_FIELD in request.args
    if sought and not query.warnings and not request.htmx:
        return redirect(query.url(), 303)
    batches = listing.listing(query.filters, query.sort, query.page, drafts=query.drafts)
    if batches.page.number != query.page:
        query.warnings.append(
            f"Page {query.page:,} doesn't exist; showing the last page, {batches.page.number:,}."
        )
    template = "batches/_list.html" if request.htmx else "batches/index.html"
    answer = make_response(
        render_template(
            template,
            query=query,
            batches=batches,
            page=batches.page,
            statuses=STATUSES,
            fields=FIELDS,
            operators=OPERATORS,
        )
    )
    if sought and request.htmx:
        answer.headers["HX-Push-Url"] = query.url()
    return answer


@blueprint.get("/<int:batch_id>/row")
@permit(Permission.VIEW)
def row(batch_id: int) -> str:
    """A batch's row in the list. It polls while the batch runs."""
    return render_template("batches/_row.html", batch=drafts.get(batch_id))
