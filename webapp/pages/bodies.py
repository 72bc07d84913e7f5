"""A request body that breaks off is an error, not a shorter form (W99)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Whole:
    """Lets werkzeug count a body of stated length: it raises `ClientDisconnected`, a 400, if bytes are missing.

    Gunicorn says that it ends bodies itself, and then takes what came before a broken connection for all.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH"):
            environ.pop("wsgi.input_terminated", None)
        return self.app(environ, start_response)
