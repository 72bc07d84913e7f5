"""The list of batches and the page of a batch: who sees what, what is saved, what is rejected."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, insert, select, update

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient
from webapp.database import db
from webapp.models import Batch, BatchStatus, Entry, Outcome, Quest
from webapp.transaction import transaction


def saved(app: Flask) -> list[Batch]:
    with app.app_context():
        return list(db.session.scalars(select(Batch).order_by(Batch.id)))


def change(app: Flask, kind: type, identity: int, **values: object) -> None:
    """Change columns of a row, as someone else would concurrently."""
    with app.app_context(), transaction():
        db.session.execute(update(kind).where(kind.id == identity).values(**values))


def entry_ids(app: Flask, batch: Batch) -> list[int]:
    with app.app_context():
        return list(
            db.session.scalars(
                select(Entry.id).where(Entry.batch_id == batch.id).order_by(Entry.id)
            )
        )


# The list


def test_an_empty_list_links_to_the_next_step(as_admin: ReviewingClient) -> None:
    """B-2: it links to creating the first batch, as does the header."""
    page = as_admin.get("/batches")
    assert "No batches yet" in page.words("main")
    assert page.page.select_one(".head .actions a").get_text(strip=True) == "Create Batch"
    assert "No drafts" in as_admin.get("/batches?tab=drafts").words("main")


def test_columns_and_order(make: Make, as_admin: ReviewingClient) -> None:
    """B-30: the columns, `Status` rightmost, then `Edit`; newest first; drafts in a separate tab (B-7)."""
    quest = make.quest("Answered 50 questions", make.badge("Event regular"))
    make.batch(make.members(2), quest, "First", published=True)
    make.batch(None, quest, "Second", published=True)
    make.batch(None, quest, "A draft")
    page = as_admin.get("/batches").page
    heads = [head.get_text(strip=True) for head in page.select("thead th")]
    assert heads[:6] == ["Title", "Badge", "Users", "Created at", "Last updated", "Status"]
    rows = [
        [cell.get_text(" ", strip=True) for cell in row("td")] for row in page.select("tbody tr")
    ]
    assert [(row[0], row[2], row[5], row[6]) for row in rows] == [
        ("Second", "0", "Published", "Edit"),
        ("First", "2", "Unpublished", "Edit"),
    ]
    assert rows[0][1] == "Event regular Answered 50 questions"
    assert "Batches 2 Drafts 1" in " ".join(page.select_one(".tabs").get_text(" ").split())
    drafts = as_admin.get("/batches?tab=drafts")
    assert [row.td.get_text(strip=True) for row in drafts.page.select("tbody tr")] == ["A draft"]


@pytest.mark.databases("sqlite", "postgresql")
def test_pages_of_the_list(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-30, A110: 25 per page; past the end is the last page; an invalid number is the first."""
    row = {
        "name": "Spring meetup", "name_key": "spring meetup", "quest_id": make.quest().id,
        "status": BatchStatus.PUBLISHED, "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    with app.app_context(), transaction():
        db.session.execute(insert(Batch), [row] * 27)
    for number in ("2", "1000000000"):
        shown = as_admin.get(f"/batches?page={number}").words(".foot")
        assert "26–27 of 27" in shown, number
    for nonsense in ("9" * 5000, "0", "-1", "abc", "1.5", "٣", ""):
        shown = as_admin.get(f"/batches?page={nonsense}").words(".foot")
        assert "1–25 of 27" in shown, nonsense


def test_a_status_has_notes(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-23: members added and not yet published, and errors, are listed below the status."""
    batch = make.batch(make.members(5), published=True)
    change(app, Batch, batch.id, status=BatchStatus.PUBLISHED, published=3)
    assert "Published 2 not yet published" in as_admin.get("/batches").words("tbody")
    change(app, Batch, batch.id, status=BatchStatus.PARTIALLY_PUBLISHED, published=4, errors=1)
    assert "Partially published 1 error" in as_admin.get("/batches").words("tbody")


def test_readers_see_and_change_nothing(
    make: Make, as_manager: ReviewingClient, as_support: ReviewingClient
) -> None:
    """R-1, R-2, B-3: they see the list and a batch; other actions are hidden, and their URLs give 403."""
    batch = make.batch(make.members(2), name="Draft of ours")
    for browser in (as_manager, as_support):
        page = browser.get("/batches?tab=drafts").page
        assert "Create Batch" not in page.get_text()
        assert page.select_one("tbody td.act").get_text(strip=True) == "Open"
        page = browser.get(f"/batches/{batch.id}").page
        assert "Draft of ours" in page.h1.get_text()
        assert len(page.select("#members tbody tr")) == 2
        assert not page.select(
            "main form[method=post], main button:not([role=search] *), main a.primary"
        )
        for address in ("/batches/new", "/batches/template.csv", f"/batches/{batch.id}/upload"):
            refused = browser.get(address)
            assert refused.status_code == 403
            assert "Only admins and developers can" in refused.words("main")
        for address in (
            "/batches",
            f"/batches/{batch.id}",
            f"/batches/{batch.id}/upload",
            f"/batches/{batch.id}/upload/application",
            f"/batches/{batch.id}/publication",
            f"/batches/{batch.id}/deletion",
            f"/batches/{batch.id}/entries/1/removal",
        ):
            assert browser.post(address, {"name": "x"}).status_code == 403
    assert as_support.get(f"/batches/{batch.id}").status_code == 200


def test_signed_out_people_are_sent_to_sign_in(make: Make, client: ReviewingClient) -> None:
    """R-2: pages redirect to sign-in and back, fragments give 401."""
    batch = make.batch()
    answer = client.get(f"/batches/{batch.id}")
    assert answer.status_code == 303
    assert f"next=/batches/{batch.id}" in answer.location.replace("%2F", "/")
    assert client.htmx(f"/batches/{batch.id}/progress").status_code == 401


def test_the_list_takes_a_fixed_number_of_queries(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """The list takes as many statements for 25 batches as for one."""
    counted = []
    for number in (1, 30):
        for _ in range(number):
            make.batch(make.members(2, f"u{len(saved(app))}x"), published=True)
        with app.app_context(), statements() as seen:
            assert as_admin.get("/batches").status_code == 200
        counted.append(len(seen))
    assert counted[0] == counted[1] <= 7


# A new batch


def test_new_writes_nothing(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-4, B-5, B-6, B-7: the form with name, badges with their quests, upload type; nothing is created."""
    badge = make.badge("Scholar")
    make.quest("Finished a course", badge)
    make.quest("Finished ten", badge)
    make.quest("Gone", badge, archived_at=NOW)
    make.quest("Only one", make.badge("Founder"))
    page = as_admin.get("/batches/new").page
    assert page.h1.get_text(strip=True) == "New Batch"
    assert page.select_one("#heading h2").get_text(strip=True) == "Connect Badge and Users"
    assert page.select_one("label[for=name]").get_text(strip=True) == "Name"
    assert page.select_one("#quests .branch summary").get_text(strip=True) == "Scholar"
    picked = [label.get_text(" ", strip=True) for label in page.select("#quests label")]
    assert picked == ["Founder", "Finished a course", "Finished ten"]
    assert page.select_one(".choice").get_text(" ", strip=True) == "Multiple Single"
    assert not page.select("#members")
    assert saved(app) == []


@pytest.mark.parametrize(("then", "leads"), [("save", ""), ("upload", "/upload")])
def test_the_first_save_makes_the_draft(
    app: Flask, make: Make, as_dev: ReviewingClient, then: str, leads: str
) -> None:
    """B-7: the first save or `Upload` creates the draft and continues there; a developer can, too (B-3)."""
    quest = make.quest()
    sent = {"name": " Spring ", "quest": str(quest.id), "then": then}
    answer = as_dev.post("/batches", sent)
    (batch,) = saved(app)
    assert answer.status_code == 303
    assert answer.location == f"/batches/{batch.id}{leads}"
    assert (batch.name, batch.quest_id, batch.status) == ("Spring", quest.id, "draft")
    page = as_dev.get(f"/batches/{batch.id}").page
    assert page.select_one("#name")["value"] == "Spring"
    assert page.select_one("input[name=quest][checked]")["value"] == str(quest.id)
    assert page.select_one("#progress").get_text(strip=True) == "Draft"


def test_enter_in_the_name_saves_and_never_publishes(as_admin: ReviewingClient, make: Make) -> None:
    """B-7: the form's first button, which Enter presses, is `Save draft`."""
    batch = make.batch()
    for address in ("/batches/new", f"/batches/{batch.id}"):
        page = as_admin.get(address).page
        first = page.select_one("button[form=heading], #heading button")
        assert first.get_text(strip=True) == "Save draft"
        assert not first.has_attr("formaction")


@pytest.mark.parametrize("name", ["x" * 10_000, "a\x00b"])
def test_a_name_that_is_refused(
    app: Flask, make: Make, as_admin: ReviewingClient, name: str
) -> None:
    """B-4: 422 with the reason next to the field, and the input is kept."""
    quest = make.quest()
    answer = as_admin.post("/batches", {"name": name, "quest": quest.id, "then": "save"})
    assert answer.status_code == 422
    field = answer.page.select_one("#name")
    assert field["aria-invalid"] == "true"
    assert len(field["value"]) == len(name)  # except for what HTML can't represent
    assert answer.words("#name-error")
    assert answer.page.select_one(f"input[value='{quest.id}'][checked]")
    assert saved(app) == []


@pytest.mark.parametrize("quest", ["abc", "-1", "999", "9" * 30, "1; DROP TABLE"])
def test_a_quest_that_does_not_exist(as_admin: ReviewingClient, quest: str) -> None:
    """B-5: an error at the field, whatever is sent."""
    answer = as_admin.post("/batches", {"name": "x", "quest": quest})
    assert answer.status_code == 422
    assert answer.words("#quest-error") == "This badge doesn't exist."


def test_unknown_fields_of_a_draft_are_ignored(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """W87: extra fields of the form are ignored."""
    as_admin.post("/batches", {"name": "x", "status": "published", "users": "9", "id": "77"})
    (batch,) = saved(app)
    assert (batch.status, batch.entry_count, batch.id) == ("draft", 0, 1)


# A batch


def test_saving_a_draft(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-7: name and badge are saved together; the form shows the saved values."""
    batch, quest = make.batch(), make.quest("Another")
    sent = {"name": "New name", "quest": quest.id, "then": "save"}
    answer = as_admin.post(f"/batches/{batch.id}", sent, follow_redirects=True)
    assert "Saved." in answer.words("main")
    assert answer.page.select_one("#name")["value"] == "New name"
    assert saved(app)[0].quest_id == quest.id


def test_upload_by_htmx_shows_errors_at_their_fields(make: Make, as_admin: ReviewingClient) -> None:
    """B-4: `Upload` opens a dialog; if the name is rejected instead, the form itself is returned."""
    batch = make.batch()
    sent = {"name": "x" * 121, "quest": batch.quest_id, "then": "upload"}
    answer = as_admin.htmx(f"/batches/{batch.id}", sent)
    assert answer.status_code == 422
    assert answer.headers["HX-Retarget"] == "#heading"
    assert answer.page.select_one("form#heading #name[aria-invalid=true]")


def test_a_published_batch_can_be_renamed(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-7: the quest is fixed, and no longer in the form."""
    batch = make.batch(published=True)
    page = as_admin.get(f"/batches/{batch.id}").page
    assert not page.select("input[name=quest]")
    as_admin.post(f"/batches/{batch.id}", {"name": "Renamed", "then": "save"})
    assert (saved(app)[0].name, saved(app)[0].quest_id) == ("Renamed", batch.quest_id)


def test_unknown_objects_are_404(as_admin: ReviewingClient) -> None:
    """W86: 404 for a batch that does not exist, and for numbers no database has."""
    for identity in ("999", "0", "9" * 18, "9" * 40):
        for ending in ("", "/upload", "/row", "/progress", "/deletion"):
            assert as_admin.get(f"/batches/{identity}{ending}").status_code == 404
        for ending in ("", "/publication", "/deletion", "/upload/removal", "/entries/1/removal"):
            assert as_admin.post(f"/batches/{identity}{ending}", {}).status_code in (404, 405)
    assert as_admin.get("/batches/abc").status_code == 404


def test_names_are_shown_as_text(make: Make, as_admin: ReviewingClient) -> None:
    """W95: markup in a name is text, in the list, on the page and in messages."""
    evil = '"><script>alert(1)</script>{{7*7}}'
    batch = make.batch(name=evil)
    for address in ("/batches?tab=drafts", f"/batches/{batch.id}", f"/batches/{batch.id}/deletion"):
        assert evil in as_admin.get(address).page.get_text()
    answer = as_admin.post(f"/batches/{batch.id}/publication", {}, follow_redirects=True)
    assert evil in answer.words("main")


def test_delete_draft_asks_for_confirmation(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-7: a dialog says what will happen; then the draft is deleted, with a message."""
    batch = make.batch(make.members(2), name="Mistake")
    link = as_admin.get(f"/batches/{batch.id}").page.find("a", string="Delete draft")
    for window in (as_admin.get(link["href"]), as_admin.htmx(link["hx-get"])):
        assert "including its list of 2 members" in window.words("#deletion")
    assert len(saved(app)) == 1
    answer = as_admin.post(f"/batches/{batch.id}/deletion", {}, follow_redirects=True)
    assert "“Mistake” deleted." in answer.words("main")
    assert saved(app) == []
    assert as_admin.post(f"/batches/{batch.id}/deletion", {}).status_code == 404


def test_a_published_batch_is_not_deleted(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-7: if it was published in another tab, the page says why it stays."""
    batch = make.batch(published=True)
    assert "Delete draft" not in as_admin.get(f"/batches/{batch.id}").page.get_text()
    answer = as_admin.post(f"/batches/{batch.id}/deletion", {}, follow_redirects=True)
    assert "You can delete only drafts." in answer.words("main")
    assert len(saved(app)) == 1


# Its members


def test_members_with_status_reason_and_time(
    app: Flask, make: Make, as_support: ReviewingClient
) -> None:
    """B-25, B-27, B-35: statuses, an error's reason, the note `already held`; filters with counts."""
    batch = make.batch(make.members(4), published=True)
    ids = entry_ids(app, batch)
    for identity, outcome in zip(
        ids, (Outcome.AWARDED, Outcome.ALREADY_HELD, Outcome.LEFT), strict=False
    ):
        change(app, Entry, identity, outcome=outcome, decided_at=NOW)
    change(
        app, Batch, batch.id,
        status=BatchStatus.IN_PROGRESS, published=2, already_held=1, errors=1, run_processed=3,
    )  # fmt: skip
    page = as_support.get(f"/batches/{batch.id}").page
    rows = [
        [cell.get_text(" ", strip=True) for cell in row("td")]
        for row in page.select("#members tbody tr")
    ]
    assert [(row[1], row[2]) for row in rows] == [
        ("USER4", "In Progress"),
        ("USER3", "Error This member has left the community."),
        ("USER2", "Published Already had it"),
        ("USER1", "Published"),
    ]
    assert rows[0][3] == ""
    assert rows[1][3]
    tabs = [" ".join(tab.get_text(" ").split()) for tab in page.select("#members .tabs a")]
    assert tabs == ["All 4", "In Progress 1", "Published 2", "Error 1"]
    only = as_support.get(f"/batches/{batch.id}?status=Error").page
    assert [row["id"] for row in only.select("#members tbody tr")] == [f"entry-{ids[2]}"]
    assert only.select_one("#members .tabs [aria-current]").get_text(" ", strip=True) == "Error 1"


@pytest.mark.parametrize("status", ["Bogus", "error", "", "x" * 3000])
def test_an_unknown_status_shows_all(make: Make, as_admin: ReviewingClient, status: str) -> None:
    """B-35: a mistyped URL still shows the members."""
    batch = make.batch(make.members(3))
    assert (
        len(as_admin.get(f"/batches/{batch.id}?status={status}").page.select("#members tbody tr"))
        == 3
    )


def test_members_in_pages(make: Make, as_admin: ReviewingClient) -> None:
    """B-35: 25 per page, newest first (B-20); htmx gets only the members."""
    batch = make.batch(make.members(60))
    page = as_admin.get(f"/batches/{batch.id}?page=3")
    assert "51–60 of 60" in page.words("#members .foot")
    assert page.page.select("#members tbody .mono")[-1].get_text(strip=True) == "USER1"
    part = as_admin.htmx(f"/batches/{batch.id}?status=Unpublished&page=2")
    assert "26–50 of 60" in part.words("#members .foot")
    links = [link["href"] for link in part.page.select(".foot a")]
    assert links == [f"/batches/{batch.id}?status=Unpublished&page={number}" for number in (1, 3)]


def test_a_member_is_removed(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-20: from a draft with its button, with and without htmx; filter and page stay."""
    batch = make.batch(make.members(30))
    ids = entry_ids(app, batch)
    address = f"/batches/{batch.id}/entries/{ids[0]}/removal?page=2"
    page = as_admin.get(f"/batches/{batch.id}?page=2").page
    assert address in [form["action"] for form in page.select("#members form")]
    answer = as_admin.post(address, {})
    assert answer.location == f"/batches/{batch.id}?page=2"
    assert "1–25 of 28" in as_admin.htmx(f"/batches/{batch.id}/entries/{ids[1]}/removal", {}).words(
        "#members .foot"
    )
    assert saved(app)[0].entry_count == 28 == len(entry_ids(app, batch))
    again = as_admin.htmx(f"/batches/{batch.id}/entries/{ids[1]}/removal", {})
    assert again.status_code == 200
    assert saved(app)[0].entry_count == 28


def test_members_of_a_run_stay(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-20: there is no button during a run; the request anyway gets the reason."""
    batch = make.batch(make.members(2), published=True)
    assert not as_admin.get(f"/batches/{batch.id}").page.select("#members form[method=post]")
    address = f"/batches/{batch.id}/entries/{entry_ids(app, batch)[0]}/removal"
    refused = as_admin.htmx(address, {})
    assert refused.status_code == 422
    assert "This member has been processed or is being processed" in refused.text
    answer = as_admin.post(address, {}, follow_redirects=True)
    assert "so you can't remove them." in answer.words("main")
    assert len(entry_ids(app, batch)) == 2


def test_an_entry_of_another_batch(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """W86: 404, and it stays."""
    batch, other = make.batch(make.members(1)), make.batch()
    address = f"/batches/{other.id}/entries/{entry_ids(app, batch)[0]}/removal"
    assert as_admin.post(address, {}).status_code == 404
    assert len(entry_ids(app, batch)) == 1


def test_a_batch_takes_a_fixed_number_of_queries(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """The page takes as many statements for 300 members as for one."""
    counted = []
    for batch in (make.batch(make.members(1, "a")), make.batch(make.members(300, "b"))):
        with app.app_context(), statements() as seen:
            assert as_admin.get(f"/batches/{batch.id}").status_code == 200
        counted.append(len(seen))
    assert counted[0] == counted[1] <= 9


def test_a_quest_archived_in_between_stays_visible(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """M-15: the draft shows it as archived, and publishing says why it isn't possible."""
    quest = make.quest()
    batch = make.batch(make.members(1), quest)
    change(app, Quest, quest.id, archived_at=NOW)
    page = as_admin.get(f"/batches/{batch.id}").page
    assert "(archived)" in page.select_one("#quests label").get_text()
    sent = {"name": batch.name, "quest": quest.id}
    answer = as_admin.post(f"/batches/{batch.id}/publication", sent)
    assert answer.status_code == 422
    assert "is archived" in answer.words("#quest-error")
    with app.app_context():
        assert db.session.scalar(select(func.count()).where(Batch.status == "draft")) == 1
