"""`laurel backup` and `laurel restore`: the whole database as one file, taken while the console runs.

The file is the same for SQLite and PostgreSQL, so that it also moves a console from one to the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.exc import DBAPIError

from webapp.cli.backups import restoring, taking
from webapp.cli.backups.archive import Bad
from webapp.cli.settings import current_actor, here, the_app
from webapp.domain import record
from webapp.domain.plurals import plural
from webapp.transaction import transaction


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Write the database as it is at this moment into a new FILE.

    The console may go on running. Keep SECRET_KEY beside the file: it is not in it.
    """
    with said_plainly():
        taken = taking.take(here(), file, progress)
    click.echo(f"{file}: {plural(taken.rows, 'row')} of {len(taken.tables)} tables, {size(file)}.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Put it in the place of what the database holds.")
def restore(file: Path, replace: bool) -> None:
    """Bring the database back as it was when FILE was written.

    Workers and clock have to be stopped. All of it happens, or nothing. Everybody signs in anew;
    batches that were running go on by themselves.
    """
    os.umask(0o077)  # the data is of people: nobody else on this machine reads it
    with said_plainly():
        settings = here()
        taken = restoring.restore(settings, file, replace, progress)
        with the_app(), transaction():
            record.write(
                current_actor(),
                "database.restored",
                "database",
                taken=f"{taken.at:%Y-%m-%d %H:%M} UTC",
            )
    click.echo(
        f"The database is as it was on {taken.at:%Y-%m-%d at %H:%M} UTC: {plural(taken.rows, 'row')}.\n"
        "Keys revoked, staff disabled and passwords changed since then are as they were, too: "
        "look at Staff and API keys."
    )


@contextmanager
def progress(label: str, rows: int) -> Iterator[taking.Note]:
    """A bar for so many rows; what it gives is told how many more are done."""
    with click.progressbar(length=rows, label=label) as bar:
        yield bar.update


@contextmanager
def said_plainly() -> Iterator[None]:
    """Ends the command with a sentence for what an operator can mend."""
    try:
        yield
    except Bad as problem:
        raise click.ClickException(str(problem)) from None
    except OSError as problem:
        where = f" ({problem.filename})" if problem.filename else ""
        raise click.ClickException(f"{problem.strerror or problem}{where}.") from None
    except DBAPIError as problem:
        raise click.ClickException(f"The database says: {problem.orig}") from None


def size(file: Path) -> str:
    """The size of a file as people read it."""
    number = file.stat().st_size
    return f"{number / 1_000_000:,.1f} MB" if number >= 1_000_000 else f"{number / 1000:,.0f} kB"
