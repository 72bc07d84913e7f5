"""Requests to a real web server: endless, slow, truncated (W99, W100)."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest

from tests.faults.console import await_
from tests.faults.web import FORM, THREADS, connect, healthy, serving, status


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running web process with two threads and a request timeout of one second."""
    with serving(tmp_path_factory.mktemp("web"), "QuickWorker") as port:
        yield port


def trickle(connections: list[socket.socket], seconds: float) -> list[int]:
    """Send each a byte every tenth of a second until all have a response; return the statuses."""
    waiting = dict.fromkeys(connections, -1)
    deadline = time.monotonic() + seconds
    while -1 in waiting.values():
        assert time.monotonic() < deadline, "the server still listens"
        for connection in [one for one, answer in waiting.items() if answer == -1]:
            readable, _, _ = select.select([connection], [], [], 0.1)
            if readable:
                waiting[connection] = status(connection)
                continue
            try:
                connection.sendall(b"x")
            except OSError:
                waiting[connection] = 0
    return list(waiting.values())


@pytest.mark.parametrize("length", ["Content-Length: 5000", "Transfer-Encoding: chunked"])
def test_a_slow_body_is_cut_off_and_others_are_served(port: int, length: str) -> None:
    """W100: with as many slow clients as threads."""
    connections = [connect(port) for _ in range(THREADS)]
    try:
        chunk = "1000\r\n" if "chunked" in length else ""
        for connection in connections:
            connection.sendall(f"POST /sign-in HTTP/1.1\r\n{FORM}{length}\r\n\r\n{chunk}".encode())
        answers = trickle(connections, 30)
        assert set(answers) <= {0, 408}, answers
        await_(lambda: healthy(port), 2, "others are served")
    finally:
        for connection in connections:
            connection.close()


def test_a_slow_head_is_cut_off_and_others_are_served(port: int) -> None:
    """W100: the same for a client that never ends its headers."""
    connections = [connect(port) for _ in range(THREADS)]
    try:
        for connection in connections:
            connection.sendall(b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert set(trickle(connections, 30)) <= {0, 408}
        await_(lambda: healthy(port), 2, "others are served")
    finally:
        for connection in connections:
            connection.close()


def test_a_truncated_body_has_no_effect(port: int) -> None:
    """An incomplete body has no effect."""
    with connect(port) as connection:
        connection.sendall(
            f"POST /sign-in HTTP/1.1\r\n{FORM}Content-Length: 5000\r\n\r\nemail=anna".encode()
        )
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"was incomplete" in answer


def test_an_endless_body_without_length_is_refused(port: int) -> None:
    """W99: 50 MB in chunks; the server stops reading long before."""
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with connect(port) as connection:
        connection.sendall(
            f"POST /sign-in HTTP/1.1\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        sent = 0
        try:
            while sent < 50_000_000 and not select.select([connection], [], [], 0)[0]:
                connection.sendall(chunk)
                sent += len(chunk)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
        assert sent < 25_000_000  # the sizes it reads and drains, and both kernels' buffers
        assert status(connection) in (0, 400, 413)
    await_(lambda: healthy(port), 2, "others are served")


def test_a_stated_length_of_50_mb_is_refused_unread(port: int) -> None:  # W99
    with connect(port) as connection:
        connection.sendall(
            f"POST /sign-in HTTP/1.1\r\n{FORM}Content-Length: 50000000\r\n\r\n".encode()
        )
        assert status(connection) == 413
