"""The first admin comes in by a link that works once, for a day, and only while there is no admin (E-2)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.staff import accounts, administration, first_admin
from webapp.models import Origin, Role, SetupLink, Staff
from webapp.transaction import transaction

ACTOR = Actor(at=NOW, origin=Origin.COMMAND_LINE)
PASSWORD = "kettle onion tramway 42"


def new_link() -> str:
    with transaction():
        key = first_admin.create_link(ACTOR)
    assert key is not None
    return key


def set_up(key: str, email: str = "ana@example.org", name: str = "Ana") -> Staff:
    choice = first_admin.prepare(key, email, name, PASSWORD, NOW)
    with transaction():
        return first_admin.create(choice, ACTOR)


def test_the_link_creates_one_admin_and_is_then_dead(app: Flask) -> None:
    """R-3: the account has the chosen password; both steps are in the audit log."""
    key = new_link()
    admin = set_up(key)
    assert (admin.role, admin.email, admin.name) == (Role.ADMIN, "ana@example.org", "Ana")
    assert accounts.authenticate("ana@example.org", PASSWORD) is not None
    assert [line.event.verb for line in search.recent(5)] == [
        "staff.set_up",
        "staff.setup_link_made",
    ]
    assert search.recent(1)[0].sentence == "Ana set up Laurel as its first admin"
    assert not first_admin.is_valid(key, NOW)
    assert first_admin.create_link(ACTOR) is None
    with pytest.raises(NotFoundError):
        set_up(key, "bea@example.org", "Bea")


def test_only_the_hash_of_the_key_is_stored(app: Flask) -> None:
    """S7: a person who reads the database can't use the link."""
    key = new_link()
    (link,) = db.session.scalars(select(SetupLink))
    assert key not in link.key_hash
    assert len(key) >= 43


def test_a_new_link_replaces_the_one_before(app: Flask) -> None:
    old, new = new_link(), new_link()
    assert not first_admin.is_valid(old, NOW)
    assert first_admin.is_valid(new, NOW)


def test_a_link_is_valid_for_a_day(app: Flask) -> None:
    key = new_link()
    assert first_admin.is_valid(key, NOW + timedelta(hours=24) - timedelta(seconds=1))
    assert not first_admin.is_valid(key, NOW + timedelta(hours=24))


@pytest.mark.parametrize("how", ["added", "invited", "disabled"])
def test_any_other_admin_ends_the_link(app: Flask, make: Make, how: str) -> None:
    """Also one who can't sign in: someone with that role was chosen by someone who can."""
    key = new_link()
    choice = first_admin.prepare(key, "ana@example.org", "Ana", PASSWORD, NOW)
    if how == "invited":
        with transaction():
            administration.invite("eva@example.org", "Eva", Role.ADMIN, ACTOR)
    else:
        make.staff(Role.ADMIN, active=how == "added")
    db.session.rollback()  # see what others have committed
    assert not first_admin.is_valid(key, NOW)
    with pytest.raises(NotFoundError), transaction():
        first_admin.create(choice, ACTOR)


def test_other_roles_do_not_end_it(app: Flask, make: Make) -> None:
    """Only an admin can invite an admin."""
    make.staff(Role.DEV, email="dev@example.org")
    key = new_link()
    with pytest.raises(DomainError) as taken:
        set_up(key, "dev@example.org")
    assert taken.value.field == "email"
    assert set_up(key).role == Role.ADMIN


def test_all_errors_are_reported_and_the_link_stays(app: Flask) -> None:
    key = new_link()
    with pytest.raises(DomainError) as refused:
        first_admin.prepare(key, "nobody", "a" * 121, "short", NOW)
    assert set(refused.value.by_field()) == {"email", "name", "password"}
    assert first_admin.is_valid(key, NOW)


def test_of_many_browsers_one_becomes_the_admin(app: Flask) -> None:
    """All have opened the link, and send their forms at the same moment."""
    key = new_link()
    browsers = 6
    choices = [
        first_admin.prepare(key, f"p{number}@example.org", f"Person {number}", PASSWORD, NOW)
        for number in range(browsers)
    ]
    together = Barrier(browsers)

    def send(choice: first_admin.NewAdmin) -> bool:
        with app.app_context():
            together.wait()
            try:
                with transaction():
                    first_admin.create(choice, ACTOR)
            except NotFoundError:
                return False
            return True

    with ThreadPoolExecutor(browsers) as threads:
        assert sum(threads.map(send, choices)) == 1
    db.session.rollback()  # see what they have committed
    assert len(list(db.session.scalars(select(Staff)))) == 1
