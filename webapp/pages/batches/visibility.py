"""The second progress bar of a batch: how many of its awards communities show (CN-3)."""

from __future__ import annotations

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain.batches import drafts
from webapp.domain.connections import visibility
from webapp.domain.permissions import Permission
from webapp.pages.batches import blueprint
from webapp.pages.http.authorization import permit


@blueprint.get("/<int:batch_id>/visibility")
@permit(Permission.VIEW)
def visible(batch_id: int) -> ResponseReturnValue:
    batch = drafts.get(batch_id)
    if not request.htmx:
        return redirect(url_for(".edit", batch_id=batch_id), 303)
    shown = visibility.of_batch(batch)
    return render_template("batches/_visibility.html", batch=batch, visibility=shown)
