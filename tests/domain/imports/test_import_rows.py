"""Import members by ID, and find them again."""

from __future__ import annotations

from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from tests.counting import statements
from tests.factories import NOW, Make
from tests.lock_waits import run_behind
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import member_profile
from webapp.domain.errors import NotFoundError
from webapp.domain.imports import import_rows
from webapp.domain.imports.import_rows import ImportProgress
from webapp.domain.imports.plan import DryRunState, ImportRow, RowError
from webapp.messages import Message, join, message
from webapp.models import AuditEvent, Member, MemberWord, Origin, Role
from webapp.transaction import transaction

LATER = NOW + timedelta(days=1)


def told(found: list[tuple[int, list[Message]]]) -> list[tuple[int, str]]:
    """Return the problems or notes of an import by their lines, in words."""
    return [(line, join(messages)) for line, messages in found]


def take(*rows: tuple[Any, ...], at: int = 0) -> ImportProgress:
    """Import rows of ID, username, email and name, numbered from line 2."""
    return take_chunks([list(rows)], at=at)


def take_chunks(
    chunks: list[list[tuple[Any, ...]]], done: ImportProgress | None = None, at: int = 0
) -> ImportProgress:
    """Import the chunks of a file, each in a separate transaction; a dry run writes nothing."""
    actor = Actor(at=LATER + timedelta(days=at), origin=Origin.COMMAND_LINE)
    done, line = done or ImportProgress(), 2
    for chunk in chunks:
        rows = [ImportRow(line + place, *row) for place, row in enumerate(chunk)]
        line += len(chunk)
        with transaction():
            import_rows.import_rows(rows, actor, done)
    with transaction():
        import_rows.import_postponed(actor, done)
    return done


def counts(done: ImportProgress) -> tuple[int, int, int, int]:
    return done.created, done.updated, done.unchanged, done.bad


def directory_now() -> dict[str, tuple[str, str | None, str]]:
    db.session.rollback()
    found = select(Member.external_id, Member.username, Member.email, Member.name)
    return {row[0]: tuple(row[1:]) for row in db.session.execute(found)}


def test_creates_and_updates_by_id(make: Make) -> None:
    """D-4: a known ID is updated, an unknown one created; other members don't change."""
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
    """D-4: a file without names must not delete them."""
    make.member("anna", external_id="1", email="anna@example.org", name="Anna")
    assert counts(take(("1", "", "", ""))) == (0, 0, 1, 0)
    assert directory_now()["1"] == ("anna", "anna@example.org", "Anna")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("", "zoe"), "The ID is missing."),
        (("9", ""), "No member has this ID. A new member needs a username."),
        (("9", "ANNA"), "The username ANNA belongs to another member (ID 1)."),
        (("9" * 191, "zoe"), "The ID has 191 characters; the limit is 190."),
        (("9", "z" * 10_000), "The username has 10,000 characters; the limit is 190."),
        (
            ("9", "zo\x00e"),
            "The username contains a line break or another character that can't be stored.",
        ),
        (
            ("9", "zoe", "", "", message("csv_files.row_width", cells=9, width=4)),
            "The row has 9 cells, but the header has 4. Check its separators and quotation marks.",
        ),
        (("2", "bea"), "The ID 2 is already in an earlier row. Only the first row is used."),
    ],
)
def test_an_invalid_row_is_skipped_and_stops_nothing(
    make: Make, row: tuple[Any, ...], sentence: str
) -> None:
    """D-4: an invalid row becomes a message with its line; the rows before and after are imported."""
    make.member("anna", external_id="1", email="anna@example.org")
    done = take(("2", "bea"), row, ("3", "carl"))
    assert counts(done) == (2, 0, 0, 1)
    assert told(done.problems) == [(3, sentence)]
    assert {member[0] for member in directory_now().values()} == {"anna", "bea", "carl"}


@pytest.mark.parametrize(
    ("row", "kept", "sentence"),
    [
        (
            ("9", "zoe", "Anna@Example.org"),
            ("zoe", None, ""),
            "The email Anna@Example.org belongs to another member (ID 1), so it wasn't imported.",
        ),
        (
            ("9", "zoe", "a@" + "b" * 400),
            ("zoe", None, ""),
            "The email has 402 characters; the limit is 320.",
        ),
        (("9", "zoe", "nowhere"), ("zoe", None, ""), "“nowhere” isn't an email address."),
        (
            ("9", "zoe", "", "Z" * 191),
            ("zoe", None, ""),
            "The name has 191 characters; the limit is 190.",
        ),
        (("9", "zoe", "", "\ud83d"), ("zoe", None, ""), "The name has no visible characters."),
        (("9", "zoe", "", "\u3164"), ("zoe", None, ""), "The name has no visible characters."),
        (("9", "zoe", "", "Zo\ne"), ("zoe", None, "Zo e"), ""),
        (("9", "zoe", "", "Zo\u202ee"), ("zoe", None, "Zoe"), ""),
        (("9", "zo\u200be"), ("zo\u200be", None, ""), ""),
        (
            ("9", "1-Mar"),
            ("1-Mar", None, ""),
            "The username 1-Mar looks like a date that a spreadsheet made from something else.",
        ),
        (
            ("9", "zoe", "", "", "", "", "retired"),
            ("zoe", None, ""),
            "Status: “retired” isn't Active, Suspended or Left.",
        ),
    ],
)
def test_an_optional_field_never_costs_the_row(
    make: Make, row: tuple[str, ...], kept: tuple[str, str | None, str], sentence: str
) -> None:
    """D-4: the member is imported without it, with a warning; importing again changes nothing."""
    make.member("anna", external_id="1", email="anna@example.org")
    done = take(row)
    assert counts(done) == (1, 0, 0, 0)
    assert told(done.notes) == ([(2, sentence)] if sentence else [])
    assert directory_now()["9"] == kept
    assert counts(take(row)) == (0, 0, 1, 0)


def test_a_clash_inside_the_file_is_found(make: Make) -> None:
    """D-4: two new members with one username, in one statement: the first gets it (C75); emails likewise."""
    done = take(("1", "Straße", "a@example.org"), ("2", "STRASSE"), ("3", "c", "A@example.org"))
    assert counts(done) == (2, 0, 0, 1)
    assert [line for line, _ in done.problems] == [3]
    said = "The email A@example.org belongs to another member (ID 1), so it wasn't imported."
    assert told(done.notes) == [(4, said)]
    assert join(done.remarks) == "1 row was imported without a registered email."


def test_a_released_username_goes_to_the_next_row(make: Make) -> None:
    """D-4: rows are applied in order, whether the next owner is new or known."""
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


def split(rows: list[tuple[str, ...]], size: int) -> list[list[tuple[str, ...]]]:
    return [rows[place : place + size] for place in range(0, len(rows), size)]


@pytest.mark.parametrize("size", [1, 2, 10])
def test_usernames_and_emails_are_swapped_and_moved_on(make: Make, size: int) -> None:
    """D-4: only the end result counts, even if the rows are in different chunks."""
    for place, name in enumerate("abcdef", start=1):
        make.member(name, external_id=str(place), email=f"{name}@example.org")
    rows = [
        ("1", "b", "b@example.org"),
        ("2", "a", "a@example.org"),
        ("7", "c", "c@example.org"),
        ("3", "d", "d@example.org"),
        ("4", "e", "e@example.org"),
        ("5", "new", "new@example.org"),
        ("6", "", "f2@example.org"),
        ("8", "g", "f@example.org"),
    ]
    done = take_chunks(split(rows, size))
    assert (counts(done), done.problems, done.notes) == ((2, 6, 0, 0), [], [])
    assert directory_now() == {
        "1": ("b", "b@example.org", ""),
        "2": ("a", "a@example.org", ""),
        "3": ("d", "d@example.org", ""),
        "4": ("e", "e@example.org", ""),
        "5": ("new", "new@example.org", ""),
        "6": ("f", "f2@example.org", ""),
        "7": ("c", "c@example.org", ""),
        "8": ("g", "f@example.org", ""),
    }
    assert counts(take_chunks(split(rows, size))) == (0, 0, 8, 0)


@pytest.mark.parametrize("size", [1, 10])
def test_a_chain_whose_end_is_taken_is_refused_as_a_whole(make: Make, size: int) -> None:
    """D-4: no one loses a username to someone who could not give up theirs."""
    for place, name in enumerate("abc", start=1):
        make.member(name, external_id=str(place), email=None)
    done = take_chunks(split([("9", "a"), ("1", "b"), ("2", "c")], size))
    assert counts(done) == (0, 0, 0, 3)
    assert sorted(row[0] for row in directory_now().values()) == ["a", "b", "c"]


def test_a_swap_wins_over_a_third_who_wants_the_same(make: Make) -> None:
    """D-4: the third would prevent both changes."""
    make.member("a", external_id="1", email=None)
    make.member("b", external_id="2", email=None)
    done = take(("9", "a"), ("1", "b"), ("2", "a"))
    assert counts(done) == (0, 2, 0, 1)
    assert told(done.problems) == [(2, "The username a belongs to another member (ID 2).")]


@pytest.mark.parametrize("size", [1, 10])
def test_a_member_who_has_left_frees_their_username(make: Make, size: int) -> None:
    """D-4: the former owner keeps a marked username; importing again changes nothing, even if both are in the file."""
    make.member("annax", external_id="4821", status="left", email=None)
    make.member("bea", external_id="2", status="suspended", email=None)
    done = take_chunks(split([("new1", "AnnaX"), ("new2", "bea")], size))
    assert counts(done) == (1, 0, 0, 1)
    assert told(done.problems) == [(3, "The username bea belongs to another member (ID 2).")]
    said = "The username annax belonged to a member who has left (ID 4821), who is now named"
    assert told(done.notes) == [(2, f"{said} “annax (former 4821)”.")]
    assert directory_now()["4821"][0] == "annax (former 4821)"
    rows = [("4821", "annax", "", "", "", "", "Left"), ("new1", "AnnaX")]
    again = take_chunks(split(rows, size))
    assert counts(again) == (0, 0, 2, 0)
    assert "keeps the username annax (former 4821)" in told(again.notes)[0][1]


@pytest.mark.parametrize("size", [1, 10])
def test_a_file_with_the_status_left_frees_the_username(make: Make, size: int) -> None:
    """D-4: whichever row is first; a member who returns by the file keeps theirs."""
    make.member("anna", external_id="1", email=None)
    make.member("bea", external_id="2", status="left", email=None)
    rows = [
        ("8", "anna"),
        ("1", "", "", "", "", "", "left"),
        ("9", "bea"),
        ("2", "bea", "", "", "", "", "ACTIVE"),
    ]
    done = take_chunks(split(rows, size))
    assert counts(done) == (1, 2, 0, 1)
    assert told(done.problems) == [(4, "The username bea belongs to another member (ID 2).")]
    assert {key: row[0] for key, row in directory_now().items()} == {
        "1": "anna (former 1)",
        "2": "bea",
        "8": "anna",
    }


def test_two_former_usernames_stay_distinct(make: Make) -> None:
    """D-4: if the marked username is taken, or the ID too long for it."""
    make.member("anna", external_id="1", status="left", email=None)
    make.member("anna (former 1)", external_id="2", email=None)
    make.member("bea", external_id="9" * 150, status="left", email=None)
    assert counts(take(("8", "anna"), ("9", "bea"))) == (2, 0, 0, 0)
    names = [row[0] for row in directory_now().values()]
    assert len({name for name in names if name.startswith("anna (former 1")}) == 2
    assert any(name.startswith("bea (former ") and len(name) < 30 for name in names)


def test_a_status_is_imported_and_recorded(make: Make) -> None:
    """D-5, L-1: each member's change is in the audit log; new and unchanged members are not."""
    make.member("anna", external_id="1")
    make.member("bea", external_id="2", status="left")
    make.member("carl", external_id="3")
    status = ("", "", "", "", "")
    done = take(
        ("1", *status, "Suspended"),
        ("2", *status, "active"),
        ("3", *status, "Active"),
        ("4", "dora", *status[1:], "LEFT"),
    )
    assert counts(done) == (1, 2, 1, 0)
    found = dict(db.session.execute(select(Member.external_id, Member.status)).all())
    assert found == {"1": "suspended", "2": "active", "3": "active", "4": "left"}
    told = db.session.scalars(select(AuditEvent).order_by(AuditEvent.subject_id)).all()
    assert [(one.verb, one.detail) for one in told] == [
        ("member.status_changed", {"was": "Active", "now": "Suspended"}),
        ("member.status_changed", {"was": "Left", "now": "Active"}),
    ]


def test_shortened_numbers_create_no_one(make: Make) -> None:
    """D-4, C74: as ID or as username; a member who has such an ID is updated, and keeps their username."""
    make.member("known", external_id="123456789012345000", email=None)
    done = take(
        ("1.23457E+17", "a"),
        ("223456789012345000", "b"),
        ("3", "1.00E+05"),
        ("123456789012345000", "1.00E+05", "", "Known"),
    )
    assert counts(done) == (0, 1, 0, 3)
    assert all(
        "looks like a number shortened by a spreadsheet" in one for _, one in told(done.problems)
    )
    assert directory_now() == {"123456789012345000": ("known", None, "Known")}


def test_an_import_continues_over_several_transactions(make: Make) -> None:
    """D-4: an ID from an earlier chunk counts as seen; the audit log has one entry."""
    actor = Actor(at=LATER, origin=Origin.COMMAND_LINE)
    done = ImportProgress()
    for rows in ([ImportRow(2, "1", "anna")], [ImportRow(3, "1", "bea"), ImportRow(4, "2", "bea")]):
        with transaction():
            import_rows.import_rows(rows, actor, done)
    with transaction():
        import_rows.record_import(done, actor)
    assert counts(done) == (2, 0, 0, 1)
    record = db.session.scalars(select(AuditEvent)).one()
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

    assert statements_of(1, 0) == statements_of(import_rows.CHUNK // 2, 1) <= 16


def test_joined_is_taken_from_the_file(make: Make) -> None:
    """D-4, D-1: a date or a moment; a less precise value changes nothing."""
    done = take(
        ("1", "anna", "", "", "", "2020-02-03"),
        ("2", "bea", "", "", "", "2020-02-03T10:20:30Z"),
        ("3", "carl", "", "", "", "2020-02-03 10:20:30+02:00"),
        ("4", "dora", "", "", "", "yesterday"),
    )
    assert counts(done) == (4, 0, 0, 0)
    said = "Joined: “yesterday” isn't a date, or could mean more than one. Use the form 2026-11-22."
    assert told(done.notes) == [(5, said)]
    assert join(done.remarks) == "1 row was imported without a join date."
    joined = dict(db.session.execute(select(Member.external_id, Member.joined_at)).all())
    assert joined.pop("4") == LATER
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
    """D-1: created, changed and left unchanged with the names, whatever else the import does."""
    take(("1", "anna", "", "Anna-Maria Kovač"), ("2", "bea"), ("3", "carl", "", "Carl"))
    assert words_now() == {"1": {"anna-maria", "anna", "maria", "kovac"}, "3": {"carl"}}
    take(("1", "anna2", "", ""), ("2", "bea", "", "Béa"), ("3", "carl", "", "Karl Öhman"))
    assert words_now() == {
        "1": {"anna-maria", "anna", "maria", "kovac"},
        "2": {"bea"},
        "3": {"karl", "ohman"},
    }


Outcome = tuple[tuple[int, int, int, int], list[int], list[int]]


def outcome(done: ImportProgress) -> Outcome:
    """Counts, skipped lines and lines with warnings."""
    return counts(done), [line for line, _ in done.problems], [line for line, _ in done.notes]


def dry(chunks: list[list[tuple[str, ...]]]) -> Outcome:
    return outcome(take_chunks(chunks, ImportProgress(imagined=DryRunState())))


def test_a_dry_run_shows_the_changes_and_writes_nothing(make: Make) -> None:
    """D-4: even if a later chunk takes a value that an earlier one takes or gives up."""
    make.member("anna", external_id="1", email="anna@example.org")
    make.member("bea", external_id="2", email=None)
    chunks = [
        [("1", "anna2"), ("3", "carl", "c@example.org"), ("2", "bea")],
        [("4", "anna"), ("5", "CARL"), ("6", "dora", "C@example.org"), ("7", "anna2")],
        [("8", "anna"), ("9", "bea"), ("3", "x")],
    ]
    before = directory_now()
    seen = dry(chunks)
    assert directory_now() == before
    assert seen == outcome(take_chunks(chunks))
    assert seen == ((3, 1, 1, 5), [6, 8, 9, 10, 11], [7])


names = st.sampled_from(["", "a", "A", "b", "c", "d"])
row = st.tuples(
    st.sampled_from(["1", "2", "3", "4", "5", "6", "7"]),
    names,
    st.sampled_from(["", "a@x.org", "b@x.org", "c@x.org"]),
    st.just(""),
    st.just(""),
    st.just(""),
    st.sampled_from(["", "", "left", "active"]),
)


@given(before=st.lists(row, max_size=7), after=st.lists(row, max_size=9), size=st.integers(1, 9))
@settings(max_examples=50, suppress_health_check=list(HealthCheck), deadline=None)
def test_every_file_is_judged_by_its_end_result(
    before: list[tuple[str, ...]], after: list[tuple[str, ...]], size: int, make: Make
) -> None:
    """D-4: the dry run is accurate, a second import changes nothing, and a rejected name is really taken."""
    with transaction():
        db.session.execute(delete(MemberWord))
        db.session.execute(delete(Member))
    take(*before)
    chunks = split(after, size)
    seen = dry(chunks)
    done = take_chunks(chunks)
    assert seen == outcome(done)
    again = take_chunks(chunks, at=1)
    assert (again.created, again.updated) == (0, 0), again
    members_now = directory_now()
    held = {row[0].casefold(): who for who, row in members_now.items()}
    for line, sentence in told(done.problems):
        who, name = after[line - 2][:2]
        if "belongs to" in sentence or "earlier row" in sentence:
            assert "ID" in sentence or name.casefold() in held, (who, sentence)


def test_a_profile_shows_badges_and_history(make: Make) -> None:
    """M-6: newest first, awarded and revoked, by whom and how; revoked awards are not among current ones."""
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
    make.award(member_id, second.id, source="batch", batch_id=batch.id)
    make.award(member_id, first.id, source="rule", awarded_at=NOW - timedelta(days=5))
    seen = member_profile.load(member_id)
    assert [(event.award.quest.name, str(event.how), event.batch) for event in seen.held] == [
        ("Second", "in the batch", "Spring"),
        ("First", "automatic", None),
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
    """M-6: however long the history, which is paginated."""
    member_id = make.member("anna").id
    quest = make.quest()
    for day in range(30):
        make.award(member_id, quest.id, awarded_at=NOW - timedelta(days=day), revoked_at=NOW)
    with statements() as seen:
        shown = member_profile.load(member_id, 2)
    assert len(seen) == 2
    assert (shown.history.total, len(shown.history.items), shown.held) == (60, 25, [])


def test_an_unknown_member_has_no_profile(make: Make) -> None:
    """M-6: an id that is no member's is not found."""
    with pytest.raises(NotFoundError):
        member_profile.load(1)


def test_an_import_reports_everything(make: Make) -> None:
    """D-4: all invalid rows are counted, and the first thousand stored."""
    done = ImportProgress()
    for line in range(import_rows.KEPT_PROBLEMS + 5):
        done.leave_out(line, [RowError("", "no")])
    assert (done.bad, len(done.problems)) == (
        import_rows.KEPT_PROBLEMS + 5,
        import_rows.KEPT_PROBLEMS,
    )
    assert astuple(done)[:3] == (0, 0, 0)


def test_concurrent_changes_of_a_member_are_both_kept(app: Flask, make: Make) -> None:
    """D-4, A-2: one changes the email, the other the name; the second waits and sees the first's change."""
    make.member("anna", external_id="1", name="Anna", email="old@example.org")
    actor = Actor(at=LATER, origin=Origin.COMMAND_LINE)

    def rename() -> None:
        import_rows.import_rows([ImportRow(1, "1", "", "", "Anna Brandt")], actor)

    def move() -> None:
        with transaction():
            import_rows.import_rows([ImportRow(1, "1", "", "new@example.org", "")], actor)

    run_behind(app, rename, move)
    anna = db.session.scalars(select(Member)).one()
    assert (anna.name, anna.email) == ("Anna Brandt", "new@example.org")
