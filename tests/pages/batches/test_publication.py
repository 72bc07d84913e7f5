"""Publishing, and how the page follows the progress (B-22 to B-26)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain import leases
from webapp.domain.batches import processing
from webapp.models import AuditEvent, Award, Batch, BatchRange, BatchStatus
from webapp.transaction import transaction


def saved(app: Flask, batch: Batch) -> Batch:
    with app.app_context():
        return db.session.get_one(Batch, batch.id)


def change(app: Flask, batch: Batch, **values: object) -> None:
    with app.app_context(), transaction():
        db.session.execute(update(Batch).where(Batch.id == batch.id).values(**values))


def work(app: Flask, batch: Batch, chunks: int, size: int = 10) -> None:
    """Act as a worker: lease the batch, decide some chunks of it, release it."""
    now = datetime.now(UTC)
    with app.app_context():
        with transaction():
            claimed = processing.claim(batch.id, "me", 60, size, now)
        for _ in range(chunks):
            with transaction():
                if not processing.process_chunk(claimed, size, now):
                    break
        with transaction():
            leases.release(BatchRange, claimed.id, "me")


def confirm(browser: ReviewingClient, window: Answer) -> Answer:
    """Press `Publish` in the forecast, whatever page it is on."""
    form = window.page.select_one("#publication form")
    sent = {field["name"]: field["value"] for field in form.select("input[name]")}
    return browser.post(form["action"], sent, follow_redirects=True)


def test_from_a_new_batch_at_once(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-7, B-21, B-22, B-24: the draft is saved, then the forecast shown; without members it is `Published` at once."""
    sent = {"name": "Empty", "quest": make.quest().id, "then": "publish"}
    window = as_admin.post("/batches", sent, follow_redirects=True)
    assert "This batch has no members yet." in window.words("#publication")
    with app.app_context():
        assert db.session.scalars(select(Batch)).one().draft
    page = confirm(as_admin, window)
    assert page.page.h1.get_text(strip=True) == "Batch unlock"
    assert "“Empty” published. It has no members." in page.words("main")
    assert "Published" in page.words("tbody tr")


def test_a_new_batch_that_lacks_something(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-7: 422, the first missing value is reported at its field, the input is kept, nothing is created."""
    quest = make.quest()
    answer = as_admin.post("/batches", {"name": " ", "quest": quest.id, "then": "publish"})
    assert answer.status_code == 422
    assert answer.words("#name-error") == "Enter a name."
    assert answer.page.select_one(f"input[value='{quest.id}'][checked]")
    answer = as_admin.post("/batches", {"name": "Kept", "then": "publish"})
    assert answer.words("#quest-error") == "Choose a badge."
    assert answer.page.select_one("#quests[aria-invalid=true]")
    assert answer.page.select_one("#name")["value"] == "Kept"
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Batch)) == 0


def test_a_draft_is_saved_with_its_publish(app: Flask, make: Make, as_dev: ReviewingClient) -> None:
    """B-21, B-22: the form is saved before the forecast; then the list is shown with a message."""
    batch, quest = make.batch(make.members(3)), make.quest("Chosen last")
    button = as_dev.get(f"/batches/{batch.id}").page.find("button", string="Publish")
    assert button["form"] == "heading"
    sent = {"name": "Typed last", "quest": quest.id, button["name"]: button["value"]}
    answer = as_dev.post(f"/batches/{batch.id}", sent)
    assert (answer.status_code, answer.location) == (303, f"/batches/{batch.id}/publication")
    window = as_dev.get(answer.location)
    assert "Typed last" in window.words("#publication")
    assert "Chosen last" in window.words("#publication")
    assert saved(app, batch).draft
    page = confirm(as_dev, window)
    assert "Publishing “Typed last” to 3 members…" in page.words("main")
    assert "Typed last" in page.words("tbody tr")
    assert "Unpublished" in page.words("tbody tr")
    published = saved(app, batch)
    assert (published.name, published.quest_id) == ("Typed last", quest.id)


def test_a_refused_publish_keeps_what_was_typed(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-7: 422 on the batch's page with the input; the draft is unchanged."""
    batch, other = make.batch(make.members(1), name="Before"), make.quest()
    sent = {"name": "", "quest": other.id, "then": "publish"}
    answer = as_admin.post(f"/batches/{batch.id}", sent)
    assert answer.status_code == 422
    assert answer.words("#name-error") == "Enter a name."
    assert answer.page.select_one(f"input[value='{other.id}'][checked]")
    assert answer.page.select_one("#members tbody tr")
    draft = saved(app, batch)
    assert (draft.name, draft.quest_id, draft.status) == ("Before", batch.quest_id, "draft")
    for answer in (
        as_admin.htmx(f"/batches/{batch.id}", sent),
        as_admin.post(f"/batches/{make.batch(name='').id}/publication", {}),
        as_admin.get(f"/batches/{make.batch(name='').id}/publication"),
    ):
        assert answer.status_code == 422
        assert answer.words("#name-error") == "Enter a name."


def test_publishing_twice(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """X25: pressing again, even in an old tab, shows the batch's current state; one audit log entry."""
    batch = make.batch(make.members(2))
    window = as_admin.get(f"/batches/{batch.id}/publication")
    assert "Publishing “" in confirm(as_admin, window).words("main")
    assert "has already been published" in confirm(as_admin, window).words("main")
    late = as_admin.get(f"/batches/{batch.id}/publication")
    assert "There is nothing to publish" in late.words("#publication")
    assert not late.page.find("button", string="Publish")
    with app.app_context():
        assert (
            db.session.scalar(select(func.count()).where(AuditEvent.verb == "batch.published")) == 1
        )


def test_added_members_are_published_by_themselves(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-23: with members added and not yet published, the page offers `Publish`; otherwise it doesn't."""
    batch = make.batch(make.members(2), published=True)
    work(app, batch, 2)
    assert not as_admin.get(f"/batches/{batch.id}").page.find("button", string="Publish")
    change(app, batch, entry_count=3)
    page = as_admin.get(f"/batches/{batch.id}")
    assert page.words("#progress") == "Published 1 not yet published"
    assert page.page.find("button", string="Publish")


@pytest.mark.databases("sqlite", "postgresql")
def test_the_row_follows_the_progress(app: Flask, make: Make, as_support: ReviewingClient) -> None:
    """B-23, B-26: the initial row and its updates are the same; it polls only while the batch runs."""
    batch = make.batch(make.members(40), name="Moving", published=True)
    change(app, batch, run_at=datetime.now(UTC))

    def row() -> str:
        return as_support.htmx(f"/batches/{batch.id}/row").text

    def painted() -> str:
        return str(as_support.get("/batches").page.select_one(f"#batch-{batch.id}"))

    for moving in (row(), painted()):
        assert f'hx-get="/batches/{batch.id}/row"' in moving
        assert 'hx-trigger="every 1s"' in moving
        assert 'hx-swap="outerMorph"' in moving
    assert "Unpublished" in row()
    work(app, batch, 3)
    assert "In Progress" in row()
    assert "75%" in row()
    assert 'data-percent="75"' in row()
    work(app, batch, 2)
    for ended in (row(), painted()):
        assert "Published" in ended
        assert "hx-" not in ended
    assert f'id="batch-{batch.id}-status" data-percent="100"' in row()
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Award)) == 40


def test_the_page_follows_the_progress(app: Flask, make: Make, as_support: ReviewingClient) -> None:
    """B-26: the header polls during the run; its last response reloads the members in place."""
    batch = make.batch(make.members(20), published=True)
    change(app, batch, run_at=datetime.now(UTC))
    page = as_support.get(f"/batches/{batch.id}?status=Unpublished").page
    assert page.select_one("#progress")["hx-get"] == f"/batches/{batch.id}/progress"
    members = page.select_one("#members")
    assert members["hx-trigger"] == "batch-finished from:body"
    assert members["hx-get"] == f"/batches/{batch.id}?status=Unpublished&page=1"
    work(app, batch, 1)
    moving = as_support.htmx(f"/batches/{batch.id}/progress")
    assert moving.words("#progress") == "In Progress 50% 50%"
    assert "HX-Trigger" not in moving.headers
    work(app, batch, 2)
    ended = as_support.htmx(f"/batches/{batch.id}/progress")
    assert ended.words("#progress") == "Published"
    assert "hx-get" not in ended.text
    assert ended.headers["HX-Trigger"] == "batch-finished"
    part = as_support.htmx(f"/batches/{batch.id}?page=1")
    assert "hx-trigger" not in part.text
    assert "Published 20" in part.words("#members .tabs")


def test_polling_slows_down_after_a_minute(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-26: every second in the first minute of a run, then every third."""
    batch = make.batch(make.members(1), published=True)
    for seconds, often in ((5, "1s"), (90, "3s")):
        change(app, batch, run_at=datetime.now(UTC) - timedelta(seconds=seconds))
        assert f'hx-trigger="every {often}"' in as_admin.htmx(f"/batches/{batch.id}/progress").text


def test_only_running_rows_poll(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-26: of many rows only those of running batches poll; drafts never."""
    running = make.batch(make.members(1), published=True)
    partly = make.batch(published=True)
    change(app, partly, status=BatchStatus.PARTIALLY_PUBLISHED, entry_count=1, errors=1)
    make.batch()
    page = as_admin.get("/batches").page
    assert [row["id"] for row in page.select("tr[hx-get]")] == [f"batch-{running.id}"]
    assert not as_admin.get("/batches?tab=drafts").page.select("tr[hx-get]")
