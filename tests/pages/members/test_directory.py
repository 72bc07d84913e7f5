"""The directory's page: prefix search, pages, the same with and without htmx."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from bs4 import Tag
from flask import Flask
from sqlalchemy import select

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import uploads
from webapp.domain.credentials import issuer, sharing
from webapp.domain.csv_files.streaming import stream
from webapp.domain.erasure import erase
from webapp.domain.imports import columns as member_columns
from webapp.domain.imports import import_rows
from webapp.domain.imports.import_rows import ImportProgress
from webapp.domain.imports.plan import DryRunState
from webapp.domain.members import export as member_export
from webapp.domain.members import search
from webapp.domain.members.directory import EVERYBODY
from webapp.models import AuditEvent, Batch, Entry, MemberStatus, Origin
from webapp.transaction import transaction

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def usernames(answer: Answer) -> list[str]:
    return [cell.get_text(strip=True) for cell in answer.page.select("tbody a.strong")]


def test_members_are_listed_with_their_identifiers(as_support: ReviewingClient, make: Make) -> None:
    """D-1: username, name, ID, email, status and number of badges."""
    member = make.member(
        "anna",
        name="Anna Brandt",
        external_id="4821",
        email="anna@example.org",
        status=MemberStatus.SUSPENDED,
        activity=7,
    )
    make.member("bea", email=None)
    make.award(member.id, make.quest().id)
    answer = as_support.get("/members")
    row = " ".join(answer.page.select("tbody tr")[0].get_text(" ").split())
    assert row == "AB anna Anna Brandt anna @example.org 4821 1 7 20 Nov 2026, 12:00 UTC Suspended"
    assert answer.page.select_one(f'a[href="/members/{member.id}"]') is not None
    assert answer.words("#members h2") == "2 members"


def test_search_by_prefix(as_support: ReviewingClient, make: Make) -> None:
    """D-1: one field for ID, username and email; it keeps the text."""
    make.member("anna", external_id="17", email="zoe@example.org")
    make.member("zoe", external_id="18")
    answer = as_support.get("/members?q=+ZOE")
    assert usernames(answer) == ["zoe", "anna"]
    box = answer.page.select_one('input[type="search"]')
    assert box is not None
    assert box["value"] == "ZOE"
    assert usernames(as_support.get("/members?q=17")) == ["anna"]


def test_htmx_gets_the_list_alone(as_support: ReviewingClient, make: Make) -> None:
    """D-1: while typing, the list is replaced and the field keeps focus."""
    make.member("anna")
    answer = as_support.htmx("/members?q=a")
    assert usernames(answer) == ["anna"]
    assert answer.page.select_one("#members") is not None
    assert answer.page.select_one("main") is None


def test_pages_keep_the_search(as_support: ReviewingClient, make: Make) -> None:
    """D-1: 25 per page; Next and Previous keep the search."""
    make.members(30)
    first = as_support.get("/members?q=user")
    following = first.page.select_one('a[rel="next"]')
    assert following is not None
    assert len(usernames(first)) == 25
    second = as_support.get(str(following["href"]))
    assert len(usernames(second)) == 5
    assert not set(usernames(first)) & set(usernames(second))
    previous = second.page.select_one('a[rel="prev"]')
    assert previous is not None
    assert usernames(as_support.get(str(previous["href"]))) == usernames(first)


ODD = ["0", "-1", "1000000000", "9" * 40, "abc", "1.5", "%00", "b", "b0", "2026-02-30"]


@pytest.mark.parametrize(
    "name",
    [
        "after",
        "before",
        "holds",
        "lacks",
        "status",
        "from",
        "to",
        "zone",
        "least",
        "most",
        "sort",
        "count",
        "q",
    ],
)
def test_an_address_changed_by_hand_never_breaks_the_page(
    as_support: ReviewingClient, make: Make, name: str
) -> None:
    """W110: invalid values are reported and ignored."""
    make.member("anna")
    for value in ODD:
        answer = as_support.get(f"/members?{name}={value}&x=1")
        assert answer.status_code == 200, (name, value)
        shown = usernames(answer) == ["anna"]
        finds_nobody = name in ("q", "from", "to", "least") or value in ("0", "1000000000")
        assert shown or finds_nobody, (name, value)
        notes = answer.page.select("#members .note")
        assert notes or shown or answer.page.select(".chip"), (name, value)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("1,000", "Min. activity: 1,000"), ("1,5", ""), ("1.5", ""), ("9" * 16, "")],
)
def test_a_number_is_read_as_people_write_it(
    as_support: ReviewingClient, make: Make, typed: str, shown: str
) -> None:
    """D-2: with commas between thousands; other uses of commas are reported as invalid."""
    make.member("anna")
    answer = as_support.get(f"/members?least={typed}")
    if shown:
        assert shown in answer.words(".chip")
    else:
        assert f"Activity: “{typed}” isn't a whole number" in answer.words("#members .note")


@pytest.mark.parametrize(
    "text", ["%00", "%ff", "%25", "_", "%27%3B--", "%F0%9F%98%80", "x" * 5000, "%ED%A0%80", "\\"]
)
def test_odd_searches_find_no_one(as_support: ReviewingClient, make: Make, text: str) -> None:
    """D-1: whatever is typed, the response is a page that says so."""
    make.member("anna")
    answer = as_support.get(f"/members?q={text}")
    assert answer.status_code == 200
    assert "No members found" in answer.words("#members")


def test_member_names_are_shown_as_text(as_support: ReviewingClient, make: Make) -> None:
    """W 85: markup in names is text."""
    make.member("<script>alert(1)</script>", name='"><img src=x>')
    page = as_support.get("/members?q=%3Cscript").page
    assert page.select_one("tbody img") is None
    assert page.select_one("tbody script") is None
    assert "<script>alert(1)</script>" in page.select("tbody tr")[0].get_text()


def test_an_empty_directory_says_how_to_add_members(
    as_support: ReviewingClient, as_manager: ReviewingClient
) -> None:
    """D-4: it asks for a file only from roles that can import one."""
    assert "Import a CSV file to add members." in as_manager.get("/members").words("#members")
    words = as_support.get("/members").words("#members")
    assert "Members appear here once they are imported." in words
    assert "CSV" not in words


def test_queries_do_not_grow(app: Flask, as_support: ReviewingClient, make: Make) -> None:
    """D-1: at most twelve, with one member and with a full page, including the session and the badges."""

    def count(path: str) -> int:
        with app.app_context(), statements() as seen:
            assert as_support.get(path).status_code == 200
        return len(seen)

    member_id = make.members(1)[0]
    quest = make.quest()
    paths = (
        "/members",
        "/members?q=user",
        f"/members?holds={quest.id}&lacks=b99&least=0&sort=joined",
    )
    make.award(member_id, quest.id)
    few = [count(path) for path in paths]
    for other in make.members(40, "user-"):
        make.award(other, quest.id)
    many = [count(path) for path in paths]
    assert max(few + many) <= 12
    assert all(later <= first + 1 for first, later in zip(few, many, strict=True))


def chips(answer: Answer) -> list[str]:
    return [chip.get_text(strip=True) for chip in answer.page.select(".chip bdi")]


def test_filters_are_in_the_url_and_shown_as_chips(as_support: ReviewingClient, make: Make) -> None:
    """D-1: filters combine; each chip removes its own; the form's URL is shortened."""
    badge = make.badge("Helper")
    first, second = make.quest("One", badge), make.quest("Two", badge)
    other = make.quest("Alone", make.badge("Veteran"))
    anna, bea, carl = (make.member(name, activity=5) for name in ("anna", "bea", "carl"))
    for member in (anna, bea, carl):
        make.award(member.id, first.id)
    make.award(bea.id, other.id)
    make.award(carl.id, second.id)
    form = (
        f"/members?q=&holds={first.id}&lacks={other.id}&status=active&from=2026-11-20&to="
        "&zone=Europe/Berlin&least=5&most="
    )
    short = as_support.get(form)
    assert short.status_code == 303
    assert short.location == (
        f"/members?holds={first.id}&lacks={other.id}&status=active&from=2026-11-20"
        "&zone=Europe/Berlin&least=5"
    )
    answer = as_support.get(short.location)
    assert usernames(answer) == ["anna", "carl"]
    assert chips(answer) == [
        "Has badge: Helper · One",
        "Doesn't have badge: Veteran",
        "Status: Active",
        "Joined from 20 Nov 2026",
        "Min. activity: 5",
    ]
    assert "Dates in Europe/Berlin" in answer.words("#members")
    for gone in ("lacks", "holds", "status", "least", "from"):
        remove = [
            str(link["href"])
            for link in answer.page.select(".chip a")
            if f"{gone}=" not in str(link["href"])
        ]
        assert len(remove) == 1
        assert len(chips(as_support.get(remove[0]))) == 4
    assert usernames(as_support.get(f"/members?lacks={other.id}")) == ["anna", "carl"]
    assert usernames(as_support.get(f"/members?holds=b{badge.id}&lacks={second.id}")) == [
        "anna",
        "bea",
    ]
    assert usernames(as_support.get("/members?to=2026-11-19")) == []


def test_a_badge_with_a_single_quest_is_a_filter_too(
    make: Make, as_support: ReviewingClient
) -> None:
    quest = make.quest(badge=make.badge("Translator"))
    answer = as_support.get(f"/members?holds=b{quest.badge_id}")
    assert answer.status_code == 200
    assert "Has badge: Translator" in answer.words()


def test_columns_sort_both_ways(as_support: ReviewingClient, make: Make) -> None:
    """D-1: the header shows it, and keeps the filters."""
    make.member("anna", activity=1)
    make.member("bea", activity=2)
    answer = as_support.get("/members?status=active")
    assert answer.page.select_one("th[aria-sort]").get_text(strip=True) == "Member"  # type: ignore[union-attr]
    first = answer.page.select_one("#sort-activity")
    assert first is not None
    once = as_support.get(str(first["href"]))
    again = as_support.get(str(once.page.select_one("#sort-activity")["href"]))  # type: ignore[index]
    assert (usernames(once), usernames(again)) == (["anna", "bea"], ["bea", "anna"])
    assert again.page.select_one("th[aria-sort=descending]") is not None
    assert chips(again) == ["Status: Active"]


def test_many_are_counted_on_demand(
    as_support: ReviewingClient, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D-1: counting very many exactly takes time, so it happens on request."""
    monkeypatch.setattr(search, "COLLECT_LIMIT", 30)
    make.members(40)
    answer = as_support.get("/members")
    assert answer.words("#members h2") == "30+ members"
    count = answer.page.find("a", string="Show exact count")
    assert isinstance(count, Tag)
    assert as_support.get(str(count["href"])).words("#members h2") == "40 members"
    assert as_support.get("/members?status=active").words("#members h2") == "Many members"


def csv_rows(answer: Answer) -> list[str]:
    return answer.get_data().decode("utf-8-sig").split("\r\n")


def test_the_export_is_the_filtered_list(as_manager: ReviewingClient, make: Make) -> None:
    """D-2: the template's columns first; no cell starts a formula."""
    quest = make.quest()
    anna = make.member("=anna", external_id="1", email="a@x", name="Anna; B", activity=3)
    make.member("bea", external_id="2", email=None, status="left")
    make.award(anna.id, quest.id)
    rows = csv_rows(as_manager.get("/members/export.csv"))
    assert rows == [
        "ID;Username;Registered email;Name;Joined;Status;Badges;Activity",
        '1;\'=anna;a@x;"Anna; B";2026-11-20T12:00:00Z;Active;1;3',
        "2;bea;;;2026-11-20T12:00:00Z;Left;0;0",
        "",
    ]
    rows = csv_rows(as_manager.get(f"/members/export.csv?lacks={quest.id}"))
    assert [row[:5] for row in rows] == ["ID;Us", "2;bea", ""]


def test_an_export_has_the_links_to_members_pages(
    app: Flask, client: ReviewingClient, as_manager: ReviewingClient, make: Make
) -> None:
    """OB-2: with Open Badges; in the last column, which uploads ignore. Erased members have none."""
    anna, erased = make.member("anna", external_id="1"), make.member("gone", external_id="2")
    with app.app_context(), transaction():
        issuer.turn_on(Actor(NOW, Origin.CONSOLE))
        erase.erase(erased.id, Actor(NOW, Origin.CONSOLE))
    exported = as_manager.get("/members/export.csv")
    header, row, end = csv_rows(exported)
    assert (header.rpartition(";")[2], end) == ("Member page", "")
    url = row.rpartition(";")[2]
    batch = make.batch()
    with app.app_context():
        assert sharing.PageUrls("http://localhost:8000").of([anna.id]) == {anna.id: url}
        assert uploads.examine(batch.id, exported.data, 100).ignored[-1] == "Member page"
    assert client.get(url.removeprefix("http://localhost:8000")).status_code == 200


def test_an_export_goes_into_a_batch_and_back_into_the_directory(
    app: Flask, as_admin: ReviewingClient, make: Make
) -> None:
    """D-2: unchanged, every row matches its member; importing it changes no one."""
    odd = ["=1+1", "'=x", "Ünï", "a;b", 'c"d', "-x", "＝y", "@z"]
    for place, name in enumerate(odd):
        make.member(name, external_id=f"0{place}", name=name, email=None)
    data = as_admin.get("/members/export.csv").get_data()
    batch = make.batch()
    with app.app_context():
        seen = uploads.examine(batch.id, data, 100)
        assert seen.counts() | {"all": 0} == {
            "all": 0, "expected": 8, "errors": 0, "merged": 0, "already": 0, "unable": 0, "changed": 0,
        }  # fmt: skip
        assert seen.ignored == ["Name", "Joined", "Status", "Badges", "Activity"]
        sheet = stream(io.BytesIO(data))
        rows = [row for row, _ in member_columns.incoming(sheet, member_columns.guess(sheet.shape))]
        done = ImportProgress(imagined=DryRunState())
        import_rows.import_rows(rows, Actor(at=NOW, origin=Origin.CONSOLE), done)
        assert (done.unchanged, done.bad) == (8, 0), done.problems


def test_an_export_takes_the_same_queries_a_chunk_and_little_memory(
    app: Flask, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D-2: three queries for every two thousand members, and no more of them in memory."""
    monkeypatch.setattr(search, "COLLECT_LIMIT", 0)
    make.members(5_000)
    with app.app_context(), statements() as sent:
        sizes = [len(rows) for rows in member_export.rows(EVERYBODY)]
    assert sizes == [2_000, 2_000, 1_000]
    assert len(sent) == 3 * 3 + 1
    with app.app_context():
        with transaction():
            issuer.turn_on(Actor(NOW, Origin.CONSOLE))
        with statements() as sent:
            urls = sharing.PageUrls("https://x.example").of
            assert sum(len(rows) for rows in member_export.rows(EVERYBODY, urls)) == 5_000
    assert len(sent) == 1 + 4 * 3 + 1


def test_roles_without_import_and_export_see_neither(
    as_support: ReviewingClient, as_manager: ReviewingClient, make: Make
) -> None:
    """R-1, R-2: Support neither exports nor imports; a community manager creates no batches."""
    make.member("anna")
    words = as_support.get("/members").words("main")
    assert "Export" not in words
    assert "Import" not in words
    assert as_support.get("/members/export.csv").status_code == 403
    assert as_support.get("/members/imports").status_code == 403
    words = as_manager.get("/members").words("main")
    assert "Export" in words
    assert "Create batch" not in words
    assert as_manager.post("/members/batch").status_code == 403


def test_a_batch_of_these_members(app: Flask, as_admin: ReviewingClient, make: Make) -> None:
    """D-3: a draft with the whole list, not only the page; the button has the number."""
    quest = make.quest()
    ids = make.members(40)
    for member_id in ids[:30]:
        make.award(member_id, quest.id)
    answer = as_admin.get(f"/members?holds={quest.id}")
    button = answer.page.select_one("#members header form button")
    assert button is not None
    assert button.get_text(strip=True) == "Create batch from these 30 members"
    action = str(answer.page.select_one("#members header form")["action"])  # type: ignore[index]
    made = as_admin.post(action)
    assert made.status_code == 303
    with app.app_context():
        batch = db.session.scalars(select(Batch)).one()
        entries = db.session.scalars(select(Entry.member_id).order_by(Entry.id)).all()
        assert (batch.draft, batch.entry_count, entries) == (True, 30, ids[:30])
    assert "30" in as_admin.get(made.location).words("#members")
    said = as_admin.get("/audit-log").words("#audit-log")
    assert "with 30 members from the member list" in said


def drafts(app: Flask) -> list[tuple[str, int, list[int]]]:
    """Name, number of members and members of every draft."""
    with app.app_context():
        found = db.session.scalars(select(Batch).order_by(Batch.id)).all()
        inside = select(Entry.member_id).order_by(Entry.id)
        return [
            (
                one.name,
                one.entry_count,
                list(db.session.scalars(inside.where(Entry.batch_id == one.id))),
            )
            for one in found
        ]


def test_more_members_than_a_batch_can_have_are_divided_after_a_confirmation(
    app: Flask, as_admin: ReviewingClient, make: Make
) -> None:
    """D-3, B-12, L-1: the page says into how many; drafts named `(1/3)` are created as one action."""
    ids, quest = make.members(12), make.quest()
    with override_limit(app, 5):
        link = as_admin.get("/members?q=user").page.select_one("#members header .row.end a")
        assert link is not None
        assert link.get_text(strip=True) == "Create 3 batches from these 12 members"
        shown = as_admin.get(str(link["href"]))
        assert "3 drafts : 2 with 5 members each, and one with 2" in shown.words("#several")
        form = shown.page.select_one("#several")
        assert form is not None
        sent = {"members": str(form.select_one("[name=members]")["value"])}
        answer = as_admin.post(str(form["action"]), sent | {"name": "Spring", "quest": quest.id})
        assert (answer.status_code, answer.location) == (303, "/batches?tab=drafts&name=Spring")
        page = as_admin.get(answer.location)
    assert "3 drafts created with 12 members." in page.words(".flashes")
    for place in (1, 2, 3):
        assert f"Spring ({place}/3)" in page.words("tbody")
    assert drafts(app) == [
        ("Spring (1/3)", 5, ids[:5]),
        ("Spring (2/3)", 5, ids[5:10]),
        ("Spring (3/3)", 2, ids[10:]),
    ]
    with app.app_context():
        acts = [
            row for row in db.session.scalars(select(AuditEvent)) if row.verb.startswith("batch.")
        ]
        assert [(row.verb, row.detail["batches"], row.detail["members"]) for row in acts] == [
            ("batch.divided", 3, 12)
        ]
    said = as_admin.get("/audit-log").words("#audit-log")
    assert "created 3 batches with 12 members from the member list, starting with" in said


def test_a_list_of_unknown_length_leads_to_the_confirmation(
    app: Flask, as_admin: ReviewingClient, make: Make
) -> None:
    """D-3: the button alone creates nothing if there are too many members, and an empty list creates no batch."""
    make.members(8)
    with override_limit(app, 5):
        answer = as_admin.post("/members/batch?q=user")
        assert (answer.status_code, answer.location) == (303, "/members/batches?q=user")
        assert "2 drafts" in as_admin.get(answer.location).words("#several")
    nobody = as_admin.post("/members/batch?q=nobody")
    assert "No members match these filters" in as_admin.get(nobody.location).words("main")
    assert as_admin.get("/members/batches?q=nobody").location == "/members?q=nobody"
    assert drafts(app) == []


def test_a_list_that_has_changed_is_confirmed_again(
    app: Flask, as_admin: ReviewingClient, make: Make
) -> None:
    """D-3: neither more nor fewer members than shown; the input is kept."""
    make.members(6)
    with override_limit(app, 5):
        make.members(1, "user9")
        answer = as_admin.post("/members/batches?q=user", {"name": "Spring", "members": "6"})
    assert answer.status_code == 409
    assert "7 members now match" in answer.words("#several")
    assert answer.page.select_one("#name")["value"] == "Spring"  # type: ignore[index]
    assert drafts(app) == []


@pytest.mark.parametrize(
    ("sent", "place", "said"),
    [
        ({"name": " "}, "#name-error", "Enter a name for the batches."),
        ({"name": "x" * 115}, "#name-error", "The name can have up to 114 characters here."),
        ({"quest": "99"}, "#quest-error", "This badge doesn't exist."),
    ],
)
def test_errors_of_the_batches_are_shown_and_nothing_is_created(
    app: Flask, as_admin: ReviewingClient, make: Make, sent: dict[str, str], place: str, said: str
) -> None:
    """D-3: all or none."""
    make.members(6)
    with override_limit(app, 5):
        form = {"name": "Spring", "members": "6"} | sent
        answer = as_admin.post("/members/batches?q=user", form)
    assert answer.status_code == 422
    assert said in answer.words(place)
    assert drafts(app) == []


def test_far_too_many_members_disable_the_button_with_the_reason(
    app: Flask, as_admin: ReviewingClient, make: Make
) -> None:
    """D-3: twenty batches at once; the request anyway gets the reason."""
    make.members(21)
    reason = "You can create up to 20 batches at once, with 20 members in total."
    with override_limit(app, 1):
        page = as_admin.get("/members?q=user")
        button = page.page.select_one("#members header button[disabled]")
        assert button is not None
        assert button["aria-describedby"] == "too-many"
        assert reason in page.words("#too-many")
        assert reason in as_admin.get("/members/batches?q=user").words("main")
        answer = as_admin.post("/members/batches?q=user", {"name": "Spring", "members": "21"})
        assert answer.status_code == 422
        assert reason in answer.words("main")
    assert drafts(app) == []


def test_only_roles_that_batch_unlock_divide_members(
    app: Flask, as_manager: ReviewingClient, make: Make
) -> None:
    """R-1, B-3."""
    make.members(6)
    with override_limit(app, 5):
        assert "batch" not in as_manager.get("/members").words("#members header")
        assert as_manager.get("/members/batches").status_code == 403
        assert as_manager.post("/members/batches", {}).status_code == 403


@contextmanager
def override_limit(app: Flask, limit: int) -> Iterator[None]:
    before = app.config["LAUREL"]
    app.config["LAUREL"] = replace(before, batch_max_members=limit)
    yield
    app.config["LAUREL"] = before
