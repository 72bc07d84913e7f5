"""Slow clients block no thread, are ended after a while, and can't use up all connections (W100)."""

from __future__ import annotations

import os
import re
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.console import await_
from tests.faults.web import FORM, connect, healthy, serving, status
from webapp.cli.client_connection import Chunked, Spool, network_of

SLOW = 40
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
HEAD = b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
SIZED = f"POST /sign-in HTTP/1.1\r\n{FORM}Content-Length: 5000\r\n\r\nemail=".encode()
CHUNKED = f"POST /sign-in HTTP/1.1\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n1000\r\nx".encode()
TOO_LARGE = f"POST /sign-in HTTP/1.1\r\n{FORM}Content-Length: 7000000\r\n\r\nemail=".encode()
LARGE_PAGE = b"GET /static/vendor/htmx.org/dist/htmx.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
Fixture = Callable[[str], int]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fixture]:
    """Return the port of a web process with two threads, by its worker; each is started once."""
    running: dict[str, tuple[Any, int]] = {}

    def start(worker: str) -> int:
        if worker not in running:
            server = serving(tmp_path_factory.mktemp("web"), worker)
            running[worker] = server, server.__enter__()
        return running[worker][1]

    yield start
    for server, _ in running.values():
        server.__exit__(None, None, None)


@contextmanager
def slow(
    port: int, sent: bytes, number: int = SLOW, **options: int
) -> Iterator[list[socket.socket]]:
    """Connections that send this much and no more; `receive` is their buffer size for unread data."""
    connections = []
    try:
        for _ in range(number):
            one = socket.socket()
            if "receive" in options:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive"])
            one.settimeout(30)
            one.connect(("127.0.0.1", port))
            one.sendall(sent)
            connections.append(one)
        yield connections
    finally:
        for one in connections:
            one.close()


def ended(connection: socket.socket) -> bool:
    """True if the server has responded or closed."""
    return bool(select.select([connection], [], [], 0)[0])


def visits(port: int, number: int = 20) -> list[int]:
    """The responses to a visitor, each on a new connection."""
    found = []
    for _ in range(number):
        with connect(port) as visitor:
            visitor.settimeout(60)
            visitor.sendall(GET)
            found.append(status(visitor))
    return found


def test_40_slow_heads_and_40_slow_bodies_delay_no_one(web: Fixture) -> None:
    """W100: with two threads; the slow ones are still connected when all visitors have been served."""
    port = web("RoomyWorker")
    with (
        slow(port, HEAD) as heads,
        slow(port, SIZED) as bodies,
        slow(port, CHUNKED, 10) as chunks,
        slow(port, b"", 10) as silent,
    ):
        assert visits(port) == [200] * 20
        connections = [*heads, *bodies, *chunks, *silent]
        assert not any(map(ended, connections))
        for connection in connections:
            connection.sendall(b"x")
        assert visits(port) == [200] * 20
        assert not any(map(ended, connections))


def test_40_slow_readers_delay_no_one(web: Fixture) -> None:
    """W100: they request a large file a hundred times, and read nothing."""
    port = web("RoomyWorker")
    with slow(port, LARGE_PAGE * 100, receive=2048):
        assert visits(port) == [200] * 20


def test_40_oversized_bodies_delay_no_one(web: Fixture) -> None:
    """W99, W100: they are rejected unread, and no one waits for the rest of them."""
    port = web("RoomyWorker")
    with slow(port, TOO_LARGE) as connections:
        assert visits(port) == [200] * 20
        assert [status(one) for one in connections] == [413] * SLOW


@pytest.mark.parametrize("sent", [HEAD, SIZED, CHUNKED, b""], ids=["head", "body", "chunks", ""])
def test_a_slow_request_is_ended(web: Fixture, sent: bytes) -> None:
    """W100: 408 for a partial request; nothing is sent to a client that sent nothing."""
    with slow(web("QuickWorker"), sent, 5) as connections:
        assert [status(one) for one in connections] == [408 if sent else 0] * 5


def test_a_slow_reader_is_ended(web: Fixture) -> None:
    """W100: responses have a minimum rate, too."""
    port = web("QuickWorker")
    with slow(port, LARGE_PAGE * 100, 1, receive=2048) as (reader,):
        await_(lambda: broken(reader), 60, "the server still waits")


def broken(connection: socket.socket) -> bool:
    """True if the server has reset the connection, although nothing was read from it."""
    try:
        connection.sendall(b"G")
    except OSError:
        return True
    return False


def test_a_body_with_the_least_rate_is_taken(web: Fixture) -> None:
    """W100: a slow network is not an attack; 3 kB a second for longer than an empty body gets."""
    port = web("QuickWorker")
    with connect(port) as visitor:
        form = b"email=" + b"x" * 12_000
        head = f"POST /sign-in HTTP/1.1\r\n{FORM}Content-Length: {len(form)}\r\n\r\n".encode()
        visitor.sendall(head)
        for place in range(0, len(form), 600):
            visitor.sendall(form[place : place + 600])
            select.select([], [], [], 0.1)
        assert status(visitor) == 400  # the form lacks its token: it arrived whole


def test_connections_per_address_are_limited(web: Fixture) -> None:
    """W100: the one that has waited longest is closed, so that others behind that address get in."""
    port = web("NarrowWorker")
    with slow(port, HEAD, 10) as connections:
        await_(lambda: sum(map(ended, connections)) >= 5, 30, "ten connections are open")
        found = [ended(one) for one in connections]
        assert found == sorted(found, reverse=True)  # the oldest
        assert sum(found) <= 6  # the server's own check may still count as one
        assert visits(port, 3) == [200] * 3


def test_behind_a_proxy_its_address_has_no_limit(tmp_path: Path) -> None:
    """W100: all visitors have the proxy's address."""
    with (
        serving(tmp_path, "NarrowWorker", LAUREL_PROXIES="1") as port,
        slow(port, HEAD, 20) as connections,
    ):
        assert visits(port, 3) == [200] * 3
        assert not any(map(ended, connections))


def test_a_connection_serves_several_requests(web: Fixture) -> None:
    """Keep-alive works, also for pipelined requests, and with bodies between them."""
    post = f"POST /sign-in HTTP/1.1\r\n{FORM}".encode()
    chunked = b"Transfer-Encoding: chunked\r\n\r\n4\r\na=bc\r\n0\r\nX-Trailer: 1\r\n\r\n"
    sent = GET + post + b"Content-Length: 4\r\n\r\na=bc" + GET + post + chunked + GET
    with connect(web("RoomyWorker")) as visitor:
        visitor.settimeout(60)
        for piece in (sent, sent[:200], sent[200:]):
            visitor.sendall(piece)
        visitor.sendall(LAST)
        answers = visitor.makefile("rb").read()
    assert answers.count(b"HTTP/1.1 200 OK") == 3 + 3 + 1
    assert answers.count(b"HTTP/1.1 400 ") == 2 + 2


def test_a_request_is_put_together_from_single_bytes(web: Fixture) -> None:
    """W100: wherever the network splits it."""
    with connect(web("RoomyWorker")) as visitor:
        visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        chunked = f"POST /sign-in HTTP/1.1\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n".encode()
        for byte in chunked + b"4;x=y\r\na=bc\r\n0\r\n\r\n":
            visitor.sendall(bytes([byte]))
        visitor.sendall(LAST)
        answers = visitor.makefile("rb").read()
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"400", b"200"]


def test_a_client_that_waits_for_100_continue_gets_it(web: Fixture) -> None:
    """RFC 9110: curl asks before it sends a large body."""
    with connect(web("RoomyWorker")) as visitor:
        visitor.settimeout(60)
        head = f"POST /sign-in HTTP/1.1\r\n{FORM}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        visitor.sendall(head.encode())
        assert visitor.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        visitor.sendall(b"a=bc")
        assert status(visitor) == 400


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000, 431),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX Y: 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (CHUNKED.removesuffix(b"1000\r\nx") + b"zz\r\n", 400),
        (CHUNKED.removesuffix(b"1000\r\nx") + b"+1\r\na\r\n0\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    ],
    ids=["head", "line", "name", "two lengths", "negative", "chunk", "plus", "tls"],
)
def test_a_malformed_request_is_refused_at_once(web: Fixture, sent: bytes, answer: int) -> None:
    """W99: without waiting for more of it, and the connection is closed."""
    with connect(web("RoomyWorker")) as visitor:
        visitor.settimeout(60)
        visitor.sendall(sent)
        assert status(visitor) == answer
        await_(lambda: closed(visitor), 30, "the connection is still open")
    assert healthy(web("RoomyWorker"))


def closed(connection: socket.socket) -> bool:
    """True if the server has closed its side."""
    try:
        return connection.recv(65_536) == b""
    except ConnectionResetError:
        return True


def test_a_large_body_and_a_large_response_arrive_whole(web: Fixture) -> None:
    """Data that doesn't fit into memory goes through a file."""
    port = web("RoomyWorker")
    with connect(port) as visitor:
        visitor.settimeout(60)
        form = b"email=" + os.urandom(200_000).hex().encode()
        head = f"POST /sign-in HTTP/1.1\r\n{FORM}Content-Length: {len(form)}\r\n\r\n".encode()
        visitor.sendall(head + form)
        assert status(visitor) == 400
    with connect(port) as visitor:
        visitor.settimeout(60)
        visitor.sendall(LARGE_PAGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        head, _, body = visitor.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    root = Path(__file__).resolve().parents[2]
    assert body == (root / "static/vendor/htmx.org/dist/htmx.min.js").read_bytes()


def test_a_spool_gives_back_what_was_put(tmp_path: Path) -> None:
    """In memory and in a file, with alternating reads and writes."""
    spool, expected, found = Spool(), b"", b""
    for size in (0, 1, 70_000, 5, 200_000):
        data = os.urandom(size)
        spool.put(data)
        expected += data
        found += spool.take(50_000)
    assert len(spool) == len(expected) - len(found)
    while more := spool.take(65_536):
        found += more
    assert found == expected
    assert len(spool) == 0
    assert spool.take(1) == b""


@pytest.mark.parametrize(
    ("body", "ends"),
    [
        (b"0\r\n\r\n", True),
        (b"3\r\nabc\r\n0\r\n\r\n", True),
        (b"3\r\nabc\r\n0\r\nA: b\r\n\r\nGET /", True),
        (b"3\r\nabc\r\n0\r\nA: b\r\n", False),
        (b"a\r\n0\r\n\r\n", False),
        (b"zz\r\n", True),
        (b"1" * 9000, True),
        (b"-1\r\n", False),
        (b"1" * 100 + b"\r\nabc", False),
    ],
)
def test_the_end_of_chunks_is_found_wherever_they_are_cut(body: bytes, ends: bool) -> None:
    """RFC 9112; malformed or too long input ends immediately."""
    assert Chunked().ended(body) == ends
    cut = Chunked()
    ended_at = [place for place, byte in enumerate(body) if cut.ended(bytes([byte]))]
    assert bool(ended_at) == ends


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_belongs_to_a_network(address: str, network: str) -> None:
    """With IPv6, everyone has a whole network."""
    assert network_of((address, 1234)) == network
