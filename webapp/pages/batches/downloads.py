"""CSV downloads of a batch: the result for every member."""

from __future__ import annotations

from flask import Response

from webapp.domain.batches import drafts, results_csv
from webapp.domain.permissions import Permission
from webapp.pages.batches import blueprint
from webapp.pages.http.authorization import permit
from webapp.pages.http.downloads import csv_file


@blueprint.get("/<int:batch_id>/results.csv")
@permit(Permission.IMPORT_EXPORT_MEMBERS)
def download_results(batch_id: int) -> Response:
    return csv_file(results_csv.rows(drafts.get(batch_id)), f"batch-{batch_id}-results.csv")
