"""`laurel keys add` prints a working key (A-3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from werkzeug.test import Client

from tests.conftest import migrate
from webapp import create_app
from webapp.cli import main
from webapp.config import Settings, load
from webapp.database import db


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of an installation on SQLite that has no database yet."""
    return {
        "LAUREL_ENV": "test",
        "LAUREL_DATA": str(tmp_path),
        "SECRET_KEY": "tests-only-kM3v9QxT7wLr2ZpN8sYd4HbJ6fGcA1eU",
        "DATABASE_URL": "",
        "REDIS_URL": "unix:///nonexistent/laurel-no-queue.sock",
    }


@pytest.fixture
def installed(environ: dict[str, str]) -> dict[str, str]:
    """The same with its database."""
    migrate(load(environ))
    return environ


def test_a_key_is_printed_and_works(installed: dict[str, str]) -> None:
    """A-3: nothing else is printed, so that scripts can use the output."""
    asked = ["keys", "add", "--name", "LMS", "--scope", "badges:read", "--days", "30"]
    done = CliRunner().invoke(main, asked, env=installed)
    assert done.exit_code == 0, done.output
    settings: Settings = load(installed)
    app = create_app(settings)
    client = Client(app, use_cookies=False)
    headers = {"Authorization": f"Bearer {done.output.strip()}"}
    assert client.get("/api/v1/badges", headers=headers).status_code == 200
    assert client.get("/api/v1/members", headers=headers).status_code == 403
    with app.app_context():
        db.engine.dispose()


def test_a_key_needs_a_name(installed: dict[str, str]) -> None:
    asked = ["keys", "add", "--name", " ", "--scope", "badges:read"]
    done = CliRunner().invoke(main, asked, env=installed)

    assert done.exit_code != 0
    assert "Enter a name." in done.output


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--name", "x", "--scope", "everything"], "'everything' is not one of"),
        (["--name", "x"], "Missing option '--scope'"),
        (["--name", "x", "--scope", "badges:read", "--days", "0"], "0 is not in the range"),
    ],
)
def test_invalid_keys_are_rejected(environ: dict[str, str], asked: list[str], said: str) -> None:
    """Reported before the database is opened."""
    done = CliRunner().invoke(main, ["keys", "add", *asked], env=environ)

    assert done.exit_code != 0
    assert said in done.output
