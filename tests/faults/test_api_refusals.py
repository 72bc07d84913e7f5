"""Every refusal of a real web server under /api/v1 is a problem document, including the server's own (A-15)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import settings_for
from tests.faults.web import connect, serving
from webapp import create_app
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.permissions import Scope
from webapp.models import Origin
from webapp.transaction import transaction

MEGABYTE = 1024 * 1024
JSON = "Content-Type: application/json\r\n"
ADDRESS = "/api/v1/members?q=anna%40example.org"
BROKEN = {
    "no number": b"zz\r\n{}\r\n0\r\n\r\n",
    "a negative size": b"-2\r\n{}\r\n0\r\n\r\n",
    "a prefix": b"0x2\r\n{}\r\n0\r\n\r\n",
    "an underscore": b"0_2\r\n{}\r\n0\r\n\r\n",
    "no end of a chunk": b"2\r\n{}XX0\r\n\r\n",
    "an extension without a name": b"2;=\r\n{}\r\n0\r\n\r\n",
    "single line feeds": b"2\n{}\n0\n\n",
    "a broken trailer": b"2\r\n{}\r\n0\r\nnot a header\r\n\r\n",
    "a long trailer": b"2\r\n{}\r\n0\r\na: " + b"x" * 30_000 + b"\r\n\r\n",
}
CUT_OFF = (b"", b"50\r\n{", b"2\r\n{}\r\n", b"2\r\n{}\r\n0\r\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """The port of a running web process with a request timeout of one second."""
    with serving(folder, "QuickWorker") as port:
        yield port


@pytest.fixture(scope="module")
def key(folder: Path, port: int) -> str:
    app = create_app(settings_for("", folder), web=False)
    with app.app_context(), transaction():
        actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
        return api_keys.create("LMS", list(Scope), None, actor).text


def ask(port: int, sent: bytes, *, ends: bool = True) -> list[tuple[str, dict[str, Any]]]:
    """Send bytes, and no more if it `ends`; return the status and problem of all responses until the server closes."""
    with connect(port) as connection:
        connection.sendall(sent)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        received = connection.makefile("rb")
        found = []
        while line := received.readline():
            headers = {}
            while (header := received.readline().strip()) != b"":
                name, _, value = header.decode().partition(": ")
                headers[name.lower()] = value
            assert headers["content-type"] == "application/problem+json"
            problem = json.loads(received.read(int(headers["content-length"])))
            status = line.decode().split(" ")[1]
            assert problem["status"] == int(status)
            assert problem["detail"]
            found.append((status, problem))
        return found


def kinds(told: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, str]]:
    return [(status, problem["type"].partition("-")[2]) for status, problem in told]


def chunked(body: bytes, path: str = "/awards", key: str = "") -> bytes:
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n{JSON}{authorization}"
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + body


@pytest.mark.parametrize("what", BROKEN)
def test_broken_chunks_get_400(port: int, key: str, what: str) -> None:
    """With and without a key; one response each, also if the app doesn't read the body."""
    for sent in (chunked(BROKEN[what]), chunked(BROKEN[what], key=key)):
        assert kinds(ask(port, sent)) == [("400", "unreadable")]
    assert kinds(ask(port, chunked(BROKEN[what], "/nowhere"))) == [("404", "not-found")]


def test_a_chunked_body_that_ends_early_gets_400(port: int, key: str) -> None:
    for body in CUT_OFF:
        assert kinds(ask(port, chunked(body, key=key))) == [("400", "unreadable")], body


def test_a_chunked_body_above_the_limit_gets_413(port: int, key: str) -> None:
    """Also if what fits would be valid, and if the server stops reading it."""
    full = b"100000\r\n{}" + b" " * (MEGABYTE - 2) + b"\r\n"
    assert kinds(ask(port, chunked(full + b"0\r\n\r\n", key=key))) == [("422", "invalid")]
    for rest in (b"1\r\n \r\n0\r\n\r\n", b"600000\r\n" + b" " * (6 * MEGABYTE)):
        assert kinds(ask(port, chunked(full + rest, key=key))) == [("413", "too-large")]


SERVERS_OWN = {
    f"GET {ADDRESS} HTTP/9.9\r\n\r\n": ("400", "unreadable"),
    f"GET {ADDRESS} HTTP\r\n\r\n": ("400", "unreadable"),
    f"G\x01T {ADDRESS} HTTP/1.1\r\n\r\n": ("400", "unreadable"),
    f"GET http://localhost{ADDRESS} HTTP/9.9\r\n\r\n": ("400", "unreadable"),
    f"GET {ADDRESS} HTTP/1.1\r\nX y: anna\r\n\r\n": ("400", "unreadable"),
    f"GET {ADDRESS} HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n": ("400", "unreadable"),
    f"POST {ADDRESS} HTTP/1.1\r\nContent-Length: many\r\n\r\n": ("400", "unreadable"),
    f"GET {ADDRESS}{'x' * 9000} HTTP/1.1\r\n\r\n": ("414", "url-too-long"),
    f"GET {ADDRESS} HTTP/1.1\r\nX: {'x' * 9000}\r\n\r\n": ("431", "headers-too-large"),
    f"GET {ADDRESS} HTTP/1.1\r\nX: {'x' * 70_000}": ("431", "headers-too-large"),
    f"GET {ADDRESS} HTTP/1.1\r\nX: ": ("408", "too-slow"),
    f"POST {ADDRESS} HTTP/1.1\r\nContent-Length: 9\r\n\r\n{{": ("408", "too-slow"),
    "GET /api/v1/nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n": ("404", "not-found"),
    "PATCH /api/v1/awards HTTP/1.1\r\nHost: localhost\r\n\r\n": ("405", "method"),
}


@pytest.mark.parametrize("sent", SERVERS_OWN, ids=lambda sent: sent[:10] + sent[-10:])
def test_the_servers_own_refusals_are_problems(port: int, folder: Path, sent: str) -> None:
    """And the log names neither the URL nor what was sent."""
    expected = SERVERS_OWN[sent]
    assert kinds(ask(port, sent.encode(), ends=expected[1] != "too-slow")) == [expected]
    log = (folder / "web.log").read_text()
    assert "anna" not in log
    assert "Traceback" not in log


def test_malformed_requests_are_logged_without_their_address(port: int, folder: Path) -> None:
    ask(port, f"GET {ADDRESS} HTTP/9.9\r\n\r\n".encode())
    log = (folder / "web.log").read_text()
    assert "refused a malformed request: invalid http version" in log
    assert "/api/v1" not in log
    assert "127.0.0.1:" not in log.replace(f"127.0.0.1:{port}", "")
    assert "ip=" not in log


def test_pages_get_a_sentence(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET /members HTTP/9.9\r\n\r\n")
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 400 Malformed request\r\n")
    assert answer.endswith("The request is incomplete or malformed. Nothing was changed.\n")
