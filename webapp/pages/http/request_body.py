"""A request body that breaks off is an error, not a shorter form (W99)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment


class CompleteBodyMiddleware:
    """Lets werkzeug count a body of stated length: it raises `ClientDisconnected`, a 400, if bytes are missing.

    Gunicorn says that it ends bodies itself, and then takes what came before a broken connection for all.
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
    """A body in chunks, whose malformed ones are to werkzeug a connection that broke: a 400, and no fault of ours."""

    def __init__(self, stream: InputStream) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        """The next bytes; the only way in which werkzeug reads a body without length."""
        try:
            return self.stream.read(size)
        except ParseException as problem:
            raise OSError(str(problem)) from problem
