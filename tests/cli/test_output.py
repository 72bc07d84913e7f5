"""What every command does alike: results and errors, exit status, --json, -h, outputs that can't be written (A-17)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from flask import Flask

from tests.conftest import NO_QUEUE, SECRET
from tests.factories import NOW, Make
from webapp.cli import main
from webapp.config import Settings
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.models import Origin, Role
from webapp.transaction import transaction

KEY = ("keys", "add", "--name", "LMS", "--scope", "badges:read")
PROCESSES = {"start", "web", "worker", "deliveries", "clock"}  # print no result


@pytest.fixture
def environ(app: Flask, database: Settings) -> dict[str, str]:
    return {
        "LAUREL_ENV": "test",
        "SECRET_KEY": SECRET,
        "REDIS_URL": NO_QUEUE,
        "LAUREL_DATA": str(database.data),
        "DATABASE_URL": "" if database.sqlite else database.database_url,
    }


def run(environ: dict[str, str], *words: str) -> Result:
    return CliRunner(env=environ).invoke(main, words)


def started(environ: dict[str, str], line: str) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell, in which `laurel` is a process of its own."""
    done = subprocess.run(
        ["bash", "-c", f'laurel() {{ "$PYTHON" -m webapp.cli "$@"; }}; {line}'],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, **environ},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    return done


def commands() -> Iterator[tuple[list[str], click.Command]]:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if isinstance(command, click.Group):
            for inner, one in command.commands.items():
                yield [name, inner], one
        elif command:
            yield [name], command


def names_of(app: Flask) -> list[str]:
    with app.app_context():
        return [key.name for key in api_keys.all_keys()]


def test_every_command_explains_itself_and_knows_json() -> None:
    for words, command in commands():
        help_ = CliRunner().invoke(main, [*words, "-h"])
        assert help_.exit_code == 0
        assert help_.output == CliRunner().invoke(main, [*words, "--help"]).output
        assert words[0] in PROCESSES or "--json" in {
            option for parameter in command.params for option in parameter.opts
        }, words


@pytest.mark.parametrize("words", [("keys", "add"), ("keys", "revoke", "x"), ("nonsense",), ()])
def test_wrong_usage_ends_with_2(environ: dict[str, str], words: tuple[str, ...]) -> None:
    result = run(environ, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage:" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("keys", "revoke", "99"), "This API key doesn't exist."),
        (("staff", "password", "--email", "a@example.org", "--link"), "There is no account"),
        (("keys", "add", "--name", " ", "--scope", "badges:read", "--json"), "Enter a name."),
    ],
)
def test_rejected_requests_end_with_1_and_a_sentence_on_standard_error(
    environ: dict[str, str], words: tuple[str, ...], said: str
) -> None:
    result = run(environ, *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr


def test_keys_are_added_listed_and_revoked(app: Flask, environ: dict[str, str]) -> None:
    """A-17: with --json, what one command prints is what the next one takes."""
    added = json.loads(run(environ, *KEY, "--days", "30", "--json").stdout)
    assert added["key"].startswith(added["hint"])
    (listed,) = json.loads(run(environ, "keys", "list", "--json").stdout)
    assert listed == {name: value for name, value in added.items() if name != "key"}
    assert (listed["status"], listed["scopes"], listed["used_at"]) == (
        "active",
        ["badges:read"],
        None,
    )
    header, row = run(environ, "keys", "list").stdout.splitlines()
    assert header.index("Name") == row.index("LMS")
    assert added["key"] not in row

    assert "Key “LMS” revoked." in run(environ, "keys", "revoke", added["id"]).stdout
    again = run(environ, "keys", "revoke", added["id"])
    assert (again.exit_code, again.stdout) == (0, "Key “LMS” has already been revoked.\n")
    revoked = json.loads(run(environ, "keys", "revoke", added["id"], "--json").stdout)
    assert revoked["status"] == "revoked"
    assert revoked["revoked_at"].endswith("Z")


def test_an_expired_key_is_shown_as_expired(app: Flask, environ: dict[str, str]) -> None:
    actor = Actor(NOW.replace(year=2020), Origin.COMMAND_LINE)
    with app.app_context(), transaction():
        api_keys.create("Old", ["badges:read"], NOW.replace(year=2021), actor)
    assert "Expired" in run(environ, "keys", "list").stdout
    assert json.loads(run(environ, "keys", "list", "--json").stdout)[0]["status"] == "expired"


def test_staff_are_listed(app: Flask, environ: dict[str, str], make: Make) -> None:
    anna = make.staff(Role.ADMIN)
    invited = run(environ, "staff", "add", "--email", "b@example.org", "--role", "dev", "--link")
    assert invited.exit_code == 0, invited.output
    assert invited.stdout.count("\n") == 1
    told: list[dict[str, Any]] = json.loads(run(environ, "staff", "list", "--json").stdout)
    by_email = {one["email"]: one for one in told}
    assert by_email[anna.email]["role"] == "admin"
    assert by_email[anna.email]["two_factor"] is False
    assert by_email["b@example.org"]["status"] == "invited"
    header, *rows = run(environ, "staff", "list").stdout.splitlines()
    assert header.startswith("Email")
    assert len(rows) == 2
    link = run(environ, "staff", "password", "--email", anna.email, "--link", "--json")
    assert "/welcome/" in json.loads(link.stdout)["link"]


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (">/dev/full", "Error: No space left on device.\n"),
        ("| true", ""),
        (">&-", "Error: Standard output is closed.\n"),
        (">/dev/full 2>&1", ""),
    ],
)
@pytest.mark.databases("sqlite")
def test_no_key_is_created_that_nobody_has_seen(
    app: Flask, environ: dict[str, str], output: str, sentence: str
) -> None:
    """A-17: the key is printed before the transaction is committed; 1 is the exit status, nothing has a traceback."""
    wait = 'until ! kill -0 "$reader" 2>/dev/null; do :; done' if output == "| true" else ""
    if wait:  # the reader has gone for certain
        line = f"exec {{out}}> >(true); reader=$!; {wait}; laurel {' '.join(KEY)} >&$out"
    else:
        line = f"laurel {' '.join(KEY)} {output}"
    done = started(environ, line)
    assert (done.returncode, done.stderr) == (1, sentence)
    assert names_of(app) == []


@pytest.mark.starts_processes
@pytest.mark.databases("sqlite")
def test_no_output_on_a_full_disk_has_a_traceback(
    app: Flask, environ: dict[str, str], tmp_path: Path
) -> None:
    """A-17: help, versions, results, errors and imports."""
    for words in ("--help", "--version", "keys list", "staff list --json", "db upgrade"):
        done = started(environ, f"laurel {words} >/dev/full")
        assert (done.returncode, done.stderr) == (1, "Error: No space left on device.\n"), words
    assert started(environ, "laurel keys revoke 99 2>/dev/full").returncode == 1
    file = tmp_path / "members.csv"
    file.write_text("ID;Username\n1;anna\n")
    assert started(environ, f"laurel members import {file} >/dev/full").returncode == 1
    done = started(environ, f"laurel members import {file} 2>/dev/full")
    assert "1 unchanged" in done.stdout
    assert done.returncode == 0
    closed = started(environ, "laurel members import - <&-")
    assert (closed.returncode, closed.stderr) == (1, "Error: Standard input is closed.\n")


@pytest.mark.starts_processes
@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(environ: dict[str, str], shell: str) -> None:
    """A-17: as described in the operator's guide."""
    script = started(
        environ | {"_LAUREL_COMPLETE": f"{shell}_source"},
        'laurel_() { "$PYTHON" -c "from webapp.cli import main; main(prog_name=\'laurel\')"; }; laurel_',
    )
    assert f"_LAUREL_COMPLETE={shell}_complete" in script.stdout
