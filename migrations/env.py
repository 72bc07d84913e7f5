"""Alembic's environment: the database URL comes from `laurel db`, the tables from the models."""

from alembic import context
from sqlalchemy import Connection, create_engine

from webapp import models  # noqa: F401  (registers the tables)
from webapp.database import Base


def run() -> None:
    """Run each migration in a transaction, or all in that of a given connection (`laurel restore`)."""
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as connection:
        migrate(connection)
    engine.dispose()


def migrate(connection: Connection) -> None:
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
