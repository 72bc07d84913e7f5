"""Import members from a file: choose it, match its columns, dry run, and import by a worker (D-4)."""

from __future__ import annotations

from flask import flash, make_response, redirect, render_template, url_for
from htmx_flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from webapp.domain.errors import DomainError
from webapp.domain.imports import import_rows
from webapp.domain.imports import imports as member_imports
from webapp.domain.imports.columns import FIELDS
from webapp.domain.permissions import Permission
from webapp.messages import Message
from webapp.models import ImportStatus, MemberImport
from webapp.models.member_import import RowKind
from webapp.pages.http.authorization import current_actor, permit, signed_in
from webapp.pages.http.downloads import csv_file
from webapp.pages.http.error_handlers import http_error
from webapp.pages.http.list_query import QueryReader
from webapp.pages.http.request_args import parse_number, uploaded_csv
from webapp.pages.members import blueprint
from webapp.transaction import transaction

SHOWN = {
    "created": RowKind.CREATED,
    "changed": RowKind.CHANGED,
    "warnings": RowKind.WARNED,
    "errors": RowKind.BAD,
}


@blueprint.get("/imports")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def imports() -> Response:
    return _page()


@blueprint.post("/imports")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def receive() -> Response:
    try:
        filename, data = uploaded_csv()
        with transaction():
            import_id = member_imports.receive(filename, data, current_actor()).id
    except DomainError as refusal:
        return _page(refusal.message, 422)
    return _to(import_id)


@blueprint.errorhandler(RequestEntityTooLarge)
def too_large(error: RequestEntityTooLarge) -> Response:
    """The page for choosing a file, which states the limit. The file isn't even read."""
    if request.endpoint != "members.receive":
        return http_error(error)
    return _page(str(Message("imports.file_too_large")), 413)


@blueprint.get("/imports/<int:import_id>")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def show_import(import_id: int) -> Response:
    """The state of an import and its next step; for htmx without the surrounding page."""
    return _shown(member_imports.get(import_id, content=True))


@blueprint.post("/imports/<int:import_id>/encoding")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def pick_import_encoding(import_id: int) -> Response:
    try:
        with transaction():
            member_imports.pick_encoding(import_id, request.form.get("encoding", ""))
    except DomainError as refusal:
        return _render_errors(import_id, refusal)
    return _to(import_id)


@blueprint.post("/imports/<int:import_id>/trial")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def try_import(import_id: int) -> Response:
    """Match the columns, and have a worker do a dry run."""
    texts = {field: request.form.get(field, "") for field in FIELDS}
    places = {field: parse_number(place) for field, place in texts.items()}
    columns = {field: place for field, place in places.items() if place is not None}
    line = parse_number(request.form.get("header", ""))
    if line is not None:
        columns[member_imports.LINE] = line
    try:
        with transaction():
            member_imports.dry_run(import_id, columns, current_actor(), line)
    except DomainError as refusal:
        return _render_errors(import_id, refusal, columns)
    return _to(import_id)


@blueprint.post("/imports/<int:import_id>/application")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def carry_out(import_id: int) -> Response:
    """Hand the file over to the workers. Pressing the button twice starts it once."""
    try:
        with transaction():
            member_imports.carry_out(import_id, current_actor())
    except DomainError as refusal:
        return _render_errors(import_id, refusal)
    return _to(import_id)


@blueprint.post("/imports/<int:import_id>/removal")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def discard_import(import_id: int) -> Response:
    try:
        with transaction():
            member_imports.discard(import_id)
    except DomainError as refusal:
        return _render_errors(import_id, refusal)
    flash("Discarded. Nothing was imported.", "info")
    return redirect(url_for(".imports"), 303)


@blueprint.get("/imports/<int:import_id>/errors.csv")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def bad_rows(import_id: int) -> Response:
    member_import = member_imports.get(import_id)
    return csv_file(member_imports.bad_rows(member_import), f"import-{import_id}-errors.csv")


def _to(import_id: int) -> Response:
    return redirect(url_for(".show_import", import_id=import_id), 303)


def _page(problem: str = "", code: int = 200) -> Response:
    page = render_template(
        "members/imports.html",
        file_errors=[problem] if problem else [],
        imports=member_imports.latest(),
    )
    return make_response(page, code)


def _render_errors(
    import_id: int, refusal: DomainError, columns: dict[str, int] | None = None
) -> Response:
    return _shown(member_imports.get(import_id, content=True), refusal.message, 422, columns)


def _shown(
    member_import: MemberImport,
    problem: str = "",
    code: int = 200,
    columns: dict[str, int] | None = None,
) -> Response:
    waits = member_import.content is not None and not member_import.working
    readings = member_imports.readings(member_import) if waits else []
    asks = waits and (
        member_import.status == ImportStatus.CHOSEN or "columns" in request.args or columns
    )
    values = {
        "member_import": member_import,
        "problem": problem,
        "fields": FIELDS,
        "statuses": member_imports.may_set_status(signed_in()),
        "status_refused": member_imports.status_refused(),
        "remarks": import_rows.remarks(
            member_import.without, dry=member_import.status != ImportStatus.DONE
        ),
        "readings": readings,
        "columns": columns if columns is not None else member_import.columns,
        "layout": member_imports.layout(member_import) if asks and not readings else None,
        **_rows(member_import),
    }
    template = "members/_import.html" if request.htmx else "members/import.html"
    return make_response(render_template(template, **values), code)


def _rows(member_import: MemberImport) -> dict[str, object]:
    """The rows of the requested kind, or of the first kind that has any."""
    counts = {
        "created": member_import.created,
        "changed": member_import.changed,
        "warnings": member_import.warned,
        "errors": member_import.bad,
    }
    if member_import.status == ImportStatus.DONE:
        counts = {"warnings": member_import.warned, "errors": member_import.bad}
    there = [name for name, number in counts.items() if number]
    reader = QueryReader(request.args)
    chosen = reader.choice("show", SHOWN, what="filter")
    shown = chosen if chosen in there else (there[-1] if there else "")
    if member_import.working or not shown:
        return {"counts": counts, "show": "", "rows": None}
    return {
        "counts": counts,
        "show": shown,
        "warnings": reader.warnings,
        "rows": member_imports.rows(member_import, SHOWN[shown], reader.page()),
    }
