"""Publish a batch: the forecast and the progress."""

from __future__ import annotations

from typing import Any

from flask import flash, make_response, redirect, render_template, url_for
from werkzeug.wrappers import Response

from webapp.domain.batches import drafts, forecasts, runs, uploads
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.permissions import Permission
from webapp.models import Batch
from webapp.pages.batches import blueprint, notifications
from webapp.pages.batches.drafts import Answer, HeadingForm, render_dialog, render_errors
from webapp.pages.http.authorization import current_actor, may, permit
from webapp.pages.http.request_args import form_number
from webapp.transaction import transaction


@blueprint.get("/<int:batch_id>/publication")
@permit(Permission.BATCH_UNLOCK)
def publication_window(batch_id: int) -> Answer:
    """Preview what publishing would do."""
    return _forecast(drafts.get(batch_id))


@blueprint.post("/<int:batch_id>/publication")
@permit(Permission.BATCH_UNLOCK)
def publish(batch_id: int) -> Answer:
    actor = current_actor()
    version, members = form_number("version"), form_number("members")
    seen = None if version is None or members is None else (version, members)
    try:
        with transaction():
            batch = runs.publish(batch_id, actor, seen)
    except ConflictError as conflict:
        return _forecast(drafts.get(batch_id), conflict.message, 409)
    except DomainError as refusal:
        return _unready(drafts.get(batch_id), refusal)
    if batch.published_at == actor.at:
        flash(_published(batch), "success")
        notifications.await_end(batch)
    else:
        flash(f"“{batch.name}” has already been published.", "info")
    return redirect(url_for(".index"), 303)


@blueprint.post("/<int:batch_id>/exclusion")
@permit(Permission.BATCH_UNLOCK)
def leave_out(batch_id: int) -> Answer:
    """Remove the members who can't receive the badge now, and show what is left to publish (E-10)."""
    try:
        with transaction():
            removed = runs.leave_out(batch_id, current_actor(), form_number("cannot"))
    except ConflictError as conflict:
        return _forecast(drafts.get(batch_id), conflict.message, 409)
    noun = "member" if removed == 1 else "members"
    if removed:
        flash(f"{removed:,} {noun} excluded from this batch.", "success")
    else:
        flash("There are no members to exclude.", "info")
    goes_on = drafts.get(batch_id).publishable
    endpoint = ".publication_window" if goes_on else ".edit"
    return redirect(url_for(endpoint, batch_id=batch_id), 303)


def _forecast(batch: Batch, problem: str = "", code: int = 200) -> Answer:
    if not batch.publishable:
        return render_dialog(batch, "forecast", forecast=None)
    try:
        runs.ensure_publishable(batch)
    except DomainError as refusal:
        return _unready(batch, refusal)
    shown = forecasts.publication(batch)
    return render_dialog(batch, "forecast", code, forecast=shown, problem=problem)


def _unready(batch: Batch, refusal: DomainError) -> Answer:
    form = HeadingForm.of(batch)
    form.refuse(refusal)
    return render_errors(batch, form)


def _published(batch: Batch) -> str:
    if not batch.entry_count:
        return f"“{batch.name}” published. It has no members."
    noun = "member" if batch.run_total == 1 else "members"
    return f"Publishing “{batch.name}” to {batch.run_total:,} {noun}…"


@blueprint.get("/<int:batch_id>/progress")
@permit(Permission.VIEW)
def progress(batch_id: int) -> Response:
    """The status in the page header. The last response adds the buttons, and triggers a reload of the members."""
    batch = drafts.get(batch_id)
    if batch.running:
        return make_response(render_template("batches/_progress.html", batch=batch, polled=True))
    notifications.forget(batch_id)  # this page says that it is done
    shown: dict[str, Any] = {"polled": True}
    if may("BATCH_UNLOCK"):
        shown |= {"ended": True, "pending": uploads.pending(batch.id)}
        shown["futile"] = forecasts.retry_is_futile(batch)
    answer = make_response(render_template("batches/_progress.html", batch=batch, **shown))
    answer.headers["HX-Trigger"] = "batch-finished"
    return answer
