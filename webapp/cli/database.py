"""`laurel db`: the database's schema."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from webapp import models, package  # noqa: F401  (models registers the tables)
from webapp.cli.output import json_option, show
from webapp.cli.settings import load_settings
from webapp.config import Settings
from webapp.database import Base
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
    """Upgrade the database to this version's schema; a new database gets it in one step."""
    with _connection(settings) as connection:
        if settings.sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        new = _is_new(connection)
        if new:
            create_schema(connection)
        connection.commit()
    if not new:
        command.upgrade(alembic_config(settings), "head")


def create_schema(connection: Connection) -> None:
    """Create this version's tables in an empty database from the models, much faster than with all migrations."""
    Base.metadata.create_all(connection, checkfirst=False)
    scripts = ScriptDirectory(package.folder("migrations"))
    MigrationContext.configure(connection).stamp(scripts, newest_revision())


def is_new(settings: Settings) -> bool:
    with _connection(settings) as connection:
        return _is_new(connection)


def _is_new(connection: Connection) -> bool:
    return MigrationContext.configure(connection).get_current_revision() is None


@contextmanager
def _connection(settings: Settings) -> Iterator[Connection]:
    if settings.sqlite:
        settings.data.mkdir(parents=True, exist_ok=True)
    engine = create_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def alembic_config(settings: Settings) -> Config:
    config = Config()
    config.set_main_option("script_location", str(package.folder("migrations")).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", settings.database_url.replace("%", "%%"))
    # For migrations that encrypt or decrypt columns.
    config.attributes["secrets"] = (settings.secret_key, *settings.secret_key_fallbacks)
    return config
