"""A worker's environment: it serves no requests, and loads nothing that only pages need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NO_QUEUE, SECRET

ASKED = """
import sys
import jobs.worker
from jobs import context
assert not context.app().blueprints
unneeded = ("webapp.pages", "webapp.api", "alembic", "psycopg", "pydantic", "httpcore")
print(*sorted(name for name in sys.modules if name.startswith(unneeded)))
"""


@pytest.mark.starts_processes
def test_a_worker_starts_without_pages(tmp_path: Path) -> None:
    """Otherwise every worker and clock would import pages and their libraries at start-up and keep them in memory."""
    environ = {"LAUREL_ENV": "test", "SECRET_KEY": SECRET, "REDIS_URL": NO_QUEUE}
    told = subprocess.run(
        [sys.executable, "-c", ASKED],
        env={**environ, "LAUREL_DATA": str(tmp_path)},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == []
