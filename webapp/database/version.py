"""The database's product and version, and its schema version."""

from __future__ import annotations

from functools import cache

from sqlalchemy import func, select, text

from webapp import package
from webapp.database import db, dialect_name


def server_version() -> str:
    if dialect_name() == "postgresql":
        return f"PostgreSQL {db.session.scalar(text('SHOW server_version'))}"
    return f"SQLite {db.session.scalar(select(func.sqlite_version()))}"


def revision() -> str:
    return str(db.session.scalar(text("SELECT max(version_num) FROM alembic_version")) or "")


@cache
def newest_revision() -> str:
    """The last migration's number, from its file's name: importing Alembic and all migrations is slow."""
    files = (package.folder("migrations") / "versions").glob("[0-9]*.py")
    return max(path.name for path in files).partition("_")[0]
