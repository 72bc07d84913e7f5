"""What the commands that take a file share: its rows by the chunk, what stops them, and the bad rows told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn, Protocol, TypeVar

import click

from webapp import heap
from webapp.cli.settings import the_app
from webapp.database import AWAY, db
from webapp.domain.refusals import Refused

SHOWN = 20  # bad rows that are listed
LOST = (
    "The database does not answer any more. What came in before stays; the same file again goes on."
)

T = TypeVar("T")


class Done(Protocol):
    """What came of a file: the first rows left out, by line with their sentences, and how many they are.

    The same of the rows taken with a warning (`notes`); `remarks` are sentences about the file as a whole.
    """

    bad: int
    warned: int

    @property
    def problems(self) -> list[tuple[int, str]]: ...
    @property
    def notes(self) -> list[tuple[int, str]]: ...
    @property
    def remarks(self) -> list[str]: ...


def take_file(path: Path, take_in: Callable[[BinaryIO], None], record: Callable[[], None]) -> str:
    """Takes a file in and records that; returns what stopped it, "" where it came to its end.

    What came in before it was stopped stays, and is recorded.
    """
    stopped = ""
    with the_app():
        heap.freeze()  # a sixth of the time that many rows take
        try:
            with path.open("rb") as opened:
                take_in(opened)
        except Refused as refused:
            stopped = refused.message
        except AWAY:
            stopped = LOST
            db.session.rollback()
        try:
            record()
        except AWAY:
            stopped = stopped or LOST
    return stopped


def end(counts: str, done: Done, stopped: str) -> NoReturn:
    """Tells what came of a file; ends with 0 where all of it came in, else with 1."""
    click.echo(counts)
    list_problems(done.problems, done.bad)
    for remark in done.remarks:
        click.echo(remark)
    list_problems(done.notes, done.warned, "Warning, line")
    if stopped:
        raise click.ClickException(stopped)
    raise SystemExit(1 if done.bad else 0)


def chunks(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    """The rows by the chunk, what was read before a refusal too."""
    while True:
        chunk: list[T] = []
        try:
            for row in islice(rows, size):
                chunk.append(row)
        except Refused:
            if chunk:
                yield chunk
            raise
        if not chunk:
            return
        yield chunk


def list_problems(problems: list[tuple[int, str]], number: int, line: str = "Line") -> None:
    """The first bad rows with their reasons, and how many more there are."""
    for at, sentence in problems[:SHOWN]:
        click.echo(f"{line} {at}: {sentence}")
    if number > SHOWN:
        click.echo(f"… and {number - SHOWN:,} more.")
