"""`laurel staff`: adds people and changes passwords; errors are sentences (R-3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from webapp.cli import main
from webapp.config import Settings
from webapp.database import db
from webapp.domain.staff import accounts
from webapp.models import Role, Staff

GOOD = "kettle onion tramway 42"
SECRET = "q7Zr0vXKc1mDw9sTn4LbYh6JfUe2PgAiGx5oBtRk8CMN"  # commands validate it as in production


@pytest.fixture
def run(app: Flask, database: Settings):  # type: ignore[no-untyped-def]
    """Run `laurel staff …` on the test's database with a line of input."""

    def run(*arguments: str, line: str = GOOD + "\n", secret: str = SECRET) -> Result:
        environ = {
            "LAUREL_ENV": "production",
            "SECRET_KEY": secret,
            "DATABASE_URL": database.database_url,
            "LAUREL_DATA": str(database.data),
        }
        return CliRunner(env=environ).invoke(main, ["staff", *arguments], input=line)

    return run


@pytest.mark.parametrize(
    ("role", "kept"),
    [
        ("admin", Role.ADMIN),
        ("Dev", Role.DEV),
        ("manager", Role.MANAGER),
        ("community-manager", Role.MANAGER),
        ("SUPPORT", Role.SUPPORT),
    ],
)
def test_adds_a_person(run, app: Flask, role: str, kept: Role) -> None:  # type: ignore[no-untyped-def]
    done = run(
        "add", "--email", "Anna@example.org", "--role", role, "--name", "Anna", "--password-stdin"
    )
    assert done.exit_code == 0, done.output
    assert done.output == f"anna@example.org can sign in as {kept.label}.\n"
    with app.app_context():
        person = db.session.query(Staff).one()
        assert (person.name, person.role) == ("Anna", kept)
        assert accounts.authenticate("anna@example.org", GOOD)


def test_refuses_in_a_sentence(run) -> None:  # type: ignore[no-untyped-def]
    person = ("--email", "anna@example.org", "--password-stdin")
    weak = run("add", *person, "--role", "admin", line="password1234\n")
    assert weak.exit_code == 1
    assert "too easy to guess" in weak.output
    assert run("add", *person, "--role", "queen").exit_code == 2
    missing = run("password", *person)
    assert missing.exit_code == 1
    assert missing.output == "Error: There is no account for anna@example.org.\n"
    assert run("add", *person, "--role", "admin").exit_code == 0
    twice = run("add", *person, "--role", "admin")
    assert twice.output == "Error: anna@example.org already has an account.\n"
    assert "Traceback" not in weak.output + missing.output + twice.output


def test_changes_a_password(run, app: Flask) -> None:  # type: ignore[no-untyped-def]
    person = ("--email", "anna@example.org", "--password-stdin")
    assert run("add", *person, "--role", "admin").exit_code == 0
    new = "violet engine under snow"
    assert run("password", *person, line=f"{new}\r\n").exit_code == 0
    with app.app_context():
        assert accounts.authenticate("anna@example.org", new)
        assert not accounts.authenticate("anna@example.org", GOOD)


def test_uses_the_secret_that_start_keeps(run, database: Settings) -> None:  # type: ignore[no-untyped-def]
    """`laurel start` generates SECRET_KEY, so it isn't in the environment."""
    arguments = ("add", "--email", "anna@example.org", "--role", "admin", "--password-stdin")
    assert "SECRET_KEY isn't set" in run(*arguments, secret="").output
    kept = Path(database.data) / "secret_key"
    kept.write_text(SECRET)
    try:
        assert run(*arguments, secret="").exit_code == 0
    finally:
        kept.unlink()
