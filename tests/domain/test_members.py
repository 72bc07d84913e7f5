"""Members come in by ID, and are found again."""

from __future__ import annotations

from dataclasses import astuple
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain import directory, members, profile
from webapp.domain.act import Act
from webapp.domain.members import Imported
from webapp.domain.merging import Incoming
from webapp.domain.refusals import NotFound
from webapp.models import Member, Record, Role
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
    """D-4: five for a chunk, however full."""
    known = [(f"{n}", f"user{n}", f"{n}@example.org") for n in range(members.CHUNK // 2)]
    take(*known)
    changed = [(row[0], f"{row[1]}x", row[2]) for row in known]
    fresh = [(f"n{n}", f"new{n}", f"n{n}@example.org") for n in range(members.CHUNK // 2)]
    with statements() as seen:
        done = take(*changed, *fresh)
    assert counts(done) == (members.CHUNK // 2, members.CHUNK // 2, 0, 0)
    assert len(seen) == 5


def found(text: str, number: int = 1) -> list[str]:
    return [member.username for member in directory.search(text, number).page.items]


def test_search_finds_by_the_beginning_of_username_email_and_id(make: Make) -> None:
    """D-1: without regard to case and Unicode form, but the ID as it is written."""
    make.member("Émile", external_id="AB-1", email="zola@example.org")
    make.member("zoe", external_id="AB-2", email=None)
    make.member("anna", external_id="ab-3", email="emil@example.net", name="Zoltan")
    assert found("Zo") == ["zoe", "Émile"]
    assert found("e\u0301MI") == ["Émile"]
    assert found("AB-") == ["Émile", "zoe"]
    assert found(" AB-2 ") == ["zoe"]
    assert found("@anna") == ["anna"]
    assert found("EMIL@") == ["anna"]
    assert found("nobody") == found("\x00") == found("%") == found("_") == []


def test_search_shows_a_member_once(make: Make) -> None:
    """D-1: though username, email and ID all match."""
    make.member("anna", external_id="anna-1", email="anna@example.org")
    listing = directory.search("anna")
    assert [member.username for member in listing.page.items] == ["anna"]
    assert (listing.page.total, listing.more) == (1, False)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [("a\U0010ffffz", "b"), ("a\ud7ffz".encode("utf-16", "surrogatepass").decode("utf-16"), "b")],
)
def test_the_end_of_a_prefix_is_right_at_the_edges_of_unicode(
    make: Make, inside: str, outside: str
) -> None:
    """D-1: the range ends before the next text, at the last character and before the surrogates too."""
    make.member(inside)
    make.member(outside)
    assert found(inside[:2]) == [inside]


def test_everybody_is_listed_by_username_in_pages(make: Make) -> None:
    """D-1: 25 a page, and the nearest page where there is none of that number."""
    make.members(30)
    first = directory.search("")
    assert (first.page.first, first.page.last, first.page.total) == (1, 25, 30)
    assert found("") == sorted(f"user{n}" for n in range(1, 31))[:25]
    assert len(found("", 2)) == len(found("user", 2)) == len(found("", 10**12)) == 5
    assert found("", -3) == found("")


def test_many_matches_are_cut_off_and_said_to_be(make: Make) -> None:
    """D-1: beyond 500 the list says that there are more, and can still be paged."""
    make.members(directory.MATCHES + 1)
    listing = directory.search("user", 20)
    assert (listing.page.total, listing.more) == (directory.MATCHES, True)
    assert len(listing.page.items) == 25
    assert not directory.search("user1").more


def test_search_counts_badges_in_a_fixed_number_of_queries(make: Make) -> None:
    """D-1: revoked awards are not counted; queries do not grow with members or awards."""
    ids = make.members(25)
    quests = [make.quest(), make.quest()]
    make.award(ids[0], quests[0].id)
    make.award(ids[0], quests[1].id)
    make.award(ids[1], quests[0].id, revoked_at=NOW)
    with statements() as few:
        listing = directory.search("")
    assert listing.badges == {ids[0]: 2}
    for member_id in ids[2:]:
        make.award(member_id, quests[0].id)
    with statements() as many:
        directory.search("")
    with statements() as searched:
        directory.search("user")
    assert (len(few), len(many), len(searched)) == (4, 4, 3)


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
        done.leave_out(line, "no")
    assert (done.bad, len(done.problems)) == (members.KEPT_PROBLEMS + 5, members.KEPT_PROBLEMS)
    assert astuple(done)[:3] == (0, 0, 0)
