"""Accounts and their passwords (R-3, S7)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import NOW
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.staff import accounts, login, login_throttle, password_strength
from webapp.models import AuditEvent, Origin, Role, Staff
from webapp.transaction import transaction

ACT = Actor(at=NOW, origin=Origin.COMMAND_LINE)
GOOD = "kettle onion tramway 42"


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "vT7%kk2-QmB0a",
        "мойпарольочень",
        "  spaces at both ends  ",
        "🌵🐢🎺🌋🧩🚲🥝🧵🎲🛶🦔🧭",
        "x7Qpa9\tz\n\0w2Lk",
        "Jz" * 3 + "wq8.Lm-41x" * 12,
    ],
)
def test_a_password_that_is_hard_to_guess_is_taken(password: str) -> None:
    """S7: any characters."""
    assert password_strength.problem(password, "anna@example.org", "Anna Smith") is None


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Password123!",
        "P@ssw0rd2024!",
        "qwertyuiop123",
        "1qaz2wsx3edc",
        "123456789012",
        "aaaaaaaaaaaaaaaa",
        "abcabcabcabcabc",
        "letmein12345",
        "iloveyou1234",
        "administrator",
        "liverpool1892",
        "drowssap1234",
        "laurellaurel",
        "Anna.Smith@Example.org",
        "AnnaSmith1985",
        "annasmithanna",
        "x" * 128,
    ],
)
def test_a_common_password_is_refused(password: str) -> None:
    """S7: checked offline; so are passwords made of the person's name and email, or of the product's name."""
    problem = password_strength.problem(password, "anna.smith@example.org", "Anna Smith")
    assert problem is not None
    assert problem.code == "staff.password_weak"
    assert str(problem).startswith("This password is too easy to guess")


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "Use at least 12 characters."),
        ("vT7%kk2-QmB", "Use at least 12 characters."),
        ("vT7%kk2-QmB" * 11 + "12345678", "Use up to 128 characters."),
    ],
)
def test_the_length_of_a_password(password: str, said: str) -> None:
    """S7: 12 to 128 characters, inclusive."""
    assert str(password_strength.problem(password)) == said


def test_both_ends_of_the_length_are_allowed() -> None:
    assert password_strength.problem("vT7%kk2-QmB0") is None
    assert password_strength.problem(("vT7%kk2-QmB0zyLpR" * 8)[:128]) is None


def test_the_worst_password_costs_little_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """S7: every combination of symbols for letters is tried, but only over the first 40 characters of 128."""
    judged, zxcvbn = [], password_strength.zxcvbn

    def note(password: str, **known: list[str]) -> dict[str, Any]:
        judged.append(len(password))
        result: dict[str, Any] = zxcvbn(password, **known)
        return result

    monkeypatch.setattr(password_strength, "zxcvbn", note)
    worst = ("4@8({[<3691!|1l0$5+7%2" * 7)[:128]
    assert password_strength.problem(worst, "x" * 308 + "@example.org", "y" * 120) is None
    assert judged == [40]


def test_adds_a_person(app: Flask) -> None:
    """R-3: recorded, case-folded email, argon2id."""
    with app.app_context():
        with transaction():
            added = accounts.add(" Zoë@Example.ORG ", Role.DEV, GOOD, " Zoë ", ACT)
        person = db.session.get_one(Staff, added.id)
        assert (person.email, person.name, person.role) == ("zoë@example.org", "Zoë", Role.DEV)
        assert person.active
        assert person.password is not None
        assert person.password.startswith("$argon2id$")
        record = db.session.scalars(select(AuditEvent)).one()
        assert (record.verb, record.origin, record.subject_id) == (
            "staff.added",
            "command line",
            person.id,
        )
        assert GOOD not in str(record.detail)
        assert accounts.authenticate("ZOË@example.org", GOOD) is not None


@pytest.mark.parametrize(
    ("email", "password", "name", "field"),
    [
        ("taken@example.org", GOOD, "", "email"),
        ("TAKEN@example.org ", GOOD, "", "email"),
        ("nobody", GOOD, "", "email"),
        ("a b@example.org", GOOD, "", "email"),
        ("a@exa\0mple.org", GOOD, "", "email"),
        ("", GOOD, "", "email"),
        ("a" * 400 + "@example.org", GOOD, "", "email"),
        ("new@example.org", "short", "", "password"),
        ("new@example.org", GOOD, "x" * 121, "name"),
        ("new@example.org", GOOD, "N\0l", "name"),
    ],
)
def test_a_person_that_cannot_be_added(
    app: Flask, email: str, password: str, name: str, field: str
) -> None:
    """Each with a sentence, and no account is added."""
    with app.app_context():
        with transaction():
            accounts.add("taken@example.org", Role.ADMIN, GOOD, "", ACT)
        with pytest.raises(DomainError) as refused, transaction():
            accounts.add(email, Role.ADMIN, password, name, ACT)
        assert refused.value.field == field
        assert refused.value.message.endswith(".")
        assert len(db.session.scalars(select(Staff)).all()) == 1


def test_changes_a_password(app: Flask) -> None:
    """R-3: the old one no longer works."""
    with app.app_context():
        with transaction():
            accounts.add("anna@example.org", Role.ADMIN, GOOD, "", ACT)
        with transaction():
            accounts.change_password("Anna@example.org", "violet engine under snow", ACT)
        assert accounts.authenticate("anna@example.org", GOOD) is None
        assert accounts.authenticate("anna@example.org", "violet engine under snow") is not None
        with pytest.raises(NotFoundError, match="no account for x@"), transaction():
            accounts.change_password("x@example.org", GOOD, ACT)
        with pytest.raises(DomainError), transaction():
            accounts.change_password("anna@example.org", "password1234", ACT)


def test_two_passwords_are_hashed_at_a_time(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time; the third gets an error."""
    monkeypatch.setattr(accounts, "_PATIENCE", 0.05)
    with (
        app.app_context(),
        accounts._HashingSlot(),
        accounts._HashingSlot(),
        pytest.raises(accounts.BusyError),
    ):
        accounts.authenticate("anna@example.org", GOOD)
    with app.app_context():
        assert accounts.authenticate("anna@example.org", GOOD) is None


def test_a_password_changed_during_its_check_opens_nothing(app: Flask) -> None:
    """S2: neither does the code of someone whose password changed during sign-in."""
    with app.app_context():
        with transaction():
            person = accounts.add("anna@example.org", Role.DEV, GOOD, "Anna", ACT)
        name, person_id = person.security_stamp, person.id
        with transaction():
            attempt = login_throttle.record_attempt("anna@example.org", "192.0.2.1", ACT.at)
        proof = accounts.authenticate("anna@example.org", GOOD)
        assert proof is not None
        with transaction():
            accounts.change_password("anna@example.org", "violet engine under snow", ACT)
        with transaction():
            assert login.complete(attempt, proof, ACT) == (None, False)
        with transaction():
            assert not login.verify_code(attempt, person_id, name, "123456", ACT)
        verbs = set(db.session.scalars(select(AuditEvent.verb)))
        assert "staff.signed_in" not in verbs
