"""Receive request bodies completely, or not at all (W99)."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

BROKEN = "laurel.broken_body"  # set in the environment of a request with malformed chunks
PIECE = 64 * 1024


class CompleteBodyMiddleware:
    """Gives every body a length, so that werkzeug raises errors for truncated and for large ones.

    Gunicorn claims to end bodies itself, and would then accept what arrived before the connection broke. Of a chunked
    body without a length, werkzeug would read only as much as the limit permits, and take it for the whole.
    """

    def __init__(self, app: WSGIApplication, limit: int) -> None:
        self.app, self.limit = app, limit

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop("wsgi.input_terminated", None)
        if environ.pop("HTTP_TRANSFER_ENCODING", ""):
            try:
                body = self._received(environ["wsgi.input"])
            except (ParseException, OSError):
                environ[BROKEN], body = True, b""
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
        return self.app(environ, start_response)

    def _received(self, stream: InputStream) -> bytes:
        """The decoded body; of a body that is too large, one byte more than the limit."""
        body = bytearray()
        while len(body) <= self.limit:
            piece = stream.read(min(PIECE, self.limit + 1 - len(body)))
            if not piece:
                break
            body += piece
        return bytes(body)
