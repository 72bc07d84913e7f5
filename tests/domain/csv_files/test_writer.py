"""Exported cells start no formula, and are unchanged when imported again (S10, I125, B-16, B-39)."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.domain import csv_files
from webapp.domain.csv_files.formula_escaping import escape_formula, unescape_formula
from webapp.domain.csv_files.writer import write_csv

STARTS = "=+-@\t\r＝＋－＠"
ODD = st.text(alphabet=st.sampled_from("'= +-@\t\r\n＝＋－＠;,\"ab1é日\x00\u200b"), max_size=12)


@pytest.mark.parametrize("start", STARTS)
def test_no_cell_begins_a_formula(start: str) -> None:
    """S10: signs, tab, carriage return and full-width signs get an apostrophe, even after spaces."""
    for text in (f"{start}cmd|' /C calc'!A0", f" {start}1", f"'{start}1"):
        assert escape_formula(text) == "'" + text
        assert unescape_formula(escape_formula(text)) == text


@pytest.mark.parametrize("text", ["", "anna", "'tis", "a=b", "1-2", "anna@example.org", "0049"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    """S10: in both directions."""
    assert escape_formula(text) == unescape_formula(text) == text


@given(ODD)
def test_reading_removes_what_exporting_added(text: str) -> None:
    """S10: for any text; exported text never starts with a sign."""
    assert unescape_formula(escape_formula(text)) == text
    assert escape_formula(text)[:1] not in (*STARTS,) or not text


@given(st.lists(st.lists(ODD, min_size=2, max_size=3), min_size=1, max_size=4))
@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_cells_survive_a_round_trip(separator: str, newline: str, rows: list[list[str]]) -> None:
    """S10: separators, quotes and every kind of line break survive."""
    data = write_csv(rows, separator=separator, newline=newline).decode("utf-8-sig")
    read = csv.reader(io.StringIO(data, newline=""), delimiter=separator, strict=True)
    assert [[unescape_formula(cell) for cell in row] for row in read] == rows


@pytest.mark.parametrize("username", ["=1+1", "'=1", "-x", "@anna", "+49", "＝x", "''@"])
def test_a_member_with_a_formula_for_a_name(username: str) -> None:
    """S10: written and read again, the username is the same."""
    data = write_csv([["ID", "Username"], ["7", username]])
    (row,) = csv_files.read(data, max_rows=9).rows
    assert row.username == username
