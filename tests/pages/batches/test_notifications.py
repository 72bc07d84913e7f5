"""Any page tells a person that a batch which they started is done."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import Make
from tests.pages.batches.test_publication import confirm, work
from tests.pages.client import Answer, ReviewingClient
from webapp.models import Batch


@pytest.fixture
def started(make: Make, as_admin: ReviewingClient) -> Batch:
    """A batch of two that the admin has published."""
    batch = make.batch(make.members(2), name="Winter sale")
    confirm(as_admin, as_admin.get(f"/batches/{batch.id}/publication"))
    return batch


def polls(answer: Answer) -> bool:
    return bool(answer.page.select("#awaited-batches[hx-trigger*=every]"))


def test_any_page_says_once_that_my_batch_is_done(
    app: Flask, started: Batch, as_admin: ReviewingClient
) -> None:
    """B-26: with a link, in a live region; the page polls only until then."""
    assert polls(as_admin.get("/members"))
    waiting = as_admin.htmx("/batches/done")
    assert polls(waiting)
    assert not waiting.page.select("[role=status]")
    work(app, started, 2)
    done = as_admin.htmx("/batches/done")
    assert done.words("[role=status] .grow") == "“Winter sale” is Published. Open batch Winter sale"
    assert done.page.select_one("[role=status] a")["href"] == f"/batches/{started.id}"
    assert not polls(done)
    assert not as_admin.htmx("/batches/done").page.select("[role=status]")
    assert not polls(as_admin.get("/members"))


def test_errors_are_said(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-23: in the status's own words."""
    batch = make.batch([make.member(status="left").id], name="Winter sale")
    confirm(as_admin, as_admin.get(f"/batches/{batch.id}/publication"))
    work(app, batch, 2)
    said = as_admin.htmx("/batches/done").words(".toast.warning .grow")
    assert said.startswith("“Winter sale” is Partially published, with 1 error.")


@pytest.mark.parametrize("where", ["", "/progress"], ids=["opened", "watched"])
def test_who_saw_the_end_is_not_told_again(
    app: Flask, started: Batch, as_admin: ReviewingClient, where: str
) -> None:
    work(app, started, 2)
    as_admin.htmx(f"/batches/{started.id}{where}")
    assert not polls(as_admin.get("/badges"))


def test_others_pages_do_not_poll(started: Batch, as_dev: ReviewingClient) -> None:
    """Nor does a plain visit of the address show half a page."""
    assert not polls(as_dev.get("/members"))
    assert as_dev.get("/batches/done").location == "/batches"


def test_the_poll_is_one_statement(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """Besides looking up the session; pages cost none."""
    batches = [make.batch(make.members(1, prefix=f"p{n}x"), name=f"B {n}") for n in range(4)]
    for batch in batches:
        confirm(as_admin, as_admin.get(f"/batches/{batch.id}/publication"))
    with app.app_context(), statements() as sent:
        assert polls(as_admin.htmx("/batches/done"))
    reading = [one for one in sent if one.lstrip().upper().startswith("SELECT")]
    assert len(reading) == 2


def test_the_title_says_how_far_it_is(
    app: Flask, started: Batch, as_admin: ReviewingClient
) -> None:
    """B-26: first the status, so that a narrow tab shows it; the polled answer carries the new title."""
    address = f"/batches/{started.id}"
    assert as_admin.get(address).page.title.get_text() == "0 % · Winter sale · Laurel"
    work(app, started, 1, size=1)
    assert "<title>50 % · Winter sale · Laurel</title>" in as_admin.htmx(f"{address}/progress").text
    work(app, started, 2)
    ended = as_admin.htmx(f"{address}/progress").text
    assert "<title>Published · Winter sale · Laurel</title>" in ended
    page = as_admin.get(address)
    assert page.page.title.get_text() == "Published · Winter sale · Laurel"
    assert page.words("h1") == "Winter sale"


def test_a_batch_is_renamed_at_its_title(
    started: Batch, make: Make, as_admin: ReviewingClient, as_support: ReviewingClient
) -> None:
    """B-7: a plain form; the badge of a draft stays, an outdated page is refused with what was typed."""
    quest = make.quest()
    draft = make.batch(None, quest, "Old")
    address = f"/batches/{draft.id}"

    def rename(page: Answer, name: str) -> Answer:
        form = page.page.select_one("#rename form")
        sent = {one["name"]: one["value"] for one in form.select("[name][value]")} | {"name": name}
        return as_admin.post(form["action"], sent, follow_redirects=True)

    before = as_admin.get(address)
    renamed = rename(before, "New")
    assert renamed.words("h1") == "New"
    assert renamed.page.select_one("input[name=quest][checked]")["value"] == str(quest.id)
    outdated = rename(before, "Newer")
    assert outdated.status_code == 409
    assert outdated.page.select_one("#name")["value"] == "Newer"
    too_long = rename(renamed, "x" * 121)
    assert too_long.status_code == 422
    assert too_long.page.select_one("input[name=quest][checked]")["value"] == str(quest.id)
    assert rename(as_admin.get(f"/batches/{started.id}"), "Sale").words("h1") == "Sale"
    assert not as_support.get(address).page.select_one("#rename")
