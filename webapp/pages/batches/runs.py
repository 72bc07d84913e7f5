"""Retry, dismiss, undo and stop a published batch. Dialogs ask for confirmation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import flash, redirect, url_for
from werkzeug.wrappers import Response

from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, forecasts, runs
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.models import Batch
from webapp.pages.batches import blueprint, notifications
from webapp.pages.batches.drafts import Answer, render_dialog
from webapp.pages.http.authorization import current_actor, permit
from webapp.transaction import transaction

T = TypeVar("T")


@blueprint.post("/<int:batch_id>/retries")
@permit(Permission.BATCH_UNLOCK)
def retry(batch_id: int) -> Response:
    def sentence(number: int) -> str:
        if number:
            return f"Retrying {_count(number, 'member', 'members')}…"
        if drafts.get(batch_id).running:
            return "This batch is already running."
        return "This batch has no errors left."

    return _run_action(batch_id, runs.retry, sentence)


@blueprint.get("/<int:batch_id>/dismissal")
@permit(Permission.BATCH_UNLOCK)
def dismissal_window(batch_id: int) -> Answer:
    return render_dialog(drafts.get(batch_id), "dismissal")


@blueprint.post("/<int:batch_id>/dismissal")
@permit(Permission.BATCH_UNLOCK)
def dismiss(batch_id: int) -> Response:
    def sentence(number: int) -> str:
        if number:
            return _count(number, "member", "members") + " removed from the batch."
        return "This batch has no errors left."

    return _run_action(batch_id, runs.dismiss, sentence)


@blueprint.get("/<int:batch_id>/reversal")
@permit(Permission.BATCH_UNLOCK)
def undo_window(batch_id: int) -> Answer:
    batch = drafts.get(batch_id)
    counted = forecasts.reversal(batch) if batch.undoable else None
    return render_dialog(batch, "undo", reversal=counted)


@blueprint.post("/<int:batch_id>/reversal")
@permit(Permission.BATCH_UNLOCK)
def undo(batch_id: int) -> Response:
    actor = current_actor()

    def sentence(batch: Batch) -> str:
        if batch.run_at != actor.at:
            return f"This batch {'is already being' if batch.running else 'was already'} undone."
        return f"Undoing “{batch.name}”…"

    return _run_action(batch_id, runs.undo, sentence, actor)


@blueprint.get("/<int:batch_id>/halt")
@permit(Permission.BATCH_UNLOCK)
def stop_window(batch_id: int) -> Answer:
    return render_dialog(drafts.get(batch_id), "stop")


@blueprint.post("/<int:batch_id>/halt")
@permit(Permission.BATCH_UNLOCK)
def stop(batch_id: int) -> Response:
    def sentence(number: int) -> str:
        if number:
            return f"Batch stopped. {_count(number, 'member', 'members')} marked Error."
        return "This batch had already finished."

    return _run_action(batch_id, runs.stop, sentence)


def _run_action(
    batch_id: int,
    verb: Callable[[int, Actor], T],
    message_of: Callable[[T], str],
    actor: Actor | None = None,
) -> Response:
    """Run the action and redirect to the batch's page with the result, or with the reason for failure."""
    try:
        with transaction():
            done = verb(batch_id, actor or current_actor())
    except DomainError as refusal:
        flash(refusal.message, "error")
    else:
        words = message_of(done)
        notifications.await_end(drafts.get(batch_id))
        flash(words, "info" if words.startswith("This batch ") else "success")
    return redirect(url_for(".edit", batch_id=batch_id), 303)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
