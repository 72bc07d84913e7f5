"""Members come in by ID, and are found again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db, dialect_name
from webapp.domain import members, profile
from webapp.domain.act import Act
from webapp.domain.members import Imported
from webapp.domain.merging import Fault, Imagined, Incoming
from webapp.domain.refusals import NotFound
from webapp.models import Member, MemberWord, Record, Role
from webapp.transaction import transaction

LATER = NOW + timedelta(days=1)


def take(*rows: tuple[str, ...], at: int = 0) -> Imported:
    """Imports rows of ID, username, email and name, numbered from line 2."""
    act = Act(at=LATER + timedelta(days=at), origin="command line")
    with transaction():
        return members.import_rows(
            [Incoming(line, *row) for line, row in enumerate(rows, start=2)], act
        )


def counts(done: Imported) -> tuple[int, int, int, int]:
    return done.created, done.updated, done.unchanged, done.bad


def directory_now() -> dict[str, tuple[str, str | None, str]]:
    db.session.rollback()
    found = select(Member.external_id, Member.username, Member.email, Member.name)
    return {row[0]: tuple(row[1:]) for row in db.session.execute(found)}


def test_creates_and_updates_by_id(make: Make) -> None:
    """D-4: a known ID is changed, an unknown one created; the rest of the directory stays."""
    make.member("anna", external_id="1", email="anna@example.org", name="Anna")
    make.member("bea", external_id="2", email=None)
    done = take(
        ("1", "Anna_B", "anna@example.net", "Anna Brandt"), ("3", " Carl ", "", "Carl Öhman")
    )
    assert counts(done) == (1, 1, 0, 0)
    assert directory_now() == {
        "1": ("Anna_B", "anna@example.net", "Anna Brandt"),
        "2": ("bea", None, ""),
        "3": ("Carl", None, "Carl Öhman"),
    }
    carl = db.session.scalars(select(Member).where(Member.external_id == "3")).one()
    assert (carl.username_key, carl.status, carl.joined_at) == ("carl", "active", LATER)
    anna = db.session.scalars(select(Member).where(Member.external_id == "1")).one()
    assert (anna.username_key, anna.email_key) == ("anna_b", "anna@example.net")
    assert (anna.joined_at, anna.updated_at) == (NOW, LATER)


def test_the_same_rows_twice_change_nothing(make: Make) -> None:
    """D-4: not even the time of the last change."""
    rows = [(f"{n}", f"user{n}", f"{n}@example.org", f"Näme {n}") for n in range(50)]
    assert counts(take(*rows)) == (50, 0, 0, 0)
    before = directory_now()
    assert counts(take(*rows, at=1)) == (0, 0, 50, 0)
    assert directory_now() == before
    assert db.session.scalar(select(func.max(Member.updated_at))) == LATER


def test_an_empty_cell_leaves_what_there_is(make: Make) -> None:
    """D-4: an export without names must not delete the names."""
    make.member("anna", external_id="1", email="anna@example.org", name="Anna")
    assert counts(take(("1", "", "", ""))) == (0, 0, 1, 0)
    assert directory_now()["1"] == ("anna", "anna@example.org", "Anna")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("", "zoe"), "The ID is missing."),
        (("9", ""), "There is no member with this ID; a new one needs a username."),
        (("9", "ANNA"), "The username ANNA belongs to another member (ID 1)."),
        (
            ("9", "zoe", "Anna@Example.org"),
            "The email Anna@Example.org belongs to another member (ID 1).",
        ),
        (("9" * 191, "zoe"), "The ID has 191 characters; at most 190 can be kept."),
        (("9", "z" * 10_000), "The username has 10,000 characters; at most 190 can be kept."),
        (("9", "zoe", "a@" + "b" * 400), "The email has 402 characters; at most 320 can be kept."),
        (("9", "zoe", "", "Z" * 191), "The name has 191 characters; at most 190 can be kept."),
        (("9", "zoe", "nowhere"), "“nowhere” is not an email address."),
        (
            ("9", "zo\x00e"),
            "The username has a line break or another character that can't be kept.",
        ),
        (
            ("9", "zoe", "", "Zo\ne"),
            "The name has a line break or another character that can't be kept.",
        ),
        (
            ("9", "zoe", "", "\ud83d"),
            "The name has a line break or another character that can't be kept.",
        ),
        (
            ("9", "zo\u200be"),
            "The username contains a character that cannot be seen: "
            "zero width space (U+200B). Delete it.",
        ),
        (("9", "zoe", "", "", "The row has 9 cells."), "The row has 9 cells."),
        (("2", "bea"), "The ID 2 is in an earlier row; the first one counts."),
    ],
)
def test_a_bad_row_is_left_out_and_stops_nothing(
    make: Make, row: tuple[str, ...], sentence: str
) -> None:
    """D-4: a row that can't be taken becomes a sentence with its line; rows before and after it come in."""
    make.member("anna", external_id="1", email="anna@example.org")
    done = take(("2", "bea"), row, ("3", "carl"))
    assert counts(done) == (2, 0, 0, 1)
    assert done.problems == [(3, sentence)]
    assert {member[0] for member in directory_now().values()} == {"anna", "bea", "carl"}


def test_a_clash_inside_the_file_is_found(make: Make) -> None:
    """D-4: two new members of one name, in one statement: the first gets it (C75)."""
    done = take(("1", "Straße", "a@example.org"), ("2", "STRASSE"), ("3", "c", "A@example.org"))
    assert counts(done) == (1, 0, 0, 2)
    assert [line for line, _ in done.problems] == [3, 4]


def test_a_username_given_up_goes_to_the_next(make: Make) -> None:
    """D-4: rows count in their order, whether the taker is new or known."""
    make.member("anna", external_id="1")
    make.member("bea", external_id="2")
    done = take(("3", "newcomer"), ("1", "anna2"), ("2", "anna"), ("4", "bea"))
    assert counts(done) == (2, 2, 0, 0)
    assert {key: row[0] for key, row in directory_now().items()} == {
        "1": "anna2",
        "2": "anna",
        "3": "newcomer",
        "4": "bea",
    }


def test_a_swap_of_usernames_is_refused_row_by_row(make: Make) -> None:
    """D-4: at no moment have two members one username."""
    make.member("anna", external_id="1")
    make.member("bea", external_id="2")
    assert counts(take(("1", "bea"), ("2", "anna"))) == (0, 0, 0, 2)


def test_an_import_goes_on_over_several_transactions(make: Make) -> None:
    """D-4: an ID that came in an earlier chunk counts as seen; the record has one row for the act."""
    act = Act(at=LATER, origin="command line")
    done = Imported()
    for rows in ([Incoming(2, "1", "anna")], [Incoming(3, "1", "bea"), Incoming(4, "2", "bea")]):
        with transaction():
            members.import_rows(rows, act, done)
    with transaction():
        members.record_import(done, act)
    assert counts(done) == (2, 0, 0, 1)
    record = db.session.scalars(select(Record)).one()
    assert (record.verb, record.origin) == ("members.imported", "command line")
    assert record.detail == {"created": 2, "updated": 0, "unchanged": 0, "left_out": 1}


def test_statements_do_not_grow_with_rows(make: Make) -> None:
    """D-4: as many for a full chunk as for two rows."""

    def statements_of(number: int, first: int) -> int:
        known = [(f"{n}", f"user{n}", f"{n}@example.org", "Old Name") for n in range(first, number)]
        take(*known)
        changed = [(row[0], f"{row[1]}x", row[2], "New Name") for row in known]
        fresh = [(f"n{n}", f"new{n}", f"n{n}@example.org", "Nova") for n in range(first, number)]
        with statements() as seen:
            done = take(*changed, *fresh)
        assert counts(done) == (number - first, number - first, 0, 0)
        return len(seen)

    assert statements_of(1, 0) == statements_of(members.CHUNK // 2, 1) <= 12


def test_joined_is_taken_from_the_file(make: Make) -> None:
    """D-4, D-1: a day or a moment; what says no more than is known changes nothing."""
    done = take(
        ("1", "anna", "", "", "", "2020-02-03"),
        ("2", "bea", "", "", "", "2020-02-03T10:20:30Z"),
        ("3", "carl", "", "", "", "2020-02-03 10:20:30+02:00"),
        ("4", "dora", "", "", "", "yesterday"),
    )
    assert counts(done) == (3, 0, 0, 1)
    assert done.problems == [(5, "Joined: “yesterday” is not a day. Write a day like 2026-11-22.")]
    joined = dict(db.session.execute(select(Member.external_id, Member.joined_at)).all())
    assert joined == {
        "1": datetime(2020, 2, 3, tzinfo=UTC),
        "2": datetime(2020, 2, 3, 10, 20, 30, tzinfo=UTC),
        "3": datetime(2020, 2, 3, 8, 20, 30, tzinfo=UTC),
    }
    again = take(
        ("1", "", "", "", "", "2020-02-03"),
        ("2", "", "", "", "", "2020-02-03"),
        ("3", "", "", "", "", "2020-02-04"),
    )
    assert counts(again) == (0, 1, 2, 0)


def words_now() -> dict[str, set[str]]:
    db.session.rollback()
    rows = select(Member.external_id, MemberWord.word).join(
        MemberWord, MemberWord.member_id == Member.id
    )
    found: dict[str, set[str]] = {}
    for external_id, word in db.session.execute(rows):
        found.setdefault(external_id, set()).add(word)
    return found


def test_the_words_of_names_are_kept_in_step(make: Make) -> None:
    """D-1: created, changed and left alone with the names, whatever the import does beside."""
    take(("1", "anna", "", "Anna-Maria Kovač"), ("2", "bea"), ("3", "carl", "", "Carl"))
    assert words_now() == {"1": {"anna-maria", "anna", "maria", "kovac"}, "3": {"carl"}}
    take(("1", "anna2", "", ""), ("2", "bea", "", "Béa"), ("3", "carl", "", "Karl Öhman"))
    assert words_now() == {
        "1": {"anna-maria", "anna", "maria", "kovac"},
        "2": {"bea"},
        "3": {"karl", "ohman"},
    }


def dry(*chunks: list[tuple[str, ...]]) -> tuple[tuple[int, int, int, int], list[int]]:
    """Counts and lines left out of a dry run, chunk by chunk."""
    done = Imported(imagined=Imagined())
    line = 2
    for chunk in chunks:
        rows = [Incoming(line + place, *row) for place, row in enumerate(chunk)]
        line += len(chunk)
        members.import_rows(rows, Act(at=LATER, origin="command line"), done)
        db.session.rollback()
    return counts(done), sorted(at for at, _ in done.problems)


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(make: Make) -> None:
    """D-4: also where a later chunk takes what an earlier one would have taken or given up."""
    make.member("anna", external_id="1", email="anna@example.org")
    make.member("bea", external_id="2", email=None)
    chunks = [
        [("1", "anna2"), ("3", "carl", "c@example.org"), ("2", "bea")],
        [("4", "anna"), ("5", "CARL"), ("6", "dora", "C@example.org"), ("7", "anna2")],
        [("8", "anna"), ("9", "bea"), ("3", "x")],
    ]
    before = directory_now()
    seen = dry(*chunks)
    assert directory_now() == before
    done = Imported()
    for place, chunk in enumerate(chunks):
        rows = [Incoming(10 * place + number, *row) for number, row in enumerate(chunk)]
        with transaction():
            members.import_rows(rows, Act(at=LATER, origin="command line"), done)
    assert seen[0] == counts(done) == (2, 1, 1, 6)
    assert seen[1] == [6, 7, 8, 9, 10, 11]


@given(data=st.data())
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_a_dry_run_is_right_whatever_the_file(data: st.DataObject, make: Make) -> None:
    """D-4: the same counts and the same rows left out as the import that follows."""
    with transaction():
        db.session.execute(delete(MemberWord))
        db.session.execute(delete(Member))
    names = st.sampled_from(["", "a", "A", "b", "c", "d"])
    row = st.tuples(
        st.sampled_from(["1", "2", "3", "4", "5", "6", "7"]),
        names,
        st.sampled_from(["", "a@x", "b@x", "c@x"]),
    )
    rows = st.lists(row, max_size=6)
    take(*data.draw(rows))
    chunks = data.draw(st.lists(rows, min_size=1, max_size=3))
    seen = dry(*chunks)
    done, line = Imported(), 2
    for chunk in chunks:
        with transaction():
            numbered = [Incoming(line + place, *one) for place, one in enumerate(chunk)]
            members.import_rows(numbered, Act(at=LATER, origin="command line"), done)
        line += len(chunk)
    assert seen == (counts(done), sorted(at for at, _ in done.problems))


def test_a_profile_tells_what_is_held_and_what_happened(make: Make) -> None:
    """M-6: newest first, awarded and revoked, by whom and how; a revoked award is not among those held."""
    mara = make.staff(Role.MANAGER, name="Mara")
    member_id = make.member("anna").id
    badge = make.badge("Helper")
    first, second = make.quest("First", badge), make.quest("Second", badge)
    batch = make.batch([member_id], second, "Spring")
    make.award(
        member_id,
        first.id,
        awarded_by=mara.id,
        reason="Well done",
        awarded_at=NOW - timedelta(days=9),
        revoked_at=NOW - timedelta(days=1),
        revoked_by=mara.id,
        revoke_reason="By mistake",
    )
    make.award(member_id, second.id, way="batch", batch_id=batch.id)
    make.award(member_id, first.id, way="rule", awarded_at=NOW - timedelta(days=5))
    seen = profile.of(member_id)
    assert [(event.award.quest.name, event.way, event.batch) for event in seen.held] == [
        ("Second", "in the batch", "Spring"),
        ("First", "by a rule", None),
    ]
    assert [
        (event.kind, event.award.quest.name, event.by, event.reason) for event in seen.history.items
    ] == [
        ("Awarded", "Second", "", ""),
        ("Revoked", "First", "Mara", "By mistake"),
        ("Awarded", "First", "", ""),
        ("Awarded", "First", "Mara", "Well done"),
    ]


def test_a_profile_takes_two_queries(make: Make) -> None:
    """M-6: however long the history, which comes in pages."""
    member_id = make.member("anna").id
    quest = make.quest()
    for day in range(30):
        make.award(member_id, quest.id, awarded_at=NOW - timedelta(days=day), revoked_at=NOW)
    with statements() as seen:
        shown = profile.of(member_id, 2)
    assert len(seen) == 2
    assert (shown.history.total, len(shown.history.items), shown.held) == (60, 25, [])


def test_there_is_no_profile_of_nobody(make: Make) -> None:
    """M-6: a number that is nobody's is not found."""
    with pytest.raises(NotFound):
        profile.of(1)


def test_imported_tells_everything(make: Make) -> None:
    """D-4: bad rows are all counted, and the first thousand kept."""
    done = Imported()
    for line in range(members.KEPT_PROBLEMS + 5):
        done.leave_out(line, [Fault("", "no")])
    assert (done.bad, len(done.problems)) == (members.KEPT_PROBLEMS + 5, members.KEPT_PROBLEMS)
    assert astuple(done)[:3] == (0, 0, 0)


@pytest.mark.timeout(60)
def test_two_changes_of_a_member_at_once_are_both_kept(app: Flask, make: Make) -> None:
    """D-4, A-2: of one its email, of the other its name; the second waits, and knows what the first wrote."""
    make.member("anna", external_id="1", name="Anna", email="old@example.org")
    act = Act(at=LATER, origin="command line")
    written, waiting = Event(), Event()

    def rename() -> None:
        with app.app_context(), transaction():
            members.import_rows([Incoming(1, "1", "", "", "Anna Brandt")], act)
            written.set()
            assert waiting.wait(30)

    def move() -> None:
        assert written.wait(30)
        with app.app_context(), transaction():
            members.import_rows([Incoming(1, "1", "", "new@example.org", "")], act)

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(rename), pool.submit(move)]
        if dialect_name() == "postgresql":  # SQLite's second writer waits before it reads anything
            blocked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not db.session.scalar(blocked):
                db.session.rollback()
        waiting.set()
        for one in both:
            one.result()
    db.session.rollback()
    anna = db.session.scalars(select(Member)).one()
    assert (anna.name, anna.email) == ("Anna Brandt", "new@example.org")
