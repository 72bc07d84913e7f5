"""The page of activities: names, the rules that use them, and importing events (T-1, T-2)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from tests.counting import statements
from tests.domain.rules.world import World
from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient
from webapp.database import db
from webapp.domain.rules import ConditionDraft
from webapp.models import ActivityCount, AuditEvent
from webapp.models.rule import Activity, ConditionKind
from webapp.transaction import transaction

HEADER = "Event ID;Username;Activity;Amount\n"


def test_names_are_listed_with_the_badges_that_use_them(
    app: Flask, as_support: ReviewingClient, make: Make
) -> None:
    """T-1; everyone sees them, and only people who can import members see the form."""
    page = as_support.get("/activities")
    assert "No activities yet" in page.text
    with app.app_context():
        world = World(make)
        badge = make.badge("Sage", automatic=True)
        world.rule(make.quest(badge=badge), ConditionDraft(ConditionKind.ACTIVITY, 3, "posts"))
        world.count(make.member("anna"), "likes")
    page = as_support.get("/activities")
    rows = [
        [cell.get_text(" ", strip=True) for cell in row.select("td")]
        for row in page.page.select("tbody tr")
    ]
    assert [(row[0], row[2]) for row in rows] == [("likes", "Not used"), ("posts", "Sage")]
    assert page.page.select("form[enctype]") == []


def test_a_file_is_counted_and_skipped_rows_are_listed(
    app: Flask, as_manager: ReviewingClient, make: Make
) -> None:
    """T-2: by line, with the reason; importing the file again counts nothing; the audit log has both."""
    make.member("anna")
    data = HEADER + "1;anna;posts;2\n2;anna;posts;\n3;nobody;posts;1\n4;anna;posts;<b>\n"
    page = as_manager.post_file("/activities", data)
    assert page.status_code == 200
    assert "Counted 2 Already counted 0 Skipped (errors) 2" in page.words("#result")
    left_out = [
        [cell.get_text(" ", strip=True) for cell in row.select("td")]
        for row in page.page.select("#result tbody tr")
    ]
    assert left_out == [
        ["4", "Where Id, Username or Email was not found"],
        ["5", "Amount: “<b>” isn't a whole number."],
    ]
    again = as_manager.post_file("/activities", data)
    assert "Counted 0 Already counted 2 Skipped (errors) 2" in again.words("#result")
    with app.app_context():
        assert [one.amount for one in db.session.scalars(select(ActivityCount))] == [3]
        imports = AuditEvent.verb == "activities.imported"
        written = select(AuditEvent.detail).where(imports).order_by(AuditEvent.id)
        assert list(db.session.scalars(written)) == [
            {"counted": 2, "repeated": 0, "left_out": 2},
            {"counted": 0, "repeated": 2, "left_out": 2},
        ]
    said = as_manager.get("/audit-log").words("#audit-log tbody")
    assert "imported activities: 2 events counted, 2 rows skipped" in said


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("", "empty"),
        ("Username;Activity\nanna;posts\n", "The file has no Event ID column."),
        (HEADER, "The file has no data below the header."),
        (bytes(range(256)) * 40, ""),
    ],
)
def test_unreadable_files_are_rejected_at_the_field(
    app: Flask, as_manager: ReviewingClient, data: bytes | str, sentence: str
) -> None:
    answer = as_manager.post_file("/activities", data)
    assert answer.status_code == 422
    error = answer.words("#file-error")
    assert sentence in error
    assert error
    with app.app_context():
        assert db.session.scalars(select(AuditEvent)).all() == []


def test_no_file_is_asked_for(as_manager: ReviewingClient) -> None:
    answer = as_manager.post("/activities")
    assert answer.status_code == 422
    assert "Choose a .csv file first." in answer.words("#file-error")


def test_many_names_are_paginated(app: Flask, as_support: ReviewingClient, make: Make) -> None:
    """T-1: systems that send events may use any number of names; a page past the end is the last page."""
    with app.app_context(), transaction():
        names = [f"act{number:02}" for number in range(60)]
        db.session.add_all(Activity(name=name, first_at=NOW) for name in names)
    shown = []
    address = "/activities"
    while address:
        page = as_support.get(address)
        assert "60 activities" in page.words("main")
        shown += [cell.get_text() for cell in page.page.select("tbody td.mono")]
        onward = page.page.select_one("nav a[rel=next]")
        address = str(onward["href"]) if onward else ""
    assert shown == names
    last = as_support.get("/activities?page=99")
    assert [cell.get_text() for cell in last.page.select("tbody td.mono")] == names[50:]


def test_a_fixed_number_of_queries(app: Flask, as_manager: ReviewingClient, make: Make) -> None:
    numbers = []
    for many in (1, 30):
        with app.app_context():
            world = World(make)
            for number in range(many):
                world.rule(
                    world.quest(),
                    ConditionDraft(ConditionKind.ACTIVITY, 3, f"posts{many}-{number}"),
                )
        with app.app_context(), statements() as seen:
            assert as_manager.get("/activities").status_code == 200
        numbers.append(len(seen))
    assert numbers[0] == numbers[1]


def test_rows_above_the_header_are_reported(as_manager: ReviewingClient, make: Make) -> None:
    """E-8: the page of activities reports the same about a file as a batch's preview."""
    make.member("anna", external_id="1")
    data = "# exported by forum 3.2\nEvent ID;Activity;ID;Emial\ne1;posts;1;x\n"
    page = as_manager.post_file("/activities", data)
    assert "header in row 2, skipping 1 row above it." in page.words("#result")
    assert "The column “Emial” isn't used" in page.words("#result")
