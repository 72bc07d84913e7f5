"""Find the `laurel start` running on the same data folder: its queue's socket and the console's address.

`laurel start` leaves two notes in LAUREL_DATA: `runtime` with the private folder of its socket, and `address`. After a
crash they are outdated, so each is checked before use.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from webapp.config import SettingError, Settings
from webapp.config.values import read_address

SOCKET = "valkey.sock"
RUNTIME, ADDRESS = "runtime", "address"
LONGEST_NOTE = 4096  # bytes; more than any path or address


def queue_url(settings: Settings) -> str:
    """Return REDIS_URL, or the socket of the running `laurel start`; "" if there is neither."""
    if settings.redis_url:
        return settings.redis_url
    socket = queue_socket(settings.data)
    return socket_url(socket) if socket else ""


def queue_socket(data: Path) -> Path | None:
    owners = {os.geteuid()}
    with suppress(OSError):
        owners.add(data.stat().st_uid)  # root may run a command for the user who runs the console
    folder = runtime_folder(data)
    if folder is None or not is_private(folder, owners):
        return None
    socket = folder / SOCKET
    try:
        status = socket.lstat()
    except OSError:
        return None
    return socket if stat.S_ISSOCK(status.st_mode) and status.st_uid in owners else None


def runtime_folder(data: Path) -> Path | None:
    """Return the folder that `laurel start` noted for its socket, unchecked."""
    noted = _read(data / RUNTIME)
    return Path(noted) if noted.startswith("/") and "\0" not in noted else None


def is_private(folder: Path, owners: Collection[int] | None = None) -> bool:
    """True if this is a folder of this user or one of `owners` that no one else can enter."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid in (owners or {os.geteuid()})
        and not stat.S_IMODE(status.st_mode) & 0o077
    )


def socket_url(socket: Path) -> str:
    """Return the REDIS_URL for a server on this socket."""
    return "unix://" + quote(str(socket))


def note_address(settings: Settings) -> None:
    """Store the console's address for commands, which may run without its PORT and LAUREL_ADDRESS."""
    with suppress(OSError):  # the data folder may be missing or read-only for a web process
        (settings.data / ADDRESS).write_text(settings.address + "\n", encoding="utf-8")


def noted_address(data: Path) -> str:
    """Return the console's last address on this data folder; "" if none was stored."""
    noted = _read(data / ADDRESS)
    try:
        return read_address(noted) if noted else ""
    except SettingError:
        return ""


def _read(note: Path) -> str:
    try:
        with note.open("rb") as file:
            return file.read(LONGEST_NOTE).decode("utf-8", "surrogateescape").strip()
    except OSError:
        return ""
