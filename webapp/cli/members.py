"""`laurel members`: importing and exporting members."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import click
from flask import current_app

from webapp.cli.csv_import import (
    chunks,
    counting,
    file_options,
    import_file,
    progress,
    report_and_exit,
)
from webapp.cli.files import STANDARD, open_output, output_argument
from webapp.cli.output import tell, to_json
from webapp.cli.settings import command_app, current_actor
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.credentials import sharing
from webapp.domain.csv_files.streaming import stream
from webapp.domain.errors import DomainError
from webapp.domain.imports import columns as member_columns
from webapp.domain.imports import import_rows
from webapp.domain.imports.import_rows import ImportProgress
from webapp.domain.imports.plan import DryRunState
from webapp.domain.members import export as member_export
from webapp.domain.members.filters import EVERYBODY
from webapp.transaction import transaction


@click.group("members")
def group() -> None:
    """Manage members."""


@group.command("import")
@file_options
@click.option("--dry-run", is_flag=True, help="Show what would change, without changing anything.")
def import_(file: Path, encoding: str, as_json: bool, dry_run: bool) -> None:
    """Create and update members from a CSV file.

    FILE can be a pipe, or - for standard input. Columns: ID, Username, Registered email and,
    optionally, Name, Joined and Status (Active, Suspended, Left).

    Members are matched by ID. Empty cells are ignored, no one is deleted, and importing the same file
    again changes nothing. If an email, name, date or status is invalid, the member is imported
    without it, with a warning. If rows are skipped, the exit status is 1.
    """
    actor = current_actor()
    done = ImportProgress(imagined=DryRunState() if dry_run else None)

    def record() -> None:
        if not dry_run and (done.created or done.updated or done.unchanged or done.bad):
            with transaction():
                import_rows.record_import(done, actor)

    stopped = import_file(
        file, encoding, lambda opened: take_in(opened, encoding, actor, done), record
    )
    numbers = {
        "dry_run": dry_run,
        "created": done.created,
        "updated": done.updated,
        "unchanged": done.unchanged,
    }
    report_and_exit(summary_of(done), numbers, done, stopped, as_json=as_json)


def summary_of(done: ImportProgress) -> str:
    counts = (
        f"{done.created:,} created, {done.updated:,} updated, {done.unchanged:,} unchanged, "
        f"{done.bad:,} skipped."
    )
    return f"Dry run (nothing was changed): {counts}" if done.imagined is not None else counts


def take_in(file: BinaryIO, encoding: str, actor: Actor, done: ImportProgress) -> None:
    """Import the file, one transaction per chunk of rows; raises DomainError if it can't be read."""
    sheet = stream(file, encoding=encoding)
    if "external_id" not in sheet.shape.columns:
        raise DomainError(member_columns.NO_ID)
    for remark in sheet.remarks:
        tell(str(remark))
    rows = member_columns.incoming(sheet, member_columns.guess(sheet.shape))
    label = "Dry run" if done.imagined is not None else "Importing"
    with progress(file, label) as move:
        try:
            for chunk in chunks((row for row, _ in rows), import_rows.CHUNK):
                _write(partial(import_rows.import_rows, chunk), actor, done)
                move()
        except DomainError:  # the rows before an unreadable line are imported
            _write(import_rows.import_postponed, actor, done)
            raise
        _write(import_rows.import_postponed, actor, done)


@group.command("export")
@output_argument
@click.option("--json", "as_json", is_flag=True, help="Write one JSON array instead of CSV.")
def export(file: Path, as_json: bool) -> None:
    """Write all members to a CSV file, or to standard output.

    The columns are those of the export on the page Members, and import accepts the file. Cells that a
    spreadsheet would run as a formula start with an apostrophe; with --json all values are unchanged.
    """
    with command_app(), open_output(file) as out:
        pages = sharing.page_urls(current_app.config["LAUREL"].address)
        urls = pages.of if pages else None
        out.writelines(json_file(urls) if as_json else member_export.csv_file(EVERYBODY, urls))
    if file != STANDARD:
        tell(f"Members exported to {click.format_filename(file)}.")


def json_file(urls: member_export.Urls | None) -> Iterator[bytes]:
    yield b"["
    before = "\n"
    for row in chain.from_iterable(member_export.rows(EVERYBODY, urls)):
        yield f"{before}{to_json(as_data(row))}".encode()
        before = ",\n"
    yield b"\n]\n"


def as_data(row: member_export.Row) -> dict[str, Any]:
    """A member as in the API, with the counts of the export."""
    external_id, username, email, name, joined_at, status, badges, activity, *page = row
    data = {
        "id": external_id,
        "username": username,
        "email": email or None,
        "name": name,
        "status": status.lower(),
        "joined_at": joined_at,
        "badges": int(badges),
        "activity": int(activity),
    }
    return data | ({"page_url": page[0]} if page else {})


def _write(
    step: Callable[[Actor, ImportProgress], object], actor: Actor, done: ImportProgress
) -> None:
    """Do a step of the import in its own transaction; in a dry run, only read."""
    if done.imagined is not None:
        step(actor, done)
        db.session.rollback()  # each chunk reads from a fresh snapshot
    else:
        with counting(done), transaction():
            step(replace(actor, at=datetime.now(UTC)), done)
