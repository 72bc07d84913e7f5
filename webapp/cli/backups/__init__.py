"""`laurel backup` and `laurel restore`: the whole database as one file, written while the console runs.

The file is the same for SQLite and PostgreSQL, so it also moves a console from one to the other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from webapp.cli.backups.archive import Manifest
from webapp.cli.backups.dump import write_backup
from webapp.cli.backups.restore import restore_backup
from webapp.cli.files import STANDARD, input_argument
from webapp.cli.output import json_option, show, tell
from webapp.cli.settings import command_app, current_actor, load_settings
from webapp.domain.audit_log import events as audit_log
from webapp.domain.credentials import issuer
from webapp.messages.plurals import plural
from webapp.transaction import transaction


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@json_option
def backup_command(file: Path, as_json: bool) -> None:
    """Write a backup of the database to a new file, or with - to standard output.

    The console can keep running. Also keep SECRET_KEY: it isn't in the backup, and without it
    encrypted data can't be read.
    """
    if file == STANDARD and sys.stdout.isatty():
        raise click.UsageError("A backup isn't text. Send it to a file or a pipe.")
    with database_errors_as_messages():
        manifest = write_backup(load_settings(), file)
    tables, rows = len(manifest.tables), plural(manifest.rows, "row")
    to, of = (
        ("", "") if file == STANDARD else (f" to {click.format_filename(file)}", f", {size(file)}")
    )
    text = f"Backup written{to}: {rows} in {tables} tables{of}."
    show(text, as_data(manifest), as_json=as_json, err=file == STANDARD)


@click.command("restore")
@input_argument
@click.option("--replace", is_flag=True, help="Replace everything in the database.")
@json_option
def restore_command(file: Path, replace: bool, as_json: bool) -> None:
    """Restore the database from a backup.

    FILE can be a pipe, or - for standard input. Stop Laurel first. Either everything is restored or
    nothing. Everyone has to sign in again, and batches that were running continue automatically.
    """
    os.umask(0o077)  # personal data: no other user of this machine may read it
    with database_errors_as_messages():
        manifest = restore_backup(load_settings(), file, replace)
        with command_app(), transaction():
            audit_log.write(
                current_actor(),
                "database.restored",
                "database",
                taken=f"{manifest.at:%Y-%m-%d %H:%M} UTC",
            )
            readable = issuer.are_secrets_readable()
    text = (
        f"Restored {plural(manifest.rows, 'row')} from the backup of {manifest.at:%Y-%m-%d %H:%M} UTC.\n"
        "Changes since then are undone: check for API keys that were revoked, accounts that were disabled and "
        "passwords that were changed."
    )
    if not readable:
        tell(
            "Warning: the backup's keys of Open Badges were encrypted with another SECRET_KEY. Until you add that one "
            "to SECRET_KEY_FALLBACKS, members' pages, new credentials and status lists aren't available; those that "
            "were signed earlier stay genuine."
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
def database_errors_as_messages() -> Iterator[None]:
    try:
        yield
    except DBAPIError as problem:
        raise click.ClickException(f"Database error: {problem.orig}") from None


def size(file: Path) -> str:
    number = file.stat().st_size
    return f"{number / 1_000_000:,.1f} MB" if number >= 1_000_000 else f"{number / 1000:,.0f} kB"
