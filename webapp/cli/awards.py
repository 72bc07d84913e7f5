"""`laurel awards`: importing past awards."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
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
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import csv_import
from webapp.domain.awards.csv_import import CHUNK, AwardImport, ImportResult
from webapp.domain.badges.quest_names import QuestNames
from webapp.domain.csv_files.streaming import stream
from webapp.transaction import transaction


@click.group("awards")
def group() -> None:
    """Manage awards."""


@group.command("import")
@file_options
@click.option("--dry-run", is_flag=True, help="Show what would change, without changing anything.")
@click.option("--webhooks", is_flag=True, help="Send webhooks for the imported awards.")
def import_(file: Path, encoding: str, as_json: bool, dry_run: bool, webhooks: bool) -> None:
    """Import past awards from a CSV file.

    FILE can be a pipe, or - for standard input. Required columns: Quest (its name or ID) or Badge or
    both, and at least one of ID, Username and Registered email. Optional columns: Awarded at (default:
    now) and Reason.

    Awards that are already held don't change, and importing the same file again changes nothing. Rules
    apply, but webhooks are sent only with --webhooks. If rows are skipped, the exit status is 1.
    """
    actor, done = current_actor(), ImportResult()

    def record() -> None:
        if not dry_run and (done.awarded or done.already_held or done.already_revoked or done.bad):
            with transaction():
                csv_import.record_import(done, actor)

    def take_in(opened: BinaryIO) -> None:
        _take_in(opened, encoding, actor, done, dry_run=dry_run, webhooks=webhooks)

    stopped = import_file(file, encoding, take_in, record)
    numbers = {
        "dry_run": dry_run,
        "awarded": done.awarded,
        "already_held": done.already_held,
        "already_revoked": done.already_revoked,
    }
    report_and_exit(_summary(done, dry_run), numbers, done, stopped, as_json=as_json)


def _summary(done: ImportResult, dry_run: bool) -> str:
    counts = (
        f"{done.awarded:,} awarded, {done.already_held:,} already held, "
        f"{done.already_revoked:,} revoked since, {done.bad:,} skipped."
    )
    return f"Dry run (nothing was changed): {counts}" if dry_run else counts


def _take_in(
    file: BinaryIO,
    encoding: str,
    actor: Actor,
    done: ImportResult,
    *,
    dry_run: bool,
    webhooks: bool,
) -> None:
    """Import the file, one transaction per chunk of rows; raises DomainError if it can't be read."""
    sheet = stream(file, encoding=encoding)
    columns = csv_import.columns_of(sheet.shape)
    for remark in sheet.remarks:
        tell(str(remark))
    awards = AwardImport(columns, QuestNames(), webhooks, dry_run)
    with progress(file, "Dry run" if dry_run else "Importing") as move:
        for chunk in chunks(sheet.rows, CHUNK):
            with counting(done), nullcontext() if dry_run else transaction():
                awards.take(chunk, replace(actor, at=datetime.now(UTC)), done)
            if dry_run:
                db.session.rollback()  # each chunk reads from a fresh snapshot
            move()
