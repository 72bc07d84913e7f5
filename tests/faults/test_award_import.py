"""`laurel awards import` is killed in the middle: the next run makes the missing awards, and none twice (A-16)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.conftest import NO_QUEUE, SECRET
from tests.factories import Make
from webapp.config import Settings
from webapp.database import db
from webapp.models import Award, Quest

ROWS = 20_000


def command(database: Settings, file: Path) -> subprocess.Popen[str]:
    environ = {"LAUREL_ENV": "test", "SECRET_KEY": SECRET, "REDIS_URL": NO_QUEUE}
    environ |= {"LAUREL_DATA": str(database.data), "PATH": os.environ["PATH"]}
    if not database.sqlite:
        environ["DATABASE_URL"] = database.database_url
    return subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", "awards", "import", str(file)],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )


def made(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Award)) or 0


@pytest.mark.starts_processes
def test_a_killed_import_is_completed_by_the_next(
    app: Flask, database: Settings, make: Make, tmp_path: Path
) -> None:
    make.members(ROWS)
    quest = make.quest("Passed", make.badge("Course"))
    file = tmp_path / "awards.csv"
    rows = [f"user{n};Course;2020-01-02\r\n" for n in range(1, ROWS + 1)]
    file.write_text("".join(["Username;Badge;Awarded at\r\n", *rows]))
    with command(database, file) as first:
        deadline = time.monotonic() + 60
        while not made(app) and time.monotonic() < deadline:
            os.sched_yield()
        first.send_signal(signal.SIGKILL)
    before = made(app)
    assert 0 < before < ROWS
    assert before % 1_000 == 0
    with command(database, file) as second:
        said, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    assert said.startswith(f"{ROWS - before:,} awarded, {before:,} already held")
    assert made(app) == ROWS
    with app.app_context():
        assert db.session.get_one(Quest, quest.id).holders == ROWS
