"""Files for commands: from pipes and standard input, in other encodings, and with JSON reports."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import func, select

from tests.factories import Make
from webapp.cli import main
from webapp.database import db
from webapp.domain.activities import csv_import
from webapp.domain.imports import import_rows
from webapp.models import ActivityCount, AuditEvent, Member

Imports = Callable[..., Result]

MEMBERS = "ID;Username;Name\r\n1;anna;Anna\r\n2;bea;Zoë\r\n"


def usernames(app: Flask) -> dict[str, str]:
    with app.app_context():
        return {row[0]: row[1] for row in db.session.execute(select(Member.username, Member.name))}


def verbs(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEvent.verb)))


@pytest.fixture
def reading(imports: Imports) -> Callable[..., Result]:
    """Run `laurel WHAT import -` with these bytes as standard input."""
    del imports  # sets environment variables

    def run(what: str, data: bytes, *options: str) -> Result:
        return CliRunner().invoke(main, [what, "import", "-", *options], input=data)

    return run


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Callable[[bytes], Path]]:
    """A named pipe that delivers these bytes."""
    writers: list[threading.Thread] = []

    def make(data: bytes) -> Path:
        path = tmp_path / f"pipe{len(writers)}"
        os.mkfifo(path)
        writers.append(threading.Thread(target=path.write_bytes, args=(data,), daemon=True))
        writers[-1].start()
        return path

    yield make
    for writer in writers:
        writer.join(10)


def test_members_are_read_from_standard_input(app: Flask, reading: Callable[..., Result]) -> None:
    """D-4: `-`, as in `curl … | laurel members import -`; for dry runs too."""
    dry = reading("members", MEMBERS.encode(), "--dry-run")
    assert "2 created" in dry.output
    assert dry.exit_code == 0
    assert usernames(app) == {}
    assert "2 created" in reading("members", MEMBERS.encode()).output
    assert usernames(app) == {"anna": "Anna", "bea": "Zoë"}


def test_more_than_a_pipe_holds_comes_through_one(
    app: Flask, imports: Imports, fifo: Callable[[bytes], Path]
) -> None:
    """D-4: a named pipe, or a shell's `<(…)`, is not seekable."""
    del imports
    rows = "".join(f"{number};user{number}\n" for number in range(5_000))
    path = fifo(("\ufeffID;Username\n" + rows).encode())
    result = CliRunner().invoke(main, ["members", "import", str(path)])
    assert "5,000 created" in result.output
    with app.app_context():
        assert db.session.scalar(select(func.count(Member.id))) == 5_000


def test_activities_are_read_from_standard_input(
    app: Flask, reading: Callable[..., Result], make: Make
) -> None:  # T-2
    make.member("anna")
    data = b"Event ID;Username;Activity\ne1;anna;posts\n"
    assert "1 counted" in reading("activities", data).output
    with app.app_context():
        assert [one.amount for one in db.session.scalars(select(ActivityCount))] == [1]


def test_an_empty_standard_input_gets_a_sentence(reading: Callable[..., Result]) -> None:
    result = reading("members", b"")
    assert result.exit_code == 1
    assert "The file is empty" in result.output


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [
        ("windows-1252", "cp1252"),
        ("CP1252", "cp1252"),
        ("latin-1", "latin-1"),
        ("iso-8859-15", "iso8859-15"),
        ("utf-8", "utf-8"),
        ("utf-16", "utf-16"),
    ],
)
def test_a_file_in_a_given_encoding_is_read(
    app: Flask, imports: Imports, encoding: str, codec: str
) -> None:  # B-11
    result = imports("members", MEMBERS.encode(codec), "--encoding", encoding)
    assert result.exit_code == 0, result.output
    assert usernames(app)["bea"] == "Zoë"


def test_activities_are_read_in_a_given_encoding(
    app: Flask, imports: Imports, make: Make
) -> None:  # B-11
    make.member("zoë")
    data = "Event ID;Username;Activity\ne1;zoë;posts\n".encode("cp1252")
    assert imports("activities", data).exit_code == 1
    assert "1 counted" in imports("activities", data, "--encoding", "cp1252").output


@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        (MEMBERS.encode("cp1252"), (), "use --encoding, for example --encoding windows-1252."),
        (MEMBERS.encode(), ("--encoding", "cp1252"), "is saved in UTF-8, not in Windows-1252."),
        (MEMBERS.encode("cp1252"), ("--encoding", "utf-8"), "The file isn't saved in UTF-8"),
        (b"ID;Username\n1;zo\x8d\n", ("--encoding", "cp1252"), "isn't saved in Windows-1252"),
        (b"ID;Username\n1;zo\x85\n", ("--encoding", "iso8859-2"), "can't be read as ISO-8859-2"),
    ],
)
def test_a_wrong_encoding_gets_a_sentence(
    app: Flask, imports: Imports, data: bytes, options: tuple[str, ...], sentence: str
) -> None:
    """B-11, C35: no text is imported garbled."""
    result = imports("members", data, *options)
    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert "zo" not in "".join(usernames(app))


@pytest.mark.parametrize("name", ["klingon", "rot13", "base64", "utf-7", "\0", "x" * 5000])
def test_an_unknown_encoding_gets_a_sentence(imports: Imports, name: str) -> None:
    result = imports("members", MEMBERS, "--encoding", name)
    assert result.exit_code == 2
    assert "isn't a supported encoding" in result.output
    assert "cp1252" in result.output


def test_json_is_one_object_on_standard_output(app: Flask, imports: Imports) -> None:
    """D-4: counts and skipped rows for scripts; text for people goes to standard error."""
    result = imports("members", MEMBERS + ";nobody;\r\n", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told == {
        "dry_run": False,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "skipped": 1,
        "skipped_rows": [{"line": 4, "reason": "The ID is missing."}],
        "warned": 0,
        "warnings": [],
        "error": None,
    }
    assert "2 created" in result.stderr
    assert json.loads(imports("members", MEMBERS, "--json", "--dry-run").stdout)["dry_run"] is True


def test_json_reports_activities(app: Flask, imports: Imports, make: Make) -> None:  # T-2
    make.member("anna")
    data = "Event ID;Username;Activity\ne1;anna;posts\ne2;nobody;posts\n"
    told = json.loads(imports("activities", data, "--json").stdout)
    assert (told["counted"], told["repeated"], told["skipped"]) == (1, 0, 1)
    assert told["skipped_rows"][0]["line"] == 3


@pytest.mark.parametrize("what", ["members", "activities"])
def test_json_says_why_a_file_can_not_be_read(imports: Imports, what: str) -> None:
    """C35: still one object; the sentence is on standard error as well."""
    result = imports(what, b"PK\x03\x04xl/workbook", "--json")
    assert result.exit_code == 1
    assert "Excel workbook" in json.loads(result.stdout)["error"]
    assert "Excel workbook" in result.stderr


@pytest.mark.parametrize("problem", [KeyboardInterrupt, ZeroDivisionError])
def test_rows_imported_before_an_interruption_are_recorded(
    app: Flask, imports: Imports, monkeypatch: pytest.MonkeyPatch, problem: type[BaseException]
) -> None:
    """R-5: however an import ends, its audit log entry counts the committed rows and none that were rolled back."""
    monkeypatch.setattr(import_rows, "CHUNK", 2)
    real, calls = import_rows.import_rows, []

    def stops(*given: object) -> object:
        done = real(*given)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == 2:
            raise problem
        return done

    monkeypatch.setattr(import_rows, "import_rows", stops)
    rows = "".join(f"{number};user{number};\r\n" for number in range(6))
    result = imports("members", "ID;Username;Name\r\n" + rows)
    assert result.exit_code == 1
    assert len(usernames(app)) == 2
    assert verbs(app) == ["members.imported"]
    with app.app_context():
        assert db.session.scalars(select(AuditEvent.detail)).one()["created"] == 2
    if problem is KeyboardInterrupt:
        assert "2 created" in result.output
        assert "Interrupted." in result.output


def test_an_interrupted_count_is_recorded(
    app: Flask, imports: Imports, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.member("anna")
    real, calls = csv_import.take, []

    def stops(*given: object) -> None:
        real(*given)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(csv_import, "take", stops)
    rows = "".join(f"e{number};anna;posts\n" for number in range(csv_import.CHUNK + 5))
    result = imports("activities", "Event ID;Username;Activity\n" + rows)
    assert "1,000 counted" in result.output
    assert verbs(app) == ["activities.imported"]
