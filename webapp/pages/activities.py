"""Activities: the names that rules can use, and importing events from a file."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from webapp.domain import rules
from webapp.domain.activities import csv_import
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.list_query import QueryReader
from webapp.pages.http.request_args import uploaded_csv
from webapp.transaction import transaction

blueprint = Blueprint("activities", __name__, url_prefix="/activities")

SHOWN = 100  # skipped rows that the page lists


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> Response:
    return _page()


@blueprint.post("")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def receive() -> Response:
    try:
        _, data = uploaded_csv()
        with transaction():
            done = csv_import.count_file(data, current_actor())
    except DomainError as refusal:
        return _page(422, file_errors=[refusal.message])
    return _page(done=done)


def _page(code: int = 200, **more: Any) -> Response:
    reader = QueryReader(request.args)
    page = render_template(
        "activities/index.html",
        named=rules.usage(reader.page()),
        warnings=reader.warnings,
        shown=SHOWN,
        **more,
    )
    return make_response(page, code)
