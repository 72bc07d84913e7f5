"""Every row of a file matches a member, or gets a reason (B-13 to B-15)."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from tests.counting import statements
from tests.factories import Make
from webapp.database import db
from webapp.domain import csv_files
from webapp.domain.batches import preview
from webapp.domain.batches.preview import Preview
from webapp.domain.members.identify import MatchedRow
from webapp.messages import Message, text_of
from webapp.models import MemberStatus

NOT_FOUND = text_of("rows.not_found")
NO_MATCH = text_of("rows.no_match")
MERGED = text_of("rows.merged")


def columns_of(row: MatchedRow) -> list[Any]:
    return [getattr(row, name) for name in MatchedRow.__slots__]


def look(text: str, batch_id: int = 0) -> Preview:
    """The preview of a file with this text."""
    return preview.resolve(csv_files.read(text.encode(), max_rows=20_000), batch_id)


def told(seen: Preview) -> list[tuple[int, str, str]]:
    """Line, message and explanation of each row."""
    return [(line.line, str(line.message or ""), line.note) for line in seen.lines]


@pytest.fixture
def people(make: Make) -> dict[str, int]:
    """Anna, Ana and Zoë, by username."""
    anna = make.member("anna", external_id="4821", email="Anna@Example.org")
    ana = make.member("ana", external_id="77", email="ana@example.org")
    zoe = make.member("Zoë", external_id="z-1", email=None)
    return {one.username: one.id for one in (anna, ana, zoe)}


def test_the_three_messages(people: dict[str, int]) -> None:
    """B-14: the exact wording, the first that applies, with the column that matched each member."""
    seen = look(
        "ID;Username;Registered email\n"
        "4821;anna;anna@example.org\n"
        "9999;;\n"
        "4821;ana;\n"
        "4821;nobody;\n"
        ";ANNA;\n"
    )
    assert told(seen) == [
        (2, "", ""),
        (3, NOT_FOUND, "No member has the ID 9999."),
        (4, NO_MATCH, "ID 4821 belongs to anna. Username ana belongs to ana."),
        (5, NO_MATCH, "ID 4821 belongs to anna. No member is named nobody."),
        (6, MERGED, "Same member as line 2 (anna)."),
    ]
    assert NOT_FOUND == "Where Id, Username or Email was not found"
    assert NO_MATCH == "User was not found"
    assert MERGED == "With duplicated info, these rows will be automatically merged"
    assert seen.member_ids() == [people["anna"]]


def test_blank_rows_and_rows_of_ignored_columns(people: dict[str, int]) -> None:
    """B-14: blank rows are not counted; a row with only ignored columns is not found."""
    seen = look("ID;Notes\n4821;x\n;only a note\n;\n\n")
    assert seen.blank == 2
    assert seen.ignored == ["Notes"]
    assert told(seen)[1] == (3, NOT_FOUND, "ID, Username and Registered email are empty.")
    assert seen.counts()["all"] == 2


@pytest.mark.parametrize(
    "row", [";anna;", "; ANNA ;", ";;ANNA@EXAMPLE.ORG", " 4821 ;;", "4821; Anna;anna@example.ORG "]
)
def test_spellings_of_one_member(people: dict[str, int], row: str) -> None:
    """B-15: case and spaces don't matter in usernames and emails, spaces don't matter in IDs."""
    assert look(f"ID;Username;Email\n{row}\n").member_ids() == [people["anna"]]


@pytest.mark.parametrize("name", ["Zoë", "ZOË", "Zoe\u0308", " zoë"])
def test_unicode_forms_of_one_name(people: dict[str, int], name: str) -> None:
    """B-15: composed and decomposed names are the same."""
    assert look(f"Username\n{name}\n").member_ids() == [people["Zoë"]]


def test_case_counts_in_ids(people: dict[str, int]) -> None:
    """B-15: an ID matches exactly."""
    assert told(look("ID\nZ-1\n")) == [(2, NOT_FOUND, "No member has the ID Z-1.")]


def test_duplicates_are_found_by_member(people: dict[str, int]) -> None:
    """B-15: row 2 by ID and row 4 by email are one member, who is added once."""
    seen = look("ID;Email\n4821;\n77;\n;anna@example.org\n")
    assert [line.kind for line in seen.lines] == ["good", "good", "merged"]
    assert seen.lines[2].note == "Same member as line 2 (anna)."
    assert seen.member_ids() == [people["anna"], people["ana"]]


def test_members_already_in_the_batch(make: Make, people: dict[str, int]) -> None:
    """B-13: they count as valid, have a separate filter, and are not added again."""
    batch = make.batch([people["anna"]])
    seen = look("Username\nanna\nana\n", batch.id)
    assert seen.counts() == {
        "all": 2,
        "expected": 2,
        "errors": 0,
        "merged": 0,
        "already": 1,
        "unable": 0,
        "changed": 0,
    }
    assert seen.member_ids() == [people["ana"]]


@pytest.mark.parametrize("status", [MemberStatus.LEFT, MemberStatus.SUSPENDED])
def test_members_who_left_are_valid_in_the_preview(make: Make, status: MemberStatus) -> None:
    """B-15: members who have left or are suspended are valid in the preview."""
    make.member("gone", status=status)
    assert [line.kind for line in look("Username\ngone\n").lines] == ["good"]


def test_counts_of_the_example(make: Make) -> None:
    """B-13: `All` is valid rows plus errors; merged rows count as valid."""
    make.members(50)
    rows = [f"USER{number}" for number in range(1, 51)] + ["USER1"] * 4 + ["nobody"] * 8
    seen = look("ID\n" + "\n".join(rows) + "\n")
    assert seen.counts() == {
        "all": 62,
        "expected": 54,
        "errors": 8,
        "merged": 4,
        "already": 0,
        "unable": 0,
        "changed": 0,
    }
    assert len(seen.member_ids()) == 50
    assert len(seen.shown("expected")) == 54
    assert len(seen.shown("errors")) == 8
    assert len(seen.shown("merged")) == 4


def test_a_warning_is_shown_once_next_to_the_explanation(people: dict[str, int]) -> None:
    """C74, C80: warnings are shown once, whatever the row's result."""
    lines = look("ID;Username\n1.23457E+17;\n;аnna\n").lines
    assert [str(line.message) for line in lines] == [NOT_FOUND, NOT_FOUND]
    assert lines[0].note.startswith("No member has the ID 1.23457E+17. The ID")
    assert lines[0].note.count("shortened by a spreadsheet") == 1
    assert lines[1].note.count("mixes Latin letters") == 1


def test_an_endless_cell_is_cut_in_the_explanation(people: dict[str, int]) -> None:
    """B-14: the explanation stays within a line."""
    assert len(look("ID\n" + "x" * 9_000 + "\n").lines[0].note) < 80


def test_kept_and_found_again(people: dict[str, int]) -> None:
    """B-13: the preview is stored as it was shown."""
    seen = look("ID,Username,Notes\n4821,anna,日本\n9,,\n")
    assert Preview.unpack(seen.pack()) == seen


def test_a_page_reads_only_its_rows(people: dict[str, int]) -> None:
    """B-13: a stored preview of many rows is unpacked only as far as a page shows it."""
    seen = look("Username\nanna\n" + "nobody\n" * 2_000)
    stored = Preview.unpack(seen.pack())
    assert stored.counts() == seen.counts()
    assert stored.shown("errors")[:3] == seen.shown("errors")[:3]
    again = Preview.unpack(seen.pack())
    assert again.lines[1_999] == seen.lines[1_999]
    assert [isinstance(block, bytes) for block in again.lines.blocks] == [True] * 3 + [False, True]


def test_a_preview_of_an_earlier_version_is_read(people: dict[str, int]) -> None:
    """B-13: a file that waited for its second `Upload` during an update is still there."""
    seen = look("Username\nanna\nnobody\nanna\ngone\n")
    head = {"how": seen.how, "header": seen.header, "ignored": [], "blank": 0, "warnings": []}
    rows = [columns_of(row) for row in seen.lines]
    text = json.dumps([{**head, "columns": seen.columns}, rows], default=Message.to_json)
    earlier = Preview.unpack(zlib.compress(text.encode()))
    assert told(earlier) == told(seen)
    assert list(earlier.lines) == list(seen.lines)


def test_changes_since_are_marked(make: Make, people: dict[str, int]) -> None:
    """B-16: only rows with a different result are marked."""
    text = "Username\nanna\nlater\n"
    earlier = look(text)
    make.member("later")
    db.session.rollback()  # a new request reads current data
    now = look(text)
    assert now.mark_changes(earlier)
    assert [line.changed for line in now.lines] == [False, True]
    assert now.shown("changed") == [now.lines[1]]
    assert not now.mark_changes(now)


def test_queries_do_not_grow_with_rows(make: Make) -> None:
    """Four statements for any number of rows."""
    make.members(600)
    counted = []
    for rows in (2, 600):
        text = "ID;Username;Email\n" + "".join(
            f"USER{n};user{n};user{n}@example.org\n" for n in range(1, rows + 1)
        )
        with statements() as seen:
            assert len(look(text).member_ids()) == rows
        counted.append(len(seen))
    assert counted[0] == counted[1] <= 4
