"""Request bodies that never end, or end early (W99, W100)."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SECONDS = 30.0


class Deadline:
    """Gives the whole body of a request `seconds` to arrive; then the client is no longer listened to.

    Gunicorn's threads have no such limit: a client that sends a byte a second would hold one for as long as it
    likes. And a body of stated length that breaks off is an error here, not a shorter form.
    """

    def __init__(self, app: WSGIApplication, seconds: float = SECONDS) -> None:
        self.app = app
        self.seconds = seconds

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH"):
            # Then werkzeug counts, and raises ClientDisconnected if bytes are missing.
            environ.pop("wsgi.input_terminated", None)
        elif not environ.get("HTTP_TRANSFER_ENCODING"):
            return self.app(environ, start_response)
        connection: socket.socket | None = environ.get("gunicorn.socket")
        if connection is None:
            return self.app(environ, start_response)
        timer = threading.Timer(self.seconds, hang_up, [connection])
        timer.daemon = True
        timer.start()
        try:
            return self.app(environ, start_response)
        finally:
            timer.cancel()


def hang_up(connection: socket.socket) -> None:
    """Read no more from this client; an answer can still be sent."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
