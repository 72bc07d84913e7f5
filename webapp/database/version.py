"""The database's product and version, and its schema version."""

from __future__ import annotations

from functools import cache

from alembic.script import ScriptDirectory
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
    return ScriptDirectory(package.folder("migrations")).get_current_head() or ""
