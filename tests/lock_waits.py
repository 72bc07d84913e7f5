"""Two transactions at once, where one has to wait for the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from flask import Flask
from sqlalchemy import text

from webapp.database import db, dialect_name
from webapp.transaction import transaction

LONG = 240  # seconds
BLOCKED = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def run_behind(app: Flask, first: Callable[[], object], second: Callable[[], object]) -> None:
    """Run `first` in a transaction that commits once `second` waits for it; fails if that ends without waiting.

    On SQLite the second writer waits before it reads.
    """
    began, waiting = Event(), Event()

    def hold() -> None:
        with app.app_context(), transaction():
            try:
                first()
            finally:
                began.set()
            assert waiting.wait(LONG)

    def follow() -> None:
        assert began.wait(LONG)
        with app.app_context():
            second()

    with ThreadPoolExecutor(2) as pool:
        holding, following = pool.submit(hold), pool.submit(follow)
        try:
            while dialect_name() == "postgresql" and not db.session.scalar(BLOCKED):
                db.session.rollback()
                if holding.done():
                    holding.result()
                assert not following.done(), "it ended without waiting"
        finally:
            waiting.set()
        holding.result()
        following.result()
    db.session.rollback()
