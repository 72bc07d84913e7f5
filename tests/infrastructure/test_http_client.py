"""Requests to untrusted addresses: where they connect to, and how much they accept (A113 to A117, S9)."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any

import pytest
import time_machine

from tests.jobs.receiver import Handler, Receiver
from webapp.domain.errors import DomainError
from webapp.domain.webhooks.url_policy import target
from webapp.infrastructure import http_client
from webapp.infrastructure.http_client import Answered, Client, Response
from webapp.infrastructure.network_policy import Address, Target

LOOPBACK = ("127.0.0.0/8",)
PUBLIC = "93.184.215.14"


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def build(respond: Callable[[Handler], None] | None = None) -> Receiver:
        made.append(Receiver(respond))
        return made[-1]

    yield build
    for one in made:
        one.close()


def post(to: Target, allowed: tuple[str, ...] = (), **more: Any) -> Answered:
    """Send one request to a target, on a connection of its own."""
    client = Client(to, allowed, **more)
    answered = client.post({"X-Own": "yes"}, b'{"a": 1}')
    client.close()
    return answered


def send(url: str, allowed: tuple[str, ...] = LOOPBACK, seconds: float = 5) -> Answered:
    return post(target(url, allowed), allowed, seconds=seconds)


def test_a_message_arrives_whole(receiver: Callable[..., Receiver]) -> None:
    server = receiver()

    assert send(server.url + "?a=b") == Answered(200)
    ((headers, body),) = server.came
    assert body == b'{"a": 1}'
    assert headers["x-own"] == "yes"
    assert headers["host"] == f"127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:53aa:64c:0:0:80ff:fffe]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://192.0.0.170/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[ff02::1]/",
    ],
)
def test_no_spelling_leads_to_an_address_that_is_not_public(url: str) -> None:
    """A113: rejected on entry if it is obvious, otherwise when connecting; nothing is sent."""
    to = None
    with suppress(DomainError):
        to = target(url)
    if to is None:
        return
    assert post(to) == Answered(None, "webhooks.url_private")


def test_a_name_is_looked_up_once_and_a_mixed_answer_is_blocked(
    receiver: Callable[..., Receiver],
) -> None:
    """A114: the name is resolved once, and the connection goes to a checked address, whatever later responses say."""
    server = receiver()
    asked: list[str] = []

    def names(*answers: list[str]) -> Callable[[str, int], list[Address]]:
        turns = iter(answers)

        def lookup(host: str, _port: int) -> list[Address]:
            asked.append(host)
            return [ip_address(one) for one in next(turns)]

        return lookup

    to = Target("https", "rebinding.example.org", server.server_port, "/")
    mixed = post(to, lookup=names([PUBLIC, "127.0.0.1"]))
    private = post(to, lookup=names(["127.0.0.1"], [PUBLIC]))
    assert (mixed.error, private.error) == ("webhooks.url_private",) * 2
    # First public, then private: the second response is never requested, and the first is used.
    lookup = names(["192.0.2.1", "127.0.0.1"], ["127.0.0.1"])
    plain = Target("http", "rebinding.example.org", server.server_port, "/")
    once = post(plain, ("192.0.2.0/24",), lookup=lookup)
    assert once.error == "webhooks.url_private"
    assert asked == ["rebinding.example.org"] * 3
    assert server.came == []


def test_plain_http_goes_to_allowed_networks_alone() -> None:
    """S9: the development allowlist permits http only for its own networks."""
    to = target("http://example.org/", LOOPBACK)
    answered = post(to, LOOPBACK, lookup=lambda *_: [ip_address(PUBLIC)])

    assert answered.error == "webhooks.not_https"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure(receiver: Callable[..., Receiver], status: int) -> None:
    """A115: redirects are not followed."""
    inside = receiver()
    outside = receiver(lambda handler: handler.plain(status, Location=inside.url))
    answered = send(outside.url)

    assert answered == Answered(status, "webhooks.redirect")
    assert inside.came == []


def hang(handler: Handler) -> None:
    time.sleep(20)


def drip(handler: Handler) -> None:
    for sign in b"HTTP/1.1 200 OK\r\n" * 1000:
        handler.wfile.write(bytes([sign]))
        handler.wfile.flush()
        time.sleep(0.05)


def drip_header(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    drip(handler)


@pytest.mark.parametrize("respond", [hang, drip, drip_header])
def test_a_server_that_does_not_answer_is_given_up_at_the_time_limit(
    receiver: Callable[..., Receiver], respond: Callable[[Handler], None]
) -> None:
    """A116: for hanging and slow servers alike; the limit is ten seconds, here one."""
    server = receiver(respond)
    began = time.monotonic()
    answered = send(server.url, seconds=1)

    assert answered == Answered(None, "webhooks.timed_out")
    assert time.monotonic() - began < 10  # the hanging one would take twenty
    assert http_client.SECONDS <= 15


def test_a_silent_tls_handshake_is_given_up_at_the_time_limit() -> None:
    """A116: a server that accepts the connection and never answers the TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        answered = send(f"https://127.0.0.1:{port}/", seconds=1)
    assert answered == Answered(None, "webhooks.timed_out")


def test_no_further_address_is_tried_after_the_time_limit() -> None:
    """A116: the next address is not tried, and the error is the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    looked_up = threading.Event()

    def slow(*_: object) -> list[Address]:
        looked_up.wait(1)  # no other limit applies: the lookup takes longer than the request may
        return [ip_address("127.0.0.1"), ip_address("127.0.0.2")]

    to = Target("http", "slow.example.org", port, "/")
    answered = post(to, LOOPBACK, lookup=slow, seconds=0.1)
    assert answered == Answered(None, "webhooks.timed_out")


def test_a_long_response_is_read_only_in_part(receiver: Callable[..., Receiver]) -> None:
    """A116: a gigabyte, compressed or not, is not read; only the status matters."""
    sent = [0]

    def flood(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 30))
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        part = gzip.compress(bytes(1 << 20)) * 100
        while sent[0] < 1 << 30:
            sent[0] += handler.wfile.write(part)

    began = time.monotonic()
    assert send(receiver(flood).url) == Answered(200)
    assert time.monotonic() - began < 3
    assert sent[0] < 1 << 26


def test_endless_headers_are_not_read(receiver: Callable[..., Receiver]) -> None:  # A116
    def flood(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X-Filler: " + b"a" * 8000 + b"\r\n")

    answered = send(receiver(flood).url)
    assert answered.status is None
    assert answered.error in ("webhooks.response_too_long", "webhooks.not_http")


NOW = datetime(2026, 5, 4, 10, 20, tzinfo=UTC)
WAITS = {
    "7": 7,
    "0": 0,
    "Mon, 04 May 2026 10:21:30 GMT": 90,
    "Mon, 04 May 2026 12:21:30 +0200": 90,
    "Monday, 04-May-26 10:21:30 GMT": 90,
    "Mon May  4 10:21:30 2026": 90,
    "Mon, 04 May 2026 10:19:00 GMT": 0,
    "Fri, 31 Dec 9999 23:59:59 GMT": 251_610_000_000,
    "Fri, 31 Dec 99999 23:59:59 GMT": 0,
    "Mon, 34 May 2026 10:21:30 GMT": 0,
    "-7": 0,
    "1.5": 0,
    "soon": 0,
    "9" * 5000: 0,
    "\xff": 0,
    "": 0,
}


@pytest.mark.parametrize("stated", WAITS, ids=lambda stated: stated[:20])
def test_retry_after_is_a_number_of_seconds_or_a_date(
    receiver: Callable[..., Receiver], stated: str
) -> None:
    """RFC 9110, 10.2.3: three forms of dates; what is over or makes no sense is no wait."""
    with time_machine.travel(NOW, tick=False):
        answered = http_client._result_of(503, {b"Retry-After": stated.encode("latin-1")})
    assert answered.status == 503
    if WAITS[stated] > 10_000:
        assert answered.wait > 10_000
    else:
        assert answered.wait == WAITS[stated]


def test_a_retry_after_that_is_a_date_is_reported(receiver: Callable[..., Receiver]) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server = receiver(lambda handler: handler.plain(503, Retry_After=later))
    assert 3500 < send(server.url).wait <= 3600


def test_each_kind_of_failure_is_reported(receiver: Callable[..., Receiver]) -> None:
    """A117: statuses, a Retry-After, no TLS, connection refused, no HTTP."""
    server = receiver(lambda handler: handler.plain(429, Retry_After="7"))
    assert send(server.url) == Answered(429, "webhooks.status", 7)
    server.respond = lambda handler: handler.plain(500, Retry_After="soon")
    assert send(server.url) == Answered(500, "webhooks.status")
    server.respond = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n") and None
    assert send(server.url).error == "webhooks.not_http"
    tls = send(server.url.replace("http:", "https:"))
    assert tls.error == "webhooks.tls"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/").error == "webhooks.not_connected"


def test_a_name_that_is_not_there() -> None:
    answered = send("https://there-is-no-such-host.invalid/", ())
    assert answered in (
        Answered(None, "webhooks.host_not_found"),
        Answered(None, "webhooks.host_timeout"),
    )


def test_the_environments_proxies_are_not_used(
    receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S9: a proxy would resolve the name again, bypassing the check."""
    proxy, server = receiver(), receiver()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
    assert send(server.url) == Answered(200)
    assert (len(server.came), proxy.came) == (1, [])


def test_a_connection_is_kept_for_the_next_request(receiver: Callable[..., Receiver]) -> None:
    """A-13: with or without a body in the response; the name is not resolved again."""
    peers: list[int] = []

    def respond(handler: Handler) -> None:
        peers.append(handler.client_address[1])
        if len(peers) == 1:
            handler.plain(204)
            return
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"2\r\nok\r\n0\r\n\r\n")

    server, asked = receiver(respond), []

    def lookup(host: str, _port: int) -> list[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1")]

    to = Target("http", "hooks.example.org", server.server_port, "/")
    client = Client(to, LOOPBACK, lookup=lookup)
    assert [client.post({}, b"{}").status for _ in range(3)] == [204, 200, 200]
    client.close()
    assert (len(set(peers)), len(asked)) == (1, 1)


def test_a_kept_connection_that_was_closed_is_replaced(receiver: Callable[..., Receiver]) -> None:
    """A-13: at any moment, even just as the next request arrives; the address is checked again."""
    drop: list[bool] = []

    def respond(handler: Handler) -> None:
        if drop and drop.pop():
            handler.close_connection = True  # without a response
            return
        handler.plain(200)

    server = receiver(respond)
    turns = iter(["127.0.0.1", "127.0.0.1", "127.0.0.1", "10.0.0.1"])
    to = Target("http", "hooks.example.org", server.server_port, "/")
    client = Client(to, LOOPBACK, lookup=lambda *_: [ip_address(next(turns))])
    assert client.post({}, b"first") == Answered(200)
    drop.append(True)
    assert client.post({}, b"second") == Answered(200)
    assert [body for _, body in server.came] == [b"first", b"second", b"second"]
    drop.extend([True, True])
    assert client.post({}, b"third") == Answered(None, "webhooks.not_http")
    assert client.post({}, b"fourth") == Answered(None, "webhooks.url_private")
    client.close()
    assert len(server.came) == 5


def test_a_long_response_ends_the_connection(receiver: Callable[..., Receiver]) -> None:
    """A116: the limit applies to each request, and the rest is not taken for the next response."""

    def respond(handler: Handler) -> None:
        size = 100 if len(server.came) == 1 else 2 * http_client.BYTES
        handler.send_response(200)
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        handler.wfile.write(b"x" * size)
        peers.append(handler.client_address[1])

    peers: list[int] = []
    server = receiver(respond)
    client = Client(target(server.url, LOOPBACK), LOOPBACK)
    assert [client.post({}, b"").status for _ in range(4)] == [200] * 4
    client.close()
    assert len(server.came) == 4


def test_requests_can_be_cut_off(receiver: Callable[..., Receiver]) -> None:
    """A-13: a process that must stop doesn't wait for a receiver that hangs; the result is unknown."""
    arrived, released = threading.Event(), threading.Event()

    def respond(handler: Handler) -> None:
        arrived.set()
        released.wait(60)

    server = receiver(respond)
    client = Client(target(server.url, LOOPBACK), LOOPBACK, seconds=60)
    cutter = threading.Thread(target=lambda: (arrived.wait(60), http_client.cut_all()))
    cutter.start()
    with pytest.raises(http_client.CutOffError):
        client.post({}, b"")
    cutter.join()
    client.close()
    assert not released.is_set()
    released.set()


def test_a_response_can_be_read(receiver: Callable[..., Receiver]) -> None:
    """With its headers, whatever its status; the limit is the client's own."""
    size = 3 * http_client.BYTES

    def respond(handler: Handler) -> None:
        handler.send_response(404 if handler.path.endswith("gone") else 200)
        handler.send_header("X-Total", "7")
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        handler.wfile.write(b"x" * size)

    to = target(receiver(respond).url, LOOPBACK)
    client = Client(to, LOOPBACK, most=4 * http_client.BYTES)
    for path, status in (("/hook?page=2", 200), ("/gone", 404)):
        response = client.request("GET", path, {"Accept": "application/json"})
        assert (response.status, response.body) == (status, b"x" * size)
        assert response.headers["x-total"] == "7"
    client.close()

    client = Client(to, LOOPBACK)
    assert client.request("GET", "/", {}) == Response(None, "webhooks.response_too_long")
    client.close()


def test_a_response_that_breaks_off_is_no_response(receiver: Callable[..., Receiver]) -> None:
    def respond(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"[1, 2")
        handler.close_connection = True

    client = Client(target(receiver(respond).url, LOOPBACK), LOOPBACK)
    assert client.request("GET", "/", {}) == Response(None, "webhooks.not_http")
    client.close()
