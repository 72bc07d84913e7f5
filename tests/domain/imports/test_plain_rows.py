"""Rows that need no check: the result is the same as that of the checks."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.domain.csv_files.streaming import stream
from webapp.domain.imports import columns, import_rows
from webapp.domain.imports.import_rows import ImportProgress
from webapp.domain.imports.plan import ValidRow

HEADER = ("ID", "Username", "Registered email", "Name", "Joined", "Status")
SIGNS = st.sampled_from("aEzZ019._-+@' =#é\u00dfŁжя名한\u3164\u200b\u0301\u202eıİ\t")
TEXTS = st.one_of(
    st.text(SIGNS, max_size=24),
    st.sampled_from(
        [
            *(
                "1.00E+05",
                "223456789012345000",
                "1-Mar",
                "Mar-1",
                "MAR1",
                "4821.0",
                "1,000",
                "NULL",
            ),
            *("err:502", "#N/A", '="007"', "'=1", "a@x.org", "mailto:a@x.org", "a@x", "x" * 191),
            *("550e8400-e29b-41d4-a716-446655440000", "2020-02-03", "2020-02-03T10:20:30Z", "Left"),
            *("03/04/2021", " active ", "O'Brien Jr.", "Anna-Lena Öhman", "ana_92", "ana.92"),
        ]
    ),
)


def read(cells: tuple[str, ...], header: tuple[str, ...] = HEADER) -> list[ValidRow]:
    """Read a file of one row."""
    data = "\n".join("|".join(line) for line in (header, cells)).encode()
    sheet = stream(io.BytesIO(data))
    rows = [row for row, _ in columns.incoming(sheet, columns.guess(sheet.shape))]
    return list(import_rows.valid_rows(rows, ImportProgress()))


@given(st.tuples(*[TEXTS] * 6))
def test_a_plain_row_is_read_as_if_it_were_checked(cells: tuple[str, ...]) -> None:
    """D-4: an additional cell beyond the header, blank, makes each row one to check."""
    cells = tuple(cell.replace("|", "").replace('"', "") for cell in cells)
    assert read(cells) == read((*cells, " "))


@pytest.mark.parametrize(
    "cells",
    [
        ("1", "anna", "anna@example.org", "Anna Öhman", "2020-02-03", "Left"),
        ("550e8400-e29b-41d4-a716-446655440000", "Anna_92", "", "", "", ""),
        ("N1", "", "A+b.c@Example.org", "Łucja O'Brien-Ní Jr.", "2020-02-03T10:20:30Z", "ACTIVE"),
        ("member-a", "anna.b", "", "Žofia 2", "", ""),
    ],
)
def test_usual_rows_are_plain(cells: tuple[str, ...]) -> None:
    sheet = stream(io.BytesIO("\n".join(map("|".join, (HEADER, cells))).encode()))
    (row, original), *_ = columns.incoming(sheet, columns.guess(sheet.shape))
    assert isinstance(row, ValidRow)
    assert original == list(cells)


def test_columns_may_be_missing_or_in_another_order() -> None:
    (row,) = read(("Anna", "7"), ("Name", "ID"))
    assert (row.line, row.external_id, row.username, row.email, row.name) == (
        2,
        "7",
        "",
        "",
        "Anna",
    )
