"""Other systems' files in a batch: each file of `tests/cases` with its expected result."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.domain.batches.test_suggestions import ACT
from tests.factories import Make
from webapp.domain.batches import uploads
from webapp.domain.batches.preview import Preview
from webapp.domain.batches.suggestions import suggest
from webapp.domain.csv_files import UnclearColumnsError, read
from webapp.domain.members.named import NamedMember, identify
from webapp.messages import join, text_of
from webapp.models import Batch
from webapp.transaction import transaction

NOT_FOUND = text_of("rows.not_found")
NO_MATCH = text_of("rows.no_match")
CASES = Path(__file__).parents[2] / "cases"


@dataclass(frozen=True)
class Expected:
    """The expected preview of a file."""

    valid: list[str] = field(
        default_factory=list
    )  # usernames, in the order of the file; merged members twice
    how: str = ""
    errors: dict[int, str] = field(default_factory=dict)  # by line, the start of the message
    offered: dict[int, list[str]] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)  # by line, a part of the note
    warning: str = ""


SHORTENED = "looks like a number shortened by a spreadsheet"
FILES = {
    "excel-16-rows": Expected(["annax", "Zoë", "ana", "MAR1", "TRUE"]),
    "space-then-quote": Expected(["annax"]),
    "space-quote-conflict": Expected(
        errors={2: NO_MATCH},
        offered={2: ["ana"]},
        notes={2: "ID 4821 belongs to annax. Username ana belongs to ana."},
    ),
    "trailing-semicolons-comma": Expected(["annax"]),
    "formula-text": Expected(["mário_silva", "annax"]),
    "trailing-zwsp": Expected(["annax", "ana", "MAR1"]),
    "powershell-type": Expected(["annax"], "header in row 2, skipping 1 row above it"),
    "na-cells": Expected(["annax", "MAR1"], errors={3: NO_MATCH, 5: NO_MATCH}),
    "mysql-null": Expected(["annax"]),
    "slack": Expected(
        ["annax"], warning="The column “userid” isn't used, although it looks like ID."
    ),
    "wordpress-noid": Expected(["annax"]),
    "google-contacts": Expected(["annax"]),
    "report-preamble": Expected(["annax"], "header in row 4, skipping 3 rows above it"),
    "zoom-preamble": Expected(
        ["annax"],
        "header in row 7, skipping 6 rows above it",
        warning="The column “User Name (Original Name)” isn't used, although it looks like Username.",
    ),
    "teams-attendance": Expected(
        ["annax"], "tab-separated, UTF-16, header in row 6, skipping 5 rows above it"
    ),
    "numbers-table-title": Expected(["annax"], "header in row 2, skipping 1 row above it"),
    "hash-comment": Expected(["annax"], "header in row 2, skipping 1 row above it"),
    "name-mail": Expected(
        ["annax"] * 4,
        errors={5: "This cell contains two email addresses.", 7: NOT_FOUND},
        offered={7: ["annax"]},
    ),
    "email-in-username": Expected(["ana"], errors={2: NOT_FOUND}, offered={2: ["annax"]}),
    "pandas-float-id": Expected(
        errors={2: NO_MATCH, 3: NO_MATCH},
        offered={2: ["annax"], 3: ["ana"]},
        notes={2: "4821.0 looks like a number from a spreadsheet. Did you mean 4821?"},
    ),
    "thousands-id": Expected(
        errors=dict.fromkeys((2, 3, 4), NO_MATCH),
        offered={line: ["annax"] for line in (2, 3, 4)},
        notes={
            2: "4,821 looks like a number from a spreadsheet. Did you mean 4821?",
            3: "4 821 looks like a number from a spreadsheet. Did you mean 4821?",
            4: "4.821 looks like a number from a spreadsheet. Did you mean 4821?",
        },
    ),
    "line-wrapped-in-quotes": Expected(["annax"]),
    "sep-comma-but-semicolons": Expected(["annax"], "semicolon-separated, UTF-8, header in row 2"),
    "utf16-no-bom": Expected(["annax"], "semicolon-separated, UTF-16, header in row 1"),
    "libreoffice-saved": Expected(
        ["annax", "ana", "MAR1", "o'neil", "Zoë", "MAR1", "TRUE"],
        errors={5: NOT_FOUND, 6: NOT_FOUND, 10: NOT_FOUND},
        offered={5: ["mário_silva"], 6: ["discordian"], 10: ["1e5"]},
        notes={6: SHORTENED, 10: SHORTENED},
    ),
}


@pytest.fixture
def batch(make: Make) -> Batch:
    """A batch in a community with the members of `members.csv`."""
    with (CASES / "members.csv").open(encoding="utf-8", newline="") as file:
        for external_id, username, email, name in list(csv.reader(file, delimiter=";"))[1:]:
            make.member(username, external_id=external_id, email=email, name=name)
    return make.batch()


def preview(batch: Batch, data: bytes) -> Preview:
    with transaction():
        seen = uploads.receive(batch.id, data, 5000)
        kept = uploads.keep(batch.id, "case.csv", data, seen, ACT)
        assert kept.preview
        return Preview.unpack(kept.preview)


def judge(seen: Preview, expected: Expected) -> None:
    good = [line for line in seen.lines if line.kind != "error"]
    bad = {line.line: line for line in seen.lines if line.kind == "error"}
    names = {
        one.member.id: one.member.username
        for some in suggest(seen, seen.lines).values()
        for one in some
    }
    assert len(good) == len(expected.valid)
    assert bad.keys() == expected.errors.keys()
    for line, message in expected.errors.items():
        assert str(bad[line].message).startswith(message)
    offered = {
        line: [names[one.member.id] for one in some]
        for line, some in suggest(seen, seen.lines).items()
    }
    for line, people in expected.offered.items():
        assert offered[line][: len(people)] == people
    for line, words in expected.notes.items():
        assert words in bad[line].note
    assert expected.how in str(seen.how)
    assert join(seen.warnings) == expected.warning


@pytest.mark.parametrize("case", FILES)
def test_a_file_of_another_tool(batch: Batch, case: str) -> None:
    """B-10, B-11, B-14: valid rows, messages, suggestions, and notes on the file."""
    data = (CASES / f"{case}.csv").read_bytes()
    seen = preview(batch, data)
    judge(seen, FILES[case])


def test_merged_rows_are_those_of_one_member(batch: Batch) -> None:
    """B-15: seven valid rows, of which one is merged."""
    counts = preview(batch, (CASES / "libreoffice-saved.csv").read_bytes()).counts()
    assert (counts["expected"], counts["merged"], counts["errors"]) == (7, 1, 3)


def test_a_headerless_list_is_asked_about(batch: Batch) -> None:
    """E-8: nothing is guessed silently."""
    data = (CASES / "headerless-one-column.csv").read_bytes()
    assert uploads.receive(batch.id, data, 5000) is None
    with pytest.raises(UnclearColumnsError):
        read(data, max_rows=10)


@pytest.mark.parametrize("case", [case for case in FILES if case not in ("email-in-username",)])
def test_the_same_cells_named_through_the_api(batch: Batch, case: str) -> None:
    """B-14: the cells of each file, sent one by one, get the same messages and notes."""
    sheet = read((CASES / f"{case}.csv").read_bytes(), max_rows=100)
    seen = preview(batch, (CASES / f"{case}.csv").read_bytes())
    named = [
        NamedMember(
            **{
                name: row.cells[place]
                for name, place in sheet.columns.items()
                if place < len(row.cells)
            }
        )
        for row in sheet.rows
    ]
    lines = identify(named)
    assert [(one.kind, one.message, one.member_id) for one in lines if one.kind == "error"] == [
        (one.kind, one.message, one.member_id) for one in seen.lines if one.kind == "error"
    ]
    assert [one.note for one in lines if one.kind == "error"] == [
        one.note for one in seen.lines if one.kind == "error"
    ]


@pytest.mark.parametrize(
    "written", ["4821.00", "4'821", "4\xa0821", "4\u202f821", "4821,0", "04821", "4,821.00"]
)
def test_other_ways_in_which_a_spreadsheet_writes_a_number(batch: Batch, written: str) -> None:
    """The member is suggested, whatever was added to the number."""
    seen = preview(batch, f"ID;Town\n{written};Rome\n".encode())
    judge(seen, Expected(errors={2: NOT_FOUND}, offered={2: ["annax"]}))


@pytest.mark.parametrize(
    "written",
    [
        "1-Mar",
        "01-Mar",
        "Mar-01",
        "1. Mrz",
        "2026-03-01",
        "01.03.2026",
        "3/1/2026",
        "1-Mar-26",
        "1 March 2026",
        "2026-03-01 00:00:00",
    ],
)
def test_a_username_that_a_spreadsheet_read_as_a_date(batch: Batch, written: str) -> None:
    """The hint says so, and the member is suggested."""
    seen = preview(batch, f"Username;Town\n{written};Rome\n".encode())
    note = f"{written} looks like a date that a spreadsheet made from something else."
    judge(seen, Expected(errors={2: NOT_FOUND}, offered={2: ["MAR1"]}, notes={2: note}))


@pytest.mark.parametrize(
    ("row", "who"),
    [
        ("1.2345678901E+17;", "discordian"),
        ("123456789012345000;", "discordian"),
        ("9007199254740992;", "Big-Id"),
        ("9.00719925474099E+15;", "Big-Id"),
        ("00042.0;", "mário_silva"),
        ("42.0;", "mário_silva"),
        ("0042;", "mário_silva"),
        ("annax@example.org;", "annax"),
        (";4821", "annax"),
        (";Anna <annax@example.org>", "annax"),
        (";annax@exampel.org", "annax"),
        (";1E+05", "1e5"),
    ],
)
def test_suggestions_match_the_cells_of_a_row(batch: Batch, row: str, who: str) -> None:
    """B-17: by shortened and rounded numbers, missing zeros, and values in the wrong column."""
    seen = preview(batch, f"ID;Username\n{row}\n".encode())
    judge(seen, Expected(errors={2: NOT_FOUND}, offered={2: [who]}))


def test_missing_zeros_are_explained(batch: Batch) -> None:
    """The reason for a suggestion is shown next to the name."""
    seen = preview(batch, b"ID\n42\n")
    (offered,) = suggest(seen, seen.lines)[2]
    assert str(offered.words) == ("ID 00042. A spreadsheet may have removed leading zeros.")


ERROR_VALUES = [
    "#N/A",
    "#REF!",
    "#NAME?",
    "#VALUE!",
    "#DIV/0!",
    "#NUM!",
    "#NULL!",
    "#SPILL!",
    "#ERROR!",
    "#NV",
    "#WERT!",
    "#BEZUG!",
    "#N/D",
    "#¡REF!",
    "#¿NOMBRE?",
    "Err:502",
    "####",
    "\\N",
    '="#N/A"',
    "\u200b#N/A ",
]


@pytest.mark.parametrize("value", ERROR_VALUES)
def test_error_values_count_as_empty(batch: Batch, value: str) -> None:
    """In each of the three columns; with errors in all of them, the row is blank."""
    rows = [
        ("4821", value, value),
        (value, "ana", value),
        (value, value, "mar1@example.org"),
        (value,) * 3,
    ]
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows([("ID", "Username", "Email"), *rows])
    seen = preview(batch, text.getvalue().encode())
    judge(seen, Expected(["annax", "ana", "MAR1"]))
    assert seen.blank == 1


@pytest.mark.parametrize(
    "value", ["-", "--", "—", "NULL", "null", "None", "nan", "n/a", "N/A", "(null)"]
)
def test_placeholders_count_as_no_email(batch: Batch, value: str) -> None:
    """Such a cell counts as empty in the email column, but may be a username."""
    seen = preview(batch, f"ID;Email\n4821;{value}\n".encode())
    judge(seen, Expected(["annax"]))
    seen = preview(batch, f"ID;Username\n4821;{value}\n83;NULL\n".encode())
    judge(seen, Expected(["NULL"], errors={2: NO_MATCH}))


@pytest.mark.parametrize(
    "cell",
    [
        "Anna A <annax@example.org>",
        '"A, Anna" <annax@example.org>',
        "MAILTO:annax@example.org",
        "<annax@example.org>,",
        "annax@example.org;",
        "annax@example.org;;",
        "annax@example.org (Anna)",
        "Anna (annax@example.org)",
        "<mailto:annax@example.org|annax@example.org>",
        "annax@example.org <annax@example.org>",
        "'annax@example.org'",
        "Annax@Example.org\u200b",
        "mailto:annax@example.org?subject=Hello",
        "anna\xadx@example.org",
        '="annax@example.org"',
    ],
)
def test_the_address_in_an_email_cell(batch: Batch, cell: str) -> None:
    """The address is extracted from the text around it."""
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows([("Email", "Town"), (cell, "Rome")])
    judge(preview(batch, text.getvalue().encode()), Expected(["annax"]))


@pytest.mark.parametrize("sign", [";", ",", " ", "/", " or ", "\n", "|"])
def test_two_addresses_in_one_cell(batch: Batch, sign: str) -> None:
    """An error for the row, whatever separates them."""
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(
        [("ID", "Email"), ("4821", f"annax@example.org{sign}ana@example.org")]
    )
    seen = preview(batch, text.getvalue().encode())
    judge(seen, Expected(errors={2: "This cell contains two email addresses."}))
