"""The audit log: one entry per action, readable as sentences, quickly searchable, and immutable (L-1, I121)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import webapp
from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db, dialect_name
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import LAUREL, AuditFilters
from webapp.domain.batches import drafts, runs
from webapp.domain.batches.drafts import Heading
from webapp.domain.imports import import_rows
from webapp.domain.imports.import_rows import ImportProgress
from webapp.domain.staff import accounts
from webapp.models import AuditEvent, Origin, Role, Staff
from webapp.transaction import transaction

PASSWORD = "kettle onion tramway 42"


def actor(staff: Staff | None = None, minutes: float = 0, origin: str = "console") -> Actor:
    return Actor(NOW + timedelta(minutes=minutes), origin, staff)


def note(verb: str, kind: str, subject_id: int | None, by: Actor, **detail: object) -> None:
    with transaction():
        audit_log.write(by, verb, kind, subject_id, **detail)


def sentences(filters: AuditFilters | None = None) -> list[str]:
    """The sentences of the first page, newest first."""
    return [line.sentence for line in search.page(filters or AuditFilters()).lines]


def verbs_written() -> Iterator[tuple[str, str]]:
    """Every verb that the source passes to `audit_log.write`, with its file; fails for verbs that aren't literals."""
    for file in Path(webapp.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr == "write" and ast.unparse(node.func.value) == "audit_log":
                verb = node.args[1]
                assert isinstance(verb, ast.Constant), f"{file}: {ast.unparse(node)}"
                yield str(verb.value), file.name


def test_every_verb_has_a_sentence_and_every_sentence_a_verb() -> None:  # L-1
    written = dict(verbs_written())
    assert len(written) > 10
    assert written.keys() == audit_log.VERBS.keys()
    longest = AuditEvent.__table__.c.verb.type.length
    assert all(len(verb) <= longest for verb in written)


def test_the_life_of_a_batch_reads_as_sentences(make: Make) -> None:
    """L-1: actor, action, subject and number, one line per action."""
    mara = make.staff(name="Mara Kovač")
    quest = make.quest("Came by", make.badge("Guest"))
    people = make.members(3)
    with transaction():
        batch = drafts.create(Heading("Spring", quest.id), actor(mara))
    batch_id = batch.id
    with transaction():
        drafts.add_members(batch_id, people, 100, actor(mara))
    with transaction():
        drafts.save(batch_id, Heading("Spring meetup", quest.id), actor(mara, 1))
    with transaction():
        runs.publish(batch_id, actor(mara, 2))
    with transaction():
        runs.stop(batch_id, actor(mara, 3))
    with transaction():
        runs.dismiss(batch_id, actor(mara, 4))
    assert sentences() == [
        "Mara Kovač removed 3 failed members from the batch “Spring meetup”",
        "Mara Kovač stopped the batch “Spring meetup” with 3 members left",
        "Mara Kovač published the batch “Spring meetup” (3 members)",
        "Mara Kovač changed the batch “Spring meetup”: renamed from “Spring” to “Spring meetup”",
        "Mara Kovač created the batch “Spring meetup”",
    ]
    first = search.page(AuditFilters()).lines[0]
    assert (first.opens, first.event.origin, first.event.at) == (
        ("batch", batch_id),
        "console",
        NOW + timedelta(minutes=4),
    )


def test_one_entry_per_action(make: Make) -> None:
    """L-1: a thousand members in a batch are one entry; repeating an action without effect adds none."""
    batch = make.batch(make.members(30), published=True)
    with transaction():
        runs.publish(batch.id, actor(minutes=5))
    assert [line.event.verb for line in search.page(AuditFilters()).lines].count(
        "batch.published"
    ) == 1


def test_numbers_have_their_noun() -> None:
    for number, words in ((1, "1 failed member"), (4812, "4,812 failed members")):
        before, _, _ = audit_log.sentence("batch.retried", {"members": number})
        assert before == f"retried {words} in the batch "
    assert audit_log.sentence("staff.limited", {"tries": 1})[1] == (
        " after 1 failed attempt within 15 minutes"
    )


def test_empty_values_are_omitted() -> None:
    assert audit_log.sentence("batch.published", {"members": 0})[1] == ""
    assert audit_log.sentence("batch.published", {})[1] == ""
    assert audit_log.sentence("batch.filled", {"added": 0, "left_out": 2})[0] == (
        "added 0 members to the batch "
    )


def test_a_row_of_another_version_is_still_read(make: Make) -> None:
    note("badge.painted", "moon", 7, actor())
    note("staff.added", "staff", 99, actor(), role="pirate")
    assert sentences() == [
        "Laurel created an account for no. 99 as pirate",
        "Laurel did “badge.painted”",
    ]


def test_a_deleted_draft_keeps_its_name(make: Make) -> None:
    """L-1: the subject is linked if it still exists, and named if not."""
    batch = make.batch(make.members(2), name="Straße")
    nameless = make.batch(name="")
    for one in (batch, nameless):
        with transaction():
            drafts.delete_draft(one.id, actor(minutes=1))
    lines = search.page(AuditFilters()).lines
    assert [line.sentence for line in lines] == [
        "Laurel deleted the draft “Untitled draft”",
        "Laurel deleted the draft “Straße” (2 members)",
        "Laurel created the batch “Untitled draft”",
        "Laurel created the batch “Straße”",
    ]
    assert [line.opens for line in lines] == [None] * 4
    assert len(sentences(AuditFilters(text="STRASSE"))) == 2


def test_members_are_shown_with_their_current_names(make: Make) -> None:
    """L-1, S13: entries contain ids; erased members are not named."""
    member = make.member("anna")
    quest = make.quest("Came by", make.badge("Guest"))
    award = make.award(member.id, quest.id)
    note("award.made", "award", award.id, actor(), quest=quest.id)
    note("award.revoked", "award", award.id + 1, actor(minutes=1), quest=quest.id)
    assert sentences() == [
        "Laurel revoked “Guest” from a member who was erased",
        "Laurel awarded “Guest” to anna",
    ]
    row = db.session.get_one(AuditEvent, search.page(AuditFilters()).lines[1].event.id)
    assert "anna" not in f"{row.actor}{row.detail}"
    assert sentences(AuditFilters(text="anna")) == sentences(AuditFilters(text=member.external_id))
    assert sentences(AuditFilters(text="anna")) == ["Laurel awarded “Guest” to anna"]


def test_staff_changes_and_imports_are_recorded(make: Make) -> None:
    """L-1: staff, passwords, imports, by command."""
    command = actor(origin=Origin.COMMAND_LINE)
    with transaction():
        accounts.add("new@example.org", Role.MANAGER, PASSWORD, "", command)
    with transaction():
        accounts.change_password("new@example.org", PASSWORD + "!", actor(minutes=1))
    with transaction():
        import_rows.record_import(
            ImportProgress(created=1200, unchanged=3, bad=1), actor(minutes=2)
        )
    assert sentences() == [
        "Laurel imported members: 1,200 new, 0 changed, 3 unchanged, 1 row skipped",
        "Laurel changed the password of new@example.org",
        "Laurel created an account for new@example.org as Community manager",
    ]
    assert len(sentences(AuditFilters(origin=Origin.COMMAND_LINE))) == 1


@pytest.fixture
def acts(make: Make) -> dict[str, int]:
    """Six actions by two people and Laurel, an hour apart; returns ids by name."""
    anna, ben = make.staff(name="Anna"), make.staff(name="Ben")
    badge = make.badge("Helper")
    batch = make.batch(name="100%_sure")  # recorded at NOW by Laurel
    note("staff.signed_in", "staff", anna.id, actor(anna, 60))
    note("staff.signed_in", "staff", ben.id, actor(ben, 120))
    note("batch.published", "batch", batch.id, actor(anna, 180), members=2)
    note("batch.stopped", "batch", batch.id, actor(ben, 240, "worker"), members=1)
    note("group.awarded", "quest", make.quest("Q", badge).id, actor(ben, 300), awarded=3)
    return {"anna": anna.id, "ben": ben.id, "batch": batch.id}


def found(filters: AuditFilters) -> list[str]:
    return [line.event.verb.partition(".")[2] for line in search.page(filters).lines]


def test_filters(acts: dict[str, int]) -> None:
    """L-1: each by itself, and all of them together."""
    verbs = ("batch.published", "batch.stopped")
    batch = ("batch", acts["batch"])
    hour = timedelta(hours=1)
    assert found(AuditFilters(verbs=verbs)) == ["stopped", "published"]
    assert found(AuditFilters(actor=acts["anna"])) == ["published", "signed_in"]
    assert found(AuditFilters(actor=LAUREL)) == ["created"]
    assert found(AuditFilters(origin=Origin.WORKER)) == ["stopped"]
    assert found(AuditFilters(subject=batch)) == ["stopped", "published", "created"]
    assert found(AuditFilters(since=NOW + 2 * hour, until=NOW + 4 * hour)) == [
        "published",
        "signed_in",
    ]
    assert found(
        AuditFilters(verbs, acts["ben"], "worker", NOW, NOW + 5 * hour, batch, "100%_SURE")
    ) == ["stopped"]
    assert found(AuditFilters(verbs, acts["ben"], "console")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100%_s", ["stopped", "published", "created"]),  # wildcards are literal
        ("1%s", []),
        ("ANNA", ["published", "signed_in"]),
        ("signed", ["signed_in", "signed_in"]),
        ("help", ["awarded"]),
        ("laur", ["created"]),
        ("\\", []),
        ("a\0b", []),
        ("\U0001f600", []),
        ("'; --", []),
    ],
)
def test_search(acts: dict[str, int], text: str, expected: list[str]) -> None:
    """L-1: by action, person, batch and badge."""
    assert found(AuditFilters(text=text)) == expected


def places(number: int, filters: AuditFilters) -> list[list[int]]:
    """The ids on each page, from the newest on, following Older."""
    pages, older = [], None
    while len(pages) < number:
        part = search.page(filters, older_than=older)
        pages.append([line.event.id for line in part.lines])
        older = part.older
        if older is None:
            break
    return pages


def test_paging_there_and_back(make: Make) -> None:
    """L-1: nothing is skipped or repeated, although times are equal and entries are added in between."""
    for number in range(60):
        note("staff.signed_in", "staff", None, actor(minutes=number // 7))
    pages = places(9, AuditFilters(verbs=("staff.signed_in", "staff.signed_out")))
    assert [len(page) for page in pages] == [25, 25, 10]
    flat = [one for page in pages for one in page]
    assert flat == sorted(flat, reverse=True)
    note("staff.signed_in", "staff", None, actor(minutes=99))
    assert places(9, AuditFilters())[0][1:] == flat[:24]
    assert [
        line.event.id for line in search.page(AuditFilters(), older_than=flat[24]).lines
    ] == pages[1]
    back = search.page(AuditFilters(), newer_than=pages[2][0])
    assert [line.event.id for line in back.lines] == pages[1]
    newest = search.page(AuditFilters(), newer_than=pages[1][0])
    assert newest.newer == newest.lines[0].event.id  # the added entry is included
    assert search.page(AuditFilters(), newer_than=newest.newer).newer is None
    assert (
        search.page(AuditFilters(), older_than=flat[-1]).newer is None
    )  # nothing older: the newest page


def test_export_gives_everything_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-1: in chunks, and the same as page by page."""
    monkeypatch.setattr(search, "CHUNK", 7)
    for number in range(30):
        note("staff.signed_in", "staff", None, actor(minutes=number // 4))
        note("staff.signed_out", "staff", None, actor(minutes=number // 4))
    for filters in (
        AuditFilters(),
        AuditFilters(text="signed"),
        AuditFilters(verbs=("staff.signed_out",)),
    ):
        parts = list(search.all_of(filters))
        ids = [line.event.id for part in parts for line in part]
        assert max(map(len, parts)) == 7
        assert ids == [one for page in places(9, filters) for one in page]


def test_queries_are_few_and_fixed(make: Make) -> None:  # L-1
    def count(filters: AuditFilters) -> int:
        db.session.rollback()  # sees what was created since
        older = search.page(filters).older
        with statements() as seen:
            search.page(filters, older_than=older)
        return len(seen)

    make.batch(name="first")
    kinds = [AuditFilters(), AuditFilters(text="batch"), AuditFilters(verbs=tuple(audit_log.VERBS))]
    few = [count(filters) for filters in kinds]
    for number in range(30):
        make.batch(name=f"another {number}")
    many = [count(filters) for filters in kinds]
    assert many == [number + 1 for number in few]  # one for the cursor's position
    assert many == [3, 5, 3]


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_events SET actor = 'x'", "DELETE FROM audit_events"]
)
def test_the_audit_log_is_append_only(make: Make, statement: str) -> None:
    """I121: the database itself rejects changes by any client."""
    note("staff.signed_in", "staff", 1, actor())
    with (
        pytest.raises(DBAPIError, match="the audit log is append-only"),
        db.engine.begin() as connection,
    ):
        connection.execute(text(statement))
    assert len(sentences()) == 1


def test_the_audit_log_cannot_be_emptied(make: Make) -> None:
    """I121: PostgreSQL's TRUNCATE, with and without referencing tables; replacing a row on SQLite."""
    note("staff.signed_in", "staff", 1, actor())
    tricks = ["TRUNCATE audit_events", "TRUNCATE audit_events CASCADE"]
    if dialect_name() == "sqlite":
        tricks = [
            "UPDATE OR REPLACE audit_events SET id = id",
            "UPDATE OR IGNORE audit_events SET actor = 'x'",
            "DELETE FROM audit_events WHERE rowid = 1",
            "INSERT INTO audit_events SELECT * FROM audit_events WHERE true "
            "ON CONFLICT (id) DO UPDATE SET actor = 'x'",
            "INSERT OR REPLACE INTO audit_events SELECT id, at, 'x', staff_id, origin, verb, "
            "subject_kind, subject_id, detail FROM audit_events",
        ]
    for trick in tricks:
        with pytest.raises(DBAPIError), db.engine.begin() as connection:
            connection.execute(text(trick))
    assert sentences() == ["Laurel signed in"]


def test_twenty_concurrent_actions_are_twenty_entries(app: Flask, make: Make) -> None:
    """I123: concurrent actions each have one complete entry."""
    staff = [make.staff(name=f"Person {number}") for number in range(20)]
    barrier = Barrier(len(staff))

    def create(person: Staff) -> None:
        with app.app_context():
            barrier.wait()
            with transaction():
                drafts.create(Heading(f"By {person.name}", None), actor(person))
            db.session.remove()

    threads = [Thread(target=create, args=(person,)) for person in staff]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sentences()) == sorted(
        f"{person.name} created the batch “By {person.name}”" for person in staff
    )
