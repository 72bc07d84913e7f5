"""Import members from a file on the page: choose it, match columns, dry run, import (D-4)."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import select

from tests.domain.erasure.test_erase import worked
from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain.imports import imports
from webapp.models import AuditEvent, Member, MemberImport


def chosen(browser: ReviewingClient, data: bytes | str) -> str:
    """The URL of the import of an accepted file."""
    answer = browser.post_file("/members/imports", data)
    assert answer.status_code == 303, answer.text
    return answer.location


def number(address: str) -> int:
    found = re.search(r"\d+", address)
    assert found
    return int(found[0])


def said(page: Answer) -> dict[str, str]:
    """The current choice of columns: the field and the name of its column."""
    return {
        str(field["name"]): option.get_text(strip=True)
        for field in page.page.select("#columns .filters select")
        if (option := field.select_one("option[selected]"))
    }


def columns(page: Answer) -> dict[str, str]:
    """The form of the columns as it would be sent."""
    return {
        str(field["name"]): str(option["value"])
        for field in page.page.select("#columns select")
        if (option := field.select_one("option[selected]"))
    }


def tried(app: Flask, browser: ReviewingClient, address: str, **changes: str) -> Answer:
    """The page of an import after its dry run, with guessed columns except for the changes."""
    form = columns(browser.get(address)) | changes
    assert browser.post(f"{address}/trial", form).status_code == 303
    with app.app_context():
        worked(number(address))
    return browser.get(address)


def figures(page: Answer) -> dict[str, str]:
    return {
        one.dt.get_text(strip=True): one.dd.get_text(strip=True)
        for one in page.page.select(".figures > div")
        if one.dt and one.dd
    }


FILE = """ID;Login;E-mail;Full name;Joined;Note
1;anna;anna@example.org;Anna Brandt;2020-01-02;x
2;bea;;Bea;;
9;BEA;;;;
"""


def test_a_file_is_tried_and_imported(app: Flask, as_manager: ReviewingClient, make: Make) -> None:
    """D-4: guessed columns; what would be created, changed or unchanged; each invalid row; then it is imported."""
    make.member("bea", external_id="2", name="Beatrix", email=None)
    make.member("carl", external_id="3", email=None)
    address = chosen(as_manager, FILE + "3;carl;;;;\n")
    page = as_manager.get(address)
    assert said(page) == {
        "external_id": "ID",
        "username": "Login",
        "email": "E-mail",
        "name": "Full name",
        "joined": "Joined",
    }
    assert "Anna Brandt" in page.words(".samples")
    page = tried(app, as_manager, address)
    assert figures(page) == {
        "To be created": "1",
        "To be changed": "1",
        "Unchanged": "1",
        "Skipped (errors)": "1",
    }
    assert "The username BEA belongs to another member (ID 2)." in page.words("#result")
    changed = as_manager.get(f"{address}?show=changed").words(".rows tbody")
    assert changed == "3 2 bea before: Beatrix after: Bea 2026-11-20 Active"
    created = as_manager.get(f"{address}?show=created").words(".rows tbody")
    assert created == "2 1 anna anna@example.org Anna Brandt 2020-01-02 Active"
    with app.app_context():
        names = select(Member.username).order_by(Member.id)
        assert db.session.scalars(names).all() == ["bea", "carl"]
    assert as_manager.post(f"{address}/application").status_code == 303
    assert as_manager.post(f"{address}/application").status_code == 303
    assert "Importing" in as_manager.get(address).words("#import")
    with app.app_context():
        worked(number(address))
    page = as_manager.get(address)
    assert figures(page) == {
        "Created": "1",
        "Changed": "1",
        "Unchanged": "1",
        "Skipped (errors)": "1",
    }
    with app.app_context():
        found = dict(db.session.execute(select(Member.username, Member.name)).all())
        assert found == {"bea": "Bea", "carl": "", "anna": "Anna Brandt"}
        record = db.session.scalars(select(AuditEvent)).one()
        assert (record.verb, record.actor[:5]) == ("members.imported", "Staff")
        assert db.session.get_one(MemberImport, number(address)).content is None
    errors = as_manager.get(f"{address}/errors.csv").get_data().decode("utf-8-sig")
    assert errors.splitlines() == [
        "ID;Login;E-mail;Full name;Joined;Note;Message",
        "9;BEA;;;;;The username BEA belongs to another member (ID 2).",
    ]


def test_the_errors_of_a_downloaded_error_file_replace_the_earlier_ones(
    app: Flask, as_manager: ReviewingClient, make: Make
) -> None:
    make.member("bea", external_id="2")
    address = chosen(as_manager, "ID;Username;Message\n9;BEA;an earlier error\n1;anna;\n")
    tried(app, as_manager, address)
    errors = as_manager.get(f"{address}/errors.csv").get_data().decode("utf-8-sig")
    assert errors.splitlines() == [
        "ID;Username;Message",
        "9;BEA;The username BEA belongs to another member (ID 2).",
    ]


def test_the_same_file_twice_changes_nothing(app: Flask, as_manager: ReviewingClient) -> None:
    """D-4: the page says so."""
    data = "ID;Username\r\n1;anna\r\n"
    for created, left in (("1", "0"), ("0", "1")):
        address = chosen(as_manager, data)
        page = tried(app, as_manager, address)
        assert (figures(page)["To be created"], figures(page)["Unchanged"]) == (created, left)
        as_manager.post(f"{address}/application")
        with app.app_context():
            worked(number(address))
    assert "There is nothing to import: all members are up to date." in page.words("#result")
    assert page.page.select_one("button[disabled]") is not None


def test_columns_are_matched_by_hand(app: Flask, as_manager: ReviewingClient) -> None:
    """D-4: a header in another language, a wrong guess, a column used twice, no column for the ID."""
    address = chosen(as_manager, "Nummer,Nutzer,Name\r\n1,anna,Anna\r\n")
    page = as_manager.get(address)
    assert said(page) == {"name": "Name"}
    missing = as_manager.post(f"{address}/trial", {"username": "1", "name": "2"})
    assert missing.status_code == 422
    assert "Choose which column is the ID" in missing.words("#import")
    assert said(missing) == {"username": "Nutzer", "name": "Name"}
    twice = as_manager.post(f"{address}/trial", {"external_id": "0", "username": "0"})
    assert "“Nummer” can't be both ID and Username." in twice.words("#import")
    assert as_manager.post(f"{address}/trial", {"external_id": "7"}).status_code == 422
    page = tried(app, as_manager, address, external_id="0", username="1")
    assert figures(page)["To be created"] == "1"
    again = as_manager.get(f"{address}?columns=1")
    assert said(again)["external_id"] == "Nummer"
    page = tried(app, as_manager, f"{address}", external_id="0", username="2", name="")
    assert "Anna" in as_manager.get(f"{address}?show=created").words(".rows tbody")


def test_text_above_the_header_is_skipped_and_reported(
    app: Flask, as_manager: ReviewingClient
) -> None:
    """E-8: the page says where the header is, and which columns may have been overlooked."""
    above = "# exported by forum 3.2\r\nMembers of 2026\r\n\r\n"
    address = chosen(as_manager, above + "ID;Username;Emial\r\n1;anna;a@x.org\r\n")
    page = as_manager.get(address)
    about = page.words("#columns")
    assert "Read as semicolon-separated, UTF-8, header in row 4, skipping 3 rows above it." in about
    assert "The column “Emial” isn't used, although it looks like Registered email." in about
    assert figures(tried(app, as_manager, address))["To be created"] == "1"


def test_a_list_of_members_without_a_header(app: Flask, as_manager: ReviewingClient) -> None:
    """E-8: the page asks instead of guessing; no member is taken for a header."""
    address = chosen(as_manager, "1;anna\r\n2;ben\r\n;cy\r\n")
    page = as_manager.get(address)
    assert "no ID, Username or Registered email column" in page.words("#columns .note")
    assert said(page) == {}
    names = [one.get_text() for one in page.page.select("#external_id option")]
    assert names == ["Not in the file", "Column 1", "Column 2"]
    page = tried(app, as_manager, address, external_id="0", username="1")
    assert figures(page)["To be created"] == "2"
    as_manager.post(f"{address}/application", {})
    with app.app_context():
        worked(number(address))
    bad = as_manager.get(f"{address}/errors.csv").data.decode("utf-8-sig")
    assert bad.splitlines()[0] == "ID;Username;Message"
    other = chosen(as_manager, "Liste\r\nNr;Nutzer\r\n7;kim\r\n")
    page = tried(app, as_manager, other, header="2", external_id="0", username="1")
    assert figures(page)["To be created"] == "1"


def test_an_encoding_is_picked(app: Flask, as_manager: ReviewingClient) -> None:
    """D-4, B-11: it is never guessed silently."""
    address = chosen(as_manager, "ID;Username;Name\r\n1;anna;Zoé\r\n".encode("cp1252"))
    page = as_manager.get(address)
    assert "Which version looks right?" in page.words("#encoding")
    assert as_manager.post(f"{address}/encoding", {"encoding": "nonsense"}).status_code == 422
    assert as_manager.post(f"{address}/trial", {"external_id": "0"}).status_code == 422
    assert as_manager.post(f"{address}/encoding", {"encoding": "cp1252"}).status_code == 303
    page = tried(app, as_manager, address)
    assert "Zoé" in page.words("#result")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty"),
        (b"ID;Username\r\n", "no data below the header"),
        (b"PK\x03\x04xl/workbook", "Excel workbook"),
        (b'ID;Username\r\n1;"anna\r\n', "never closed"),
        (
            b"ID;Username\r\n" + b"1;a\r\n" * 100_001,
            "100,001 rows; the limit for this page is 100,000",
        ),
        (b"ID;Username\r\n" + b"1;" + b"x" * 5_000_001, "the limit for this page is 5 MB"),
    ],
    ids=["empty", "header", "workbook", "quote", "rows", "bytes"],
)
def test_a_file_that_cannot_be_taken_says_why(
    app: Flask, as_manager: ReviewingClient, data: bytes, sentence: str
) -> None:
    """D-4, C35: on the page where it was chosen; larger ones are referred to the command line."""
    answer = as_manager.post_file("/members/imports", data)
    assert answer.status_code == 422
    assert sentence in answer.words("#file-error")
    assert ("laurel members import FILE" in answer.words("#file-error")) == (
        "limit for this page" in sentence
    )
    with app.app_context():
        assert db.session.scalars(select(MemberImport)).all() == []


def test_a_file_that_is_not_even_read(as_manager: ReviewingClient) -> None:
    """W99: over 6 MB, the page states the limit."""
    answer = as_manager.post_file("/members/imports", b"x" * 7_000_000)
    assert answer.status_code == 413
    assert "laurel members import FILE" in answer.words("main")
    assert as_manager.post_file("/members/imports", b"", "").status_code == 422


def test_progress_is_polled_while_there_is_work(app: Flask, as_manager: ReviewingClient) -> None:
    """D-4: the fragment polls, and stops by itself."""
    address = chosen(as_manager, FILE)
    as_manager.post(f"{address}/trial", columns(as_manager.get(address)))
    answer = as_manager.htmx(address)
    root = answer.page.select_one("#import")
    assert root is not None
    assert root["hx-trigger"] == "every 1s"
    assert "0 of 3 rows" in answer.words("#import")
    with app.app_context():
        worked(number(address))
    root = as_manager.htmx(address).page.select_one("#import")
    assert root is not None
    assert not root.has_attr("hx-trigger")


def test_a_file_is_discarded(app: Flask, as_manager: ReviewingClient) -> None:
    """D-4: before it is imported; afterwards it is in the list."""
    address = chosen(as_manager, FILE)
    assert as_manager.post(f"{address}/removal").status_code == 303
    assert as_manager.get(address).status_code == 404
    address = chosen(as_manager, FILE)
    assert as_manager.post(f"{address}/application").status_code == 422
    tried(app, as_manager, address)
    as_manager.post(f"{address}/application")
    assert as_manager.post(f"{address}/removal").status_code == 422
    assert as_manager.post(f"{address}/trial", {"external_id": "0"}).status_code == 422
    with app.app_context():
        worked(number(address))
    assert as_manager.post(f"{address}/removal").status_code == 422
    assert "members.csv" in as_manager.get("/members/imports").words("main")
    with app.app_context():
        assert imports.latest()[0].status_label == "Imported"


def columns_offered(page: Answer) -> list[str]:
    return [str(field["name"]) for field in page.page.select("#columns select")]


def test_only_people_who_can_change_a_status_import_one(
    app: Flask, as_manager: ReviewingClient, as_admin: ReviewingClient, make: Make
) -> None:
    """R-1, D-5: a file must not allow more than a profile does; the page says so."""
    make.member("anna", external_id="1")
    data = "ID;Status\n1;Suspended\n"
    address = chosen(as_manager, data)
    page = as_manager.get(address)
    assert "status" not in columns_offered(page)
    assert "status" in columns_offered(as_admin.get(address))
    refused = "Only Admin can change members' statuses. The Status column won't be imported."
    assert refused in page.words("#columns")
    forged = as_manager.post(f"{address}/trial", {"external_id": "0", "status": "1"})
    assert forged.status_code == 422
    assert "Only Admin can change members' statuses." in forged.words("#import")
    assert figures(tried(app, as_manager, address))["Unchanged"] == "1"
    said_now = columns(as_admin.get(f"{address}?columns=1")) | {"status": "1"}
    assert as_admin.post(f"{address}/trial", said_now).status_code == 303
    with app.app_context():
        worked(number(address))
    assert figures(as_admin.get(address))["To be changed"] == "1"
    refused_too = as_manager.post(f"{address}/application")
    assert refused_too.status_code == 422
    assert "Ask one of them to import this file" in refused_too.words("#import")
    assert as_admin.post(f"{address}/application").status_code == 303
    with app.app_context():
        worked(number(address))
        assert db.session.scalars(select(Member.status)).all() == ["suspended"]
        told = db.session.scalars(
            select(AuditEvent).where(AuditEvent.verb == "member.status_changed")
        )
        one = told.one()
        assert (one.detail, one.actor[:5]) == ({"was": "Active", "now": "Suspended"}, "Staff")


@pytest.mark.databases("sqlite", "postgresql")
def test_the_export_of_the_directory_is_imported_again(
    app: Flask, as_admin: ReviewingClient, make: Make
) -> None:
    """D-2, D-4: with joining dates and statuses; unchanged values change nothing."""
    make.member("anna", external_id="1", name="=Anna", status="suspended")
    make.member("-bea", external_id="00042", name="علی\u200cرضا", status="left", email=None)
    make.member("carl❤\ufe0f", external_id="3", name="'Carl")
    make.member("5", external_id="123456789012345000", name="NULL")
    exported = as_admin.get("/members/export.csv").get_data()
    page = tried(app, as_admin, chosen(as_admin, exported))
    assert figures(page) == {
        "To be created": "0",
        "To be changed": "0",
        "Unchanged": "4",
        "With warnings": "1",
        "Skipped (errors)": "0",
    }
    changed = exported.replace(b"Suspended", b"Left").replace(
        b"2026-11-20T12:00:00Z", b"2020-01-02"
    )
    address = chosen(as_admin, changed)
    assert figures(tried(app, as_admin, address))["To be changed"] == "4"
    assert as_admin.post(f"{address}/application").status_code == 303
    with app.app_context():
        worked(number(address))
        found = db.session.execute(
            select(Member.external_id, Member.status, Member.joined_at)
        ).all()
        assert {(one[0], one[1], f"{one[2]:%F}") for one in found} == {
            ("1", "left", "2020-01-02"),
            ("00042", "left", "2020-01-02"),
            ("3", "active", "2020-01-02"),
            ("123456789012345000", "active", "2020-01-02"),
        }
