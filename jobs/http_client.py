"""Send one request to an untrusted address: public addresses only, with limits on time and size (S9).

The name is resolved once, every address is checked, and the connection goes to a checked one; so neither an unusual
spelling nor a second DNS response can redirect it. Redirects are not followed, proxies from the environment not used,
and nothing is decompressed. When time is up, the connection is cut in any state.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore2

from webapp.domain.webhooks.url_policy import (
    Lookup,
    Target,
    UnresolvableHostError,
    may_connect,
    resolve,
    within,
)

SECONDS = 10.0  # for a request, from DNS lookup to response
CONNECT = 5.0  # seconds for each address
BYTES = 64 * 1024  # read from a response


class BlockedError(Exception):
    """Connecting to the address is not allowed; the message says why."""


class ResponseTooLargeError(Exception):
    """The response exceeds the size limit."""


@dataclass(frozen=True)
class Answered:
    """The response's status, or None and the reason why there is none. `wait` is Retry-After in seconds."""

    status: int | None
    error: str = ""
    wait: int = 0


def post(
    to: Target,
    headers: dict[str, str],
    body: bytes,
    allowed: Iterable[str] = (),
    *,
    lookup: Lookup | None = None,
    seconds: float = SECONDS,
) -> Answered:
    """Send one request and return its result. Never raises for anything the other side does."""
    sent = {"Host": _host(to), "Content-Length": str(len(body)), **headers}
    guard = _Guard(to, list(allowed), lookup or resolve)
    timeouts = {"connect": CONNECT, "read": seconds, "write": seconds, "pool": seconds}
    end = threading.Timer(seconds, guard.cut)
    end.daemon = True
    end.start()
    try:
        with (
            httpcore2.ConnectionPool(
                ssl_context=_tls(), max_keepalive_connections=0, network_backend=guard
            ) as pool,
            pool.stream(
                "POST",
                httpcore2.URL(scheme=to.scheme, host=to.host, port=to.port, target=to.path),
                headers=list(sent.items()),
                content=body,
                extensions={"timeout": timeouts},
            ) as response,
        ):
            return _result_of(response.status, dict(response.headers))
    except Exception as problem:  # any exception caused by the other side is a failed attempt
        return Answered(None, _code_of(problem, guard.over.is_set()))
    finally:
        end.cancel()
        guard.close()


class _Guard(httpcore2.NetworkBackend):
    def __init__(self, to: Target, allowed: list[str], lookup: Lookup) -> None:
        self.to, self.allowed, self.lookup = to, allowed, lookup
        self.plain = httpcore2.SyncBackend()
        self.watched: socket.socket | None = None
        self.over = threading.Event()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
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
            self.watched = stream.get_extra_info("socket").dup()
            if self.over.is_set():  # time ran out while connecting
                stream.close()
                raise httpcore2.ConnectTimeout("webhooks.timed_out")
            return _Limited(stream)
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
    """A stream that refuses to read more than BYTES."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self.stream, self.left = stream, BYTES

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self.stream.read(min(max_bytes, self.left + 1), timeout)
        self.left -= len(data)
        if self.left < 0:
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
        return _Limited(self.stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def _host(to: Target) -> str:
    name = f"[{to.host}]" if ":" in to.host else to.host
    usual = 443 if to.scheme == "https" else 80
    return name if to.port == usual else f"{name}:{to.port}"


def _result_of(status: int, headers: dict[bytes, bytes]) -> Answered:
    wait = next((value for name, value in headers.items() if name.lower() == b"retry-after"), b"")
    seconds = int(wait) if wait.isdigit() and len(wait) < 8 and status in (429, 503) else 0
    if 300 <= status < 400:
        return Answered(status, "webhooks.redirect")
    return Answered(status, "" if 200 <= status < 300 else "webhooks.status", seconds)


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
