"""One client's connection: buffers the request and the response, so that no thread waits for the client.

The worker's loop reads a request and hands it to a thread once it is complete. The thread writes the response to a
spool at full speed, and the loop sends it as fast as the client receives it.
"""

from __future__ import annotations

import errno
import ipaddress
import selectors
import socket
import struct
import time
from contextlib import suppress
from enum import Enum, auto
from tempfile import SpooledTemporaryFile
from typing import Any, Protocol

from gunicorn.http import get_parser  # type: ignore[import-untyped]
from gunicorn.http.message import Request  # type: ignore[import-untyped]
from gunicorn.http.unreader import IterUnreader  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from webapp.cli import server_refusals

PIECE = 64 * 1024  # bytes that are read or sent at once
IN_MEMORY = 64 * 1024  # bytes of a request or response; the rest is in a temporary file
LARGEST_HEAD = 64 * 1024  # bytes; each line has gunicorn's own limit
LARGEST_BODY = 6 * 1024 * 1024  # bytes; larger bodies get a 413 without being read
LONGEST_LINE = 8 * 1024  # bytes between the chunks of a body
MOST_UNSENT = 256 * 1024 * 1024  # bytes of a response; above that its thread waits for the client
PATIENCE = 60.0  # seconds in total that a thread waits for a client
GOOD_RATE = 64 * 1024  # bytes per second; waiting for a client this fast doesn't count

END_OF_HEAD = b"\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Spool:
    def __init__(self) -> None:
        self._file: SpooledTemporaryFile[bytes] | None = None
        self._begin = self._end = 0

    def __len__(self) -> int:
        return self._end - self._begin

    def put(self, data: bytes) -> None:
        if data:
            if self._file is None:
                self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
            self._file.seek(self._end)
            self._file.write(data)
            self._end += len(data)

    def peek(self, size: int) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(self._begin)
        return self._file.read(min(size, len(self)))

    def skip(self, size: int) -> None:
        self._begin += size
        if self._begin >= self._end:
            self.close()

    def take(self, size: int) -> bytes:
        data = self.peek(size)
        self.skip(len(data))
        return data

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._begin, self._end = None, 0, 0


class Line:
    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.arrived, self.unsent = Spool(), Spool()
        self.sent = 0
        self.to_api = False
        self._patience = PATIENCE

    def fileno(self) -> int:
        return self.socket.fileno()

    def recv(self, size: int, *_: int) -> bytes:
        return self.arrived.take(size)

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        if data == CONTINUE:
            return  # already sent when the head arrived
        if self.flush():
            data = data[self._push(data) :]
        self.unsent.put(data)
        if len(self.unsent) > MOST_UNSENT:
            self._wait()

    def flush(self) -> bool:
        while len(self.unsent):
            piece = self.unsent.peek(PIECE)
            pushed = self._push(piece)
            self.unsent.skip(pushed)
            if pushed < len(piece):
                return False
        return True

    def _push(self, data: bytes) -> int:
        try:
            pushed = self.socket.send(data) if data else 0
        except BlockingIOError:
            return 0
        self.sent += pushed
        return pushed

    def _wait(self) -> None:
        while len(self.unsent) > MOST_UNSENT:
            if self._patience <= 0:
                raise ConnectionResetError(errno.ECONNRESET, "the client doesn't take the response")
            begun, before = time.monotonic(), self.sent
            with selectors.DefaultSelector() as selector:
                selector.register(self.socket, selectors.EVENT_WRITE)
                selector.select(1.0)
            self.flush()
            self._patience -= time.monotonic() - begun - (self.sent - before) / GOOD_RATE

    def setblocking(self, *_: bool) -> None:
        """Ignored: gunicorn's threads would wait, but here they never do."""

    settimeout = shutdown = close = setblocking

    def gettimeout(self) -> float:
        """The timeout of a socket that never waits."""
        return 0.0


class Body(Protocol):
    def ended(self, data: bytes) -> bool:
        """Whether the body is complete with these bytes; call it with all of its bytes in order."""
        ...


class Sized:
    def __init__(self, length: int) -> None:
        self.left = length

    def ended(self, data: bytes) -> bool:
        self.left -= len(data)
        return self.left <= 0


class Chunked:
    """A chunked body. If it's malformed or too long, it counts as complete: gunicorn or the app rejects it."""

    def __init__(self) -> None:
        self.line, self.left, self.size = b"", 0, 0
        self.trailers = False

    def ended(self, data: bytes) -> bool:
        self.size += len(data)
        place = 0
        while place < len(data):
            if self.left:
                step = min(self.left, len(data) - place)
                self.left -= step
                place += step
                continue
            end = data.find(b"\n", place)
            self.line += data[place : end if end >= 0 else len(data)]
            if end < 0:
                break
            line, self.line, place = self.line.strip(), b"", end + 1
            if self.trailers:
                if not line:
                    return True
                continue
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                return True
            self.trailers, self.left = size == 0, size + 2 if size > 0 else 0
        return self.size > LARGEST_BODY or len(self.line) > LONGEST_LINE


class State(Enum):
    IDLE = auto()  # between two requests
    HEAD = auto()
    BODY = auto()
    WORKING = auto()  # handled by a thread
    SENDING = auto()
    LEAVING = auto()  # closed by us, and not yet by the client


class Connection(TConn):
    """A client's connection: collects a request, and knows its state, since when, and its deadline."""

    sock: Line
    parser: Any

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, Line(sock), client, server)
        self.initialized = self.data_ready = True  # gunicorn has nothing to wait for
        self.network = network_of(client)
        self.state, self.since, self.due = State.HEAD, 0.0, 0.0
        self.stays = False
        self.expect()

    def expect(self) -> bytes:
        sent = self.parser.unreader.take_buffered() if self.parser else b""
        sent += self.sock.arrived.take(len(self.sock.arrived))
        self.parser = get_parser(self.cfg, self.sock, self.client)
        self.head = bytearray()
        self.body: Body | None = None
        self.received = 0
        self.partial = self.wants_continue = False
        return bytes(sent)

    def arrive(self, data: bytes) -> bool:
        self.received += len(data)
        if self.body is None:
            searched = max(len(self.head) - len(END_OF_HEAD) + 1, 0)
            self.head += data
            end = self.head.find(END_OF_HEAD, searched)
            if end < 0:
                return False
            end += len(END_OF_HEAD)
            data = bytes(self.head[end:])
            self.sock.arrived.put(bytes(self.head[:end]))
            self.sock.to_api = server_refusals.concerns_api(self.head)
            self.body = self._framed(bytes(self.head[:end]))
        self.sock.arrived.put(data)
        if not self.body.ended(data):
            return False
        self.partial |= isinstance(self.body, Chunked) and not self.body.trailers
        return True

    def _framed(self, head: bytes) -> Body:
        """How the body is framed, by gunicorn's own parser; a head that it rejects has no body."""
        try:
            headers = dict(Request(self.cfg, IterUnreader([head]), self.client).headers)
        except Exception:  # the thread gets the same error, and responds to it
            return Sized(0)
        if "TRANSFER-ENCODING" in headers:
            body: Body = Chunked()
        else:
            length = int(headers.get("CONTENT-LENGTH", "0"))
            self.partial = length > LARGEST_BODY
            body = Sized(0 if self.partial else length)
        self.wants_continue = headers.get("EXPECT", "").lower() == "100-continue"
        return body

    def close(self, graceful: bool = False) -> None:
        if len(self.sock.unsent):
            with suppress(OSError):
                self.sock.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
        self.sock.arrived.close()
        self.sock.unsent.close()
        self.sock.socket.close()


def network_of(client: Any) -> str:
    """The network of an address: the address itself or, for IPv6, its /64 network."""
    try:
        address = ipaddress.ip_address(str(client[0]).partition("%")[0])
    except (ValueError, IndexError):
        return str(client)
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
