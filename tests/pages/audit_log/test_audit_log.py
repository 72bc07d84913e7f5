"""The page `Audit log`: sentences, filters in the URL, pages, export; the same for every role (L-1, R-1)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.batches import drafts
from webapp.domain.staff import accounts
from webapp.domain.staff.login_throttle import PER_ADDRESS, PER_SOURCE
from webapp.models import Origin, Role, Staff
from webapp.transaction import transaction

pytestmark = pytest.mark.databases("sqlite", "postgresql")

Note = Callable[..., None]


@pytest.fixture
def note(app: Flask) -> Note:
    """Record an action, `minutes` after NOW."""

    def write(
        verb: str,
        kind: str = "staff",
        subject_id: int | None = None,
        by: Staff | None = None,
        minutes: float = 0,
        origin: str = "console",
        **detail: object,
    ) -> None:
        actor = Actor(NOW + timedelta(minutes=minutes), origin, by)
        with app.app_context(), transaction():
            audit_log.write(actor, verb, kind, subject_id, **detail)

    return write


def sentences(answer: Answer) -> list[str]:
    """The sentences on a page, without the avatars' letters."""
    return [
        " ".join(cell.get_text().split())
        for cell in answer.page.select("tbody .who > span:last-child")
    ]


def chips(answer: Answer) -> dict[str, str]:
    """The active filters, and the link that removes each."""
    return {
        chip.bdi.get_text(): str(chip.a["href"])
        for chip in answer.page.select(".chip")  # type: ignore[union-attr]
    }


@pytest.mark.parametrize("role", list(Role))
def test_every_role_reads_and_exports(
    client: ReviewingClient, make: Make, role: Role
) -> None:  # L-1, R-1
    client.sign_in(make.staff(role))
    batch = make.batch(make.members(2), published=True)
    page = client.get("/audit-log")
    assert sentences(page)[0] == "Laurel published the batch “Spring meetup” (2 members)"
    assert page.page.select_one(f'tbody a[href="/batches/{batch.id}"]') is not None
    assert [
        cell["data-label"] for cell in page.page.select("tbody tr:first-child [data-label]")
    ] == ["Actor ID", "IP address", "Source", "Time"]
    assert client.get("/audit-log/export.csv").status_code == 200


@pytest.mark.parametrize("path", ["/audit-log", "/audit-log/export.csv?q=x"])
def test_signed_out_people_cannot_read_it(client: ReviewingClient, path: str) -> None:
    assert "/sign-in" in client.get(path).headers["Location"]


def test_an_empty_log_says_so(as_support: ReviewingClient) -> None:
    assert "Nothing yet" in as_support.get("/audit-log").words("#audit-log")


def test_filters_are_in_the_url_and_shown_as_chips(
    as_admin: ReviewingClient, make: Make, note: Note
) -> None:
    """L-1: each can be removed by itself, and the others stay active."""
    anna = make.staff(name="Anna")
    batch = make.batch(name="Spring")
    note("batch.published", "batch", batch.id, anna, 10, members=3)
    note("staff.signed_in", "staff", anna.id, anna, 5)
    query = (
        f"q=spring&act=batch.created&act=batch.published&actor={anna.id}&origin=console"
        f"&from=2026-11-20&to=2026-11-20&zone=Europe/Berlin&subject=batch:{batch.id}"
    )
    answer = as_admin.get(f"/audit-log?{query}")
    assert sentences(answer) == ["Anna published the batch “Spring” (3 members)"]
    found = chips(answer)
    assert list(found) == [
        "Search: spring",
        "Action: Batch created",
        "Action: Batch published",
        "By: Anna",
        "Source: console",
        "From 20 Nov 2026",
        "To 20 Nov 2026",
        "About: batch “Spring”",
    ]
    assert "Time zone: Europe/Berlin" in answer.words("#filters")
    without = as_admin.get(found["By: Anna"])
    assert len(sentences(without)) == 2
    assert list(chips(without)) == [words for words in found if words != "By: Anna"]
    for box in ("q", "from", "to", "subject"):
        assert without.page.select_one(f"[name={box}]")["value"]  # type: ignore[index]
    assert len(without.page.select("[name=act][checked]")) == 2
    assert answer.page.select_one("#actor [selected]").get_text() == "Anna"  # type: ignore[union-attr]


def test_the_form_leads_to_a_short_address(as_admin: ReviewingClient) -> None:
    """The plain form sends every field; the redirect keeps those with a value."""
    answer = as_admin.get(
        "/audit-log?zone=Europe/Berlin&q=&act=batch.created&actor=&origin=&from=&to="
    )
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/audit-log?act=batch.created"


@pytest.mark.parametrize("path", ["", "/export.csv"])
def test_the_old_address_redirects_with_its_filters(as_support: ReviewingClient, path: str) -> None:
    query = "?act=batch.created&act=batch.published&q=a%26b&endpoint=x&_external=1&_anchor=x"
    answer = as_support.get(f"/record{path}{query}")
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"/audit-log{path}{query}"


def test_days_are_those_of_the_zone(as_admin: ReviewingClient, note: Note) -> None:
    """L-1: from midnight to midnight in that zone, also on the day when clocks go back in Berlin."""
    note("staff.signed_in", minutes=11 * 60 + 30)  # 2026-11-20 23:30 UTC
    here = "/audit-log?from=2026-11-21&to=2026-11-21"
    assert sentences(as_admin.get(here)) == []
    assert len(sentences(as_admin.get(f"{here}&zone=Europe/Berlin"))) == 1
    assert sentences(as_admin.get(f"{here}&zone=America/New_York")) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("act=batch.exploded", "There is no action “batch.exploded”."),
        ("act=%00", "There is no action “\ufffd”."),
        ("actor=999", "No staff account has the ID “999”;"),
        ("actor=-1", "No staff account has the ID “-1”;"),
        ("origin=moon", "There is no source “moon”."),
        ("from=2026-02-30", "“2026-02-30” isn't a valid date."),
        ("to=0001-01-01", "“0001-01-01” isn't a valid date."),
        ("to=9999-12-31", "“9999-12-31” isn't a valid date."),
        ("from=tomorrow", "“tomorrow” isn't a valid date."),
        ("from=2026-11-20&zone=Mars/Base", "Unknown time zone “Mars/Base”"),
        ("from=2026-11-20&zone=../../etc/passwd", "Unknown time zone"),
        ("from=2026-11-20&zone=%00", "Unknown time zone"),
        ("from=2026-11-22&to=2026-11-21", "The end date is before the start date"),
        ("subject=moon:1", "No entries are about “moon:1”"),
        ("subject=batch:x", "No entries are about “batch:x”"),
        ("subject=batch:" + "9" * 30, "No entries are about"),
        ("before=x", "That page doesn't exist"),
        ("after=-1", "That page doesn't exist"),
        ("before=" + "9" * 30, "That page doesn't exist"),
        ("q=" + "a" * 500, "up to 120 characters"),
    ],
)
def test_invalid_values_are_reported_and_ignored(
    as_admin: ReviewingClient, note: Note, query: str, said: str
) -> None:
    """A URL changed by hand never fails, and its other filters apply."""
    note("staff.signed_out", origin=Origin.WORKER)
    note("staff.signed_in", origin=Origin.COMMAND_LINE)
    answer = as_admin.get(
        f"/audit-log?origin=command+line&{query}"
        if "origin" not in query
        else f"/audit-log?{query}"
    )
    assert answer.status_code == 200
    assert said in answer.words(".note")
    if "origin" not in query:
        assert "Source: command line" in chips(answer)
        assert not any("signed out" in one for one in sentences(answer))


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "q=%25",
        "q=%ff",
        "q=%F0%9F%98%80",
        "subject=batch:9223372036854775807",
        "before=9223372036854775807",
    ],
)
def test_odd_addresses_get_a_page(as_admin: ReviewingClient, make: Make, query: str) -> None:
    make.batch()
    assert as_admin.get(f"/audit-log?{query}").status_code == 200
    assert as_admin.get(f"/audit-log/export.csv?{query}").status_code == 200


def test_pages_keep_the_filters(as_admin: ReviewingClient, note: Note) -> None:
    """L-1: Older and Newer go there and back."""
    for minute in range(30):
        note("staff.signed_in", minutes=minute)
        note("staff.signed_out", minutes=minute)
    first = as_admin.get("/audit-log?act=staff.signed_in")
    assert first.page.select_one("a[rel=prev]") is None
    older = first.page.select_one("a[rel=next]")
    assert older is not None
    second = as_admin.get(str(older["href"]))
    assert (len(sentences(first)), len(sentences(second))) == (25, 5)
    assert set(sentences(second)) == {"Laurel signed in"}
    assert second.page.select_one("a[rel=next]") is None
    back = second.page.select_one("a[rel=prev]")
    assert back is not None
    times = [
        str(one["datetime"]) for one in as_admin.get(str(back["href"])).page.select("tbody time")
    ]
    assert times == [str(one["datetime"]) for one in first.page.select("tbody time")]


def test_names_are_text(as_admin: ReviewingClient, make: Make, note: Note) -> None:
    """S4: markup in a name is text, in the sentence, the chip and the list of people."""
    bad = '<img src=x onerror="alert(1)">'
    eve = make.staff(name=bad)
    batch = make.batch(name=bad)
    note("batch.changed", "batch", batch.id, eve, 1)
    answer = as_admin.get(f"/audit-log?subject=batch:{batch.id}&actor={eve.id}&q=%3Cimg")
    assert answer.page.select("main img") == []
    assert sentences(answer) == [f"{bad} changed the batch “{bad}”"]


def rows(answer: Answer) -> list[list[str]]:
    assert answer.mimetype == "text/csv"
    assert answer.data.startswith(b"\xef\xbb\xbfTime;Actor;")
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";"))


def test_export(as_admin: ReviewingClient, make: Make, note: Note) -> None:
    """L-1, S10: all entries that match the filters, and no cell starts a formula."""
    eve = make.staff(name='=HYPERLINK("http://evil.example";"x")')
    batch = make.batch(name="Spring;\n“two”")
    note("batch.published", "batch", batch.id, eve, 61, members=1200)
    page = as_admin.get("/audit-log?act=batch.published")
    link = page.page.select_one(".actions a")
    assert link is not None
    answer = as_admin.get(str(link["href"]))
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-log-20')
    head, *body = rows(answer)
    assert head[:4] == ["Time", "Actor", "Actor ID", "IP address"]
    assert head[4:] == ["Action", "Subject", "Subject ID", "Source", "Sentence"]
    assert len(body) == 1
    assert body[0][0] == "2026-11-20T13:01:00Z"
    assert body[0][1] == "'" + eve.name
    assert body[0][4:8] == ["Batch published", "batch", str(batch.id), "console"]
    assert body[0][8].startswith("'=HYPERLINK")
    assert body[0][8].endswith("published the batch “Spring; “two”” (1,200 members)")
    assert len(rows(as_admin.get("/audit-log/export.csv"))) == 3


def test_export_is_sent_while_it_is_read(
    as_admin: ReviewingClient, note: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L-1: only a part of the rows is in memory, and no connection is held between parts."""
    monkeypatch.setattr("webapp.domain.audit_log.search.CHUNK", 4)
    for _ in range(10):
        note("staff.signed_in")
    answer = as_admin.get("/audit-log/export.csv", buffered=False)
    parts = iter(answer.response)
    assert next(parts).count(b"\n") == 1
    assert next(parts).count(b"\n") == 4
    with as_admin.application.app_context():
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert [part.count(b"\n") for part in parts] == [4, 2]


def test_queries_do_not_grow(app: Flask, as_admin: ReviewingClient, make: Make) -> None:
    """L-1: the same with one entry and with a full page."""

    def count() -> list[int]:
        numbers = []
        for path in ("/audit-log", "/audit-log?q=batch", f"/batches/{first.id}"):
            with app.app_context(), statements() as seen:
                assert as_admin.get(path).status_code == 200
            numbers.append(len(seen))
        return numbers

    first = make.batch()
    few = count()
    for _ in range(30):
        make.batch(published=True)
    with app.app_context(), transaction():
        drafts.save(
            first.id, drafts.Heading("Another name", first.quest_id), Actor(NOW, Origin.CONSOLE)
        )
    assert count() == few


def test_a_batch_shows_its_history(as_support: ReviewingClient, make: Make, note: Note) -> None:
    """L-1: its last ten entries, and a link to all of them."""
    other = make.batch(name="Other")
    batch = make.batch(name="Spring")
    for minute in range(1, 12):
        note("batch.changed", "batch", batch.id, None, minute)
    answer = as_support.get(f"/batches/{batch.id}")
    items = [
        " ".join(one.get_text().split())
        for one in answer.page.select("#history li span:first-child")
    ]
    assert items == ["Laurel changed the batch “Spring”"] * 10
    link = answer.page.select_one("#history header a")
    assert link is not None
    assert len(sentences(as_support.get(str(link["href"])))) == 12
    assert len(as_support.get(f"/batches/{other.id}").page.select("#history li")) == 1


def test_a_new_batch_has_no_history(as_admin: ReviewingClient) -> None:
    assert as_admin.get("/batches/new").page.select_one("#history") is None


PASSWORD = "kettle onion tramway 42"


def enter(client: ReviewingClient, email: str, password: str, address: str = "192.0.2.1") -> Answer:
    return client.post(
        "/sign-in",
        {"email": email, "password": password},
        environ_base={"REMOTE_ADDR": address},
    )


@pytest.fixture
def anna(make: Make) -> Staff:
    """A person whose password is PASSWORD."""
    return make.staff(name="Anna", email="anna@example.org", password=accounts.hash_of(PASSWORD))


def test_signing_in_and_out_is_logged(
    client: ReviewingClient, as_admin: ReviewingClient, anna: Staff
) -> None:
    """L-1: once each; signing out while signed out is not logged."""
    enter(client, anna.email, PASSWORD)
    client.post("/sign-out")
    client.post("/sign-out")
    assert sentences(as_admin.get("/audit-log")) == ["Anna signed out", "Anna signed in"]


def test_a_reached_limit_is_one_entry(
    client: ReviewingClient, as_admin: ReviewingClient, anna: Staff
) -> None:
    """L-1, S6: not each failed attempt; with the account if it exists; nothing that was typed."""
    for email in (anna.email, "kettle onion"):
        for number in range(PER_SOURCE + 2):
            enter(client, email, "wrong", f"192.0.2.{number}")
    answer = as_admin.get("/audit-log?act=staff.limited")
    said = (
        "Laurel blocked further attempts to sign in as {} from 192.0.2.0/24"
        " after 5 failed attempts within 15 minutes"
    )
    assert sentences(answer) == [said.format("an unknown account"), said.format("Anna")]
    assert "kettle" not in answer.text


def test_a_reached_limit_of_an_address_is_one_act(
    client: ReviewingClient, as_admin: ReviewingClient, anna: Staff
) -> None:  # L-1, S6
    for number in range(PER_ADDRESS + 2):
        enter(client, f"n{number}@example.org", "wrong", "198.51.100.7")
    assert sentences(as_admin.get("/audit-log?act=address.limited")) == [
        "Laurel blocked further attempts to sign in from 198.51.100.7"
        " after 20 failed attempts within 15 minutes"
    ]


def test_the_sidebar_names_the_role(client: ReviewingClient, make: Make) -> None:
    """R-1: by its label."""
    for role in Role:
        client.sign_in(make.staff(role))
        assert client.get("/audit-log").words(".current-user p .muted") == role.label
