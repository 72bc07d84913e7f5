"""Files of commands: - for standard input and output, whole files or none, and `members export` (A-17)."""

from __future__ import annotations

import json
import stat
import tracemalloc
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from tests.cli.test_output import environ, run, started
from tests.factories import NOW, Make
from webapp.cli import main
from webapp.domain.actor import Actor
from webapp.domain.credentials import issuer
from webapp.domain.members import export, search
from webapp.models import Origin
from webapp.transaction import transaction

__all__ = ["environ"]


@pytest.fixture
def members(make: Make) -> None:
    make.member("anna", external_id="1", name="=1+1", email=None)
    make.member("bea", external_id="2", name="Zoë; B", email="bea@example.org")


@pytest.mark.usefixtures("members")
def test_members_are_exported_as_on_the_page_and_imported_again(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """D-2, A-17: the template's format, with formulas escaped; importing it changes no one."""
    file = tmp_path / "members.csv"
    file.write_text("old")
    printed = run(environ, "members", "export")
    assert run(environ, "members", "export", str(file)).exit_code == 0
    assert file.read_bytes() == printed.stdout_bytes
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("*.part"))
    header, first, _ = printed.stdout_bytes.decode("utf-8").splitlines()
    assert header == "\ufeff" + ";".join(export.HEADER)
    assert first.startswith("1;anna;;'=1+1;")
    again = run(environ, "members", "import", str(file), "--json")
    assert json.loads(again.stdout)["unchanged"] == 2


@pytest.mark.usefixtures("members")
def test_members_are_exported_as_json(environ: dict[str, str]) -> None:
    told = json.loads(run(environ, "members", "export", "-", "--json").stdout)
    assert [(one["id"], one["name"], one["email"]) for one in told] == [
        ("1", "=1+1", None),
        ("2", "Zoë; B", "bea@example.org"),
    ]
    assert {one["status"] for one in told} == {"active"}
    assert {one["badges"] for one in told} == {0}


@pytest.mark.usefixtures("members")
def test_exports_have_the_links_to_members_pages(app: Flask, environ: dict[str, str]) -> None:
    """OB-2: with Open Badges turned on."""
    with app.app_context(), transaction():
        issuer.turn_on(Actor(NOW, Origin.COMMAND_LINE))
    told = json.loads(run(environ, "members", "export", "-", "--json").stdout)
    links = [one["page_url"] for one in told]
    assert len(set(links)) == 2
    printed = run(environ, "members", "export").stdout.splitlines()
    assert [line.rpartition(";")[2] for line in printed] == ["Member page", *links]


def test_an_export_of_no_one_is_a_header_or_an_empty_array(environ: dict[str, str]) -> None:
    assert run(environ, "members", "export").stdout.count("\n") == 1
    assert json.loads(run(environ, "members", "export", "--json").stdout) == []


@pytest.mark.databases("sqlite")
def test_an_export_of_many_takes_little_memory(
    environ: dict[str, str], make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A-17: a quarter of the members takes the same memory, except for their ids."""
    monkeypatch.setattr(export, "CHUNK", 200)
    monkeypatch.setattr(search, "COLLECT_LIMIT", 0)
    peaks = []
    for number in (1, 1_000, 3_000):  # the first run allocates what is kept afterwards
        make.members(number, f"m{number}x")
        tracemalloc.start()
        assert run(environ, "members", "export", str(tmp_path / "all.csv")).exit_code == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 100 * 3_000


@pytest.mark.usefixtures("members")
def test_an_export_that_fails_keeps_the_previous_file(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "members.csv"
    file.write_text("old")

    def fail(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "rows", fail)
    result = run(environ, "members", "export", str(file))
    assert (result.exit_code, result.stderr) == (1, "Error: No space left on device.\n")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["members.csv"]
    assert file.read_text() == "old"


def test_a_backup_goes_through_pipes(
    app: Flask, environ: dict[str, str], make: Make, tmp_path: Path
) -> None:
    """A-17: what is printed is the file; the text for people goes to standard error."""
    make.members(30)
    written = run(environ, "backup", "-", "--json")
    assert written.exit_code == 0, written.stderr
    told = json.loads(written.stderr)
    assert told["rows"] >= 30
    elsewhere = environ | {"DATABASE_URL": "", "LAUREL_DATA": str(tmp_path / "elsewhere")}
    restored = CliRunner(env=elsewhere).invoke(
        main, ["restore", "-", "--json"], input=written.stdout_bytes
    )
    assert restored.exit_code == 0, restored.stderr
    assert json.loads(restored.stdout) == told
    listed = run(elsewhere, "members", "export", "--json")
    assert len(json.loads(listed.stdout)) == 30


def test_a_backup_from_standard_input_that_is_none_is_refused(environ: dict[str, str]) -> None:
    result = CliRunner(env=environ).invoke(main, ["restore", "-"], input=b"PK")
    assert result.exit_code == 1
    assert "Error: Standard input isn't a Laurel backup" in result.stderr


@pytest.mark.starts_processes
@pytest.mark.databases("sqlite")
def test_files_of_processes(
    app: Flask, environ: dict[str, str], make: Make, tmp_path: Path
) -> None:
    """A-17: full disks, closed pipes, and a backup appended to a file: never a traceback, never half a file."""
    make.members(5_000)
    for words in ("members export", "members export --json", "backup -"):
        full = started(environ, f"laurel {words} >/dev/full")
        assert (full.returncode, full.stderr) == (1, "Error: No space left on device.\n"), words
    closed = started(environ, "set -o pipefail; laurel members export | head -1 >/dev/null")
    assert (closed.returncode, closed.stderr) == (1, "")
    assert started(environ, "laurel members export /dev/full").returncode == 1
    assert started(environ, "laurel backup /dev/full").returncode == 1
    backup, elsewhere = tmp_path / "appended.backup", tmp_path / "elsewhere"
    backup.write_bytes(b"x")
    done = started(environ, f"laurel backup - >>{backup}")
    assert done.returncode == 0, done.stderr
    backup.write_bytes(backup.read_bytes()[1:])
    restore = f"cat {backup} | LAUREL_DATA={elsewhere} laurel restore <(cat)"
    assert "Restored" in started(environ, restore).stdout
