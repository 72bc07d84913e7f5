"""`laurel activities import`: each event counts once, and errors are listed by line (T-1, T-2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from tests.factories import Make
from webapp.database import db
from webapp.models import ActivityCount, AuditEvent

HEADER = "Event ID;Username;Activity;Amount\r\n"


@pytest.fixture
def imported(imports: Callable[..., Result]) -> Callable[..., Result]:
    """Run the command on the test's database with these bytes as the file."""
    return partial(imports, "activities")


def sums(app: Flask) -> dict[str, int]:
    with app.app_context():
        return {one.activity: one.amount for one in db.session.scalars(select(ActivityCount))}


def test_the_same_file_again_counts_nothing(
    app: Flask, imported: Callable[..., Result], make: Make
) -> None:
    """T-2: with more rows than fit in a transaction; both imports are recorded, with the command line as source."""
    make.member("anna")
    data = HEADER + "".join(f"e{number};anna;posts;2\r\n" for number in range(1_500))
    first, second = imported(data), imported(data)
    assert first.exit_code == second.exit_code == 0, first.output
    assert "1,500 counted, 0 already counted, 0 skipped." in first.output
    assert "0 counted, 1,500 already counted, 0 skipped." in second.output
    assert sums(app) == {"posts": 3_000}
    with app.app_context():
        rows = db.session.scalars(
            select(AuditEvent)
            .where(AuditEvent.verb == "activities.imported")
            .order_by(AuditEvent.id)
        ).all()
        assert [row.detail["counted"] for row in rows] == [1_500, 0]
        assert {row.origin for row in rows} == {"command line"}


def test_rows_that_can_not_be_counted_are_reported(
    app: Flask, imported: Callable[..., Result], make: Make
) -> None:
    make.member("anna")
    data = HEADER + "a;anna;posts;1\r\nb;nobody;posts;1\r\nc;anna;posts;some\r\n"
    result = imported(data)
    assert result.exit_code == 1
    assert "1 counted, 0 already counted, 2 skipped." in result.output
    assert "Line 3: Where Id, Username or Email was not found" in result.output
    assert "Line 4: Amount: “some” isn't a whole number." in result.output
    assert sums(app) == {"posts": 1}


def test_a_file_with_a_broken_end_keeps_its_counts(
    app: Flask, imported: Callable[..., Result], make: Make
) -> None:
    """The counts are printed with the reason; importing the corrected file counts only the rest."""
    make.member("anna")
    good = HEADER + "a;anna;posts;1\r\n"
    broken = imported(good.encode() + b'b;anna;"posts;1\r\n')
    assert broken.exit_code == 1
    assert "1 counted, 0 already counted" in broken.output
    assert "Error: " in broken.output
    mended = imported(good + "b;anna;posts;1\r\n")
    assert "1 counted, 1 already counted, 0 skipped." in mended.output
    assert sums(app) == {"posts": 2}


def test_a_file_without_its_columns_is_refused(
    app: Flask, imported: Callable[..., Result], make: Make
) -> None:
    result = imported("Username;Activity\r\nanna;posts\r\n")
    assert result.exit_code == 1
    assert "The file has no Event ID column." in result.output
    assert "0 counted" in result.output
    with app.app_context():
        assert db.session.scalars(select(AuditEvent)).all() == []
