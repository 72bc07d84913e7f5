"""The web process's worker: gunicorn's threads, with a limit to how long a request may take to arrive (W100)."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from webapp import heap


class Worker(ThreadWorker):
    """Gives a request `seconds` to arrive, head and body; then its client is no longer listened to.

    Gunicorn has no such limit: a client that sends a byte a second would hold a thread for as long as it likes.
    """

    seconds = 30.0

    def load_wsgi(self) -> None:
        """Loads the app, which stays as it is from here on."""
        super().load_wsgi()
        heap.freeze()

    def handle(self, conn: Any) -> Any:
        """Handles one request of a connection; what is still missing at the end of the time never comes."""
        timer = threading.Timer(self.seconds, hang_up, [conn.sock])
        timer.daemon = True
        timer.start()
        try:
            return super().handle(conn)
        finally:
            timer.cancel()


def hang_up(connection: socket.socket) -> None:
    """Read no more from this client; an answer can still be sent."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
