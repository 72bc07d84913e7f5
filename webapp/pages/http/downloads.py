"""Send CSV files."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, stream_with_context


def csv_file(data: bytes | Iterator[bytes], name: str) -> Response:
    """A CSV file for the browser to save; an iterator is streamed."""
    return Response(
        data if isinstance(data, bytes) else stream_with_context(data),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
