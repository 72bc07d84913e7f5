"""The file format: a ZIP with one file per table, one JSON array per row, and a manifest."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import IO, Any, BinaryIO

import click

from webapp.cli.backups.column_types import NAMES

FORMAT = 1
MANIFEST = "backup.json"
LARGEST_MANIFEST = 10_000_000  # bytes
LONGEST_LINE = 64 * 1024 * 1024  # bytes; the largest rows hold a file of 5 MB and its preview
CHUNK = 1024 * 1024  # bytes to unpack at once
MOST_TABLES = 200
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may need gigabytes to unpack

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"[0-9]{4}")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")


class BackupError(click.ClickException):
    """A backup can't be written or restored."""


@dataclass(frozen=True)
class DumpedTable:
    """A table in a backup; `columns` are pairs of name and type, `last_id` is the highest id ever used."""

    name: str
    columns: list[list[str]]
    rows: int
    sha256: str
    last_id: int | None = None

    @property
    def file(self) -> str:
        return f"{self.name}.jsonl"

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.columns]

    @property
    def types(self) -> list[str]:
        return [type_ for _, type_ in self.columns]


@dataclass(frozen=True)
class Manifest:
    at: datetime
    version: str
    revision: str
    tables: list[DumpedTable] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


class Writer:
    """Writes a backup to a file. An interrupted one has no manifest, so it can't be restored."""

    def __init__(self, file: BinaryIO) -> None:
        self.zip = zipfile.ZipFile(Appended(file), "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self.tables: list[DumpedTable] = []

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(OSError, ValueError):  # the disk may be full
                self.zip.close()

    def add(self, name: str, columns: list[list[str]], rows: Iterable[list[Any]]) -> int:
        digest, number = hashlib.sha256(), 0
        with self.zip.open(f"{name}.jsonl", "w", force_zip64=True) as out:
            for row in rows:
                line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                digest.update(line)
                out.write(line)
                number += 1
        self.tables.append(DumpedTable(name, columns, number, digest.hexdigest()))
        return number

    def finish(
        self, at: datetime, version: str, revision: str, last_ids: dict[str, int]
    ) -> Manifest:
        tables = [replace(table, last_id=last_ids.get(table.name)) for table in self.tables]
        manifest = Manifest(at, version, revision, tables)
        content = {"format": FORMAT, **asdict(manifest), "at": at.isoformat()}
        self.zip.writestr(MANIFEST, json.dumps(content, indent=1))
        self.zip.close()
        return manifest


class Appended:
    """A file in which zipfile doesn't go back: standard output may be a pipe, or be appended to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self.write, self.flush, self.close = file.write, file.flush, file.flush


class Reader:
    manifest: Manifest

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        try:
            self.zip = zipfile.ZipFile(file)
            if self._file(MANIFEST).file_size > LARGEST_MANIFEST:
                raise ValueError("its manifest is too long")
            content = json.loads(self.zip.read(MANIFEST))
            if not isinstance(content, dict):
                raise ValueError("its manifest is not an object")
            if content["format"] == FORMAT:
                self.manifest = _manifest(content)
                return
        except UNREADABLE as problem:
            raise BackupError(
                f"{name} isn't a Laurel backup, or it's incomplete ({_printable(problem)})."
            ) from None
        version = _printable(content.get("version"))
        raise BackupError(f"{name} was written by a later version of Laurel ({version}).")

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    def verify(self) -> Iterator[int]:
        """Read every table and compare checksums; yields the number of rows of each table."""
        for table in self.manifest.tables:
            digest, number = hashlib.sha256(), 0
            for line in self._lines(table):
                digest.update(line)
                number += 1
                if number > table.rows:
                    break
            if (digest.hexdigest(), number) != (table.sha256, table.rows):
                raise BackupError(f"{self.name} is damaged: {table.file} has a wrong checksum.")
            yield number

    def rows(self, table: DumpedTable) -> Iterator[list[Any]]:
        for number, line in enumerate(self._lines(table), start=1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, list) or len(row) != len(table.columns):
                raise BackupError(
                    f"{self.name} is damaged: row {number:,} of {table.name} can't be read."
                )
            yield row

    def _lines(self, table: DumpedTable) -> Iterator[bytes]:
        try:
            file: IO[bytes]
            with self.zip.open(self._file(table.file)) as file:
                rest = b""
                while chunk := file.read(CHUNK):
                    *lines, rest = (rest + chunk).split(b"\n")
                    if max(map(len, lines), default=0) > LONGEST_LINE or len(rest) > LONGEST_LINE:
                        raise ValueError(f"a row has more than {LONGEST_LINE:,} bytes")
                    for line in lines:
                        yield line + b"\n"
                if rest:
                    yield rest
        except UNREADABLE as problem:
            raise BackupError(
                f"{self.name} is damaged: {table.file} can't be read ({_printable(problem)})."
            ) from None

    def _file(self, name: str) -> zipfile.ZipInfo:
        info = self.zip.getinfo(name)
        if info.compress_type not in METHODS:
            raise ValueError(f"{name} uses an unknown compression method")
        return info


# Raised by reading a damaged or malicious file.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    RecursionError,
    RuntimeError,  # an encrypted file
    NotImplementedError,
)


def _manifest(content: dict[str, Any]) -> Manifest:
    tables = [_table(**table) for table in content["tables"]]
    names = [table.name for table in tables]
    if len(names) > MOST_TABLES or len(set(names)) < len(names):
        raise ValueError("it has too many tables, or duplicates")
    return Manifest(
        datetime.fromisoformat(content["at"]),
        _text(content["version"], _VERSION, "version"),
        _text(content["revision"], _REVISION, "revision"),
        tables,
    )


def _table(
    name: Any, columns: Any, rows: Any, sha256: Any, last_id: Any = None, **_: Any
) -> DumpedTable:
    pairs = [[_text(of, _NAME, "column"), _text(type_, _NAME, "type")] for of, type_ in columns]
    if unknown := {type_ for _, type_ in pairs} - NAMES:
        raise ValueError(f"there is no column type {sorted(unknown)[0]!a}")
    for number in (rows, 0 if last_id is None else last_id):
        if type(number) is not int or not 0 <= number < 2**63:
            raise ValueError(f"{_printable(number)} is not a number of rows or an id")
    return DumpedTable(
        _text(name, _NAME, "table"), pairs, rows, _text(sha256, _SHA256, "SHA-256"), last_id
    )


def _text(text: Any, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{_printable(text)} is not a valid {what}")
    return text


def _printable(value: object) -> str:
    return ascii(str(value)[:100])[1:-1]
