"""The list of batches and of drafts."""

from __future__ import annotations

from flask import render_template, request

from webapp.domain import batches
from webapp.domain.permissions import Permission
from webapp.pages.access import permit
from webapp.pages.batches import asked_page, blueprint


@blueprint.get("")
@permit(Permission.SEE)
def index() -> str:
    """Batches, or with `?tab=drafts` the drafts; newest first."""
    drafts = request.args.get("tab") == "drafts"
    return render_template(
        "batches/index.html",
        page=batches.page(asked_page(), drafts=drafts),
        drafts=drafts,
        counts=batches.counts(),
    )


@blueprint.get("/<int:batch_id>/row")
@permit(Permission.SEE)
def row(batch_id: int) -> str:
    """A batch's row in the list, which asks for itself while the batch runs."""
    return render_template("batches/_row.html", batch=batches.get(batch_id))
