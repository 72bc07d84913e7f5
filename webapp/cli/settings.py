"""The settings and the app for commands, which may run next to `laurel start`."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy.exc import ProgrammingError

from webapp import create_app
from webapp.cli.errors import reason
from webapp.config import SettingError, Settings, data_folder, load
from webapp.database import DB_UNAVAILABLE, db
from webapp.database.version import newest_revision, revision
from webapp.domain.actor import Actor
from webapp.infrastructure.running_console import noted_address
from webapp.models import Origin


def load_settings() -> Settings:
    """The settings from the environment, with the secret and address that `laurel start` keeps in the data folder."""
    data, known = data_folder(os.environ), dict(os.environ)
    if not known.get("SECRET_KEY"):
        known["SECRET_KEY"] = stored_secret(data / "secret_key")
    if not known.get("LAUREL_ADDRESS", "").strip() and not known.get("PORT", "").strip():
        known["LAUREL_ADDRESS"] = noted_address(data)
    return load(known)


def stored_secret(path: Path) -> str:
    """Return the secret in this file; "" if there is none."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the file is damaged"
        raise SettingError(f"The secret in {path} can't be read: {reason}.") from None


@contextmanager
def command_app() -> Iterator[None]:
    with create_app(load_settings(), web=False).app_context():
        try:
            check_database()
            yield
        finally:
            db.session.remove()
            db.engine.dispose()


def check_database() -> None:
    """End the command with a message if the database is unavailable or has the schema of another version."""
    try:
        known = revision()
    except ProgrammingError:
        known = ""
    except DB_UNAVAILABLE as problem:
        if "no such table" not in str(problem):
            raise click.ClickException(
                f"The database can't be reached: {reason(problem)}."
            ) from None
        known = ""
    finally:
        db.session.rollback()
    if known != newest_revision():
        what = "isn't set up yet" if not known else "has the schema of another version"
        raise click.ClickException(f"The database {what}. Run “laurel db upgrade”, then try again.")


def current_actor() -> Actor:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, a user ID may have no name
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return Actor(at=datetime.now(UTC), origin=Origin.COMMAND_LINE, address=f"user {user}")
