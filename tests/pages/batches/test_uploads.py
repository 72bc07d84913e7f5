"""The upload dialog: choose a file, preview it, add its rows (B-8 to B-16)."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.counting import statements
from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain.batches import uploads
from webapp.models import Batch, Entry, Upload


def choose(browser: ReviewingClient, batch: Batch, text: str | bytes, **more: object) -> Answer:
    """Choose a file in the dialog; `name` in `more` is the file's."""
    return browser.post_file(f"/batches/{batch.id}/upload", text, **more)


def window(browser: ReviewingClient, batch: Batch, query: str = "") -> Answer:
    return browser.get(f"/batches/{batch.id}/upload{query}")


def second_upload(browser: ReviewingClient, batch: Batch, seen: Answer | None = None) -> Answer:
    """Press the second `Upload`, as shown in the dialog `seen`."""
    form = (seen or window(browser, batch)).page.select_one("footer form:has([name=upload])")
    fields = {field["name"]: field["value"] for field in form.select("input[name]")}
    return browser.post(form["action"], fields, follow_redirects=True)


def members_of(app: Flask, batch: Batch) -> int:
    with app.app_context():
        return db.session.scalar(
            select(func.count()).select_from(Entry).where(Entry.batch_id == batch.id)
        )


def pending(app: Flask, batch: Batch) -> str | None:
    with app.app_context():
        waiting = uploads.pending(batch.id)
        return waiting and waiting.filename


def tabs(answer: Answer) -> list[str]:
    return [" ".join(tab.get_text(" ").split()) for tab in answer.page.select("#preview .tabs a")]


def rows(answer: Answer) -> list[list[str]]:
    page = answer.page
    for form in page.select(".choices"):
        form.decompose()
    found = page.select("#preview .rows tbody tr")
    return [[cell.get_text(" ", strip=True) for cell in row("td")] for row in found]


def test_the_window_asks_for_a_file(make: Make, as_admin: ReviewingClient) -> None:
    """B-8: a centered drop zone to choose or drop a file, and the link `Download the template`."""
    batch = make.batch()
    for answer in (window(as_admin, batch), as_admin.htmx(f"/batches/{batch.id}/upload")):
        dialog = answer.page.select_one("dialog#upload")
        assert dialog.h2.get_text() == "Upload members"
        assert dialog.select_one("form[enctype='multipart/form-data'] .drop input[type=file]")
        assert dialog.find("a", string="Download the template")["href"] == "/batches/template.csv"
    assert window(as_admin, batch).page.select_one("#heading #name")  # within the batch's page


def test_a_file_is_dropped_on_the_page(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """E-8: the page saves its form, and the browser sends the same request on to the upload window."""

    def drop(path: str, name: str) -> Answer:
        form = {"name": name, "then": "upload", "file": (io.BytesIO(b"Username\nanna\n"), "a.csv")}
        return as_admin.post(path, form)

    created = drop("/batches", "Dropped")
    assert created.status_code == 307
    page, _, window_name = created.location.rpartition("/")
    assert window_name == "upload"
    assert drop(page, "Renamed").location == created.location
    assert as_admin.get(page).words("h1") == "Renamed"
    too_long = drop(page, "x" * 121)
    assert too_long.status_code == 422
    assert "120" in too_long.words("#name-error")


def test_the_template(as_admin: ReviewingClient) -> None:
    """B-9: the header, semicolons, UTF-8 with BOM, CRLF; our own reader finds no rows."""
    answer = as_admin.get("/batches/template.csv")
    assert answer.data == b"\xef\xbb\xbfID;Username;Registered email\r\n"
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]


def test_the_preview(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-13, B-14: counts, filters, rows with line, text and message, the detected format; nothing is added."""
    make.members(60)
    batch = make.batch()
    lines = ["ID;Username;Notes"] + [f"USER{n};user{n};x" for n in range(1, 51)]
    lines += ["USER1;;again", "USER2;user3;", "nobody;;", ";;", ";only;"]
    answer = choose(as_admin, batch, "\r\n".join(lines))
    assert answer.status_code == 303
    assert answer.location == f"/batches/{batch.id}/upload"
    seen = window(as_admin, batch, "?show=all")
    assert tabs(seen) == ["All 54", "Expected to upload 51", "With errors 3", "Merged 1"]
    assert "50 members will be added" in seen.words("footer")
    about = seen.words("#preview")
    assert (
        "Format: semicolon-separated, UTF-8, header in row 1. Ignored column: Notes . Skipped 1 blank row."
        in about
    )
    assert "1–25 of 54 rows" in seen.words("#preview .foot")
    assert rows(seen)[0] == ["2", "USER1 ; user1 ; x", "Will be added"]
    errors = window(as_admin, batch)  # E-8: opens on `With errors` if there are any
    assert errors.page.select_one("#preview .tabs [aria-current]").get_text() == "With errors 3"
    assert rows(errors) == [
        [
            "53",
            "USER2 ; user3 ;",
            "User was not found ID USER2 belongs to user2. Username user3 belongs to user3.",
        ],
        [
            "54",
            "nobody ; ;",
            "Where Id, Username or Email was not found No member has the ID nobody.",
        ],
        ["56", "; only ;", "Where Id, Username or Email was not found No member is named only."],
    ]
    (merged,) = rows(window(as_admin, batch, "?show=merged"))
    assert merged[2] == (
        "With duplicated info, these rows will be automatically merged Same member as line 2 (user1)."
    )
    assert members_of(app, batch) == 0
    page = as_admin.get(f"/batches/{batch.id}").words("#heading")
    assert "members.csv not added yet: Review" in page


def test_already_in_the_batch_has_its_filter(make: Make, as_admin: ReviewingClient) -> None:
    """B-13: `Already in the batch` appears if there are any."""
    batch = make.batch(make.members(2)[:1])
    choose(as_admin, batch, "ID\nUSER1\nUSER2\n")
    seen = window(as_admin, batch, "?show=already")
    assert tabs(seen)[-1] == "Already in the batch 1"
    assert rows(seen)[0][2].startswith("This user is already in the batch.")
    assert "1 member will be added" in seen.words("footer")


@pytest.mark.parametrize(
    "query", ["?show=bogus", "?page=0", "?page=1000000000", "?page=abc", "?page=-1"]
)
def test_odd_addresses_of_a_preview(make: Make, as_admin: ReviewingClient, query: str) -> None:
    """A110: the nearest page, and all rows for an unknown filter."""
    make.members(30)
    batch = make.batch()
    choose(as_admin, batch, "ID\n" + "".join(f"USER{n}\n" for n in range(1, 31)))
    seen = window(as_admin, batch, query)
    assert seen.words("#preview .foot").startswith(
        "26–30" if "9" in query or "000" in query else "1–25"
    )
    assert ("There is no" in seen.words("#preview")) is ("000" not in query)


def test_markup_in_a_file_is_text(make: Make, as_admin: ReviewingClient) -> None:
    """W95: cells, headers and the file's name are shown as text."""
    make.members(1)
    batch = make.batch()
    evil = "<img src=x onerror=alert(1)>{{7*7}}"
    choose(as_admin, batch, f"ID;{evil}\nUSER1;{evil}\n{evil};\n", name=f"{evil}.csv")
    words = window(as_admin, batch).words("#upload")
    assert words.count(evil) >= 4


def test_the_second_upload_adds(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-16: the valid rows are added, and a message has the counts."""
    batch = make.batch(make.members(6)[:1])
    choose(as_admin, batch, "ID\nUSER1\nUSER2\nUSER3\nUSER3\nUSER4\nnobody\nno one\n")
    page = second_upload(as_admin, batch)
    said = "3 members added. 1 row merged, 2 rows with errors skipped, 1 row already in the batch."
    assert said in page.words("main")
    assert members_of(app, batch) == 4
    assert pending(app, batch) is None
    assert "All 4" in page.words("#members")


@pytest.mark.databases("sqlite", "postgresql")
def test_a_double_click_adds_once(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-16: one of two presses adds; the other is told so."""
    make.members(40)
    batch = make.batch()
    choose(as_admin, batch, "ID\n" + "".join(f"USER{n}\n" for n in range(1, 41)))
    seen = window(as_admin, batch)
    fields = {"upload": seen.page.select_one("[name=upload]")["value"]}
    address = f"/batches/{batch.id}/upload/application"
    jar = {cookie.key: cookie.value for cookie in as_admin._cookies.values()}

    def press(_: int) -> int:
        browser = ReviewingClient(app, None, use_cookies=True)
        for key, value in jar.items():
            browser.set_cookie(key, value)
        return browser.post(address, fields).status_code

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(press, range(2))) == [303, 303]
    assert members_of(app, batch) == 40
    again = as_admin.post(address, fields, follow_redirects=True)
    assert "This file has already been added." in again.words("main")
    assert members_of(app, batch) == 40


def test_members_changed_since(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-16: the preview is shown again with the changed rows marked, and can then be applied."""
    make.members(2)
    batch = make.batch()
    choose(as_admin, batch, "ID\nUSER1\nlate\nUSER2\n")
    make.member(external_id="late")
    again = second_upload(as_admin, batch)
    assert "1 row now has a different result" in again.words("#preview [role=status]")
    assert tabs(again)[-1] == "Changed 1"
    assert len(rows(again)) == 1
    assert [row["class"] for row in again.page.select("tr.changed")] == [["good", "changed"]]
    assert "Changed" in again.words("tr.changed")
    assert members_of(app, batch) == 0
    assert "3 members added." in second_upload(as_admin, batch).words("main")
    assert members_of(app, batch) == 3


def test_replaced_in_another_tab(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-16: the old tab adds nothing, says why, and shows the new file's preview."""
    make.members(2)
    batch = make.batch()
    choose(as_admin, batch, "ID\nUSER1\n", name="old.csv")
    old = window(as_admin, batch)
    choose(as_admin, batch, "ID\nUSER2\n", name="new.csv")
    refused = second_upload(as_admin, batch, old)
    assert refused.status_code == 422
    assert "Someone has chosen another file" in refused.words("#preview [role=alert]")
    assert "new.csv" in refused.words("#upload header")
    assert members_of(app, batch) == 0


@pytest.mark.parametrize("upload", ["", "abc", "-1", "9" * 40, "77"])
def test_a_missing_file(make: Make, as_admin: ReviewingClient, upload: str) -> None:
    """W86: whatever number is sent, the page says that the file no longer exists."""
    batch = make.batch()
    answer = as_admin.post(
        f"/batches/{batch.id}/upload/application", {"upload": upload}, follow_redirects=True
    )
    assert "This file is no longer available" in answer.words("main")


def test_choosing_another_file(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-13: `Choose another file` discards the first; pressing it twice is no error."""
    make.members(1)
    batch = make.batch()
    choose(as_admin, batch, "ID\nUSER1\n")
    assert window(as_admin, batch).page.find("button", string="Choose another file")
    for _ in range(2):
        answer = as_admin.post(f"/batches/{batch.id}/upload/removal", {}, follow_redirects=True)
        assert answer.page.select_one("#upload .drop")
    assert pending(app, batch) is None


REFUSED_FILES = [
    (b"", "empty"),
    (b"\xef\xbb\xbf" + "ID;Username\n1;Zoë\n".encode("latin-1"), "UTF-8"),
    (b'ID\n1\n"2\n3\n', "quotation mark"),
    (b"ID\n1\x00\n", "NUL"),
    (b"PK\x03\x04" + b"\0" * 40 + b"xl/workbook.xml", "Excel workbook"),
    (b"ID\n" + b"x" * 5_000_000, "5 MB"),
]


@pytest.mark.parametrize(("data", "reason"), REFUSED_FILES, ids=[why for _, why in REFUSED_FILES])
def test_files_that_are_refused(
    app: Flask, make: Make, as_admin: ReviewingClient, data: bytes, reason: str
) -> None:
    """B-10, B-11, B-12, C35–76: 422 and the reason in the dialog; draft and earlier file stay."""
    batch = make.batch(make.members(2)[:1])
    choose(as_admin, batch, "ID\nUSER2\n", name="earlier.csv")
    for htmx in (False, True):
        answer = choose(as_admin, batch, data, htmx=htmx)
        assert answer.status_code == 422
        assert reason in answer.words("#upload #file-error")
        assert answer.page.select_one("#file[aria-invalid=true]")
        assert "Back to preview of earlier.csv" in answer.words("#upload")
    assert pending(app, batch) == "earlier.csv"
    assert members_of(app, batch) == 1


def test_no_file_chosen(make: Make, as_admin: ReviewingClient) -> None:
    """B-8: `Upload` without a file says what is missing."""
    batch = make.batch()
    answer = as_admin.post(f"/batches/{batch.id}/upload", {})
    assert answer.status_code == 422
    assert answer.words("#file-error") == "Choose a .csv file first."


def test_one_member_too_many(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-12, C57: 5,001 members are rejected with both numbers, and none added; 5,000 are accepted."""
    make.members(5001)
    batch = make.batch()
    text = "ID\n" + "".join(f"USER{n}\n" for n in range(1, 5002))
    answer = choose(as_admin, batch, text)
    assert answer.status_code == 422
    assert "up to 5,000 members; this would make 5,001" in answer.words("#file-error")
    assert pending(app, batch) is None
    assert choose(as_admin, batch, text.replace("USER5001\n", "USER1\n")).status_code == 303
    assert "5,000 members added. 1 row merged." in second_upload(as_admin, batch).words("main")
    assert members_of(app, batch) == 5000


def test_a_running_batch_takes_nothing(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-23: rejected with the reason; the dialog has no drop zone, the page no button."""
    batch = make.batch(make.members(2)[:1], published=True)
    answer = choose(as_admin, batch, "ID\nUSER2\n")
    assert answer.status_code == 422
    assert "This batch is Unpublished." in answer.words("#upload")
    assert not window(as_admin, batch).page.select("#upload .drop")
    assert not as_admin.get(f"/batches/{batch.id}").page.select("button[value=upload]")
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Upload)) == 0


def test_the_same_file_again(make: Make, as_admin: ReviewingClient) -> None:
    """C77: the preview warns, and names the batch that has it."""
    make.members(1)
    first, second = make.batch(name="First one"), make.batch(name="Second")
    choose(as_admin, first, "ID\nUSER1\n")
    second_upload(as_admin, first)
    choose(as_admin, second, "ID\nUSER1\n")
    seen = window(as_admin, second)
    assert "This file has already been uploaded to First one" in seen.words("#preview")
    assert seen.page.select_one(f"#preview a[href='/batches/{first.id}']")


def test_htmx_gets_the_window_alone(make: Make, as_admin: ReviewingClient) -> None:
    """B-13: the preview's URL is a page with the dialog open; for htmx, only the dialog."""
    make.members(1)
    batch = make.batch()
    choose(as_admin, batch, "ID\nUSER1\n")
    part = as_admin.htmx(f"/batches/{batch.id}/upload?show=expected")
    assert part.page.select_one("body > dialog#upload #preview")
    whole = window(as_admin, batch, "?show=expected")
    assert rows(part) == rows(whole)
    assert whole.page.select_one("main dialog#upload[open]")


def test_a_preview_takes_a_fixed_number_of_queries(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """Reading, showing and adding a file take as many statements for 900 rows as for two."""
    make.members(900)
    counted = []
    for number in (2, 900):
        batch = make.batch()
        text = "ID;Username\n" + "".join(f"USER{n};user{n}\n" for n in range(1, number + 1))
        with app.app_context(), statements() as seen:
            choose(as_admin, batch, text)
            second_upload(as_admin, batch)
        counted.append(len(seen))
    assert counted[0] == counted[1]


def test_the_window_reads_the_waiting_file_once(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """On the full page too, which shows the file's name."""
    make.members(3)
    batch = make.batch()
    choose(as_admin, batch, "ID\nUSER1\nUSER2\n")
    with app.app_context(), statements() as seen:
        assert tabs(window(as_admin, batch))
    reads = [statement for statement in seen if "uploads.preview" in statement]
    assert len(reads) == 1


def pick(browser: ReviewingClient, batch: Batch, seen: Answer, encoding: str) -> Answer:
    """Choose an encoding in the dialog `seen`."""
    upload = seen.page.select_one("#encoding [name=upload]")["value"]
    fields = {"upload": upload, "encoding": encoding}
    return browser.post(f"/batches/{batch.id}/upload/encoding", fields)


def test_the_encoding_is_picked(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-11, C40: a line in each encoding, none preselected; the preview follows and states it."""
    make.member("René")
    batch = make.batch()
    answer = choose(as_admin, batch, "ID;Username\n;ben\n;René\n".encode("cp1252"), name="old.csv")
    assert (answer.status_code, answer.location) == (303, f"/batches/{batch.id}/upload")
    asked = window(as_admin, batch)
    labels = [" ".join(one.get_text(" ").split()) for one in asked.page.select(".reading")]
    assert labels[0] == ";René Windows-1252 (Western Europe)"
    assert 1 < len(labels) <= 6
    assert not asked.page.select("#encoding input[checked]")
    assert "old.csv" in asked.words("#upload header")
    assert not asked.page.select("#preview")
    assert pick(as_admin, batch, asked, "cp1252").status_code == 303
    seen = window(as_admin, batch)
    assert "Format: semicolon-separated, Windows-1252, header in row 1" in seen.words("#preview")
    assert tabs(seen)[1] == "Expected to upload 1"
    again = as_admin.get(seen.page.select_one("#preview a[href$='pick=encoding']")["href"])
    assert again.page.select_one("#encoding [value=cp1252][checked]")
    assert "1 member added." in second_upload(as_admin, batch).words("main")
    assert members_of(app, batch) == 1


@pytest.mark.parametrize("encoding", ["", "utf-8", "rot13", "cp932", "\x00", "x" * 400])
def test_invalid_encodings_are_rejected(
    make: Make, as_admin: ReviewingClient, encoding: str
) -> None:
    """B-11: the error is next to the encodings; the file is kept."""
    batch = make.batch()
    choose(as_admin, batch, b"ID;Username\n;Ren\xff\n")
    asked = window(as_admin, batch)
    for htmx in (False, True):
        fields = {"upload": asked.page.select_one("[name=upload]")["value"], "encoding": encoding}
        answer = as_admin.post(f"/batches/{batch.id}/upload/encoding", fields, htmx=htmx)
        assert answer.status_code == 422
        assert answer.page.select_one("#encoding [role=alert]")
        assert answer.page.select(".reading")


def test_an_unread_file_cannot_be_added(make: Make, as_admin: ReviewingClient) -> None:
    """B-11: the second `Upload` of an old page asks for the encoding first; the batch's page shows the pending file."""
    batch = make.batch()
    choose(as_admin, batch, "ID;Username\n;René\n".encode("cp1252"))
    upload = window(as_admin, batch).page.select_one("[name=upload]")["value"]
    answer = as_admin.post(f"/batches/{batch.id}/upload/application", {"upload": upload})
    assert answer.status_code == 422
    assert "Choose an encoding first." in answer.words("#encoding [role=alert]")
    assert "not added yet: Review" in as_admin.get(f"/batches/{batch.id}").words("#heading")


def test_a_reading_that_turns_out_to_be_no_list(make: Make, as_admin: ReviewingClient) -> None:
    """B-10, B-11, E-8: if it then has no usable column, the columns are asked for, with the reason."""
    batch = make.batch()
    choose(as_admin, batch, "Prénom;Nom\nRené;Lévy\n".encode("cp1252"))
    answer = pick(as_admin, batch, window(as_admin, batch), "cp1252")
    assert answer.status_code == 303
    asked = window(as_admin, batch)
    assert "no ID, Username or Registered email column" in asked.words("#columns .note")
    assert "René" in asked.words("#columns .columns")


def choices(answer: Answer, line: int) -> dict[str, str]:
    """The suggestions for a line: text by member's id."""
    form = answer.page.select_one(f"form.choices:has([name=line][value='{line}'])")
    found = form.select("button") if form else []
    return {one["value"]: " ".join(one.get_text(" ").split()) for one in found}


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.databases("sqlite", "postgresql")
def test_near_matches(app: Flask, make: Make, as_admin: ReviewingClient, htmx: bool) -> None:
    """B-17: up to three members to choose from; a choice moves the row, and can be undone; without JavaScript."""
    anna = make.member("anna", name="Anna <b>Novak</b>")
    make.member("ann")
    batch = make.batch()
    choose(as_admin, batch, "Username\nannna\nnobody\nannaa\n")
    seen = window(as_admin, batch, "?show=errors")
    offered = choices(seen, 2)
    assert len(offered) == 2
    assert offered[str(anna.id)].endswith("anna Anna <b>Novak</b> for line 2")
    assert choices(seen, 3) == {}
    fields = {"upload": seen.page.select_one("[name=upload]")["value"], "line": "2"}
    address = f"/batches/{batch.id}/upload/choices?show=errors&page=1"
    answer = as_admin.post(address, fields | {"member": str(anna.id)}, htmx=htmx)
    if htmx:
        assert answer.status_code == 200
        assert answer.page.select_one(".choices:has([value='4']) button[autofocus]")
    else:
        assert answer.status_code == 303
        assert answer.location == f"/batches/{batch.id}/upload?show=errors&page=1#preview"
        answer = window(as_admin, batch, "?show=errors")
    assert tabs(answer)[:3] == ["All 3", "Expected to upload 1", "With errors 2"]
    assert "1 member will be added" in answer.words("footer")
    good = window(as_admin, batch, "?show=expected")
    assert "You chose anna" in rows(good)[0][2]
    as_admin.post(address, fields | {"member": ""})
    assert tabs(window(as_admin, batch))[1] == "Expected to upload 0"
    as_admin.post(address, fields | {"member": str(anna.id)})
    assert "1 member added." in second_upload(as_admin, batch).words("main")
    assert members_of(app, batch) == 1


@pytest.mark.parametrize(
    "odd",
    [{"line": "x"}, {"line": "9" * 30}, {"line": "2"}, {"member": "9" * 15}, {"upload": "0"}, {}],
)
def test_odd_choices(make: Make, as_admin: ReviewingClient, odd: dict[str, str]) -> None:
    """W86: a row that needs no choice, a missing member or file: reported in the dialog, nothing changes."""
    make.member("anna")
    batch = make.batch()
    choose(as_admin, batch, "Username\nanna\nana\n")
    upload = window(as_admin, batch).page.select_one("[name=upload]")["value"]
    fields = {"upload": upload, "line": "3", "member": "77"} | odd
    answer = as_admin.post(f"/batches/{batch.id}/upload/choices", fields)
    assert answer.status_code == 422
    assert answer.page.select_one("#preview [role=alert]")
    assert tabs(answer)[1:3] == ["Expected to upload 1", "With errors 1"]
    gone = make.batch(name="Without a file")
    assert as_admin.post(f"/batches/{gone.id}/upload/choices", fields).status_code == 422


def test_only_people_who_can_upload_choose_members(
    make: Make, as_manager: ReviewingClient
) -> None:  # B-3
    batch = make.batch()
    for what in ("encoding", "choices"):
        assert as_manager.post(f"/batches/{batch.id}/upload/{what}", {}).status_code == 403
