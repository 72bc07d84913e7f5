"""`laurel members import`: rows are imported, and errors are listed by line."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import func, select, text

from webapp.cli import main
from webapp.database import db, dialect_name, engine
from webapp.domain.imports import import_rows
from webapp.infrastructure import gc_tuning
from webapp.models import AuditEvent, Member

HEADER = "ID;Username;Registered email;Name\r\n"


@pytest.fixture
def imported(imports: Callable[..., Result]) -> Callable[..., Result]:
    """Run the command on the test's database with these bytes as the file."""
    return partial(imports, "members")


def everybody(app: Flask) -> dict[str, tuple[str, str | None, str]]:
    with app.app_context():
        found = select(Member.external_id, Member.username, Member.email, Member.name)
        return {row[0]: tuple(row[1:]) for row in db.session.execute(found)}


def test_a_file_is_imported_and_changes_nothing_the_second_time(app: Flask, imported) -> None:
    """D-4: semicolons with a Name column; counts are printed; exit code 0; the audit log has the import."""
    data = "\ufeff" + HEADER + "1;anna;anna@example.org;Anna Brandt\r\n2;bea;;\r\n"
    first, second = imported(data), imported(data)
    assert first.exit_code == second.exit_code == 0, first.output
    assert "2 created, 0 updated, 0 unchanged, 0 skipped." in first.output
    assert "0 created, 0 updated, 2 unchanged, 0 skipped." in second.output
    assert everybody(app) == {
        "1": ("anna", "anna@example.org", "Anna Brandt"),
        "2": ("bea", None, ""),
    }
    with app.app_context():
        verbs = list(db.session.scalars(select(AuditEvent.verb)))
    assert verbs == ["members.imported"] * 2


def test_a_dry_run_shows_what_would_change(app: Flask, imported) -> None:
    """D-4: the same counts and reasons as the import that follows; nothing is written, not even to the audit log."""
    data = HEADER + "1;anna;;\r\n2;ANNA;;\r\n;x;;\r\n3;carl;;\r\n"
    dry = imported(data, "--dry-run")
    assert (
        "Dry run (nothing was changed): 2 created, 0 updated, 0 unchanged, 2 skipped." in dry.output
    )
    assert "Line 4: The ID is missing." in dry.output
    assert everybody(app) == {}
    with app.app_context():
        assert db.session.scalars(select(AuditEvent)).all() == []
    wet = imported(data)
    assert wet.output.startswith("2 created, 0 updated, 0 unchanged, 2 skipped.")
    assert dry.exit_code == wet.exit_code == 1


def test_bad_rows_are_listed_by_line_and_the_rest_imported(app: Flask, imported) -> None:
    """D-4: the first twenty are listed; exit code 1."""
    bad = "".join(f";nobody{number};;\r\n" for number in range(25))
    result = imported(HEADER + "1;anna;;\r\n" + bad + "2;ANNA;;\r\n3;carl\r\n4;dora;;Dora\r\n")
    assert result.exit_code == 1
    assert "3 created, 0 updated, 0 unchanged, 26 skipped." in result.output
    assert "Line 3: The ID is missing." in result.output
    assert "Line 22: The ID is missing." in result.output
    assert "Line 23:" not in result.output
    assert "… and 6 more." in result.output
    assert set(everybody(app)) == {"1", "3", "4"}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("User ID,E-mail,Login,name", "1,anna@example.org,anna,Anna"),
        ("Name\tID\tUser name\tnote\temail", "Anna\t1\tanna\tx\tanna@example.org"),
        ("Name;ID;Username;Email", '"Anna";"1";"anna";"anna@example.org"'),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_headers_are_read_as_in_an_upload(
    app: Flask, imported, header: str, row: str, encoding: str
) -> None:
    """B-10, B-11: synonyms, separators, encodings; Name may be in any position."""
    result = imported(f"{header}\n\n{row}\n".encode(encoding))
    assert result.exit_code == 0, result.output
    assert everybody(app) == {"1": ("anna", "anna@example.org", "Anna")}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty"),
        (b"PK\x03\x04xl/workbook", "Excel workbook"),
        (b"Username;Name\nanna;Anna\n", "The file has no ID column"),
        (b"a;b\n1;2\n", "no ID, Username or Registered email column"),
        (b"ID;Username\n1;anna\n2;\xe9mile\n", "isn't saved in UTF-8"),
        (b'ID;Username\n1;anna\n2;"bea\n', "never closed"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    app: Flask, imported, data: bytes, sentence: str
) -> None:
    """C35, C40: one sentence, no traceback; exit code 1."""
    result = imported(data)
    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_rows_above_an_unreadable_line_are_imported(app: Flask, imported) -> None:
    """D-4: importing the corrected file completes the import."""
    rows = "".join(f"{number};user{number};;\r\n" for number in range(import_rows.CHUNK + 10))
    result = imported(HEADER + rows + 'x;"y\r\n')
    assert result.exit_code == 1
    assert f"{import_rows.CHUNK + 10:,} created" in result.output
    assert f"line {import_rows.CHUNK + 12:,}" in result.output
    assert len(everybody(app)) == import_rows.CHUNK + 10


def test_a_header_alone_changes_nothing(app: Flask, imported) -> None:
    """D-4: it is not an error, for example an export without members."""
    result = imported(HEADER)
    assert result.exit_code == 0
    assert "0 created, 0 updated, 0 unchanged, 0 skipped." in result.output


def test_many_rows_take_little_memory(
    app: Flask, imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D-4: files are streamed: with four times the rows, memory grows by less than a hundred bytes per row."""
    monkeypatch.setattr(import_rows, "CHUNK", 500)  # many steps with few rows
    # Garbage is collected often, so that only what is kept counts.
    monkeypatch.setattr(gc_tuning, "freeze", lambda: gc.set_threshold(100, 2, 2))
    peaks, threshold = [], gc.get_threshold()
    for number in (1, 1_000, 2_000, 8_000):  # the first runs allocate what is kept afterwards
        data = HEADER + "".join(
            f"{n};user{n};{n}@example.org;{'Name ' * 8}{n}\r\n" for n in range(number)
        )
        tracemalloc.start()
        assert imported(data).exit_code == 0
        peaks.append(tracemalloc.get_traced_memory()[1] - len(data))
        tracemalloc.stop()
        gc.set_threshold(*threshold)
    assert peaks[3] - peaks[2] < 100 * 6_000
    with app.app_context():
        assert db.session.scalar(select(func.count(Member.id))) == 8_000


def test_an_unresponsive_database_is_reported(
    app: Flask, imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D-4: with a sentence and no traceback; uncommitted rows are not counted, and importing again continues."""
    monkeypatch.setattr(engine, "LOCK_TIMEOUT_S", 300)
    data = HEADER + "1;anna;;\r\n"
    with app.app_context(), db.engine.connect().execution_options(write=True) as other:
        sqlite = dialect_name() == "sqlite"  # locks the database when a write begins
        other.execute(text("SELECT 1" if sqlite else "LOCK TABLE members"))
        result = imported(data)
        other.rollback()
    assert result.exit_code == 1
    assert "0 created, 0 updated, 0 unchanged, 0 skipped." in result.output
    assert "Error: Lost the connection to the database." in result.output
    assert everybody(app) == {}
    assert "1 created" in imported(data).output


def test_a_missing_file(imported) -> None:
    """D-4: reported in a sentence."""
    result = CliRunner().invoke(main, ["members", "import", os.devnull + "x"])
    assert result.exit_code == 2
    assert "does not exist" in result.output


def test_rows_above_the_header_and_overlooked_columns_are_reported(app: Flask, imported) -> None:
    """E-8: the command reports the same as the page."""
    result = imported("Members of 2026\r\n\r\nID;Username;Emial\r\n1;anna;a@x.org\r\n")
    assert (
        "Format: semicolon-separated, UTF-8, header in row 3, skipping 2 rows above it."
        in result.output
    )
    assert (
        "The column “Emial” isn't used, although it looks like Registered email." in result.output
    )
    assert result.exit_code == 0
    assert set(everybody(app)) == {"1"}
