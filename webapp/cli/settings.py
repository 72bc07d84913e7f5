"""The settings, and the app, of a command that is run beside `laurel start`."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from webapp import create_app
from webapp.config import Settings, data_folder, load
from webapp.database import db
from webapp.domain.act import Act


def here() -> Settings:
    """The environment's settings; without SECRET_KEY, the secret that `laurel start` keeps in the data folder."""
    kept = data_folder(os.environ) / "secret_key"
    if os.environ.get("SECRET_KEY") or not kept.is_file():
        return load()
    return load({**os.environ, "SECRET_KEY": kept.read_text(encoding="ascii").strip()})


@contextmanager
def the_app() -> Iterator[None]:
    """The app's context for one command; its connections are closed at the end."""
    with create_app(here(), web=False).app_context():
        try:
            yield
        finally:
            db.session.remove()
            db.engine.dispose()


def acting() -> Act:
    """The act of the person running this command, now: the audit log keeps the name of their user account."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, a user ID may have no name
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return Act(at=datetime.now(UTC), origin="command line", address=f"user {user}")
