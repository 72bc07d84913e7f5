"""Laurel, a badge console for online communities."""

from __future__ import annotations

from flask import Flask

from webapp import config, package
from webapp.config import Settings
from webapp.database import engine
from webapp.infrastructure import log_format


def create_app(settings: Settings | None = None, *, web: bool = True) -> Flask:
    """Makes the app from its settings (default: the environment's); registers, and nothing else.

    Without `web` it answers nobody: for workers and commands, which start a quarter sooner without pages and API.
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
