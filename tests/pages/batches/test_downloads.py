"""Files that are downloaded from the console and uploaded again (B-16, B-39, S10)."""

from __future__ import annotations

import csv
import io
from itertools import product

import pytest
from flask import Flask
from sqlalchemy import select

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.batches.test_uploads import choose, members_of, rows, second_upload, tabs, window
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain.batches import processing
from webapp.models import Batch, Entry, MemberStatus, Quest
from webapp.transaction import transaction


def errors(browser: ReviewingClient, batch: Batch) -> bytes:
    answer = browser.get(f"/batches/{batch.id}/upload/errors.csv")
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    name = f'attachment; filename="batch-{batch.id}-errors.csv"'
    assert answer.headers["Content-Disposition"] == name
    return answer.data


def results(browser: ReviewingClient, batch: Batch) -> Answer:
    return browser.get(f"/batches/{batch.id}/results.csv")


def finished(app: Flask, make: Make, ids: list[int], quest: Quest | None = None) -> Batch:
    """A batch with these members whose run has finished."""
    batch = make.batch(ids, quest, published=True)
    with app.app_context():
        with transaction():
            claimed = processing.claim(batch.id, "test", 60, 500, NOW)
        more: bool | None = True
        while more:
            with transaction():
                more = processing.process_chunk(claimed, 500, NOW)
    return batch


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_rows_with_errors_in_the_files_own_format(
    make: Make, as_admin: ReviewingClient, separator: str
) -> None:
    """B-16: with the file's own separator, encoding, line ends and header, plus the column `Message`."""
    make.members(1)
    quest = make.quest()
    lines = [["User ID", "Náme"], ["USER1", "ok"], ["nobody", "Zoë"]]
    message = "Where Id, Username or Email was not found. No member has the ID nobody."
    if separator == ",":
        message = f'"{message}"'
    expected = [["User ID", "Náme", "Message"], ["nobody", "Zoë", message]]
    for encoding, newline in product(("utf-8", "utf-8-sig", "utf-16"), ("\r\n", "\n", "\r")):
        what = (separator, encoding, newline)
        batch = make.batch(quest=quest)
        text = newline.join(separator.join(line) for line in lines) + newline
        choose(as_admin, batch, text.encode(encoding))
        data = errors(as_admin, batch)
        mark = "\ufeff".encode("utf-8" if "8" in encoding else "utf-16-le")
        assert data.startswith(mark) == (encoding != "utf-8"), what
        text = "".join(separator.join(line) + newline for line in expected)
        assert data.decode(encoding) == text, what


def test_corrected_and_uploaded_again(make: Make, as_admin: ReviewingClient) -> None:
    """B-16: unchanged it has the same errors and ignores the column; corrected it has none; no column is doubled."""
    make.members(3)
    batch = make.batch()
    choose(as_admin, batch, 'ID;Username;Note\nUSER1;;\nUSERx;;"a;b"\n;us;"c\nd"\nUSER2;user3;\n')
    before = [row[1:] for row in rows(window(as_admin, batch, "?show=errors"))]
    given = errors(as_admin, batch)
    choose(as_admin, batch, given)
    seen = window(as_admin, batch)
    assert tabs(seen)[:3] == ["All 3", "Expected to upload 0", "With errors 3"]
    assert "Ignored columns: Note , Message" in seen.words("#preview")
    assert [row[2] for row in rows(seen)] == [row[1] for row in before]
    assert errors(as_admin, batch) == given
    mended = given.replace(b"USERx", b"USER3").replace(b'"us"', b'"user1"')
    choose(as_admin, batch, mended.replace(b'"user3"', b'""'))
    assert "With errors 0" in tabs(window(as_admin, batch))


@pytest.mark.databases("sqlite", "postgresql")
def test_rows_with_formulas_survive_a_round_trip(make: Make, as_admin: ReviewingClient) -> None:
    """S10: no cell of the file starts a formula, in any column; uploaded again, the rows are the same."""
    make.member("=1+1")
    batch = make.batch()
    choose(as_admin, batch, "Username;Note\n=2+5;@SUM(A1)\n'=3;x\n-;\n＝1+1;\n=1+1;+1\n")
    assert [row[1] for row in rows(window(as_admin, batch, "?show=expected"))] == ["=1+1 ; +1"]
    given = errors(as_admin, batch).decode()
    cells = [cell for row in csv.reader(io.StringIO(given), delimiter=";") for cell in row]
    assert "'=2+5" in cells
    assert "'@SUM(A1)" in cells
    assert "'=3" in cells
    assert not [cell for cell in cells if cell[:1] in (*"=+-@\t\r＝＋－＠",)]
    before = [row[2] for row in rows(window(as_admin, batch, "?show=errors"))]
    choose(as_admin, batch, given)
    assert [row[2] for row in rows(window(as_admin, batch))] == before


def test_malformed_rows_stay_errors_until_corrected(make: Make, as_admin: ReviewingClient) -> None:
    """B-16: a row with too many cells keeps them all, and its reason."""
    make.members(1)
    batch = make.batch()
    choose(as_admin, batch, "ID;Username\nUSER1;user1;x;y\nUSER2\n")
    assert "With errors 2" in tabs(window(as_admin, batch))
    given = errors(as_admin, batch).decode().splitlines()
    assert given[1].startswith("USER1;user1;x;y;The row has 4 cells")
    choose(as_admin, batch, "\n".join(given))
    assert "With errors 2" in tabs(window(as_admin, batch))


def test_rows_with_errors_without_a_file(make: Make, as_admin: ReviewingClient) -> None:
    """B-16: without a file, or with one whose encoding is unknown, the dialog opens; 404 without a batch."""
    batch = make.batch()
    for data in (None, "ID\né\n".encode("cp1252")):
        if data:
            choose(as_admin, batch, data)
        answer = as_admin.get(f"/batches/{batch.id}/upload/errors.csv")
        assert (answer.status_code, answer.location) == (303, f"/batches/{batch.id}/upload")
    assert as_admin.get("/batches/99/upload/errors.csv").status_code == 404
    assert as_admin.get("/batches/99/results.csv").status_code == 404


def test_results(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-39: every entry with status, reason and time, in the template's format plus columns."""
    quest = make.quest()
    holder = make.member("holder", external_id="007", email="holder@example.org")
    gone = make.member("gone;away", external_id="8", email=None, status=MemberStatus.LEFT)
    new = make.member("new", external_id="9", email="new@example.org")
    make.award(holder.id, quest.id)
    batch = finished(app, make, [holder.id, gone.id, new.id], quest)
    answer = results(as_admin, batch)
    assert answer.data.startswith(
        b"\xef\xbb\xbfID;Username;Registered email;Status;Reason;Time\r\n"
    )
    name = f'attachment; filename="batch-{batch.id}-results.csv"'
    assert answer.headers["Content-Disposition"] == name
    read = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";"))
    with app.app_context():
        decided = db.session.scalars(select(Entry.decided_at)).first()
        assert decided is not None
        time = f"{decided:%Y-%m-%dT%H:%M:%SZ}"
    assert [list(row.values()) for row in read] == [
        ["007", "holder", "holder@example.org", "Published", "Already had it", time],
        ["8", "gone;away", "", "Error", "This member has left the community.", time],
        ["9", "new", "new@example.org", "Published", "", time],
    ]


def test_results_fed_back_in_change_nothing(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-39, S10, I126: every row is already in the batch, even with names like formulas."""
    ids = make.members(5)
    odd = ("=cmd|x", "'=x", "@handle", "+49", "＝wide", '"quoted"', "a;b")
    ids += [make.member(name, external_id=f"-{name}").id for name in odd]
    batch = finished(app, make, ids)
    choose(as_admin, batch, results(as_admin, batch).data)
    seen = window(as_admin, batch)
    assert tabs(seen) == [
        "All 12",
        "Expected to upload 12",
        "With errors 0",
        "Merged 0",
        "Already in the batch 12",
    ]
    assert seen.page.select_one("footer form:has([name=upload]) button[disabled]")
    assert members_of(app, batch) == 12


def test_results_of_a_draft(make: Make, as_admin: ReviewingClient) -> None:
    """B-39: undecided entries have no time; a draft's page has no link."""
    batch = make.batch(make.members(1))
    assert "USER1;user1;user1@example.org;Unpublished;;\r\n" in results(as_admin, batch).text
    assert "Download results" not in as_admin.get(f"/batches/{batch.id}").words("main")


def test_only_roles_with_export_download_results(
    app: Flask,
    make: Make,
    client: ReviewingClient,
    as_manager: ReviewingClient,
    as_support: ReviewingClient,
) -> None:
    """R-1: results are an export of members: a manager can download them, Support can't and sees no link."""
    batch = finished(app, make, make.members(1))
    assert results(as_manager, batch).status_code == 200
    assert "Download results" in as_manager.get(f"/batches/{batch.id}").words("#members")
    assert results(as_support, batch).status_code == 403
    assert "Download results" not in as_support.get(f"/batches/{batch.id}").words("main")
    assert as_manager.get(f"/batches/{batch.id}/upload/errors.csv").status_code == 403
    assert results(client, batch).status_code == 303


def test_results_take_a_fixed_number_of_queries(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-39: as many statements for 300 members as for two."""
    counted = []
    for number in (2, 300):
        batch = make.batch(make.members(number, prefix=f"m{number}x"))
        with app.app_context(), statements() as seen:
            assert results(as_admin, batch).text.count("\r\n") == number + 1
        counted.append(len(seen))
    assert counted[0] == counted[1]


def test_the_message_has_the_number_added(make: Make, as_admin: ReviewingClient) -> None:
    """B-16: the link to the rows with errors is next to the second `Upload`, if there are any."""
    make.members(1)
    batch = make.batch()
    choose(as_admin, batch, "ID\nUSER1\n")
    assert "Download rows with errors" not in window(as_admin, batch).words("footer")
    choose(as_admin, batch, "ID\nUSER1\nnobody\n")
    assert "Download rows with errors" in window(as_admin, batch).words("footer")
    assert "1 row with errors skipped" in second_upload(as_admin, batch).words("main")
