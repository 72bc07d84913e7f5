"""The data and output of `laurel start --demo`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.conftest import migrate, settings_for
from tests.faults.console import free_port
from webapp import create_app
from webapp.cli.demo import EXAMPLE, make_demo
from webapp.database import db
from webapp.domain import csv_files, demo
from webapp.models import Member, Staff


def test_it_prints_how_to_sign_in_and_keeps_no_password(tmp_path: Path) -> None:
    """R-3: an account for each role; no file contains the passwords.

    When run again, the accounts get new passwords and the data stays.
    """
    settings = settings_for("", tmp_path)
    migrate(settings)
    printed = make_demo(settings)
    passwords = re.findall(r"(?:[a-z0-9]{4}-){3}[a-z0-9]{4}", printed)
    assert len(set(passwords)) == len(demo.ACCOUNTS)
    for email, _ in demo.ACCOUNTS.values():
        assert email in printed
    for path in tmp_path.iterdir():
        if path.is_file():
            data = path.read_bytes()
            assert not any(password.encode() in data for password in passwords)
    assert str(tmp_path / EXAMPLE) in printed
    sheet = csv_files.read((tmp_path / EXAMPLE).read_bytes(), max_rows=20_000)
    assert len(sheet.rows) > 300
    again = make_demo(settings)  # after a start that was killed before it could print them
    assert not any(password in again for password in passwords)
    with create_app(settings).app_context():
        assert len(db.session.scalars(select(Member.id)).all()) == 12_000
        assert len(db.session.scalars(select(Staff.id)).all()) == len(demo.ACCOUNTS)
        db.engine.dispose()


@pytest.mark.slow
@pytest.mark.starts_processes
def test_passwords_that_no_one_has_seen_are_replaced(tmp_path: Path) -> None:
    """A-17: if they can't be printed, the start ends, and the next one makes new ones."""
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m webapp.cli start --demo >/dev/full"],
        env={"PATH": os.environ["PATH"], "LAUREL_DATA": str(tmp_path), "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (1, "Error: No space left on device.\n")
    assert (tmp_path / "demo.unfinished").exists()
