"""Publishing a batch, and how far it has come."""

from __future__ import annotations

from flask import flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.domain import batches, runs
from webapp.domain.permissions import Permission
from webapp.domain.refusals import Refused
from webapp.pages.access import acting, permit
from webapp.pages.batches import blueprint
from webapp.pages.batches.drafts import Answer, HeadingForm, page, published_sentence
from webapp.transaction import transaction


@blueprint.post("/<int:batch_id>/publication")
@permit(Permission.BATCH_UNLOCK)
def publish(batch_id: int) -> Answer:
    """Saves what stands in the form, where it came along, and hands the batch to the workers."""
    act = acting()
    form = HeadingForm.sent() if "name" in request.form else None
    try:
        with transaction():
            if form:
                batches.save(batch_id, form.heading(), act)
            batch = runs.publish(batch_id, act)
    except Refused as refusal:
        batch = batches.get(batch_id)
        form = form or HeadingForm.of(batch)
        form.refuse(refusal)
        return page(batch, form, 422)
    if batch.published_at == act.at:
        flash(published_sentence(batch), "success")
    else:
        flash(f"“{batch.name}” was published already.", "info")
    return redirect(url_for(".index"), 303)


@blueprint.get("/<int:batch_id>/progress")
@permit(Permission.SEE)
def progress(batch_id: int) -> Response:
    """The status in the page's header; the last answer tells the members to show themselves anew."""
    batch = batches.get(batch_id)
    answer = make_response(render_template("batches/_progress.html", batch=batch))
    if not batch.running:
        answer.headers["HX-Trigger"] = "batch-finished"
    return answer
