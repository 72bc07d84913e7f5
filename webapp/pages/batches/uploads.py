"""The upload window: a file is chosen, previewed, and added."""

from __future__ import annotations

from typing import Any

from flask import Response as FlaskResponse
from flask import current_app, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from flask_wtf.file import FileField

from webapp.domain import batches, paging, spreadsheets, uploads
from webapp.domain.permissions import Permission
from webapp.domain.preview import FILTERS, Preview
from webapp.domain.refusals import Refused
from webapp.domain.uploads import Applied
from webapp.models import Batch, Upload
from webapp.pages.access import acting, permit
from webapp.pages.batches import asked_page, blueprint, by_htmx
from webapp.pages.batches.drafts import Answer, page
from webapp.transaction import transaction


class UploadForm(FlaskForm):
    """The block to choose a file or drop one on."""

    file = FileField("File", render_kw={"accept": ".csv,text/csv"})


@blueprint.get("/template.csv")
@permit(Permission.BATCH_UNLOCK)
def template() -> FlaskResponse:
    """The file to start from."""
    return FlaskResponse(
        spreadsheets.TEMPLATE,
        mimetype="text/csv",
        headers={"Content-Disposition": 'attachment; filename="batch-template.csv"'},
    )


@blueprint.get("/<int:batch_id>/upload")
@permit(Permission.BATCH_UNLOCK)
def upload_window(batch_id: int) -> Answer:
    """The batch's page with the window open: the preview of the file that waits, or the block to choose one."""
    return _window(batches.get(batch_id))


@blueprint.post("/<int:batch_id>/upload")
@permit(Permission.BATCH_UNLOCK)
def choose(batch_id: int) -> Answer:
    """Reads a file and keeps it with its preview; one that is refused changes nothing."""
    file = request.files.get("file")
    form = UploadForm()
    try:
        if file is None or not file.filename:
            raise Refused("Choose a .csv file first.")
        with file.stream:  # a large one lies in a temporary file
            data = file.read()
        seen = uploads.examine(batch_id, data, _limit())
        with transaction():
            uploads.keep(batch_id, file.filename, data, seen, acting())
    except Refused as refusal:
        form.file.errors = [refusal.message]
        return _window(batches.get(batch_id), form, code=422)
    return redirect(url_for(".upload_window", batch_id=batch_id), 303)


@blueprint.post("/<int:batch_id>/upload/application")
@permit(Permission.BATCH_UNLOCK)
def apply(batch_id: int) -> Answer:
    """The second `Upload`: adds the good rows, or shows the preview again where members changed meanwhile."""
    text = request.form.get("upload", "")
    upload_id = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    try:
        with transaction():
            applied = uploads.apply(batch_id, upload_id, _limit(), acting())
    except Refused as refusal:
        if uploads.pending(batch_id):
            return _window(batches.get(batch_id), problem=refusal.message, code=422)
        flash(refusal.message, "info")
        return redirect(url_for(".edit", batch_id=batch_id), 303)
    if applied is None:
        return redirect(url_for(".upload_window", batch_id=batch_id, show="changed"), 303)
    flash(applied_sentence(applied), "success")
    return redirect(url_for(".edit", batch_id=batch_id), 303)


@blueprint.post("/<int:batch_id>/upload/removal")
@permit(Permission.BATCH_UNLOCK)
def discard(batch_id: int) -> Answer:
    """Lets go of the file that waits, to choose another."""
    with transaction():
        uploads.discard(batch_id)
    return redirect(url_for(".upload_window", batch_id=batch_id), 303)


def applied_sentence(applied: Applied) -> str:
    """What the second `Upload` did: members added, rows merged, left out, already in the batch."""
    added = (
        "1 member was added." if applied.added == 1 else f"{applied.added:,} members were added."
    )
    rest = [
        f"{number:,} {'row' if number == 1 else 'rows'} {what}"
        for number, what in (
            (applied.merged, "merged"),
            (applied.left_out, "left out because of errors"),
            (applied.already, "already in the batch"),
        )
        if number
    ]
    return f"{added} {', '.join(rest)}." if rest else added


def _limit() -> int:
    return current_app.config["LAUREL"].batch_max_members


def _window(
    batch: Batch, form: UploadForm | None = None, problem: str = "", code: int = 200
) -> Answer:
    """The window; with a refused file in `form`, its reason and the block to choose another."""
    pending = uploads.pending(batch.id)
    shown: dict[str, Any] = {
        "upload_form": form or UploadForm(),
        "pending": pending,
        "limit": _limit(),
        "problem": problem,
    }
    if pending is not None and pending.preview is not None and form is None:
        shown |= _preview(pending, Preview.unpack(pending.preview))
    if by_htmx():
        return render_template("batches/_upload.html", batch=batch, **shown), code
    return page(batch, None, code, window="upload", **shown)


def _preview(pending: Upload, seen: Preview) -> dict[str, Any]:
    wanted = request.args.get("show", "")
    filter_ = wanted if wanted in FILTERS else "all"
    return {
        "seen": seen,
        "counts": seen.counts(),
        "adding": len(seen.member_ids()),
        "filter": filter_,
        "lines": paging.slice_of(seen.shown(filter_), asked_page()),
        "earlier": uploads.earlier_use(pending),
    }
