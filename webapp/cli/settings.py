"""The settings, and the app, of a command that is run beside `laurel start`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from webapp import create_app
from webapp.config import Settings, data_folder, load
from webapp.database import db


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
