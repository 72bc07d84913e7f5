"""Browsers for the tests of pages, each a reviewing client; nobody, or one for each role."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp.models import Role


def _browser(app: Flask) -> ReviewingClient:
    return ReviewingClient(app, None, use_cookies=True)


@pytest.fixture
def client(app: Flask) -> ReviewingClient:
    """A browser where nobody is signed in."""
    return _browser(app)


@pytest.fixture
def as_admin(app: Flask, make: Make) -> ReviewingClient:
    """A browser where an Admin is signed in."""
    return _browser(app).sign_in(make.staff(Role.ADMIN))


@pytest.fixture
def as_dev(app: Flask, make: Make) -> ReviewingClient:
    """A browser where a Dev is signed in."""
    return _browser(app).sign_in(make.staff(Role.DEV))


@pytest.fixture
def as_manager(app: Flask, make: Make) -> ReviewingClient:
    """A browser where a Community manager is signed in."""
    return _browser(app).sign_in(make.staff(Role.MANAGER))


@pytest.fixture
def as_support(app: Flask, make: Make) -> ReviewingClient:
    """A browser where somebody of Support is signed in."""
    return _browser(app).sign_in(make.staff(Role.SUPPORT))
