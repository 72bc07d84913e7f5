"""Send requests to an untrusted address: public addresses only, with limits on time and size (S9).

The name is resolved once per connection, every address is checked, and the connection goes to a checked one; so neither
an unusual spelling nor a second DNS response can redirect it. Redirects are not followed, proxies from the environment
not used, and nothing is decompressed. When time is up, the connection is cut in any state.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import Any

import httpcore2

from webapp.infrastructure.network_policy import (
    Lookup,
    Target,
    UnresolvableHostError,
    may_connect,
    resolve,
    within,
)

SECONDS = 10.0  # for a request, from DNS lookup to response
CONNECT = 5.0  # seconds for each address
BYTES = 64 * 1024  # read from a response, unless told otherwise
BODY = (
    1.0  # seconds to wait for more of a response's body, which is read only to keep the connection
)


class BlockedError(Exception):
    """Connecting to the address is not allowed; the message says why."""


class CutOffError(Exception):
    """`cut_all` ended the request, so its result is unknown."""


class ResponseTooLargeError(Exception):
    """The response exceeds the size limit."""


@dataclass(frozen=True)
class Answered:
    """The response's status, or None and the reason why there is none. `wait` is Retry-After in seconds."""

    status: int | None
    error: str = ""
    wait: int = 0


@dataclass(frozen=True)
class Response(Answered):
    """A response that was read to its end. The names of `headers` are in lower case."""

    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Client:
    """Requests to one target, for one thread at a time. The connection is kept for the next request."""

    def __init__(
        self,
        to: Target,
        allowed: Iterable[str] = (),
        *,
        lookup: Lookup | None = None,
        seconds: float = SECONDS,
        most: int = BYTES,
    ) -> None:
        self.to, self.seconds, self.most = to, seconds, most
        self.guard = _Guard(to, list(allowed), lookup or resolve)
        self.pool: httpcore2.ConnectionPool | None = None

    def post(self, headers: dict[str, str], body: bytes) -> Answered:
        """Send one request and return its result; raises only CutOffError, whatever the other side does."""
        return self._send(partial(self._try, "POST", self.to.path, headers, body, _skip))

    def request(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> Response:
        """Send one request and return its response, read to its end; raises only CutOffError.

        If the connection is lost, it's sent a second time: use it for requests that may be repeated.
        """
        answered = self._send(partial(self._try, method, path, headers, body, _read))
        if isinstance(answered, Response):
            return answered
        return Response(None, answered.error)

    def _send(self, attempt: Callable[[], Answered]) -> Answered:
        guard, attempts = self.guard, self.guard.attempts
        _deadlines.start(guard, self.seconds)
        try:
            answered = attempt()
            kept = guard.attempts == attempts
            if kept and answered.status is None and not guard.over.is_set():
                answered = attempt()  # the receiver may have closed it just now
        finally:
            _deadlines.end(guard)
        if guard.cut_off and answered.status is None:
            raise CutOffError
        return answered

    def close(self) -> None:
        if self.pool is not None:
            self.pool.close()
        self.guard.close()

    def _try(
        self, method: str, path: str, headers: dict[str, str], body: bytes, finish: Finish
    ) -> Answered:
        timeouts = dict.fromkeys(("read", "write", "pool"), self.seconds)
        to, self.guard.left, self.guard.patience = self.to, self.most, self.seconds
        sent = {"Host": _host(to), "Content-Length": str(len(body)), **headers}
        try:
            self.pool = self.pool or httpcore2.ConnectionPool(
                ssl_context=_tls(), max_connections=1, network_backend=self.guard
            )
            with self.pool.stream(
                method,
                httpcore2.URL(scheme=to.scheme, host=to.host, port=to.port, target=path),
                headers=list(sent.items()),
                content=body,
                extensions={"timeout": {"connect": CONNECT, **timeouts}},
            ) as response:
                return finish(response, self.guard)
        except Exception as problem:  # any exception caused by the other side is a failed attempt
            return Answered(None, _code_of(problem, self.guard.over.is_set()))


def cut_all() -> None:
    """End all requests of this process; their `post` raises CutOffError."""
    _deadlines.cut_all()


class _Guard(httpcore2.NetworkBackend):
    """Connects to checked addresses only, and can cut the connection."""

    def __init__(self, to: Target, allowed: list[str], lookup: Lookup) -> None:
        self.to, self.allowed, self.lookup = to, allowed, lookup
        self.plain = httpcore2.SyncBackend()
        self.watched: socket.socket | None = None
        self.over = threading.Event()
        self.cut_off = False
        self.attempts = 0  # to connect
        self.left, self.patience = BYTES, SECONDS

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        self.attempts += 1
        try:
            addresses = self.lookup(host, port)
        except UnresolvableHostError as missing:
            raise BlockedError(str(missing)) from None
        if not addresses or not all(may_connect(address, self.allowed) for address in addresses):
            raise BlockedError("webhooks.url_private")
        if self.to.scheme != "https" and not all(
            within(address, self.allowed) for address in addresses
        ):
            raise BlockedError("webhooks.not_https")
        problem: Exception = BlockedError("webhooks.host_not_found")
        for address in addresses:
            if self.over.is_set():
                raise httpcore2.ConnectTimeout("webhooks.timed_out")
            try:
                stream = self.plain.connect_tcp(
                    str(address), port, timeout, None, socket_options or []
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                problem = failed
                continue
            self.close()
            self.watched = stream.get_extra_info("socket").dup()
            if self.over.is_set():  # time ran out while connecting
                stream.close()
                raise httpcore2.ConnectTimeout("webhooks.timed_out")
            return _Limited(stream, self)
        raise problem

    def cut(self) -> None:
        """Cut the connection from another thread: its reads and writes fail immediately."""
        self.over.set()
        if self.watched is not None:
            with suppress(OSError):
                self.watched.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self.watched is not None:
            self.watched.close()


class _Limited(httpcore2.NetworkStream):
    """A stream that refuses to read more than its guard permits for one request."""

    def __init__(self, stream: httpcore2.NetworkStream, guard: _Guard) -> None:
        self.stream, self.guard = stream, guard

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self.stream.read(min(max_bytes, self.guard.left + 1), self.guard.patience)
        self.guard.left -= len(data)
        if self.guard.left < 0:
            raise ResponseTooLargeError
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, timeout)

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _Limited(self.stream.start_tls(ssl_context, server_hostname, timeout), self.guard)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


class _Deadlines:
    """Cuts off requests whose time is up, in one thread for all; a timer for each would start a thread each."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.ends: dict[_Guard, float] = {}
        self.wakes = 0.0  # when the thread looks next, unless told
        self.thread: threading.Thread | None = None

    def start(self, guard: _Guard, seconds: float) -> None:
        with self.changed:
            guard.over.clear()
            self.ends[guard] = end = time.monotonic() + seconds
            if self.thread is None:
                self.thread = threading.Thread(target=self._cut_overdue, daemon=True)
                self.thread.start()
            elif end < self.wakes:
                self.changed.notify()

    def end(self, guard: _Guard) -> None:
        with self.changed:
            self.ends.pop(guard, None)

    def cut_all(self) -> None:
        with self.changed:
            for guard in self.ends:
                guard.cut_off = True
                guard.cut()

    def _cut_overdue(self) -> None:
        with self.changed:
            while True:
                now = time.monotonic()
                for guard in [guard for guard, end in self.ends.items() if end <= now]:
                    del self.ends[guard]
                    guard.cut()
                self.wakes = min(self.ends.values(), default=now + SECONDS)
                self.changed.wait(self.wakes - now)


_deadlines = _Deadlines()

Finish = Callable[[httpcore2.Response, _Guard], Answered]


def _skip(response: httpcore2.Response, guard: _Guard) -> Answered:
    """Return the result without the body, which is read only to keep the connection."""
    answered = _result_of(response.status, dict(response.headers))
    guard.patience = BODY
    with suppress(Exception):  # the status is known; the connection isn't kept
        for _ in response.iter_stream():
            pass
    return answered


def _read(response: httpcore2.Response, _guard: _Guard) -> Response:
    """Return the result with the body."""
    result = _result_of(response.status, dict(response.headers))
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }
    body = b"".join(response.iter_stream())
    return Response(result.status, result.error, result.wait, headers, body)


def _host(to: Target) -> str:
    name = f"[{to.host}]" if ":" in to.host else to.host
    usual = 443 if to.scheme == "https" else 80
    return name if to.port == usual else f"{name}:{to.port}"


def _result_of(status: int, headers: dict[bytes, bytes]) -> Answered:
    wait = next((value for name, value in headers.items() if name.lower() == b"retry-after"), b"")
    seconds = _seconds(wait) if status in (429, 503) else 0
    if 300 <= status < 400:
        return Answered(status, "webhooks.redirect")
    return Answered(status, "" if 200 <= status < 300 else "webhooks.status", seconds)


def _seconds(wait: bytes) -> int:
    """The seconds that a Retry-After names, by a number or as the time until a date; 0 if it is neither."""
    if wait.isdigit():
        return int(wait) if len(wait) < 8 else 0
    try:
        at = parsedate_to_datetime(wait.decode("ascii"))
    except ValueError:
        return 0
    left = at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)
    return max(0, math.ceil(left.total_seconds()))


def _code_of(problem: Exception, timed_out: bool) -> str:
    if isinstance(problem, BlockedError):
        return str(problem)
    if isinstance(problem, ResponseTooLargeError):
        return "webhooks.response_too_long"
    if timed_out or isinstance(problem, httpcore2.TimeoutException):
        return "webhooks.timed_out"
    if "CERTIFICATE" in str(problem) or "SSL" in str(problem):
        return "webhooks.tls"
    if isinstance(problem, httpcore2.ConnectError):
        return "webhooks.not_connected"
    if isinstance(problem, httpcore2.ProtocolError):
        return "webhooks.not_http"
    return "webhooks.connection_lost"


@cache
def _tls() -> ssl.SSLContext:
    return httpcore2.default_ssl_context()


# Loading the system's CA certificates takes as long as many requests, so do it once per worker, not in each
# child. If they can't be loaded, every request reports it.
with suppress(Exception):
    _tls()
