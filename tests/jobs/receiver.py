"""A webhook receiver on loopback that stores requests and responds as configured."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Respond = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Store a request, and let `respond` answer it."""

    server: Receiver  # type: ignore[assignment]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.server.respond(self)

    do_GET = do_POST  # noqa: N815 (http.server calls it so)

    def plain(self, status: int, **headers: str) -> None:
        """Respond with a status, without a body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Receiver(ThreadingHTTPServer):
    """Listens on a port of its own; `came` has headers and body of each request."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, respond: Respond | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.respond: Respond = respond or (lambda handler: handler.plain(200))
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes the connection is not an error."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
