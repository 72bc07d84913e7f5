"""Browsers for the tests of pages, each a reviewing client: signed out, or with one of the roles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, request
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp import create_app
from webapp.config import Settings
from webapp.database import db
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.permissions import Permission
from webapp.models import Role
from webapp.pages.http.authorization import permit, public


def _browser(app: Flask) -> ReviewingClient:
    return ReviewingClient(app, None, use_cookies=True)


@pytest.fixture
def client(app: Flask) -> ReviewingClient:
    """A browser that is not signed in."""
    return _browser(app)


@pytest.fixture
def as_admin(app: Flask, make: Make) -> ReviewingClient:
    """A browser signed in as an admin."""
    return _browser(app).sign_in(make.staff(Role.ADMIN))


@pytest.fixture
def as_dev(app: Flask, make: Make) -> ReviewingClient:
    """A browser signed in as a developer."""
    return _browser(app).sign_in(make.staff(Role.DEV))


@pytest.fixture
def as_manager(app: Flask, make: Make) -> ReviewingClient:
    """A browser signed in as a community manager."""
    return _browser(app).sign_in(make.staff(Role.MANAGER))


@pytest.fixture
def as_support(app: Flask, make: Make) -> ReviewingClient:
    """A browser signed in as Support."""
    return _browser(app).sign_in(make.staff(Role.SUPPORT))


@pytest.fixture
def odd_notes() -> list[str]:
    """The requests sent to `/odd/save`."""
    return []


@pytest.fixture
def odd_app(app: Flask, database: Settings, odd_notes: list[str]) -> Iterator[Flask]:
    """A second app on the same database, with views that fail in every way; responds as in production."""
    odd = create_app(database)
    odd.config["PROPAGATE_EXCEPTIONS"] = False

    @odd.post("/odd/save")
    @permit(Permission.VIEW)
    def save() -> ResponseReturnValue:
        odd_notes.append(request.form["note"])
        return "saved", {"Content-Type": "text/plain"}

    @odd.get("/odd/fault")
    @public
    def fault() -> ResponseReturnValue:
        raise RuntimeError("secret detail")

    @odd.get("/odd/refused")
    @permit(Permission.VIEW)
    def refused() -> ResponseReturnValue:
        raise DomainError("The batch is running <now>.")

    @odd.get("/odd/missing")
    @permit(Permission.VIEW)
    def missing() -> ResponseReturnValue:
        raise NotFoundError("common.badge_not_found")

    @odd.get("/odd/silent")
    def silent() -> ResponseReturnValue:
        return "never seen"

    @odd.get("/odd/database")
    @public
    def broken() -> ResponseReturnValue:
        db.session.execute(text("SELECT * FROM there_is_no_such_table"))
        return "never seen"

    @odd.post("/odd/read")
    @public
    def read() -> ResponseReturnValue:
        return str(sum(map(len, request.form.values()))), {"Content-Type": "text/plain"}

    yield odd
    with odd.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def odd_client(odd_app: Flask) -> ReviewingClient:
    """A browser for the app with failing views."""
    return _browser(odd_app)
