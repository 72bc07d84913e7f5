"""`laurel backup` and `laurel restore`: the whole database as one file, written while the console runs.

The file is the same for SQLite and PostgreSQL, so it also moves a console from one to the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from webapp.cli import output
from webapp.cli.backups.archive import BackupError, Manifest
from webapp.cli.backups.dump import Advance, write_backup
from webapp.cli.backups.restore import restore_backup
from webapp.cli.output import json_option, show
from webapp.cli.settings import command_app, current_actor, load_settings
from webapp.domain.audit_log import events as audit_log
from webapp.messages.plurals import plural
from webapp.transaction import transaction


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def backup_command(file: Path, as_json: bool) -> None:
    """Write a backup of the database to a new file.

    The console can keep running. Also keep SECRET_KEY: it isn't in the backup, and without it
    encrypted data can't be read.
    """
    with errors_as_messages():
        manifest = write_backup(load_settings(), file, progress_bar)
    tables, rows = len(manifest.tables), plural(manifest.rows, "row")
    text = f"Backup written to {file}: {rows} in {tables} tables, {size(file)}."
    show(text, as_data(manifest), as_json=as_json)


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace everything in the database.")
@json_option
def restore_command(file: Path, replace: bool, as_json: bool) -> None:
    """Restore the database from a backup.

    Stop Laurel first. Either everything is restored or nothing. Everyone has to sign in again, and
    batches that were running continue automatically.
    """
    os.umask(0o077)  # personal data: no other user of this machine may read it
    with errors_as_messages():
        manifest = restore_backup(load_settings(), file, replace, progress_bar)
        with command_app(), transaction():
            audit_log.write(
                current_actor(),
                "database.restored",
                "database",
                taken=f"{manifest.at:%Y-%m-%d %H:%M} UTC",
            )
    text = (
        f"Restored {plural(manifest.rows, 'row')} from the backup of {manifest.at:%Y-%m-%d %H:%M} UTC.\n"
        "Changes since then are undone: check for API keys that were revoked, accounts that were disabled and "
        "passwords that were changed."
    )
    show(text, as_data(manifest), as_json=as_json)


def as_data(manifest: Manifest) -> dict[str, Any]:
    return {
        "at": manifest.at,
        "version": manifest.version,
        "revision": manifest.revision,
        "tables": len(manifest.tables),
        "rows": manifest.rows,
    }


@contextmanager
def progress_bar(label: str, rows: int) -> Iterator[Advance]:
    with output.progress_bar(label, rows) as bar:
        yield bar.update


@contextmanager
def errors_as_messages() -> Iterator[None]:
    try:
        yield
    except BackupError as problem:
        raise click.ClickException(str(problem)) from None
    except DBAPIError as problem:
        raise click.ClickException(f"Database error: {problem.orig}") from None


def size(file: Path) -> str:
    number = file.stat().st_size
    return f"{number / 1_000_000:,.1f} MB" if number >= 1_000_000 else f"{number / 1000:,.0f} kB"
