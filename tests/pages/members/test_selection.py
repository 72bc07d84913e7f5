"""Members selected in the directory: awarded, exported, put into a batch (E-5)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.counting import statements
from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.models import Batch, Entry, MemberStatus

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def entries(app: Flask) -> list[int]:
    """The members of the only batch."""
    with app.app_context():
        batch_id = db.session.scalars(select(Batch.id)).one()
        found = select(Entry.member_id).where(Entry.batch_id == batch_id).order_by(Entry.id)
        return list(db.session.scalars(found))


def to(answer: Answer) -> str:
    field = answer.page.select_one("textarea#to")
    assert field is not None
    return field.get_text().strip()


def sent(ids: list[int]) -> dict[str, list[str]]:
    return {"member": [str(number) for number in ids]}


def test_a_role_is_offered_what_it_may_do(
    as_admin: ReviewingClient, as_manager: ReviewingClient, as_support: ReviewingClient, make: Make
) -> None:
    """R-2, E-5: without any of the actions there is nothing to select, and the URLs are refused."""
    make.quest()
    (member_id,) = make.members(1)
    for browser, labels in (
        (as_admin, ["Award", "Create batch", "Export"]),
        (as_manager, ["Award", "Export"]),
    ):
        page = browser.get("/members").page
        assert [
            button.get_text(strip=True) for button in page.select("#selection button")
        ] == labels
        assert page.select_one(f'input[form=selection][name=member][value="{member_id}"]')
    page = as_support.get("/members").page
    assert page.select("#selection, input[name=member]") == []
    for action in ("award", "batch", "export"):
        answer = as_support.post(f"/members/selection/{action}", sent([member_id]))
        assert answer.status_code == 403, action
    assert as_manager.post("/members/selection/batch", sent([member_id])).status_code == 403


def test_award_opens_the_form_with_the_selected_members(
    as_manager: ReviewingClient, make: Make
) -> None:
    """E-5, E-10: those who can't receive badges are named and left out; awarding needs no more typing."""
    quest = make.quest()
    ids = make.members(3)
    left = make.member("lefty", status=MemberStatus.LEFT)
    answer = as_manager.post("/members/selection/award?q=user", sent([ids[0], ids[2], left.id]))
    assert answer.status_code == 303
    form = as_manager.get(answer.location)
    assert to(form) == "user1, user3"
    assert "lefty has left the community" in form.words("#award-form .note")
    done = as_manager.post("/badges/award", {"quest": str(quest.id), "to": to(form)})
    assert "awarded to 2 members" in as_manager.get(done.location).words("main")


def test_all_that_match_are_awarded_if_they_are_few(
    as_manager: ReviewingClient, make: Make
) -> None:
    """E-5: whatever is checked on this page."""
    make.quest()
    make.members(50)
    other = make.member("other")
    answer = as_manager.post("/members/selection/award?q=user", {"all": "1", **sent([other.id])})
    assert to(as_manager.get(answer.location)).count(",") == 49


def test_more_than_fifty_continue_as_a_batch(
    app: Flask, as_dev: ReviewingClient, make: Make
) -> None:
    """E-5: with all of them as its members, in the database."""
    ids = make.members(51)
    make.member("other")
    answer = as_dev.post("/members/selection/award?q=user", {"all": "1"}, follow_redirects=True)
    words = answer.words("main")
    assert "More than 50 members selected" in words
    assert "Draft created" in words
    assert entries(app) == ids


def test_a_manager_is_told_whom_to_ask(as_manager: ReviewingClient, make: Make) -> None:
    """E-5, R-1: without the permission for batches, nothing happens to more than 50."""
    make.members(51)
    answer = as_manager.post("/members/selection/award?q=user", {"all": "1"})
    assert (answer.status_code, answer.location) == (303, "/members?q=user")
    words = as_manager.get(answer.location).words("main")
    assert "You've selected 51 members; the limit is 50." in words
    assert "ask an admin or developer" in words


def test_a_batch_of_the_selected_members(app: Flask, as_dev: ReviewingClient, make: Make) -> None:
    """E-5: only those checked, whatever the filters say by now."""
    ids = make.members(3)
    answer = as_dev.post("/members/selection/batch?q=nobody", sent(ids[1:]))
    assert answer.location.startswith("/batches/")
    assert entries(app) == ids[1:]


def test_the_selected_members_are_exported(as_manager: ReviewingClient, make: Make) -> None:
    """E-5: those checked, or all that match."""
    ids = make.members(30)
    make.member("other")

    def lines(data: dict[str, object]) -> int:
        answer = as_manager.post("/members/selection/export?q=user", data)
        assert answer.mimetype == "text/csv"
        return len(answer.data.decode("utf-8-sig").split("\r\n")) - 2

    assert lines(sent(ids[:2])) == 2
    assert lines({"all": "1", **sent(ids[:2])}) == 30


def test_nothing_selected_says_so(as_admin: ReviewingClient, make: Make) -> None:
    """E-5: also for values that are no members."""
    make.members(1)
    for action in ("award", "batch", "export"):
        for data in ({}, {"member": ["x", "-1", "0"]}):
            answer = as_admin.post(f"/members/selection/{action}?q=user", data)
            assert (answer.status_code, answer.location) == (303, "/members?q=user")
            assert "Select at least one member." in as_admin.get(answer.location).words("main")


def test_all_is_offered_across_pages(as_admin: ReviewingClient, make: Make) -> None:
    """E-5: with the number, if there are more than the page shows."""
    make.members(26)
    assert "Select all 26 that match" in as_admin.get("/members?q=user").words("#selection")
    assert "that match" not in as_admin.get("/members?q=user2").words("#selection")


def test_statements_do_not_grow(app: Flask, as_admin: ReviewingClient, make: Make) -> None:
    """E-5: the same for few members and many."""
    make.members(3, "few")
    make.members(1_000, "many")
    counts = []
    for text in ("few", "many"):
        with app.app_context(), statements() as seen:
            answer = as_admin.post(f"/members/selection/batch?q={text}", {"all": "1"})
        assert answer.location.startswith("/batches/")
        counts.append(len(seen))
    assert counts[0] == counts[1]
    with app.app_context():
        sizes = select(func.count(Entry.id)).group_by(Entry.batch_id).order_by(Entry.batch_id)
        assert list(db.session.scalars(sizes)) == [3, 1_000]
