"""Connections to PostgreSQL: reads in autocommit mode, writes in a transaction, and what a lost connection does."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, text

from tests.factories import Make
from webapp.config import Settings
from webapp.database import db, engine
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.models import Member
from webapp.transaction import transaction

pytestmark = pytest.mark.databases("postgresql")


def driver() -> psycopg.Connection:
    connection = db.session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


@pytest.fixture
def server(database: Settings) -> Iterator[Engine]:
    """Another client of the database."""
    other = create_engine(database.database_url, isolation_level="AUTOCOMMIT")
    yield other
    other.dispose()


def test_a_read_holds_no_transaction(app: Flask, make: Make) -> None:
    make.member("anna")
    with app.app_context():
        assert db.session.scalar(text("SELECT count(*) FROM members")) == 1
        assert driver().info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_write_is_all_or_nothing(app: Flask, make: Make) -> None:
    """Also after a read in the same session, and the connection reads in autocommit mode again."""
    make.member("anna")
    with app.app_context():
        names = "SELECT name FROM members"
        before = db.session.scalars(text(names)).all()
        with pytest.raises(ZeroDivisionError), transaction():
            db.session.execute(text("UPDATE members SET name = 'Changed'"))
            raise ZeroDivisionError
        assert db.session.scalars(text(names)).all() == before
        assert driver().autocommit


def test_reads_keep_what_is_prepared(app: Flask, make: Make) -> None:
    """The driver drops its prepared statements at each rollback, so a read must not end with one."""
    member = make.member("anna")
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement ~ 'FOR NO KEY'")
    with app.app_context():
        db.engine.dispose()  # one connection for both
        with transaction():
            require(Member, member.id, lock=NO_KEY_UPDATE)
        for _ in range(3):
            assert db.session.scalar(prepared) == 1
            db.session.rollback()


def test_a_lost_connection_is_replaced_before_it_is_used(
    app: Flask, make: Make, server: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the pool's connections are lost, as after a restart of the server."""
    monkeypatch.setattr(engine, "TRUSTED", 0.0)
    make.member("anna")
    end = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with app.app_context():
        assert db.session.scalar(text("SELECT count(*) FROM members")) == 1
        db.session.rollback()
        with server.connect() as other:
            assert other.scalar(end)
        assert db.session.scalar(text("SELECT count(*) FROM members")) == 1
        with transaction():
            db.session.execute(text("UPDATE members SET name = 'Changed'"))
