"""`laurel members`: the directory of members."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from webapp.cli.files import chunks, end, take_file
from webapp.cli.settings import acting
from webapp.database import db
from webapp.domain import member_files, members
from webapp.domain.act import Act
from webapp.domain.members import Imported
from webapp.domain.merging import Imagined
from webapp.domain.refusals import Refused
from webapp.domain.spreadsheets.stream import stream
from webapp.transaction import transaction


@click.group("members")
def group() -> None:
    """Look after the directory of members."""


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def import_(file: Path, dry_run: bool) -> None:
    """Create and update members from a CSV FILE, by ID.

    The file has the columns ID, Username, Registered email and optionally Name, Joined and Status
    (Active, Suspended, Left). An empty cell leaves what there is; nobody is deleted; the same file
    again changes nothing. An email, name, date or status that can't be used is left out with a
    warning. Ends with status 1 if some rows were left out.
    """
    act = acting()
    done = Imported(imagined=Imagined() if dry_run else None)

    def record() -> None:
        if not dry_run and (done.created or done.updated or done.unchanged or done.bad):
            with transaction():
                members.record_import(done, act)

    stopped = take_file(file, lambda opened: take_in(opened, act, done), record)
    end(told(done), done, stopped)


def told(done: Imported) -> str:
    """What was done, or in a dry run would be, in one line."""
    counts = (
        f"{done.created:,} created, {done.updated:,} updated, {done.unchanged:,} unchanged, "
        f"{done.bad:,} left out."
    )
    return f"Dry run, nothing was changed: {counts}" if done.imagined is not None else counts


def take_in(file: BinaryIO, act: Act, done: Imported) -> None:
    """Import the file, a transaction for every chunk of rows; raises Refused where it can't be read further."""
    sheet = stream(file)
    if "external_id" not in sheet.shape.columns:
        raise Refused(member_files.NO_ID)
    rows = member_files.incoming(sheet, member_files.guess(sheet.shape))
    label = "Dry run" if done.imagined is not None else "Importing"
    with click.progressbar(length=os.fstat(file.fileno()).st_size, label=label) as bar:
        try:
            for chunk in chunks((row for row, _ in rows), members.CHUNK):
                _write(partial(members.import_rows, chunk), act, done)
                bar.update(file.tell() - bar.pos)
        except Refused:  # the rows above a line that can't be read count
            _write(members.import_postponed, act, done)
            raise
        _write(members.import_postponed, act, done)


def _write(step: Callable[[Act, Imported], object], act: Act, done: Imported) -> None:
    """Do a step of the import in its own transaction; in a dry run, only read."""
    if done.imagined is not None:
        step(act, done)
        db.session.rollback()  # ends the reading: each chunk sees the present
    else:
        with transaction():
            step(replace(act, at=datetime.now(UTC)), done)
