"""Create, name, save and delete batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from flask import flash, make_response, redirect, render_template, url_for
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain.badges import quests
from webapp.domain.batches import drafts, forecasts, runs, uploads
from webapp.domain.batches.drafts import Heading
from webapp.domain.connections import visibility
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.permissions import Permission
from webapp.models import Batch
from webapp.pages.batches import blueprint, members, notifications
from webapp.pages.http.authorization import current_actor, may, permit
from webapp.pages.http.form import Form
from webapp.pages.http.request_args import form_number
from webapp.transaction import transaction

NO_SUCH_QUEST = -1
Answer = str | Response | tuple[str, int]


@dataclass(kw_only=True)
class HeadingForm(Form):
    name: str = ""
    quest_id: int | None = None

    @classmethod
    def of(cls, batch: Batch) -> HeadingForm:
        return cls(name=batch.name, quest_id=batch.quest_id, version=batch.version)

    @classmethod
    def sent(cls) -> Self:
        form = super().sent()
        number = form_number("quest")
        form.quest_id = NO_SUCH_QUEST if number is None and request.form.get("quest") else number
        return form

    def heading(self) -> Heading:
        return Heading(self.name, self.quest_id)


def page(batch: Batch | None, form: HeadingForm | None = None, code: int = 200, **more: Any) -> Any:
    """Render the page of a batch, or of a new one. `window` in `more` is a dialog open over it."""
    form = form or (HeadingForm.of(batch) if batch else HeadingForm())
    if batch:
        more = {**members.shown(batch), **more}
        if "pending" not in more:  # the upload window has read it
            more["pending"] = uploads.pending(batch.id)
        more["visibility"] = visibility.of_batch(batch)
    if may(Permission.BATCH_UNLOCK) and (batch is None or batch.published_at is None):
        more["badges"] = quests.choices(form.quest_id)
    if may(Permission.BATCH_UNLOCK) and batch is not None:
        more["futile"] = forecasts.retry_is_futile(batch)
    return render_template("batches/batch.html", batch=batch, form=form, **more), code


@blueprint.get("/new")
@permit(Permission.BATCH_UNLOCK)
def new() -> Answer:
    return page(None)


def render_dialog(batch: Batch, window: str, code: int = 200, **shown: Any) -> Answer:
    """A dialog over a batch's page, `batches/_WINDOW.html`. For htmx, only the dialog."""
    if request.htmx:
        return render_template(f"batches/_{window}.html", batch=batch, **shown), code
    return page(batch, None, code, window=window, **shown)


@blueprint.post("")
@permit(Permission.BATCH_UNLOCK)
def create() -> Answer:
    form, actor = HeadingForm.sent(), current_actor()
    try:
        with transaction():
            batch = drafts.create(form.heading(), actor)
            if request.form.get("then") == "publish":
                runs.ensure_publishable(batch)
            batch_id = batch.id
    except DomainError as refusal:
        form.refuse(refusal)
        return page(None, form, 422)
    return _onward(batch_id)


@blueprint.get("/<int:batch_id>")
@permit(Permission.VIEW)
def edit(batch_id: int) -> Answer:
    batch = drafts.get(batch_id)
    if not batch.running:
        notifications.forget(batch_id)
    return members.fragment(batch) if request.htmx else page(batch)


@blueprint.post("/<int:batch_id>")
@permit(Permission.BATCH_UNLOCK)
def save(batch_id: int) -> Answer:
    form = HeadingForm.sent()
    try:
        with transaction():
            batch = drafts.save(batch_id, form.heading(), current_actor(), form.version)
            if request.form.get("then") == "publish" and batch.publishable:
                runs.ensure_publishable(batch)
    except ConflictError as conflict:
        batch = drafts.get(batch_id)
        form.show_conflict(conflict, batch.version)
        return render_errors(batch, form, 409)
    except DomainError as refusal:
        form.refuse(refusal)
        return render_errors(drafts.get(batch_id), form)
    return _onward(batch_id)


def render_errors(batch: Batch, form: HeadingForm, code: int = 422) -> Answer:
    """Render the form with its errors. If htmx asked for a dialog, retarget the response to the form itself."""
    form.quest_id = form.quest_id or batch.quest_id
    if not request.htmx:
        return page(batch, form, code)
    shown = {
        "badges": [] if batch.published_at else quests.choices(form.quest_id),
        "pending": uploads.pending(batch.id),
    }
    answer = make_response(
        render_template("batches/_heading.html", batch=batch, form=form, **shown), code
    )
    answer.headers |= {"HX-Retarget": "#heading", "HX-Reswap": "outerHTML", "HX-Push-Url": "false"}
    return answer


WINDOWS = {"upload": ".upload_window", "publish": ".publication_window"}


def _onward(batch_id: int) -> Response:
    window = WINDOWS.get(request.form.get("then", ""))
    if window is None:
        flash("Saved.", "success")
        return redirect(url_for(".edit", batch_id=batch_id), 303)
    address = url_for(window, batch_id=batch_id)
    if request.files.get(
        "file"
    ):  # dropped on the page: the browser sends it again to the upload window
        return redirect(address, 307)
    if not request.htmx:
        return redirect(address, 303)
    version = drafts.get(batch_id).version
    answer = make_response(
        render_template("batches/_open_window.html", address=address, version=version)
    )
    answer.headers |= {"HX-Push-Url": "false", "HX-Trigger": "saved"}
    return answer


@blueprint.get("/<int:batch_id>/deletion")
@permit(Permission.BATCH_UNLOCK)
def deletion_window(batch_id: int) -> Answer:
    return render_dialog(drafts.get(batch_id), "deletion")


@blueprint.post("/<int:batch_id>/deletion")
@permit(Permission.BATCH_UNLOCK)
def delete(batch_id: int) -> Answer:
    try:
        with transaction():
            name = drafts.delete_draft(batch_id, current_actor())
    except DomainError as refusal:
        flash(refusal.message, "error")
        return redirect(url_for(".edit", batch_id=batch_id), 303)
    flash(f"“{name}” deleted." if name else "Draft deleted.", "success")
    return redirect(url_for(".index", tab="drafts"), 303)
