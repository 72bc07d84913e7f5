"""Run commands on the test's database, in the test's process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from tests.conftest import NO_QUEUE, SECRET
from webapp.cli import main
from webapp.config import Settings


@pytest.fixture
def imports(
    app: Flask, database: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run `laurel WHAT import` with these bytes as the file."""
    monkeypatch.setenv("LAUREL_ENV", "test")
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("REDIS_URL", NO_QUEUE)
    monkeypatch.setenv("LAUREL_DATA", str(database.data))
    if not database.sqlite:
        monkeypatch.setenv("DATABASE_URL", database.database_url)
    else:
        monkeypatch.delenv("DATABASE_URL", raising=False)

    def run(what: str, data: bytes | str, *options: str) -> Result:
        path = tmp_path / f"{what}.csv"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return CliRunner().invoke(main, [what, "import", str(path), *options])

    return run
