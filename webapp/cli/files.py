"""The files that commands read and write; - is standard input or output."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import click

from webapp.cli.output import require_stream

PARTIAL = ".part"  # suffix of an unfinished file
STANDARD = Path("-")

input_argument = click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
output_argument = click.argument(
    "file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
)


def standard_input() -> BinaryIO:
    require_stream(sys.stdin, "input")
    return sys.stdin.buffer


@contextmanager
def open_input(path: Path) -> Iterator[BinaryIO]:
    """Open a file so that it can be read from any position; what comes through a pipe is copied first."""
    if path != STANDARD and stat.S_ISREG(path.stat().st_mode):
        with path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile(prefix="laurel-") as copy:  # on disk: it may be of any length
        if path == STANDARD:
            shutil.copyfileobj(standard_input(), copy)
        else:
            with path.open("rb") as pipe:
                shutil.copyfileobj(pipe, copy)
        copy.seek(0)
        yield cast(BinaryIO, copy)


@contextmanager
def open_output(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write personal data: only its user can read it, and it gets its name when it's complete.

    If the block fails, nothing is left behind and a previous file is kept.
    """
    if path == STANDARD:
        require_stream(sys.stdout, "output")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.exists() and not path.is_file():  # a device or a pipe
        with path.open("wb") as file:
            yield file
    else:
        partial = path.with_name(path.name + PARTIAL)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(descriptor)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
