"""Laurel, a badge console for online communities."""

from __future__ import annotations

import gc

# With Python's threshold of 700 new objects, a start spends a sixth of its time on scanning the 200,000 objects of the
# app again and again, and a request that creates many objects (a preview of 5,000 rows) scans them dozens of times.
gc.set_threshold(10_000, 20, 20)

from flask import Flask  # noqa: E402

from webapp import config, package  # noqa: E402
from webapp.config import Settings  # noqa: E402
from webapp.database import engine  # noqa: E402
from webapp.infrastructure import log_format  # noqa: E402


def create_app(settings: Settings | None = None, *, web: bool = True) -> Flask:
    """Create the app from settings (default: the environment's).

    Without `web` it has no pages and API: for workers and commands, which then start a quarter faster.
    """
    settings = settings or config.load()
    log_format.init()
    app = Flask(
        __name__,
        template_folder=str(package.folder("templates")),
        static_folder=str(package.folder("static")),
    )
    app.config.update(config.flask_config(settings))
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine.options(settings.database_url)
    engine.connect(app)

    if web:
        from webapp import api, pages

        pages.init_app(app)
        api.init_app(app)
    return app
