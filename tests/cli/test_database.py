"""Commands end with a sentence if the database is missing, not set up or unreachable."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import SECRET
from webapp.cli import main

COMMANDS = (
    ("members", "import", "FILE"),
    ("activities", "import", "FILE"),
    ("staff", "add", "--email", "a@example.org", "--role", "admin", "--link"),
    ("staff", "password", "--email", "a@example.org", "--link"),
    ("keys", "add", "--name", "LMS", "--scope", "members:read"),
)


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize(
    ("database_url", "sentence"),
    [
        ("", "The database isn't set up yet. Run “laurel db upgrade”"),
        ("sqlite:////nonexistent/laurel.sqlite", "The database can't be reached: unable to open"),
        ("postgresql://127.0.0.1:1/laurel", "The database can't be reached: "),
    ],
)
def test_a_command_without_its_database_says_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    database_url: str,
    sentence: str,
) -> None:
    for name, value in {
        "LAUREL_ENV": "test",
        "SECRET_KEY": SECRET,
        "LAUREL_DATA": str(tmp_path),
        "DATABASE_URL": database_url,
        "REDIS_URL": "",
    }.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "file.csv"
    file.write_text("ID;Username\n1;anna\n")
    result = CliRunner().invoke(main, [str(file) if word == "FILE" else word for word in words])
    assert result.exit_code == 1, result.output
    assert sentence in result.output
    assert "Traceback" not in result.output
