"""Unique names: checked before writing, and enforced by a unique index."""

from __future__ import annotations

from sqlalchemy import Select
from sqlalchemy.exc import IntegrityError

from webapp.database import db
from webapp.domain.errors import DomainError


def ensure_free(others: Select[int], taken: DomainError) -> None:
    """Raise `taken` if the query finds another row with the name."""
    if db.session.scalar(others) is not None:
        raise taken


def flush(taken: DomainError) -> None:
    """Flush the session; raise `taken` if a concurrent transaction took the name."""
    try:
        db.session.flush()
    except IntegrityError:
        raise taken from None
