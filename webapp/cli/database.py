"""`laurel db`: the database's schema."""

import click
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from webapp import package
from webapp.cli.output import json_option, show
from webapp.cli.settings import load_settings
from webapp.config import Settings
from webapp.database.version import newest_revision


@click.group()
def db() -> None:
    """Manage the database."""


@db.command("upgrade")
@json_option
def upgrade_command(as_json: bool) -> None:
    """Upgrade the database to this version's schema.

    Does nothing if it's up to date.
    """
    upgrade(load_settings())
    show("The database is up to date.", {"revision": newest_revision()}, as_json=as_json)


def upgrade(settings: Settings) -> None:
    if settings.sqlite:
        settings.data.mkdir(parents=True, exist_ok=True)
    command.upgrade(alembic_config(settings), "head")


def is_new(settings: Settings) -> bool:
    if settings.sqlite:
        settings.data.mkdir(parents=True, exist_ok=True)
    engine = create_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() is None
    finally:
        engine.dispose()


def alembic_config(settings: Settings) -> Config:
    config = Config()
    config.set_main_option("script_location", str(package.folder("migrations")).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", settings.database_url.replace("%", "%%"))
    # For migrations that encrypt or decrypt columns.
    config.attributes["secrets"] = (settings.secret_key, *settings.secret_key_fallbacks)
    return config
