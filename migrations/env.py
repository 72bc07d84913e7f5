"""Alembic's way to the database: the address comes from `laurel db`, the tables from the models."""

from alembic import context
from sqlalchemy import Connection, create_engine

from webapp import models  # noqa: F401  (the tables must be known)
from webapp.database import Base


def run() -> None:
    """Runs the migrations in one transaction each, or in that of a connection which is given (`laurel restore`)."""
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as connection:
        migrate(connection)
    engine.dispose()


def migrate(connection: Connection) -> None:
    """Runs them on a connection."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transaction_per_migration=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
