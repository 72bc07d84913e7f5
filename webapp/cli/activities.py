"""`laurel activities`: member activity."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from webapp.cli.csv_import import (
    chunks,
    counting,
    file_options,
    import_file,
    progress,
    report_and_exit,
)
from webapp.cli.output import tell
from webapp.cli.settings import current_actor
from webapp.domain.activities import csv_import
from webapp.domain.activities.csv_import import CHUNK, ImportResult
from webapp.domain.actor import Actor
from webapp.domain.csv_files.streaming import stream
from webapp.transaction import transaction


@click.group("activities")
def group() -> None:
    """Manage member activity."""


@group.command("import")
@file_options
def import_(file: Path, encoding: str, as_json: bool) -> None:
    """Import activity from a CSV file.

    FILE can be a pipe, or - for standard input. Required columns: Event ID, Activity, and at least one
    of ID, Username and Registered email. Optional columns: Amount (default: 1) and At (default: now).

    The rules of Automatic badges use the counts. Each Event ID is counted only once, so you can import
    the same file again. If rows are skipped, the exit status is 1.
    """
    actor, done = current_actor(), ImportResult()

    def record() -> None:
        if done.counted or done.repeated or done.bad:
            with transaction():
                csv_import.record_import(done, actor)

    stopped = import_file(
        file, encoding, lambda opened: take_in(opened, encoding, actor, done), record
    )
    counts = f"{done.counted:,} counted, {done.repeated:,} already counted, {done.bad:,} skipped."
    numbers = {"counted": done.counted, "repeated": done.repeated}
    report_and_exit(counts, numbers, done, stopped, as_json=as_json)


def take_in(file: BinaryIO, encoding: str, actor: Actor, done: ImportResult) -> None:
    """Count the file's events, one transaction per chunk of rows; raises DomainError if it can't be read."""
    sheet = stream(file, encoding=encoding)
    columns = csv_import.places(sheet.shape)
    for remark in sheet.remarks:
        tell(str(remark))
    with progress(file, "Counting") as move:
        for chunk in chunks(sheet.rows, CHUNK):
            with counting(done), transaction():
                csv_import.take(chunk, columns, actor, done)
            move()
