"""How a command that fails ends: with a sentence on standard error and exit status 1, without a traceback.

Click itself ends wrong usage with 2, and a closed pipe silently with 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click
from sqlalchemy.exc import DBAPIError

from webapp.config import SettingError
from webapp.database import DB_UNAVAILABLE
from webapp.domain.errors import DomainError, NotFoundError


@contextmanager
def errors_as_messages() -> Iterator[None]:
    try:
        yield
    except DomainError as refused:
        sentences = [error.message for error in refused.flatten()]
        raise click.ClickException("\n".join(sentences)) from None
    except (NotFoundError, SettingError) as problem:
        raise click.ClickException(str(problem)) from None
    except DB_UNAVAILABLE as problem:
        raise click.ClickException(f"Database error: {reason(problem)}.") from None


def reason(problem: Exception) -> str:
    """The first line of a database error, without the statement."""
    cause = problem.orig if isinstance(problem, DBAPIError) else problem
    return str(cause).strip().partition("\n")[0]


@contextmanager
def os_errors_as_messages() -> Iterator[None]:
    """Also covers an output that can't be written, even by --help, for example on a full disk."""
    try:
        yield
    except OSError as problem:
        where = f" ({os.fsdecode(problem.filename)})" if problem.filename else ""
        with suppress(OSError):
            click.echo(f"Error: {problem.strerror or problem}{where}.", err=True)
        raise SystemExit(1) from None
    finally:
        _discard_unwritten()


def _discard_unwritten() -> None:
    """Discard what can't be written, which Python would try again at its end, with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
