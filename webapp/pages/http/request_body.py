"""Treat a truncated request body as an error, not as a shorter form (W99)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment


class CompleteBodyMiddleware:
    """Lets werkzeug check the length of a body: it raises `ClientDisconnected`, a 400, if bytes are missing.

    Gunicorn claims to end bodies itself, and would then accept what arrived before the connection broke.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH"):
            environ.pop("wsgi.input_terminated", None)
        elif environ.get("HTTP_TRANSFER_ENCODING"):
            environ["wsgi.input"] = Chunks(environ["wsgi.input"])
        return self.app(environ, start_response)


class Chunks:
    """A chunked body. Malformed chunks look like a broken connection to werkzeug: a 400 instead of a server error."""

    def __init__(self, stream: InputStream) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. werkzeug reads bodies without a length only through this method."""
        try:
            return self.stream.read(size)
        except ParseException as problem:
            raise OSError(str(problem)) from problem
