"""The upload dialog: choose a file, preview it, add its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from flask import current_app, flash, redirect, render_template, url_for
from htmx_flask import request
from werkzeug.wrappers import Response

from webapp.domain import csv_files, pagination
from webapp.domain.batches import drafts, uploads
from webapp.domain.batches.preview import FILTERS, Preview
from webapp.domain.batches.suggestions import suggest
from webapp.domain.batches.uploads import Applied
from webapp.domain.csv_files import Layout
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.models import Batch, Upload
from webapp.pages.batches import blueprint
from webapp.pages.batches.drafts import Answer, page
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.downloads import csv_file
from webapp.pages.http.list_query import QueryReader
from webapp.pages.http.request_args import form_number, parse_number, uploaded_csv
from webapp.transaction import transaction

MOST_COLUMNS = 100  # that the dialog lists


class Column(NamedTuple):
    """A column of a file as the dialog lists it. `field` is what it is used for, or ""."""

    place: int
    name: str
    field: str


@blueprint.get("/template.csv")
@permit(Permission.BATCH_UNLOCK)
def template() -> Response:
    return csv_file(csv_files.TEMPLATE, "batch-template.csv")


@blueprint.get("/<int:batch_id>/upload")
@permit(Permission.BATCH_UNLOCK)
def upload_window(batch_id: int) -> Answer:
    return _window(drafts.get(batch_id))


@blueprint.post("/<int:batch_id>/upload")
@permit(Permission.BATCH_UNLOCK)
def choose(batch_id: int) -> Answer:
    """Read a file and store it with its preview, or ask for its encoding. A rejected file changes nothing."""
    try:
        filename, data = uploaded_csv()
        seen = uploads.receive(batch_id, data, _limit())
        with transaction():
            uploads.keep(batch_id, filename, data, seen, current_actor())
    except DomainError as refusal:
        return _window(drafts.get(batch_id), refusal.message, code=422)
    return redirect(url_for(".upload_window", batch_id=batch_id), 303)


@blueprint.post("/<int:batch_id>/upload/application")
@permit(Permission.BATCH_UNLOCK)
def apply(batch_id: int) -> Answer:
    """The second `Upload`: add the valid rows, or show the preview again if members have changed since."""
    try:
        with transaction():
            applied = uploads.apply(batch_id, _number("upload"), _limit(), current_actor())
    except DomainError as refusal:
        if uploads.pending(batch_id):
            return _window(drafts.get(batch_id), problem=refusal.message, code=422)
        flash(refusal.message, "info")
        return redirect(url_for(".edit", batch_id=batch_id), 303)
    if applied is None:
        return redirect(url_for(".upload_window", batch_id=batch_id, show="changed"), 303)
    flash(applied_sentence(applied), "success")
    return redirect(url_for(".edit", batch_id=batch_id), 303)


@blueprint.post("/<int:batch_id>/upload/encoding")
@permit(Permission.BATCH_UNLOCK)
def pick_encoding(batch_id: int) -> Answer:
    encoding = request.form.get("encoding", "")
    try:
        with transaction():
            uploads.pick_encoding(batch_id, _number("upload"), encoding, _limit())
    except DomainError as refusal:
        return _window(drafts.get(batch_id), problem=refusal.message, code=422, picking=True)
    return redirect(url_for(".upload_window", batch_id=batch_id), 303)


@blueprint.post("/<int:batch_id>/upload/columns")
@permit(Permission.BATCH_UNLOCK)
def set_columns(batch_id: int) -> Answer:
    columns = {
        place: field
        for name, field in request.form.items()
        if name.startswith("column-") and (place := parse_number(name[7:])) is not None
    }
    line = form_number("header")
    try:
        with transaction():
            uploads.set_columns(batch_id, _number("upload"), columns, line, _limit())
    except DomainError as refusal:
        columns_sent = columns, line or 0
        return _window(
            drafts.get(batch_id), problem=refusal.message, code=422, columns_sent=columns_sent
        )
    return redirect(url_for(".upload_window", batch_id=batch_id), 303)


@blueprint.post("/<int:batch_id>/upload/choices")
@permit(Permission.BATCH_UNLOCK)
def choose_member(batch_id: int) -> Answer:
    """Choose the member that a row means, or undo that. The preview keeps its position."""
    line, member_id = _number("line"), _number("member") or None
    try:
        with transaction():
            uploads.choose_member(batch_id, _number("upload"), line, member_id, _limit())
    except DomainError as refusal:
        return _window(drafts.get(batch_id), problem=refusal.message, code=422)
    if request.htmx:
        return _window(drafts.get(batch_id), after=line)
    place = {name: request.args[name] for name in ("show", "page") if name in request.args}
    address = url_for(".upload_window", batch_id=batch_id, _anchor="preview", **place)
    return redirect(address, 303)


@blueprint.get("/<int:batch_id>/upload/errors.csv")
@permit(Permission.BATCH_UNLOCK)
def rows_with_errors(batch_id: int) -> Answer:
    """The rows with errors of the pending file, with reasons; without a pending file, the dialog to choose one."""
    drafts.get(batch_id)
    data = uploads.rows_with_errors(batch_id)
    if data is None:
        return redirect(url_for(".upload_window", batch_id=batch_id), 303)
    return csv_file(data, f"batch-{batch_id}-errors.csv")


@blueprint.post("/<int:batch_id>/upload/removal")
@permit(Permission.BATCH_UNLOCK)
def discard(batch_id: int) -> Answer:
    with transaction():
        uploads.discard(batch_id)
    return redirect(url_for(".upload_window", batch_id=batch_id), 303)


def applied_sentence(applied: Applied) -> str:
    """Summarize the second `Upload`: members added, rows merged, skipped, already in the batch."""
    added = "1 member added." if applied.added == 1 else f"{applied.added:,} members added."
    rest = [
        f"{number:,} {'row' if number == 1 else 'rows'} {what}"
        for number, what in (
            (applied.merged, "merged"),
            (applied.left_out, "with errors skipped"),
            (applied.already, "already in the batch"),
        )
        if number
    ]
    return f"{added} {', '.join(rest)}." if rest else added


def _limit() -> int:
    return current_app.config["LAUREL"].batch_max_members


def _number(name: str) -> int:
    return form_number(name) or 0


def _window(
    batch: Batch,
    file_error: str = "",
    problem: str = "",
    code: int = 200,
    after: int = 0,
    picking: bool = False,
    columns_sent: tuple[Mapping[int, str], int] | None = None,
) -> Answer:
    """Render the dialog. `file_error` says why a file was rejected, and shows the block to choose another.

    `picking` shows the possible encodings again, `said` the rejected choice of columns. `after` is the row just
    handled, from which focus moves on.
    """
    pending = uploads.pending(batch.id)
    shown: dict[str, Any] = {
        "file_errors": [file_error] if file_error else [],
        "pending": pending,
        "limit": _limit(),
        "problem": problem,
        "fields": csv_files.FIELDS,
    }
    if pending is not None and not file_error:
        picking = picking or request.args.get("pick") == "encoding"
        if picking and pending.encoding:
            shown["readings"] = uploads.readings(pending)
        elif pending.preview is not None and not columns_sent:
            shown |= _preview(pending, Preview.unpack(pending.preview), after)
        elif layout := uploads.layout(pending):
            shown["layout"] = layout
            guess = {place: field for field, place in layout.columns.items()}, layout.line
            fields, shown["header_line"] = columns_sent or guess
            shown["columns"] = _columns(layout.header, fields)
        else:
            shown["readings"] = uploads.readings(pending)
    if request.htmx:
        return render_template("batches/_upload.html", batch=batch, **shown), code
    return page(batch, None, code, window="upload", **shown)


def _columns(header: Sequence[str], fields: Mapping[int, str]) -> list[Column]:
    """The columns of a file with the field assigned to each: the first hundred, and any assigned one."""
    return [
        Column(place, name.strip() or f"Column {place + 1}", fields.get(place, ""))
        for place, name in enumerate(header)
        if place < MOST_COLUMNS or place in fields
    ]


def _preview(pending: Upload, seen: Preview, after: int) -> dict[str, Any]:
    reader, counts = QueryReader(request.args), seen.counts()
    first = "errors" if counts["errors"] and not reader.get("show") else "all"
    filter_ = reader.choice("show", FILTERS, what="filter", otherwise="showing all rows") or first
    places = pagination.paginate_list(seen.places(filter_), reader.page())
    items = [seen.lines[place] for place in places.items]
    lines = pagination.Page(items, places.number, places.total)
    offered = suggest(seen, lines.items)
    following = next(
        (line.line for line in lines.items if line.line > after and line.line in offered), 0
    )
    return {
        "seen": seen,
        "columns": _columns(seen.header, {place: field for field, place in seen.columns.items()}),
        "header_line": seen.line,
        "layout": Layout(
            seen.header,
            seen.columns,
            seen.line,
            seen.beginning,
            [line.cells for line in islice(seen.lines, csv_files.SAMPLES)],
            seen.how,
            seen.warnings,
            None,
        ),
        "counts": counts,
        "adding": counts["expected"] - counts["merged"] - counts["already"],
        "filter": filter_,
        "lines": lines,
        "preview_warnings": reader.warnings,
        "near": offered,
        "dealt_with": after,
        "following": following if after else 0,
        "earlier": uploads.earlier_use(pending),
    }
