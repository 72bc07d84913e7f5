"""The list's query string: filters, chips, sorting, pages, invalid values (B-30 to B-34)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from sqlalchemy import insert

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain.normalization import fold
from webapp.models import Batch, BatchStatus, Quest
from webapp.transaction import transaction

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def quests(app: Flask, make: Make) -> list[Quest]:
    """Scholar with two quests and Founder with one; batches `one` to `four` and two drafts for them."""
    scholar, founder = make.badge("Scholar"), make.badge("Founder & <b>")
    made = [
        make.quest("First", scholar, position=0),
        make.quest("Second", scholar, position=1),
        make.quest("Only", founder),
    ]
    plan = [
        ("one", BatchStatus.PUBLISHED, 0, 10),
        ("two", BatchStatus.PARTIALLY_PUBLISHED, 1, 30),
        ("three", BatchStatus.PUBLISHED, 2, 20),
        ("four", BatchStatus.UNPUBLISHED, 0, 40),
        ("draft one", BatchStatus.DRAFT, 0, 0),
        ("draft two", BatchStatus.DRAFT, 2, 0),
    ]
    rows = [
        {
            "name": name, "name_key": fold(name), "status": status, "quest_id": made[place].id,
            "entry_count": users, "published": users, "version": 1, "published_at": NOW,
            "created_at": NOW + timedelta(days=day), "updated_at": NOW + timedelta(days=day),
        }
        for day, (name, status, place, users) in enumerate(plan)
    ]  # fmt: skip
    with app.app_context(), transaction():
        db.session.execute(insert(Batch), rows)
    return made


def titles(answer: Answer) -> list[str]:
    assert answer.status_code == 200
    return [cell.get_text(strip=True) for cell in answer.page.select("tbody td:first-child")]


def chips(answer: Answer) -> dict[str, str]:
    """The active filters, and the links that remove them."""
    return {
        " ".join(chip.bdi.get_text().split()): str(chip.a["href"])
        for chip in answer.page.select(".chip")
    }


def notes(answer: Answer) -> list[str]:
    return [note.get_text(" ", strip=True) for note in answer.page.select("#batches > .note")]


def test_filters_combine_and_chips_remove_them(
    as_admin: ReviewingClient, quests: list[Quest]
) -> None:
    """B-31, B-33: several statuses or badges are alternatives; every chip links to the list without it."""
    scholar = quests[0].badge_id
    answer = as_admin.get(f"/batches?status=published&status=unpublished&badge={scholar}&name=O")
    assert titles(answer) == ["four", "one"]
    shown = chips(answer)
    assert list(shown) == [
        "Status: Unpublished", "Status: Published", "Name: O", "Badge: Scholar",
    ]  # fmt: skip
    assert titles(as_admin.get(shown["Status: Published"])) == ["four"]
    assert titles(as_admin.get(shown["Badge: Scholar"])) == ["four", "one"]
    assert titles(as_admin.get(shown["Name: O"])) == ["four", "one"]
    assert "2 batches found" in answer.words("#found")
    clear = answer.page.select_one(".chips > a")["href"]
    assert clear == "/batches"
    assert titles(as_admin.get(clear)) == ["four", "three", "two", "one"]


def test_the_form_shows_active_filters(as_admin: ReviewingClient, quests: list[Quest]) -> None:
    """B-31: checked and filled in for people who follow a link; a badge's checkbox checks its quests."""
    page = as_admin.get(
        f"/batches?badge={quests[0].badge_id}&status=published&name=t"
        "&created_after=2026-11-20&zone=Europe/Berlin&sort=-users"
    ).page
    ticked = [(one["name"], one["value"]) for one in page.select("#filters [checked]")]
    assert ticked == [
        ("status", "published"),
        ("badge", str(quests[0].badge_id)),
        ("quest", str(quests[0].id)),
        ("quest", str(quests[1].id)),
    ]
    assert page.select_one("#name")["value"] == "t"
    assert page.select_one("#zone")["value"] == "Europe/Berlin"
    assert page.select_one("details#more").has_attr("open")
    hidden = {one["name"]: one["value"] for one in page.select("#filters [type=hidden]")}
    assert hidden == {"sort": "-users", "created_after": "2026-11-20"}
    closed = page.select_one("#badge-picker > summary")
    assert closed["aria-label"] == "Badge: Scholar"


def test_the_form_without_javascript(as_admin: ReviewingClient, quests: list[Quest]) -> None:
    """B-31 to B-33: the form leads to a short URL; dates are added to active ones; a badge includes its quests."""
    answer = as_admin.get(
        "/batches?status=published&name=&created=2026-11-19&created_is=after&updated=&updated_is=after"
        f"&zone=Europe/Berlin&badge={quests[0].badge_id}&quest={quests[1].id}&created_before=2026-11-21"
    )
    assert answer.status_code == 303
    address = urlsplit(answer.location)
    assert parse_qsl(address.query) == [
        ("status", "published"),
        ("badge", str(quests[0].badge_id)),
        ("created_after", "2026-11-19"),
        ("created_before", "2026-11-21"),
        ("zone", "Europe/Berlin"),
    ]
    shown = as_admin.get(answer.location)
    assert titles(shown) == ["one"]
    assert "Created at after 19 Nov 2026" in chips(shown)
    assert as_admin.get("/batches?name=&created_is=after").location == "/batches"


def test_htmx_gets_the_list_and_the_short_address(
    as_admin: ReviewingClient, quests: list[Quest]
) -> None:
    """B-33: the fragment is only the list, and the address bar shows the URL that leads to it."""
    answer = as_admin.htmx(
        "/batches?name=tw&created=&created_is=after&zone=Asia/Tokyo", target="batches"
    )
    assert titles(answer) == ["two"]
    assert answer.headers["HX-Push-Url"] == "/batches?name=tw"
    assert answer.text.lstrip().startswith('<div class="stack" id="batches">')
    plain = as_admin.htmx("/batches?sort=users", target="batches")
    assert "HX-Push-Url" not in plain.headers  # its own URL is the short one


def test_headers_sort_both_ways(as_admin: ReviewingClient, quests: list[Quest]) -> None:
    """B-34: each header sorts up, then down; announced by aria-sort, shown by an arrow."""
    page = as_admin.get("/batches?status=published&status=partially_published").page
    for label in ("Title", "Badge", "Users", "Created at", "Last updated", "Status"):
        found: list[list[str]] = []
        here = page
        for _ in range(2):
            head = next(th for th in here.select("th") if th.get_text(strip=True) == label)
            answer = as_admin.get(str(head.a["href"]))
            here = answer.page
            found.append(titles(answer))
            (sorted_head,) = here.select("th[aria-sort]")
            assert sorted_head.get_text(strip=True) == label
            assert len(chips(answer)) == 2
        assert found[0] == found[1][::-1], label
        assert sorted(found[0]) == ["one", "three", "two"]


def test_drafts_are_filtered_too(as_admin: ReviewingClient, quests: list[Quest]) -> None:
    """B-7, B-31: by name, badge and dates; both tabs keep the filters and count the matches."""
    answer = as_admin.get("/batches?tab=drafts&name=one")
    assert titles(answer) == ["draft one"]
    assert answer.page.select_one("#filters [name=tab]")["value"] == "drafts"
    assert not answer.page.select("#filters [name=status]")
    assert answer.words(".tabs") == "Batches 1 Drafts 1"
    batches, drafts = (str(tab["href"]) for tab in answer.page.select(".tabs a"))
    assert titles(as_admin.get(batches)) == ["one"]
    assert drafts == "/batches?tab=drafts&name=one"
    empty = as_admin.get("/batches?tab=drafts&name=nothing")
    assert "No drafts match these filters" in empty.words("main")


NONSENSE = [
    ("status=foo", "There is no status “foo”."),
    ("tab=drafts&status=published", "Drafts have no status"),
    ("badge=999999", "There is no badge with the number “999999”; the filter was ignored."),
    ("badge=-1", "There is no badge with the number “-1”; the filter was ignored."),
    ("quest=" + "9" * 400, "There is no quest with the number “999"),
    ("quest=1%27;--", "There is no quest"),
    ("created_after=2026-02-30", "“2026-02-30” isn't a valid date"),
    ("updated_on=20260101", "Last updated: “20260101” isn't a valid date"),
    ("created_before=0001-01-01", "Enter one between 1900 and 2999"),
    ("created=9999-12-31&created_is=on", "Enter one between 1900 and 2999"),
    ("created=%00&created_is=after", "isn't a valid date"),
    ("created=2026-01-01&created_is=near", "not “near”"),
    ("created_after=2000-01-01&zone=Mars/Base", "Unknown time zone “Mars/Base”"),
    ("created_after=2000-01-01&zone=../../etc/passwd", "Unknown time zone"),
    ("created_after=2000-01-01&zone=America", "Unknown time zone"),
    ("created_after=2000-01-01&zone=%00", "Unknown time zone"),
    ("sort=salary", "There is no column “salary”"),
    ("sort=--users", "There is no column “--users”"),
    ("page=0", "There is no page “0”; showing the first page."),
    ("page=-1", "There is no page “-1”"),
    ("page=1.5", "There is no page “1.5”"),
    ("page=1000000000", "Page 1,000,000,000 doesn't exist; showing the last page, 1."),
    ("page=" + "9" * 5000, "There is no page “999"),
    ("name=" + "x" * 10_000, "A name can have up to 120 characters"),
]


@pytest.mark.parametrize(("query", "sentence"), NONSENSE, ids=[query[:30] for query, _ in NONSENSE])
def test_invalid_values_are_reported_and_ignored(
    as_admin: ReviewingClient, quests: list[Quest], query: str, sentence: str
) -> None:
    """B-33, X 26 ff.: a response with a sentence, never a 500; the other filters stay active."""
    kept = f"&quest={quests[0].id}"
    answer = as_admin.get(f"/batches?{query}{kept}")
    assert answer.status_code == 200
    assert any(sentence in note for note in notes(answer)), notes(answer)
    assert "Badge: Scholar · First" in chips(answer)
    if "name=" not in query:
        assert "one" in " ".join(titles(answer))


def test_hostile_names_and_nul(as_admin: ReviewingClient, quests: list[Quest]) -> None:
    """B-31, S4: any text can be searched for, and is shown as text."""
    for name in ("<script>alert(1)</script>", "%00", "%ED%A0%80", "' OR 1=1 --", "%25%25", "\\"):
        answer = as_admin.get("/batches?name=" + name)
        assert titles(answer) == []
        assert "No batches match these filters" in answer.words("main")


def test_pages_keep_filters_and_order(
    app: Flask, as_admin: ReviewingClient, quests: list[Quest]
) -> None:
    """B-30, B-33: `Next` is the next page of the same list."""
    rows = [
        {
            "name": f"many {number}", "name_key": f"many {number}", "entry_count": number, "version": 1,
            "status": BatchStatus.PUBLISHED, "created_at": NOW, "updated_at": NOW,
        }
        for number in range(60)
    ]  # fmt: skip
    with app.app_context(), transaction():
        db.session.execute(insert(Batch), rows)
    answer = as_admin.get("/batches?name=many&sort=-users")
    following = str(answer.page.select_one("a[rel=next]")["href"])
    assert following == "/batches?name=many&sort=-users&page=2"
    assert titles(as_admin.get(following))[0] == "many 34"
    third = as_admin.get("/batches?name=many&sort=-users&page=3")
    assert titles(third)[-1] == "many 0"
    assert third.words(".foot").startswith("51–60 of 60")


def test_every_role_can_read_the_list(as_support: ReviewingClient, client: ReviewingClient) -> None:
    """R-1, R-2: filters are for readers too; people who are signed out return to the same list."""
    assert as_support.get("/batches?name=x").status_code == 200
    answer = client.get("/batches?status=published&name=x")
    assert answer.status_code == 303
    assert "status%3Dpublished" in answer.location


def test_the_list_takes_a_fixed_number_of_queries(
    app: Flask, as_admin: ReviewingClient, quests: list[Quest]
) -> None:
    """B-30: as many statements with every filter as with none."""
    counted = []
    for address in (
        "/batches",
        f"/batches?status=published&name=o&badge={quests[0].badge_id}&created_after=2026-01-01&sort=badge",
        "/batches?tab=drafts&page=7",
    ):
        with app.app_context(), statements() as sent:
            assert as_admin.get(address).status_code == 200
        assert not any("entries" in one for one in sent)
        counted.append(len(sent))
    assert counted[0] == counted[1] == counted[2] <= 6, counted


def test_a_running_row_polls_itself_in_a_sorted_list(make: Make, as_admin: ReviewingClient) -> None:
    """B-26: only the row is polled, with any filter."""
    batch = make.batch(make.members(2), published=True)
    row = as_admin.get("/batches?status=unpublished&sort=users").page.select_one("tbody tr")
    assert row["hx-get"] == f"/batches/{batch.id}/row"
    assert as_admin.htmx(str(row["hx-get"])).status_code == 200


def test_the_picker_of_the_form(make: Make, as_admin: ReviewingClient) -> None:
    """B-5: when closed it shows the choice; a badge with one quest has a single row, others expand to their quests."""
    scholar = make.badge("Scholar")
    quest = make.quest("Second", scholar, position=1)
    make.quest("First", scholar, position=0)
    make.quest("Only", make.badge("Founder"))
    batch = make.batch(None, quest)
    page = as_admin.get(f"/batches/{batch.id}").page
    assert page.select_one("#quest-picker > summary").get_text(strip=True) == "Scholar · Second"
    branches = page.select("#quest-picker .branch")
    assert [one.bdi.get_text() for one in branches] == ["Founder", "Scholar"]
    assert branches[0].find("details") is None
    assert branches[0].input["type"] == "radio"
    assert branches[1].details.has_attr("open")
    assert [one.bdi.get_text() for one in branches[1].select("label")] == ["First", "Second"]
    assert [one["value"] for one in page.select("#quest-picker [checked]")] == [str(quest.id)]
    new = as_admin.get("/batches/new").page.select_one("#quest-picker > summary")
    assert new["aria-label"] == "Badge: Choose a badge"
