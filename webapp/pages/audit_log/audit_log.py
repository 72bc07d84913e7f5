"""The page `Record`: who did what, when, from where (L-1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response

from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.audit_log.sentences import Line
from webapp.domain.csv_files import writer
from webapp.domain.permissions import Permission
from webapp.pages.audit_log.query import NOBODY, AuditQuery
from webapp.pages.http.authorization import permit
from webapp.pages.http.template_helpers import iso_time

blueprint = Blueprint("record", __name__, url_prefix="/record")

HEAD = (
    *("Time", "Actor", "Actor ID", "Address"),
    *("Act", "Subject", "Subject ID", "Origin", "Sentence"),
)
PAGES = {"batch": "batches.edit", "badge": "badges.show", "member": "members.show"}
ON_A_PAGE = 10  # acts that the page of their subject shows


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> str | Response:
    """What was done, newest first, as the address asks; a form's address is made short."""
    asked = AuditQuery.of(request.args, search.actors())
    if not asked.warnings and not all(value for _, value in request.args.items(multi=True)):
        return redirect(asked.url(), 303)
    found = search.page(asked.filters, asked.older_than, asked.newer_than)
    return render_template(
        "record/index.html",
        asked=asked,
        found=found,
        active_filters=asked.active_filters(found.subject),
        verbs=audit_log.VERBS,
        origins=audit_log.ORIGINS,
        nobody=NOBODY,
    )


@blueprint.get("/export.csv")
@permit(Permission.VIEW)
def export() -> Response:
    """All that the address asks for as a CSV file, sent while it is read."""
    asked = AuditQuery.of(request.args, search.actors())
    name = f"record-{datetime.now(UTC):%Y-%m-%d}.csv"
    return Response(
        stream_with_context(_file(asked.filters)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _file(filters: AuditFilters) -> Iterator[bytes]:
    yield writer.write_csv([HEAD])
    for lines in search.all_of(filters):
        yield writer.write_csv(map(_cells, lines), encoding="utf-8")


def _cells(line: Line) -> tuple[str, ...]:
    row = line.record
    subject_id = str(row.subject_id or "")
    verb = audit_log.label(row.verb)
    return (
        iso_time(row.at),
        row.actor,
        row.actor_id,
        row.address,
        verb,
        row.subject_kind,
        subject_id,
        row.origin,
        line.sentence,
    )


@blueprint.app_template_global()
def history(kind: str, subject_id: int) -> list[Line]:
    """The last acts on a subject, and one more where there are more, for `record/_history.html`."""
    return search.latest(kind, subject_id, ON_A_PAGE + 1)


@blueprint.app_template_global()
def page_of_subject(line: Line) -> str:
    """The address of what an act was about; "" where there is none."""
    if line.opens is None:
        return ""
    kind, subject_id = line.opens
    names: dict[str, Any] = {f"{kind}_id": subject_id}
    return url_for(PAGES[kind], **names)
