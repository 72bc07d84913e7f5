"""What the commands that take a file share: its rows by the chunk, and the bad ones told."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

import click

from webapp.domain.refusals import Refused

SHOWN = 20  # bad rows that are listed

T = TypeVar("T")


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


def list_problems(problems: list[tuple[int, str]], number: int) -> None:
    """The first bad rows with their reasons, and how many more there are."""
    for line, sentence in problems[:SHOWN]:
        click.echo(f"Line {line}: {sentence}")
    if number > SHOWN:
        click.echo(f"… and {number - SHOWN:,} more.")
