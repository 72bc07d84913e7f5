"""The upload dialog sets each column to ID, Username, Registered email or `Don't use` (E-8)."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.factories import Make
from tests.pages.batches.test_uploads import (
    choices,
    choose,
    members_of,
    pick,
    rows,
    second_upload,
    tabs,
    window,
)
from tests.pages.client import Answer, ReviewingClient
from webapp.models import Batch


def offered(answer: Answer) -> list[tuple[str, str, str]]:
    """The columns that the dialog lists: name, first values, assigned field."""
    found = []
    for row in answer.page.select("#columns li"):
        chosen = row.select_one("option[selected]")
        values = " ".join(row.select_one(".mono").get_text(" ").split())
        found.append((row.b.get_text(strip=True), values, chosen.get_text() if chosen else ""))
    return found


def said(answer: Answer) -> dict[str, str]:
    """The form of the columns as shown in the dialog."""
    form = answer.page.select_one("#columns")
    fields = {field["name"]: field["value"] for field in form.select("input[name]")}
    for select in form.select("select"):
        chosen = select.select_one("option[selected]") or select.option
        fields[select["name"]] = chosen["value"]
    return fields


def set_columns(
    browser: ReviewingClient, batch: Batch, seen: Answer, htmx: bool = False, **fields: str
) -> Answer:
    sent = said(seen) | {name.replace("_", "-"): value for name, value in fields.items()}
    return browser.post(f"/batches/{batch.id}/upload/columns", sent, htmx=htmx)


def test_the_guess_is_preselected_next_to_the_first_values(
    make: Make, as_admin: ReviewingClient
) -> None:
    """E-8: every column with its name, first values and assigned field."""
    make.member("anna", external_id="1")
    batch = make.batch()
    choose(as_admin, batch, "ID,Town,Login\n1,Rome,anna\n2,,ben\n3,Oslo,eva\n4,Bonn,kim\n")
    seen = window(as_admin, batch)
    assert offered(seen) == [
        ("ID", "1 2 3", "ID"),
        ("Town", "Rome Oslo", ""),
        ("Login", "anna ben eva", "Username"),
    ]
    options = [one.get_text() for one in seen.page.select("[name=column-1] option")]
    assert options == ["Don't use", "ID", "Username", "Registered email"]
    assert said(seen)["header"] == "1"


@pytest.mark.parametrize("htmx", [False, True])
def test_the_columns_that_were_set_are_kept(
    app: Flask, make: Make, as_admin: ReviewingClient, htmx: bool
) -> None:
    """E-8, B-16: they apply to the preview, the second `Upload`, and the download of rows with errors."""
    make.member("anna", external_id="1")
    make.member("ben", external_id="2")
    batch = make.batch()
    choose(as_admin, batch, "ID;Nick;Wer\nU01;x;anna\nU02;y;ben\nU03;z;nobody\n")
    seen = window(as_admin, batch)
    assert "With errors 3" in tabs(seen)
    answer = set_columns(as_admin, batch, seen, htmx=htmx, column_0="", column_2="username")
    assert answer.status_code == 303
    seen = window(as_admin, batch)
    assert tabs(seen)[1:3] == ["Expected to upload 2", "With errors 1"]
    assert [one[2] for one in offered(seen)] == ["", "", "Username"]
    given = as_admin.get(f"/batches/{batch.id}/upload/errors.csv").data.decode()
    assert given.startswith("ID;Nick;Wer;Message\nU03;z;nobody;Where Id,")
    assert "2 members added. 1 row with errors skipped" in second_upload(as_admin, batch).words(
        "main"
    )
    assert members_of(app, batch) == 2


def test_a_list_without_a_header_asks_what_it_contains(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """E-8: nothing is guessed; without JavaScript; the rows with errors get a recognizable header."""
    make.member("annax")
    batch = make.batch()
    assert choose(as_admin, batch, "annax\nana\n", name="list.csv").status_code == 303
    asked = window(as_admin, batch)
    assert not asked.page.select("#preview")
    assert "list.csv" in asked.words("#upload header")
    assert "has no ID, Username or Registered email column" in asked.words("#columns .note")
    assert offered(asked) == [("Column 1", "annax ana", "")]
    assert said(asked)["header"] == "0"
    assert "not added yet: Review" in as_admin.get(f"/batches/{batch.id}").words("#heading")
    refused = set_columns(as_admin, batch, asked)
    assert refused.status_code == 422
    assert "Set at least one column to ID, Username or Registered email." in refused.words(
        "#columns"
    )
    assert set_columns(as_admin, batch, asked, column_0="username").status_code == 303
    seen = window(as_admin, batch, "?show=all")
    assert "Format: one column, UTF-8, no header" in seen.words("#preview")
    assert [row[0] for row in rows(seen)] == ["1", "2"]
    assert tabs(seen)[1:3] == ["Expected to upload 1", "With errors 1"]
    given = as_admin.get(f"/batches/{batch.id}/upload/errors.csv").data.decode()
    assert given.splitlines()[0] == "Username;Message"
    assert given.splitlines()[1].startswith("ana;Where Id,")
    assert "1 member added. 1 row with errors skipped" in second_upload(as_admin, batch).words(
        "main"
    )
    assert members_of(app, batch) == 1
    other = make.batch()
    choose(as_admin, other, given)
    assert "With errors 1" in tabs(window(as_admin, other))


def test_a_header_of_unknown_names_is_chosen_by_hand(make: Make, as_admin: ReviewingClient) -> None:
    """E-8: people choose the header's line, and the meaning of its columns."""
    make.member("annax")
    batch = make.batch()
    choose(as_admin, batch, "Liste\nMitglied;Ort\nannax;Rom\n")
    asked = window(as_admin, batch)
    lines = [one.get_text() for one in asked.page.select("#header option")]
    assert lines[1:3] == ["Line 1: Liste", "Line 2: Mitglied;Ort"]
    answer = set_columns(as_admin, batch, asked, header="2", column_0="username")
    assert answer.status_code == 303
    seen = window(as_admin, batch)
    assert "header in row 2, skipping 1 row above it" in seen.words("#preview")
    assert tabs(seen)[1:3] == ["Expected to upload 1", "With errors 0"]


def test_a_repeated_column_is_asked_about(make: Make, as_admin: ReviewingClient) -> None:
    """E-8: neither of the two is preselected; the others are."""
    make.member("anna", external_id="2")
    batch = make.batch()
    choose(as_admin, batch, "ID;Username;id\n1;anna;2\n")
    asked = window(as_admin, batch)
    assert "Line 1 contains the column ID twice" in asked.words("#columns .note")
    assert [one[2] for one in offered(asked)] == ["", "Username", ""]
    set_columns(as_admin, batch, asked, column_2="external_id")
    assert "Expected to upload 1" in tabs(window(as_admin, batch))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"column_0": "username"}, "Two columns are set to Username."),
        ({"column_0": "", "column_1": ""}, "Set at least one column"),
        ({"column_0": "name"}, "no such column"),
        ({"column_1": "", "column_900": "username"}, "no such column"),
        ({"column_1": "", "column_99999999": "username"}, "no such column"),
        ({"header": "17"}, "Line 17 can't be the header."),
    ],
)
@pytest.mark.parametrize("htmx", [False, True])
def test_invalid_columns_are_rejected(
    make: Make, as_admin: ReviewingClient, fields: dict[str, str], reason: str, htmx: bool
) -> None:
    """E-8: rejected with the reason, next to the input; the file's columns stay as before."""
    make.members(1)
    batch = make.batch()
    choose(as_admin, batch, "ID;Username\nUSER1;user1\n")
    seen = window(as_admin, batch)
    answer = set_columns(as_admin, batch, seen, htmx=htmx, **fields)
    assert answer.status_code == 422
    assert reason in answer.words("#columns [role=alert]")
    if fields.get("column_0") == "username":
        assert offered(answer)[0][2] == "Username"
    assert tabs(window(as_admin, batch)) == tabs(seen)


def test_columns_that_may_be_overlooked_are_warned_of(
    make: Make, as_admin: ReviewingClient
) -> None:
    """B-10, E-8: an unused column that looks like one of the three; IDs of which none exists."""
    make.member("anna", email="anna@x.org")
    batch = make.batch()
    choose(as_admin, batch, "Emial;Username\nx;anna\n")
    warning = window(as_admin, batch).words("#preview .note.warning")
    assert warning.startswith(
        "The column “Emial” isn't used, although it looks like Registered email. You can change"
    )
    choose(as_admin, batch, "id;username\nU0123;anna\n")
    seen = window(as_admin, batch)
    assert "No ID in the column “id” belongs to a member here." in seen.words(
        "#preview .note.warning"
    )
    set_columns(as_admin, batch, seen, column_0="")
    seen = window(as_admin, batch)
    assert not seen.page.select("#preview .note.warning")
    assert "Expected to upload 1" in tabs(seen)


def test_the_columns_are_asked_after_the_encoding(make: Make, as_admin: ReviewingClient) -> None:
    """B-11, E-8: one question at a time."""
    make.member("René")
    batch = make.batch()
    choose(as_admin, batch, "René\nLévy\n".encode("cp1252"))
    assert pick(as_admin, batch, window(as_admin, batch), "cp1252").status_code == 303
    asked = window(as_admin, batch)
    assert offered(asked) == [("Column 1", "René Lévy", "")]
    set_columns(as_admin, batch, asked, column_0="username")
    seen = window(as_admin, batch)
    assert "Format: one column, Windows-1252, no header" in seen.words("#preview")
    assert "Expected to upload 1" in tabs(seen)


def test_the_button_counts_a_chosen_member(make: Make, as_admin: ReviewingClient) -> None:
    """B-17: after a choice, the button and its sentence have the new number."""
    anna = make.member("anna")
    batch = make.batch()
    choose(as_admin, batch, "Username\nannna\n")
    seen = window(as_admin, batch)
    assert "No members will be added" in seen.words("footer")
    assert list(choices(seen, 2)) == [str(anna.id)]
    upload = seen.page.select_one("[name=upload]")["value"]
    fields = {"upload": upload, "line": "2", "member": str(anna.id)}
    for htmx in (True, False):
        answer = as_admin.post(f"/batches/{batch.id}/upload/choices", fields, htmx=htmx)
        shown = answer if htmx else window(as_admin, batch)
        assert "1 member will be added" in shown.words("footer")
        assert not shown.page.select("footer .primary[disabled]")


def test_many_columns(make: Make, as_admin: ReviewingClient) -> None:
    """E-8: the first hundred are listed, and those in use."""
    make.members(1)
    batch = make.batch()
    names = [f"Notes {n}" for n in range(300)] + ["ID"]
    choose(as_admin, batch, ";".join(names) + "\n" + "x;" * 300 + "USER1\n")
    seen = window(as_admin, batch)
    assert len(offered(seen)) == 101
    assert offered(seen)[-1] == ("ID", "USER1", "ID")
    assert "200 more columns can't be set here" in seen.words("#columns")
