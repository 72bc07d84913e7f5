"""`laurel activities`: what members did."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from webapp.cli.csv_import import a_file, chunks, counting, end, progress, take_file
from webapp.cli.settings import current_actor
from webapp.domain.activities import csv_import
from webapp.domain.activities.csv_import import CHUNK, Counted
from webapp.domain.actor import Actor
from webapp.domain.csv_files.streaming import stream
from webapp.transaction import transaction


@click.group("activities")
def group() -> None:
    """Count what members did, for the rules of Automatic badges."""


@group.command("import")
@a_file
def import_(file: Path, encoding: str, as_json: bool) -> None:
    """Count the events of a CSV FILE, each once by its Event ID; FILE can be a pipe, or - for standard input.

    The file has the columns Event ID, Activity, at least one of ID, Username and Registered email,
    and, if you like, Amount (1 without it) and At (now). The same file again counts nothing. Ends
    with status 1 if some rows were left out.
    """
    actor, done = current_actor(), Counted()

    def record() -> None:
        if done.counted or done.repeated or done.bad:
            with transaction():
                csv_import.record_import(done, actor)

    stopped = take_file(
        file, encoding, lambda opened: take_in(opened, encoding, actor, done), record
    )
    counts = f"{done.counted:,} counted, {done.repeated:,} counted before, {done.bad:,} left out."
    numbers = {"counted": done.counted, "repeated": done.repeated}
    end(counts, numbers, done, stopped, as_json=as_json)


def take_in(file: BinaryIO, encoding: str, actor: Actor, done: Counted) -> None:
    """Count the file, a transaction for every chunk of rows; raises DomainError where it can't be read further."""
    sheet = stream(file, encoding=encoding)
    columns = csv_import.places(sheet.shape)
    for remark in sheet.remarks:
        click.echo(remark, err=True)
    with progress(file, "Counting") as move:
        for chunk in chunks(sheet.rows, CHUNK):
            with counting(done), transaction():
                csv_import.take(chunk, columns, actor, done)
            move()
