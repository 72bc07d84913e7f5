"""The page `Audit log`: who did what, when and from where (L-1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.audit_log.sentences import AuditLine
from webapp.domain.csv_files import writer
from webapp.domain.permissions import Permission
from webapp.models import Origin
from webapp.pages.audit_log.query import NO_PERSON, AuditQuery
from webapp.pages.http.authorization import permit
from webapp.pages.http.downloads import csv_file
from webapp.pages.http.list_query import require_readable
from webapp.pages.http.template_helpers import iso_time

blueprint = Blueprint("audit_log", __name__)

HEAD = (
    *("Time", "Actor", "Actor ID", "IP address"),
    *("Action", "Subject", "Subject ID", "Source", "Sentence"),
)
PAGES = {"batch": "batches.edit", "badge": "badges.show", "member": "members.show"}
ON_A_PAGE = 10  # entries on the subject's own page


@blueprint.get("/audit-log")
@permit(Permission.VIEW)
def index() -> str | Response:
    """List the entries, newest first. The URL of a submitted form is redirected to a short one."""
    query = AuditQuery.of(request.args, search.actors())
    if not query.warnings and not all(value for _, value in request.args.items(multi=True)):
        return redirect(query.url(), 303)
    page = search.page(query.filters, query.older_than, query.newer_than)
    return render_template(
        "audit_log/index.html",
        query=query,
        page=page,
        active_filters=query.active_filters(page.subject),
        verbs=audit_log.VERBS,
        origins=tuple(Origin),
        no_person=NO_PERSON,
    )


@blueprint.get("/audit-log/export.csv")
@permit(Permission.VIEW)
def export() -> Response:
    query = AuditQuery.of(request.args, search.actors())
    require_readable(query.warnings, ".index")
    name = f"audit-log-{datetime.now(UTC):%Y-%m-%d}.csv"
    return csv_file(_file(query.filters), name)


@blueprint.get("/record")
@blueprint.get("/record/export.csv")
@permit(Permission.VIEW)
def old_address() -> Response:
    """Redirect links from before the page was renamed, with their filters."""
    path = url_for(".export" if request.path.endswith(".csv") else ".index")
    query = request.query_string.decode("ascii", "replace")
    return redirect(f"{path}?{query}" if query else path, 301)


def _file(filters: AuditFilters) -> Iterator[bytes]:
    yield writer.write_csv([HEAD])
    for lines in search.all_of(filters):
        yield writer.write_csv(map(_cells, lines), encoding="utf-8")


def _cells(line: AuditLine) -> tuple[str, ...]:
    row = line.event
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
def history(kind: str, subject_id: int) -> list[AuditLine]:
    return search.latest(kind, subject_id, ON_A_PAGE + 1)


@blueprint.app_template_global()
def page_of_subject(line: AuditLine) -> str:
    """Return the URL of an entry's subject, or "" if it has no page."""
    if line.opens is None:
        return ""
    kind, subject_id = line.opens
    names: dict[str, Any] = {f"{kind}_id": subject_id}
    return url_for(PAGES[kind], **names)
