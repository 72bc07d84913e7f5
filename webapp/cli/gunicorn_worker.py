"""The web process's worker: gunicorn's threads behind our own loop, so that slow clients occupy no thread (W100).

Gunicorn hands a new connection to a thread immediately, and the thread waits for the client. Here one loop waits for
all clients, and closes connections that take too long.
"""

from __future__ import annotations

import atexit
import errno
import os
import selectors
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from gunicorn.workers.gthread import (  # type: ignore[import-untyped]
    STOP_KEEPALIVE_LINGER,
    ThreadWorker,
)

from webapp.cli import server_refusals
from webapp.cli.client_connection import CONTINUE, LARGEST_HEAD, PIECE, Connection, Line, State
from webapp.config import load
from webapp.infrastructure import gc_tuning

COUNTS = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client counts in this folder for all processes


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # the web processes, which are its children, inherit this
        shutil.rmtree(folder, ignore_errors=True)


class Worker(ThreadWorker):
    """Reads requests and sends responses in one loop; threads get complete requests and never wait for a client."""

    head_seconds = 5.0
    body_seconds = 10.0  # for a body or a response, plus a second per `rate` bytes
    rate = 1024
    leave_seconds = 2.0
    per_address = (
        64  # connections; behind a proxy all have the proxy's address, and it has to limit them
    )

    @classmethod
    def setup(cls) -> None:
        """Give the processes a folder to count requests in; gunicorn calls this before it starts them."""
        if load().metrics_token and COUNTS not in os.environ:
            folder = tempfile.mkdtemp(prefix="laurel-metrics-")
            os.environ[COUNTS] = folder
            atexit.register(_remove, folder, os.getpid())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: dict[Connection, None] = {}
        if load().proxies:
            self.per_address = self.worker_connections

    def load_wsgi(self) -> None:
        super().load_wsgi()
        gc_tuning.freeze()

    def accept(self, listener: Any) -> None:
        try:
            sock, client = listener.accept()
        except OSError as problem:
            if problem.errno in (errno.EMFILE, errno.ENFILE):
                self._end_longest(self.connections)
            elif problem.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        sock.setblocking(False)
        connection = Connection(self.cfg, sock, client, listener.getsockname())
        self.connections[connection] = None
        self.nr_conns += 1
        self._begin(connection, State.HEAD, self.head_seconds)
        self._wait_for(connection, selectors.EVENT_READ, self._readable)
        same = [other for other in self.connections if other.network == connection.network]
        if len(same) > self.per_address:
            self._end_longest(same)
        elif self.nr_conns >= self.worker_connections:
            self._end_longest(self.connections)

    def _end_longest(self, among: Any) -> None:
        """Close the connection that has waited longest, idle ones first; those handled by a thread stay."""
        waiting = [connection for connection in among if connection.state is not State.WORKING]
        if waiting:
            self._drop(
                min(
                    waiting,
                    key=lambda connection: (connection.state is not State.IDLE, connection.since),
                )
            )

    def _readable(self, connection: Connection, _line: Any) -> None:
        if connection not in self.connections:
            return  # dropped since the event
        try:
            data = connection.sock.socket.recv(PIECE)
            self._received(connection, data)
        except BlockingIOError:
            return
        except OSError:  # the connection was reset, or the disk is full
            self._drop(connection)

    def _received(self, connection: Connection, data: bytes) -> None:
        if connection.state is State.LEAVING:
            if not data:
                self._drop(connection)
            return
        if not data:
            if connection.state is State.BODY:
                connection.partial = True  # the app responds to the incomplete body
                self._work(connection)
            else:
                self._drop(connection)
            return
        if connection.state is State.IDLE:
            self._begin(connection, State.HEAD, self.head_seconds)
        self._take(connection, data)

    def _take(self, connection: Connection, data: bytes) -> None:
        """Add data to the request, and pass it to a thread once it's complete."""
        if connection.arrive(data):
            self._work(connection)
        elif connection.body is None:
            if len(connection.head) > LARGEST_HEAD:
                self._refuse(connection, "headers-too-large")
        else:
            if connection.state is State.HEAD:
                self._begin(connection, State.BODY, self.body_seconds)
                if connection.wants_continue:
                    connection.sock.socket.send(CONTINUE)
            allowed = self.body_seconds + connection.received / self.rate
            connection.due = connection.since + allowed

    def _work(self, connection: Connection) -> None:
        self._ignore(connection)
        self._begin(connection, State.WORKING, float("inf"))
        self.enqueue_req(connection)

    def _keepalive_after(self, connection: Connection, keepalive: bool) -> bool:
        try:
            return bool(super()._keepalive_after(connection, keepalive))
        except ParseException:  # in a body that the app didn't read, so it has responded already
            return False

    def handle_error(self, _request: Any, line: Line, _address: Any, error: Exception) -> None:
        """Respond to a request that gunicorn can't parse, or that failed outside the app."""
        kind = server_refusals.kind_of(error)
        if kind == "internal":
            self.log.exception("a request failed outside the app")
        else:
            self.log.warning("refused a malformed request: %s", server_refusals.reason_of(error))
        with suppress(OSError):
            line.sendall(server_refusals.response(kind, to_api=line.to_api))

    def finish_request(self, connection: Connection, future: Any) -> None:
        done = not future.cancelled() and future.exception() is None
        connection.stays = done and bool(future.result()) and not connection.partial
        self._send(connection)

    def _send(self, connection: Connection, _line: Any = None) -> None:
        if connection not in self.connections:
            return
        sending = connection.state is State.SENDING
        before = connection.sock.sent
        try:
            finished = connection.sock.flush()
        except OSError:
            self._drop(connection)
            return
        if finished:
            if sending:
                self._ignore(connection)
            self._after(connection)
        elif not sending:
            self._begin(connection, State.SENDING, self.body_seconds)
            self._wait_for(connection, selectors.EVENT_WRITE, self._send)
        else:
            connection.due += (connection.sock.sent - before) / self.rate

    def _after(self, connection: Connection) -> None:
        if not connection.stays:
            self._leave(connection)
            return
        more = connection.expect()
        if more:
            self._begin(connection, State.HEAD, self.head_seconds)
        else:
            seconds = self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER
            self._begin(connection, State.IDLE, seconds)
        self._wait_for(connection, selectors.EVENT_READ, self._readable)
        if more:
            self._take(connection, more)

    def _refuse(self, connection: Connection, kind: str) -> None:
        to_api = server_refusals.concerns_api(connection.head)
        answer = server_refusals.response(kind, to_api=to_api)
        self._ignore(connection)
        try:
            connection.sock.socket.send(answer)
        except OSError:
            self._drop(connection)
        else:
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        try:
            connection.sock.socket.shutdown(1)
        except OSError:
            self._drop(connection)
            return
        self._begin(connection, State.LEAVING, self.leave_seconds)
        self._wait_for(connection, selectors.EVENT_READ, self._readable)

    def murder_keepalived(self, force: bool = False) -> None:
        for connection in list(self._late(float("inf") if force else time.monotonic())):
            arriving = connection.state in (State.HEAD, State.BODY) and connection.received
            if arriving and not force:
                self._refuse(connection, "too-slow")
            else:
                self._drop(connection)

    def murder_pending(self) -> None:
        """Does nothing: the loop itself waits for first bytes."""

    def _late(self, now: float) -> Iterator[Connection]:
        for connection in self.connections:
            if connection.state is not State.WORKING and connection.due <= now:
                yield connection

    def _cap_keepalive(self, deadline: float) -> None:
        """Don't wait for further requests while the worker is stopping."""
        for connection in self.connections:
            if connection.state in (State.IDLE, State.HEAD):
                connection.due = min(connection.due, deadline)

    def _begin(self, connection: Connection, state: State, seconds: float) -> None:
        connection.state, connection.since = state, time.monotonic()
        connection.due = connection.since + seconds

    def _wait_for(self, connection: Connection, event: int, then: Any) -> None:
        self.poller.register(connection.sock, event, partial(then, connection))

    def _ignore(self, connection: Connection) -> None:
        self.poller.unregister(connection.sock)

    def _drop(self, connection: Connection) -> None:
        if self.connections.pop(connection, 0) is None:
            if connection.sock in self.poller.get_map():
                self._ignore(connection)
            self.nr_conns -= 1
            connection.close()
