"""A console with Open Badges turned on."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.factories import NOW
from webapp.domain.actor import Actor
from webapp.domain.credentials import issuer
from webapp.models import Origin
from webapp.transaction import transaction

ADDRESS = "https://badges.example.org"
ACTOR = Actor(NOW, Origin.CONSOLE)


@pytest.fixture
def issuing(app: Flask) -> Flask:
    with app.app_context(), transaction():
        issuer.turn_on(ACTOR)
    return app
