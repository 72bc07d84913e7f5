"""Break-glass admins: the last one can't be removed in any way (SSO-3)."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.errors import DomainError
from webapp.domain.staff import administration, break_glass
from webapp.models import Origin, Role, Staff
from webapp.transaction import transaction

ACTOR = Actor(NOW, Origin.COMMAND_LINE)


@pytest.mark.parametrize(
    "remove",
    [
        lambda person: break_glass.turn_off(person.id, ACTOR),
        lambda person: administration.disable(person.id, ACTOR),
        lambda person: administration.change_role(person.id, Role.DEV, ACTOR),
    ],
    ids=["unmarked", "disabled", "demoted"],
)
def test_the_last_one_cannot_be_removed(app: Flask, make: Make, remove) -> None:  # type: ignore[no-untyped-def]
    make.staff(Role.ADMIN, password="a hash")
    glass = make.staff(Role.ADMIN, password="a hash", break_glass=True)
    with app.app_context():
        assert break_glass.exists()
        with pytest.raises(DomainError, match="last break-glass admin"), transaction():
            remove(glass)
    other = make.staff(Role.ADMIN, password="a hash", break_glass=True)
    with app.app_context():
        with transaction():
            assert remove(glass)
        assert not db.session.get_one(Staff, glass.id).break_glass
        assert db.session.get_one(Staff, other.id).break_glass


def test_only_admins_with_password_and_second_factor_can_be_one(app: Flask, make: Make) -> None:
    for person in (
        make.staff(Role.DEV, password="a hash"),
        make.staff(Role.ADMIN),
        make.staff(Role.ADMIN, password="a hash"),
    ):
        with app.app_context(), pytest.raises(DomainError), transaction():
            break_glass.turn_on(person.id, ACTOR)
