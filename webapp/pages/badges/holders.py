"""The holders of a badge, listed on its page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from flask import request, stream_with_context
from werkzeug.wrappers import Response

from webapp.domain.awards import holders
from webapp.domain.awards.holders import HolderFilters
from webapp.domain.badges import catalogue
from webapp.domain.csv_files import writer
from webapp.domain.permissions import Permission
from webapp.pages.badges import blueprint
from webapp.pages.badges.query import HolderQuery
from webapp.pages.http.authorization import permit


@blueprint.get("/<int:badge_id>/holders.csv")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def export_holders(badge_id: int) -> Response:
    """Stream all holders that match the query as a CSV file (E-4)."""
    query = HolderQuery.of(request.args, catalogue.get(badge_id))
    name = f"holders-{badge_id}-{datetime.now(UTC):%Y-%m-%d}.csv"
    return Response(
        stream_with_context(_file(query.filters)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _file(filters: HolderFilters) -> Iterator[bytes]:
    yield writer.write_csv([holders.HEADER])
    for rows in holders.rows(filters):
        yield writer.write_csv(rows, encoding="utf-8")
