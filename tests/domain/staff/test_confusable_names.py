"""No one on the staff can use a name that looks like another's, or like the console's own (L-1)."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.errors import DomainError
from webapp.domain.staff import accounts, administration, password_links
from webapp.domain.staff.confusable_names import is_own, likeness
from webapp.models import AuditEvent, Origin, Role, Staff
from webapp.transaction import transaction

ACT = Actor(NOW, Origin.CONSOLE)
PASSWORD = "kettle onion tramway 42"


@pytest.mark.parametrize(
    "name",
    [
        "Mara Kovač",
        "mara kovač",
        "MARA  KOVAČ",
        "Mara Kovac",
        "Маra Kovač",  # the first two letters are Cyrillic
        "Ｍara Kovač",
        "𝐌ara Kovač",
        "Mara Kova\u030cc\u030c",
        "Ma\u200dra Kovač",
        "rnara kovač",
        "Mara\u00a0Kovač",
        "mara@example.org",
        "MARA@EXAMPLE.ORG",
    ],
)
def test_names_that_look_alike_are_refused_everywhere(app: Flask, make: Make, name: str) -> None:
    """L-1: when added, invited, renamed, and chosen with a link; disabled colleagues keep their names."""
    make.staff(name="Mara Kovač", email="mara@example.org", active=False)
    eve = make.staff(name="Eve", email="eve@example.org")
    with app.app_context():
        with pytest.raises(DomainError) as refused, transaction():
            accounts.add("new@example.org", Role.DEV, PASSWORD, name, ACT)
        assert refused.value.field == "name"
        with pytest.raises(DomainError), transaction():
            administration.invite("new@example.org", name, Role.DEV, ACT)
        with pytest.raises(DomainError), transaction():
            accounts.rename(name, Actor(NOW, Origin.CONSOLE, eve))
        with transaction():
            key = password_links.create(eve.id, ACT)
        choice = password_links.prepare(key, name, PASSWORD, NOW)
        with pytest.raises(DomainError), transaction():
            password_links.redeem(choice, ACT)
        assert password_links.owner(key, NOW) is not None, (
            "the link can be used again, with another name"
        )
        assert db.session.get_one(Staff, eve.id).name == "Eve"


@pytest.mark.parametrize(
    "name",
    [
        "Laurel",
        "LaureI",
        "Lаurel",
        "L a u r e l",
        "laurel.",
        "System",
        "Clock",
        "Command line",
        'API key "LMS"',
        "АPI key “LMS”",
        "An unknown account",
    ],
)
def test_the_consoles_own_names_are_refused(app: Flask, name: str) -> None:  # L-1
    assert is_own(name)
    with (
        app.app_context(),
        pytest.raises(DomainError, match="This name is reserved"),
        transaction(),
    ):
        accounts.add("new@example.org", Role.DEV, PASSWORD, name, ACT)


@pytest.mark.parametrize("name", ["An\u202ena", "An\u2066na", "An\x07na", "\u200d", "Ann\u0000a"])
def test_names_that_cannot_be_read_are_refused(app: Flask, name: str) -> None:  # L-1
    with app.app_context(), pytest.raises(DomainError), transaction():
        accounts.add("new@example.org", Role.DEV, PASSWORD, name, ACT)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Anna", "Anne"),
        ("Laura", "Lara"),
        ("Mara Kovač", "Mara Kovačević"),
        ("राम", "रमा"),
        ("محمد", "محمود"),
        ("Li Wei", "Li Na"),
        ("", ""),
    ],
)
def test_different_names_are_kept(app: Flask, first: str, second: str) -> None:
    assert likeness(first) != likeness(second) or not first
    with app.app_context():
        for number, name in enumerate((first, second)):
            with transaction():
                accounts.add(f"person{number}@example.org", Role.DEV, PASSWORD, name, ACT)


def test_ones_own_name_can_be_written_differently(app: Flask, make: Make) -> None:
    mara = make.staff(name="Mara Kovac", email="mara@example.org")
    with app.app_context():
        for name in ("Mara Kovač", "MARA KOVAČ", "mara@example.org", ""):
            with transaction():
                assert accounts.rename(name, Actor(NOW, Origin.CONSOLE, mara))


def test_an_email_shown_in_place_of_a_name_is_no_one_elses_name(app: Flask, make: Make) -> None:
    """L-1: with a name, the account can be added."""
    make.staff(name="boss@example.org")
    with app.app_context():
        with pytest.raises(DomainError, match="Enter a name as well"), transaction():
            administration.invite("boss@example.org", "", Role.DEV, ACT)
        with transaction():
            administration.invite("boss@example.org", "The boss", Role.DEV, ACT)


def test_one_of_two_gets_the_name_at_the_same_moment(app: Flask) -> None:  # L-1
    start, outcomes = Barrier(2), []

    def add(number: int) -> None:
        with app.app_context():
            start.wait()
            try:
                with transaction():
                    administration.invite(f"p{number}@example.org", "Anna", Role.DEV, ACT)
                outcomes.append(True)
            except DomainError:
                outcomes.append(False)
            finally:
                db.session.remove()

    threads = [Thread(target=add, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, True]


def test_a_new_name_is_recorded_with_the_old_one(app: Flask, make: Make) -> None:
    """L-1: on the account's page and with a link; the actor keeps the old name."""
    anna = make.staff(name="Anna", email="anna@example.org", password="x")
    with app.app_context():
        with transaction():
            accounts.rename("Anna Novák", Actor(NOW, Origin.CONSOLE, anna))
        with transaction():
            key = password_links.create(anna.id, ACT)
        with transaction():
            password_links.redeem(password_links.prepare(key, "", PASSWORD, NOW), ACT)
        renamed = (
            select(AuditEvent).where(AuditEvent.verb == "staff.renamed").order_by(AuditEvent.id)
        )
        first, second = db.session.scalars(renamed)
        assert (first.actor, first.detail) == ("Anna", {"before": "Anna", "after": "Anna Novák"})
        assert second.detail == {"before": "Anna Novák", "after": "anna@example.org"}
        lines = [line.sentence for line in search.page(search.AuditFilters()).lines]
        assert "Anna changed the name of anna@example.org from “Anna” to “Anna Novák”" in lines
