"""Shared by the commands that import a file: opening it, reading it in chunks, errors, and output."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol, TypeVar

import click

from webapp.cli.files import input_argument, open_input
from webapp.cli.output import json_option, progress_bar, show, tell
from webapp.cli.settings import command_app
from webapp.database import DB_UNAVAILABLE, db
from webapp.domain.csv_files.decoding import NAMES
from webapp.domain.csv_files.encodings import CONTROL
from webapp.domain.csv_files.streaming import HEAD
from webapp.domain.errors import DomainError
from webapp.infrastructure import gc_tuning
from webapp.messages import Message, join

SHOWN = 20  # bad rows that are listed
LOST = "Lost the connection to the database. Earlier rows are saved; import the same file again to continue."
INTERRUPTED = "Interrupted. Earlier rows are saved; import the same file again to continue."
HINT = "If it has another encoding, use --encoding, for example --encoding windows-1252."
# Common names of encodings that are read with the codec of a superset.
ALSO = {
    "iso8859-1": "cp1252",
    "shift_jis": "cp932",
    "gb2312": "gbk",
    "euc_kr": "cp949",
    "utf-16": "",
}

T = TypeVar("T")


class ImportOutcome(Protocol):
    """The result of an import: the number of rows that were skipped, and the first of them with their line and reason.

    `warned` and `notes` are the same for rows imported with a warning; `remarks` are about the whole file.
    """

    bad: int
    warned: int

    @property
    def problems(self) -> list[tuple[int, list[Message]]]: ...
    @property
    def notes(self) -> list[tuple[int, list[Message]]]: ...
    @property
    def remarks(self) -> list[Message]: ...


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument and options of a command that imports a file."""
    for decorator in (
        input_argument,
        click.option(
            "--encoding",
            default="",
            callback=lambda _context, _option, name: codec(name),
            metavar="NAME",
            help="The file's encoding if it isn't UTF-8, such as windows-1252.",
        ),
        json_option,
    ):
        command = decorator(command)
    return command


def codec(name: str) -> str:
    if not name:
        return ""
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        known = name
    known = ALSO.get(known, known)
    if known and known not in NAMES:
        encodings = ", ".join(sorted({*NAMES} - {"utf-8-sig"}))
        raise click.BadParameter(f"“{name}” isn't a supported encoding. Use one of: {encodings}.")
    return known


def import_file(
    path: Path, encoding: str, take_in: Callable[[BinaryIO], None], record: Callable[[], None]
) -> str:
    """Import a file and record it in the audit log; return why it stopped early, or "".

    Whatever stops it, the rows imported before are kept and recorded.
    """
    try:
        with command_app():
            gc_tuning.freeze()  # a sixth of the time that many rows take
            return _take_file(path, encoding, take_in, record)
    except click.ClickException as problem:  # the database isn't available
        return problem.message


def _take_file(
    path: Path, encoding: str, take_in: Callable[[BinaryIO], None], record: Callable[[], None]
) -> str:
    stopped = ""
    try:
        with open_input(path) as file:
            check_encoding(file, encoding)
            take_in(file)
    except DomainError as refused:
        stopped = refused.message
        if isinstance(refused.__context__, UnicodeDecodeError) and not encoding:
            stopped = f"{stopped} {HINT}"
    except DB_UNAVAILABLE:
        stopped = LOST
    except OSError as error:
        stopped = f"The file can't be read: {error.strerror or error}."
    except KeyboardInterrupt:
        stopped = INTERRUPTED
    except BaseException:
        db.session.rollback()
        with suppress(Exception):
            record()
        raise
    db.session.rollback()
    try:
        record()
    except DB_UNAVAILABLE:
        stopped = stopped or LOST
    return stopped


def check_encoding(file: BinaryIO, encoding: str) -> None:
    """Raise DomainError if the file's beginning can't be in this encoding; the file is rewound."""
    head = file.read(HEAD)
    file.seek(0)
    if not encoding or head.isascii():
        return
    name = NAMES[encoding]
    if not encoding.startswith("utf") and is_utf8(head):
        raise DomainError("csv_files.encoding_is_utf8", encoding=name)
    if CONTROL.search(head.decode(encoding, "replace")):
        raise DomainError("csv_files.encoding_unfit", encoding=name)


def is_utf8(head: bytes) -> bool:
    """Whether the beginning of a file is UTF-8; its last character may be cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def counting(done: ImportOutcome) -> Iterator[None]:
    """Restore the counts if the block fails, because its transaction is rolled back."""
    before = {name: value for name, value in vars(done).items() if isinstance(value, int)}
    try:
        yield
    except BaseException:
        vars(done).update(before)
        raise


@contextmanager
def progress(file: BinaryIO, label: str) -> Iterator[Callable[[], None]]:
    with progress_bar(label, os.fstat(file.fileno()).st_size) as bar:
        yield lambda: bar.update(file.tell() - bar.pos)


def report_and_exit(
    counts: str, numbers: dict[str, Any], done: ImportOutcome, stopped: str, *, as_json: bool
) -> NoReturn:
    """Print the result and exit: with 0 if everything was imported, else with 1."""
    report = {
        **numbers,
        "skipped": done.bad,
        "skipped_rows": as_rows(done.problems),
        "warned": done.warned,
        "warnings": as_rows(done.notes),
        "error": stopped or None,
    }
    lines = [
        counts,
        *list_of(done.problems, done.bad, "Line"),
        *map(str, done.remarks),
        *list_of(done.notes, done.warned, "Warning, line"),
    ]
    show("\n".join(lines), report, as_json=as_json)
    if as_json:
        tell(counts)
    if stopped:
        raise click.ClickException(stopped)
    raise SystemExit(1 if done.bad else 0)


def chunks(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    while True:
        chunk: list[T] = []
        try:
            for row in islice(rows, size):
                chunk.append(row)
        except DomainError:
            if chunk:
                yield chunk
            raise
        if not chunk:
            return
        yield chunk


def as_rows(problems: list[tuple[int, list[Message]]]) -> list[dict[str, Any]]:
    return [{"line": line, "reason": join(messages)} for line, messages in problems]


def list_of(problems: list[tuple[int, list[Message]]], number: int, line: str) -> Iterator[str]:
    for at, messages in problems[:SHOWN]:
        yield f"{line} {at}: {join(messages)}"
    if number > SHOWN:
        yield f"… and {number - SHOWN:,} more."
