"""The file of a backup: a ZIP with a file for each table, a JSON array for each row, and what says how to read it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from webapp.cli.backups.kinds import NAMES

FORMAT = 1
MANIFEST = "backup.json"
PART = ".part"  # what an unfinished file ends in
LARGEST_MANIFEST = 10_000_000  # bytes
LONGEST_LINE = 64 * 1024 * 1024  # bytes of a row; the largest holds a file of 5 MB and its preview
PIECE = 1024 * 1024  # bytes that are unpacked at once
MOST_TABLES = 200
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes to be unpacked

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"[0-9]{4}")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")


class Bad(Exception):
    """Something is wrong with the file, or stands in the way; the text is the sentence for the operator."""


@dataclass(frozen=True)
class Table:
    """One table in a backup: its columns with their kinds, how many rows, their SHA-256, and the last id given out."""

    name: str
    columns: list[list[str]]
    rows: int
    sha256: str
    last_id: int | None = None

    @property
    def member(self) -> str:
        """The name of its file."""
        return f"{self.name}.jsonl"


@dataclass(frozen=True)
class Manifest:
    """When a backup was taken, by which version, at which structure of the database, and what is in it."""

    at: datetime
    version: str
    revision: str
    tables: list[Table] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return sum(table.rows for table in self.tables)


class Writer:
    """Writes a backup; the file is there once it is whole."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise Bad(f"{path} is there already; a backup goes into a new file.")
        self.path, self.part = path, path.with_name(path.name + PART)
        descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.file = os.fdopen(descriptor, "wb")
        self.zip = zipfile.ZipFile(self.file, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self.tables: list[Table] = []

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(OSError, ValueError):  # the disk is full, perhaps
                self.zip.close()
            with suppress(OSError):
                self.file.close()
            self.part.unlink(missing_ok=True)

    def add(self, name: str, columns: list[list[str]], rows: Iterable[list[Any]]) -> int:
        """Adds a table; returns how many rows it has."""
        digest, number = hashlib.sha256(), 0
        with self.zip.open(f"{name}.jsonl", "w", force_zip64=True) as out:
            for row in rows:
                line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                digest.update(line)
                out.write(line)
                number += 1
        self.tables.append(Table(name, columns, number, digest.hexdigest()))
        return number

    def finish(
        self, at: datetime, version: str, revision: str, last_ids: dict[str, int]
    ) -> Manifest:
        """Writes what says how to read it, and gives the file its name once it is on the disk."""
        tables = [
            Table(table.name, table.columns, table.rows, table.sha256, last_ids.get(table.name))
            for table in self.tables
        ]
        manifest = Manifest(at, version, revision, tables)
        told = {"format": FORMAT, **asdict(manifest), "at": at.isoformat()}
        self.zip.writestr(MANIFEST, json.dumps(told, indent=1))
        self.zip.close()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self.part.replace(self.path)
        return manifest


class Reader:
    """Reads a backup. Raises `Bad` for a file that is none, is not whole, or is of a later version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.zip = zipfile.ZipFile(path)
            if self._member(MANIFEST).file_size > LARGEST_MANIFEST:
                raise ValueError("its table of contents is too long")
            told = json.loads(self.zip.read(MANIFEST))
            if not isinstance(told, dict):
                raise ValueError("its table of contents is no object")
            known = told["format"] == FORMAT
            self.manifest = _manifest(told) if known else None
        except UNREADABLE as problem:
            said = f"{path} is no backup of Laurel, or not a whole one ({_plain(problem)})."
            raise Bad(said) from None
        if not known:
            version = _plain(told.get("version"))
            raise Bad(f"{path} was written by a later version of Laurel ({version}).")

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    @property
    def told(self) -> Manifest:
        """What the file says of itself."""
        assert self.manifest is not None
        return self.manifest

    def verify(self) -> Iterator[int]:
        """Reads all of it, and raises `Bad` where it is not what was written; yields how many rows it has read."""
        for table in self.told.tables:
            digest, number = hashlib.sha256(), 0
            for line in self._lines(table):
                digest.update(line)
                number += 1
                if number > table.rows:
                    break
            if (digest.hexdigest(), number) != (table.sha256, table.rows):
                raise Bad(f"{self.path} is damaged: {table.member} is not what was written.")
            yield number

    def rows(self, table: Table) -> Iterator[list[Any]]:
        """The rows of a table, in the order of its key."""
        for number, line in enumerate(self._lines(table), start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, list) or len(row) != len(table.columns):
                raise Bad(f"{self.path} is damaged: row {number:,} of {table.name} can't be read.")
            yield row

    def _lines(self, table: Table) -> Iterator[bytes]:
        try:
            opened: IO[bytes]
            with self.zip.open(self._member(table.member)) as opened:
                rest = b""
                while piece := opened.read(PIECE):
                    *lines, rest = (rest + piece).split(b"\n")
                    if max(map(len, lines), default=0) > LONGEST_LINE or len(rest) > LONGEST_LINE:
                        raise ValueError(f"a row has more than {LONGEST_LINE:,} bytes")
                    for line in lines:
                        yield line + b"\n"
                if rest:
                    yield rest
        except UNREADABLE as problem:
            raise Bad(
                f"{self.path} is damaged: {table.member} can't be read ({_plain(problem)})."
            ) from None

    def _member(self, name: str) -> zipfile.ZipInfo:
        found = self.zip.getinfo(name)
        if found.compress_type not in METHODS:
            raise ValueError(f"{name} is not packed as backups are")
        return found


# What reading a file raises that is none of ours, or was changed by someone.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    RecursionError,
    RuntimeError,  # a member that asks for a password
    NotImplementedError,
)


def _manifest(told: dict[str, Any]) -> Manifest:
    tables = [_table(**table) for table in told["tables"]]
    names = [table.name for table in tables]
    if len(names) > MOST_TABLES or len(set(names)) < len(names):
        raise ValueError("it has too many tables, or one twice")
    return Manifest(
        datetime.fromisoformat(told["at"]),
        _text(told["version"], _VERSION, "version"),
        _text(told["revision"], _REVISION, "revision"),
        tables,
    )


def _table(name: Any, columns: Any, rows: Any, sha256: Any, last_id: Any = None, **_: Any) -> Table:
    """A table as it is stated; raises ValueError or TypeError for what no backup states."""
    checked = [[_text(of, _NAME, "column"), _text(kind, _NAME, "kind")] for of, kind in columns]
    if unknown := {kind for _, kind in checked} - NAMES:
        raise ValueError(f"there is no kind of column {sorted(unknown)[0]!a}")
    numbers = (rows, 0 if last_id is None else last_id)
    if not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
        raise ValueError("a number of rows is none")
    return Table(
        _text(name, _NAME, "table"), checked, rows, _text(sha256, _SHA256, "SHA-256"), last_id
    )


def _text(text: Any, shape: re.Pattern[str], what: str) -> str:
    if not isinstance(text, str) or not shape.fullmatch(text):
        raise ValueError(f"{_plain(text)} is no {what}")
    return text


def _plain(thing: object) -> str:
    """What stood in a file, as a terminal can be shown it."""
    return ascii(str(thing)[:100])[1:-1]
