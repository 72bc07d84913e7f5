"""What the database is, and how far its migrations have come."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text

from webapp.database import db, dialect_name


def server_version() -> str:
    """What the database calls itself, such as `SQLite 3.46.1` or `PostgreSQL 18.4`."""
    if dialect_name() == "postgresql":
        return f"PostgreSQL {db.session.scalar(text('SHOW server_version'))}"
    return f"SQLite {db.session.scalar(select(func.sqlite_version()))}"


def revision() -> str:
    """The last migration that the database has had; "" where it had none."""
    return str(db.session.scalar(text("SELECT max(version_num) FROM alembic_version")) or "")


def migrations_folder() -> Path:
    """The migrations of the checkout, or of the installed package."""
    here = Path(__file__).resolve().parent.parent
    beside = here.parent / "migrations"
    return beside if beside.is_dir() else here / "migrations"


@cache
def newest_revision() -> str:
    """The last migration that this version knows."""
    return ScriptDirectory(str(migrations_folder())).get_current_head() or ""
