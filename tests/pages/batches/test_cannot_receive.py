"""Members who can't receive badges, on the pages of a batch (E-10)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import update

from tests.factories import Make
from tests.pages.batches.test_publication import saved
from tests.pages.batches.test_runs import buttons, done
from tests.pages.batches.test_uploads import choose, tabs, window
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.models import Member
from webapp.transaction import transaction


def change(app: Flask, status: str, *member_ids: int) -> None:
    with app.app_context(), transaction():
        db.session.execute(update(Member).where(Member.id.in_(member_ids)).values(status=status))


def pressed(browser: ReviewingClient, shown: Answer, label: str) -> Answer:
    """Press a button of the forecast, with all fields of its form."""
    form = shown.page.select_one("#publication form")
    assert form is not None
    button = next(one for one in form.select("button") if label in one.get_text())
    sent = {str(field["name"]): field["value"] for field in form.select("input[name]")}
    action = str(button.get("formaction", form["action"]))
    return browser.post(action, sent, follow_redirects=True)


def test_the_preview_marks_them(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """E-10: with a note, a separate filter and the reason in each row; the upload adds them."""
    ids = make.members(3)
    change(app, "left", ids[1])
    change(app, "suspended", ids[2])
    batch = make.batch()
    choose(as_admin, batch, "ID\r\nUSER1\r\nUSER2\r\nUSER3\r\n")
    seen = window(as_admin, batch)
    assert "Can't receive badges 2" in tabs(seen)
    assert "2 members to be added can't receive badges because they've left" in seen.words(
        "#preview"
    )
    marked = window(as_admin, batch, "?show=unable")
    words = [
        row.get_text(" ", strip=True)
        for row in marked.page.select("#preview table.rows > tbody > tr")
    ]
    assert len(words) == 2
    assert "This member has left the community and can't receive badges." in words[0]
    assert "This member is suspended and can't receive badges." in words[1]


def test_nothing_is_marked_if_all_can_receive_badges(make: Make, as_admin: ReviewingClient) -> None:
    """E-10: neither filter nor note."""
    make.members(1)
    batch = make.batch()
    choose(as_admin, batch, "ID\r\nUSER1\r\n")
    assert "receive badges" not in window(as_admin, batch).words("#preview")


def test_the_forecast_offers_to_leave_them_out(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """E-10: a plain form; afterwards the forecast is shown without them, and can be confirmed."""
    ids = make.members(4)
    change(app, "left", *ids[2:])
    batch = make.batch(ids)
    address = f"/batches/{batch.id}/publication"
    page = as_admin.get(f"/batches/{batch.id}")
    assert page.words("#members tbody").count("has left the community and can't receive") == 2
    forecast = as_admin.get(address)
    assert "Exclude 2 members" in forecast.words("#publication")
    page = pressed(as_admin, forecast, "Exclude 2 members")
    assert page.request.path == address
    assert "2 members excluded from this batch." in page.words(".flashes")
    assert "Leave" not in page.words("#publication")
    assert "Can't receive it 0" in page.words("#publication")
    pressed(as_admin, page, "Publish")
    assert (saved(app, batch).entry_count, saved(app, batch).status_label) == (2, "Unpublished")


def test_an_outdated_forecast_removes_no_one(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """E-10, B-21: the new forecast is shown instead."""
    ids = make.members(3)
    change(app, "left", ids[0])
    batch = make.batch(ids)
    forecast = as_admin.get(f"/batches/{batch.id}/publication")
    change(app, "left", ids[1])
    page = pressed(as_admin, forecast, "Exclude 1 member")
    assert page.status_code == 409
    assert "The members have changed since this forecast." in page.words("#publication")
    assert "Exclude 2 members" in page.words("#publication")
    assert saved(app, batch).entry_count == 3


def test_dismissing_comes_first_if_a_retry_could_only_fail_again(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """E-10: on the page, and in the response that ends the progress; `Retry` stays possible."""
    ids = make.members(3)
    change(app, "left", ids[2])
    batch = make.batch(ids, published=True)
    done(app, batch)
    progress = as_admin.htmx(f"/batches/{batch.id}/progress")
    for answer in (as_admin.get(f"/batches/{batch.id}"), progress):
        primary = answer.page.select("#actions .primary")
        assert [one.get_text(strip=True) for one in primary] == ["Dismiss errors"]
    page = as_admin.get(f"/batches/{batch.id}")
    assert buttons(page) == ["Undo batch", "Save", "Retry", "Dismiss errors"]
    change(app, "active", ids[2])
    page = as_admin.get(f"/batches/{batch.id}")
    assert buttons(page) == ["Undo batch", "Dismiss", "Save", "Retry"]
    primary = page.page.select("#actions .primary")
    assert [one.get_text(strip=True) for one in primary] == ["Retry"]


@pytest.mark.parametrize("by", ["id", "username"])
def test_adding_one_says_so(app: Flask, make: Make, as_admin: ReviewingClient, by: str) -> None:
    """B-19, E-10: the member is added, and the message says that they can't receive badges."""
    (member_id,) = make.members(1)
    change(app, "suspended", member_id)
    batch = make.batch()
    sent = {"by": by, "member": "USER1" if by == "id" else "user1"}
    page = as_admin.post(f"/batches/{batch.id}/members", sent, follow_redirects=True)
    assert "This member is suspended and can't receive badges." in page.words(".flashes")


def test_entries_of_an_undone_batch_have_no_green_check(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-23: neither revoked nor kept ones; before the undo, all have it."""
    ids, quest = make.members(2), make.quest()
    make.award(ids[0], quest.id)
    batch = make.batch(ids, quest, published=True)
    done(app, batch)
    assert len(as_admin.get(f"/batches/{batch.id}").page.select("#members .pill.published")) == 2
    as_admin.post(f"/batches/{batch.id}/reversal", {})
    done(app, batch)
    page = as_admin.get(f"/batches/{batch.id}").page
    assert not page.select("#members .pill.published")
    assert len(page.select("#members .pill.undone")) == 2
