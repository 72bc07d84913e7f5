"""The members of a batch, on its page."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, url_for
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.batches import drafts, entries
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.models import Batch
from webapp.pages.batches import blueprint
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.list_query import QueryReader
from webapp.transaction import transaction

LONGEST = 200  # characters in a search
STATUSES = ("Unpublished", "In Progress", "Published", "Error")


def shown(batch: Batch) -> dict[str, Any]:
    reader = QueryReader(request.args)
    status = reader.choice("status", STATUSES, otherwise="showing all members") or None
    search = reader.text("q", LONGEST)
    return {
        "wanted": status,
        "search": search,
        "warnings": reader.warnings,
        "entries": entries.page(batch, reader.page(), status, search),
        "entry_counts": entries.counts(batch),
    }


def fragment(batch: Batch, removed: int = 0, **more: Any) -> str:
    """Render the members for htmx. After a removal, focus moves to the next row's button, or to the heading."""
    context = shown(batch)
    if removed:
        left = [entry.id for entry in context["entries"].items if entry.outcome is None]
        more["focus"] = next((entry for entry in left if entry < removed), left[-1] if left else 0)
    return render_template("batches/_members.html", batch=batch, **context, **more)


@blueprint.post("/<int:batch_id>/entries/<int:entry_id>/removal")
@permit(Permission.BATCH_UNLOCK)
def remove(batch_id: int, entry_id: int) -> str | Response | tuple[str, int]:
    message, kind, code = "Member removed from the batch.", "success", 200
    try:
        with transaction():
            drafts.remove_member(batch_id, entry_id, current_actor())
    except DomainError as refusal:
        message, kind, code = refusal.message, "error", 422
    if request.htmx:
        return fragment(drafts.get(batch_id), entry_id, message=message, kind=kind), code
    flash(message, kind)
    place = {name: request.args[name] for name in ("status", "q", "page") if name in request.args}
    return redirect(url_for(".edit", batch_id=batch_id, **place), 303)
