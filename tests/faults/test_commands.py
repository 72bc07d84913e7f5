"""Commands, web processes, workers and clocks that know only LAUREL_DATA, alongside a running `laurel start`.

The clock of these consoles sleeps for an hour: anything that happens within seconds came through the queue.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from flask import Flask
from redis.exceptions import RedisError
from sqlalchemy import func, select

from tests.conftest import migrate
from tests.factories import Make
from tests.faults.console import free_port
from tests.faults.started import Console
from webapp import create_app
from webapp.cli import valkey
from webapp.cli.start import load_or_create_secret
from webapp.config import Settings, load
from webapp.database import db
from webapp.domain import rules
from webapp.domain.actor import Actor
from webapp.domain.rules import ConditionDraft, RuleDraft
from webapp.infrastructure import job_queue, running_console
from webapp.models import AuditEvent, Award, Member, Origin
from webapp.models.rule import ConditionKind
from webapp.transaction import transaction

T = TypeVar("T")

ASLEEP = {"LAUREL_TICK_SECONDS": "3600"}
FIVE_YEARS = (
    3  # quests of the demo for one, three and five years: a member who joined in 2021 qualifies
)


def read(console: Console, question: Callable[[], T]) -> T:
    """Ask the console's database in this process."""
    with _app_of(console).app_context():
        answer = question()
        db.session.remove()
        db.engine.dispose()
        return answer


@cache
def _app_of(console: Console) -> Flask:
    return create_app(_settings_of(console), web=False)


def _settings_of(console: Console) -> Settings:
    return load({**console.environment, "LAUREL_ENV": "test"})


def awards_of(console: Console, *external_ids: str) -> int:
    """The number of awards by rules for these members."""
    counted = (
        select(func.count(Award.id))
        .join(Member, Member.id == Award.member_id)
        .where(Member.external_id.in_(external_ids), Award.revoked_at.is_(None))
    )
    return read(console, lambda: db.session.scalar(counted) or 0)


def recorded(console: Console, verb: str) -> list[dict[str, Any]]:
    return read(
        console,
        lambda: list(
            db.session.scalars(
                select(AuditEvent.detail).where(AuditEvent.verb == verb).order_by(AuditEvent.id)
            )
        ),
    )


# The queue is found in the same way whatever the database: only `test_every_command` runs on both.
on_sqlite = pytest.mark.parametrize("new_database_url", ["sqlite"], indirect=True)


@pytest.fixture
def prepared(started: Console) -> Console:
    """A console with its secret and its tables, and a rule: a badge for a year as a member."""
    migrate(_settings_of(started))
    load_or_create_secret(started.data / "secret_key")
    app = _app_of(started)
    make = Make(app)
    quest = make.quest("One year", make.badge("Anniversary", automatic=True))
    year = RuleDraft((ConditionDraft(ConditionKind.DAYS, amount=365),))
    with app.app_context(), transaction():
        rules.save(quest.badge_id, quest.id, year, Actor(datetime.now(UTC), Origin.CONSOLE))
    return started


def alone(console: Console) -> Console:
    """Remove everything from the environment except for the data folder and the database."""
    del console.environment["PORT"]
    return console


def did(console: Console, *words: str, **more: str) -> str:
    """Run a command that must succeed; return its output."""
    ended = console.run(*words, **more)
    assert ended.returncode == 0, ended
    assert "Traceback" not in ended.stderr
    return ended.stdout


def ask(
    port: int, path: str, key: str, body: Any = None, method: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Send an API request; return its status and content."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1{path}",
        json.dumps(body).encode() if body is not None else None,
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}
    except OSError:  # it doesn't respond yet
        return 0, {}


def old_joiners(folder: Path, number: int) -> Path:
    file = folder / f"{number}.csv"
    rows = "".join(f"old{n};oldie{n};2021-03-04\n" for n in range(number))
    file.write_text("ID;Username;Joined\n" + rows, encoding="utf-8")
    return file


def test_every_command_alongside_the_demo(started: Console, tmp_path: Path) -> None:
    """With only LAUREL_DATA: each succeeds, and rules act within seconds although no clock ticks."""
    started.environment |= ASLEEP
    started.up("--demo")
    console, port = alone(started), started.port
    one = tmp_path / "one.csv"
    one.write_text("ID;Username;Joined\nrx1;rulex1;2021-03-04\n", encoding="utf-8")

    assert "1 created" in did(console, "members", "import", str(one), "--dry-run")
    assert "1 created" in did(console, "members", "import", str(one))
    console.wait_for(lambda: awards_of(console, "rx1") == FIVE_YEARS, 20, "the rules act")

    assert "5,000 created" in did(console, "members", "import", str(old_joiners(tmp_path, 5000)))
    console.wait_for(lambda: awards_of(console, "old0", "old4999") == 2 * FIVE_YEARS, 60, "again")
    assert [row["created"] for row in recorded(console, "members.imported")] == [1, 5000]

    events = tmp_path / "events.csv"
    rows = "".join(f"e{n};introductions;old{n}\n" for n in range(2000))
    events.write_text("Event ID;Activity;ID\n" + rows, encoding="utf-8")
    assert "2,000 counted" in did(console, "activities", "import", str(events))
    console.wait_for(lambda: awards_of(console, "old1") == FIVE_YEARS + 1, 60, "and again")
    assert [row["counted"] for row in recorded(console, "activities.imported")] == [2000]

    staff = ("--email", "new@example.org")
    link = did(console, "staff", "add", *staff, "--role", "admin", "--link")
    assert link.startswith(f"http://localhost:{port}/welcome/")
    assert did(console, "staff", "password", *staff, "--link").startswith(
        f"http://localhost:{port}/"
    )
    assert "is already off" in did(console, "staff", "turn-off-two-factor", *staff)

    assert did(console, "keys", "add", "--name", "LMS", "--scope", "members:read")
    assert "up to date" in did(console, "db", "upgrade")
    backup = tmp_path / "all.backup"
    assert "rows" in did(console, "backup", str(backup))
    assert backup.is_file()


@on_sqlite
def test_a_web_process_of_its_own_finds_the_queue(prepared: Console) -> None:
    """A-4: its API responds, its requests are counted in the queue's server, and rules act on its events."""
    prepared.environment |= ASLEEP
    prepared.up()
    console, port = alone(prepared), free_port()
    key = new_key(console)
    console.start_process("web", PORT=str(port))
    console.wait_for(lambda: ask(port, "/members?limit=1", key)[0] == 200, 30, "its API answers")

    address = running_console.queue_socket(console.data)
    assert address is not None
    assert valkey.client(address).keys("laurel:LIMIT*")
    joined = {"username": "viaweb", "joined_at": "2021-03-04T00:00:00Z"}
    assert ask(port, "/members/viaweb", key, joined, "PUT")[0] == 201
    console.wait_for(lambda: awards_of(console, "viaweb") == 1, 20, "the rule acts")


@on_sqlite
def test_without_any_queue_nothing_fails_and_the_work_is_done_later(
    prepared: Console, tmp_path: Path
) -> None:
    """J7: web, worker, clock and commands with only LAUREL_DATA; pending work is done once `laurel start` runs."""
    console, port = prepared, free_port()
    for process in ("web", "worker", "clock"):
        console.start_process(process, PORT=str(port))
    key = new_key(console)

    console.wait_for(lambda: ask(port, "/members?limit=1", key)[0] == 200, 30, "its API answers")
    one = tmp_path / "one.csv"
    one.write_text("ID;Username;Joined\nrx1;rulex1;2021-03-04\n", encoding="utf-8")
    assert "1 created" in did(console, "members", "import", str(one))
    assert len(recorded(console, "members.imported")) == 1
    console.wait_for(lambda: "waiting for the queue" in console.said(), 20, "the worker waits")

    assert "Traceback" not in console.said()
    console.start()
    console.wait_for(lambda: awards_of(console, "rx1") == 1, 60, "the rule acts")


@on_sqlite
def test_a_worker_of_its_own_follows_a_start_that_is_started_again(started: Console) -> None:
    """A clean stop removes the socket, and the next start creates another: the worker finds it."""
    console = started
    console.environment |= ASLEEP
    parent = console.up()
    console.start_process("worker")
    console.wait_for(lambda: len(workers(console)) == 2, 30, "both workers serve the queue")
    before = workers(console)
    console.stop(parent)
    console.up()
    # The queue keeps the names of its earlier workers; a worker that returns has a new one.
    console.wait_for(lambda: len(workers(console) - before) == 2, 60, "both serve the new queue")


@pytest.mark.parametrize("note", ["", "relative", "/nonexistent/folder", "/tmp\0x", "\udcff/x"])
def test_a_note_that_means_nothing_is_no_queue(tmp_path: Path, note: str) -> None:
    (tmp_path / running_console.RUNTIME).write_bytes(os.fsencode(note))
    assert running_console.queue_socket(tmp_path) is None


def test_only_a_private_folder_is_trusted(tmp_path: Path) -> None:
    """Other users can't make commands connect to a server of theirs: S9, S11."""
    with tempfile.TemporaryDirectory(prefix="q-") as name, socket.socket(socket.AF_UNIX) as server:
        folder = Path(name)
        (tmp_path / running_console.RUNTIME).write_text(name)
        assert running_console.queue_socket(tmp_path) is None
        server.bind(str(folder / running_console.SOCKET))
        assert running_console.queue_socket(tmp_path) == folder / running_console.SOCKET
        folder.chmod(0o755)
        assert running_console.queue_socket(tmp_path) is None


def new_key(console: Console) -> str:
    """An API key with the permissions for these tests."""
    names = ("activities:write", "members:write", "members:read")
    scopes = [word for name in names for word in ("--scope", name)]
    return did(console, "keys", "add", "--name", "LMS", *scopes).strip()


def workers(console: Console) -> set[str]:
    """The names of the workers registered in the queue of the running `laurel start`."""
    address = running_console.queue_socket(console.data)
    if address is None:
        return set()
    try:
        return set(valkey.client(address).smembers(f"rq:workers:{job_queue.QUEUE}"))
    except RedisError:
        return set()
