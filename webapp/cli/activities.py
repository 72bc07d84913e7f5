"""`laurel activities`: what members did."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import click

from webapp.cli.files import chunks, end, take_file
from webapp.cli.settings import acting
from webapp.domain import activity_files
from webapp.domain.act import Act
from webapp.domain.activity_files import CHUNK, Counted
from webapp.domain.spreadsheets.stream import stream
from webapp.transaction import transaction


@click.group("activities")
def group() -> None:
    """Count what members did, for the rules of Automatic badges."""


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(file: Path) -> None:
    """Count the events of a CSV FILE, each once by its Event ID.

    The file has the columns Event ID, Activity, at least one of ID, Username and Registered email,
    and, if you like, Amount (1 without it) and At (now). The same file again counts nothing. Ends
    with status 1 if some rows were left out.
    """
    act, done = acting(), Counted()

    def record() -> None:
        if done.counted or done.repeated or done.bad:
            with transaction():
                activity_files.record_import(done, act)

    stopped = take_file(file, lambda opened: take_in(opened, act, done), record)
    counts = f"{done.counted:,} counted, {done.repeated:,} counted before, {done.bad:,} left out."
    end(counts, done, stopped)


def take_in(file: BinaryIO, act: Act, done: Counted) -> None:
    """Count the file, a transaction for every chunk of rows; raises Refused where it can't be read further."""
    sheet = stream(file)
    columns = activity_files.places(sheet.shape)
    with click.progressbar(length=os.fstat(file.fileno()).st_size, label="Counting") as bar:
        for chunk in chunks(sheet.rows, CHUNK):
            with transaction():
                activity_files.take(chunk, columns, act, done)
            bar.update(file.tell() - bar.pos)
