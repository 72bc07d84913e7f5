"""The console for tests of the web server: bodies get one second instead of thirty."""

from __future__ import annotations

from flask import Flask

from webapp import create_app
from webapp.pages.bodies import Deadline


def make_app() -> Flask:
    """The app as `laurel web` serves it, but for its patience."""
    app = create_app()
    assert isinstance(app.wsgi_app, Deadline)
    app.wsgi_app.seconds = 1.0
    return app
