"""`laurel db`: the database's structure."""

from pathlib import Path

import alembic.command
import alembic.config
import click

from webapp.config import Settings, load

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(__file__).resolve().parents[1]


@click.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
def upgrade_command() -> None:
    """Bring the database to this version's structure; nothing happens if it is there."""
    upgrade(load())
    click.echo("The database is up to date.")


def upgrade(settings: Settings) -> None:
    """Run the migrations that the database of `settings` has not had."""
    if settings.sqlite:
        settings.data.mkdir(parents=True, exist_ok=True)
    alembic.command.upgrade(alembic_config(settings), "head")


def alembic_config(settings: Settings) -> alembic.config.Config:
    """Alembic's configuration: the migrations of the checkout, or of the installed package."""
    migrations = ROOT / "migrations"
    if not migrations.is_dir():
        migrations = PACKAGE / "migrations"
    config = alembic.config.Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", settings.database_url.replace("%", "%%"))
    return config
