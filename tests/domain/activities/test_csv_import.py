"""Import events from a CSV file: parsing, the result of each row, and no event counts twice (T-1, T-2)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from tests.counting import statements
from tests.domain.rules.world import World
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.activities import csv_import
from webapp.domain.activities.csv_import import MOST_ROWS, ImportResult
from webapp.domain.errors import DomainError
from webapp.domain.rules import ConditionDraft
from webapp.messages import join
from webapp.models import ActivityCount, ActivityEvent, AuditEvent, MemberStatus
from webapp.models.rule import ConditionKind
from webapp.transaction import transaction

HEADER = "Event ID,Username,Activity,Amount,At\n"


@pytest.fixture
def world(make: Make) -> World:
    return World(make)


def took(world: World, text: str) -> ImportResult:
    with transaction():
        return csv_import.count_file(text.encode(), world.actor())


def sums() -> dict[tuple[int, str], int]:
    return {
        (one.member_id, one.activity): one.amount
        for one in db.session.scalars(select(ActivityCount))
    }


def test_each_event_counts_once(world: World, make: Make) -> None:
    """T-2: twice in a file, in two files, and again under another member's name."""
    anna, bea = make.member("anna"), make.member("bea")
    done = took(
        world, HEADER + "1,anna,Posts,2,\n2,anna,posts,,\n2,anna,posts,,\n3,bea,posts,-4,\n"
    )
    assert (done.counted, done.repeated, done.bad) == (3, 1, 0)
    again = took(world, HEADER + "1,bea,posts,9,\n4,anna,like given,1,\n")
    assert (again.counted, again.repeated, again.bad) == (1, 1, 0)
    assert sums() == {
        (anna.id, "posts"): 3,
        (anna.id, "like_given"): 1,
        (bea.id, "posts"): -4,
    }
    told = [row.detail for row in db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))]
    assert told[0] == {"counted": 3, "repeated": 1, "left_out": 0}


def test_members_are_found_by_any_of_their_columns(world: World, make: Make) -> None:
    """The time of an event is the file's, or now if it is missing."""
    anna = make.member("anna", external_id="A-1")
    bea = make.member("bea", email="bea@example.org")
    file = "ID;Username;Registered email;Activity;Event;When\n"
    file += "A-1;;;posts;x;2026-03-03\n;;BEA@example.org;posts;y;\n"
    done = took(world, file)
    assert (done.counted, done.problems) == (2, [])
    assert sums() == {(anna.id, "posts"): 1, (bea.id, "posts"): 1}
    times = {one.event_id: one.at for one in db.session.scalars(select(ActivityEvent))}
    assert times["x"].date() == datetime(2026, 3, 3, tzinfo=UTC).date()
    assert times["y"] == NOW


def test_enough_activity_earns_the_badge(world: World, make: Make) -> None:
    """T-1: counted from a file as by the API, and evaluated by a worker."""
    quest = world.quest()
    world.rule(quest, ConditionDraft(ConditionKind.ACTIVITY, 3, "posts"))
    world.work()
    anna, bea = make.member("anna"), make.member("bea")
    took(world, HEADER + "1,anna,posts,3,\n2,bea,posts,2,\n")
    world.work()
    assert world.holds(quest) == {anna.id}
    took(world, HEADER + "1,anna,posts,3,\n2,bea,posts,2,\n3,bea,posts,1,\n")
    world.work()
    assert world.holds(quest) == {anna.id, bea.id}


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            ",anna,posts,1,",
            "The Event ID is missing. Every event needs one, so that it counts only once.",
        ),
        ("x" * 191 + ",anna,posts,1,", "The Event ID is too long"),
        (
            "a\u200fb\x07,anna,posts,1,",
            "The Event ID is too long or contains characters that can't be stored.",
        ),
        ("1,anna,,1,", "“” isn't a valid activity name"),
        ("1,anna,<b>posts</b>,1,", "“<b>posts</b>” isn't a valid activity name"),
        ("1,anna," + "p" * 61 + ",1,", "Use up to 60 characters"),
        ("1,anna,posts,1.5,", "Amount: “1.5” isn't a whole number."),
        ("1,anna,posts,99999999999,", "isn't a whole number"),
        ('1,anna,posts,"2,5",', "Amount: “2,5” isn't a whole number."),
        ('1,anna,posts,"1,50",', "isn't a whole number"),
        ("1,anna,posts,1000000001,", "isn't a whole number"),
        ("1,anna,posts,٣,", "Amount: “٣” isn't a whole number."),
        ("1,nobody,posts,1,", "was not found"),
        ("1,,posts,1,", "Where Id, Username or Email was not found"),
    ],
)
def test_an_invalid_row_is_skipped_with_its_reason(
    world: World, make: Make, row: str, sentence: str
) -> None:
    """The rows around it are counted."""
    anna = make.member("anna")
    done = took(world, f"{HEADER}ok-1,anna,posts,1,\n{row}\nok-2,anna,posts,1,\n")
    assert (done.counted, done.bad) == (2, 1)
    line, said = done.problems[0]
    assert line == 3
    assert sentence in join(said)
    assert sums() == {(anna.id, "posts"): 2}


def test_an_event_without_a_certain_date_counts_as_of_now(world: World, make: Make) -> None:
    """The date is optional: an invalid one doesn't lose the event, and the report lists those affected."""
    anna = make.member("anna")
    done = took(world, HEADER + "1,anna,posts,1,soon\n2,anna,posts,1,2026-03-03T10:00+01\n")
    assert (done.counted, done.bad, done.warned) == (2, 0, 1)
    (note,) = done.notes
    assert (note[0], join(note[1])) == (
        2,
        "At: “soon” isn't a date, or could mean more than one, so the event counts as of now.",
    )
    assert join(done.remarks) == "1 event had no clear date and counts as of now."
    assert sums() == {(anna.id, "posts"): 2}
    times = {one.event_id: one.at for one in db.session.scalars(select(ActivityEvent))}
    assert times == {"1": NOW, "2": datetime(2026, 3, 3, 9, tzinfo=UTC)}


def test_inactive_members_are_counted_too(world: World, make: Make) -> None:
    """Activity counts even while a member is suspended; only awards wait."""
    member = make.member("carl", status=MemberStatus.SUSPENDED)
    done = took(world, HEADER + "1,carl,posts,5,\n")
    assert (done.counted, done.problems) == (1, [])
    assert sums() == {(member.id, "posts"): 5}


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("", "empty"),
        (HEADER, "The file has no data below the header. Add one row per event."),
        ("Username,Activity\nanna,posts\n", "The file has no Event ID column."),
        ("Event ID,Username\n1,anna\n", "The file has no Activity column."),
        ("Event ID,Activity\n1,posts\n", "Username"),
        (HEADER + '1,anna,"posts,1,\n', "quot"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_whole(
    world: World, make: Make, file: str, sentence: str
) -> None:
    make.member("anna")
    with pytest.raises(DomainError, match=sentence):
        took(world, file)
    assert sums() == {}
    assert db.session.scalars(select(AuditEvent)).all() == []


def test_the_page_takes_5000_rows_and_no_more(world: World, make: Make) -> None:
    """The error refers to the command line; the number of statements does not grow with the rows."""
    anna = make.member("anna")
    rows = [f"{number},anna,posts,1,\n" for number in range(MOST_ROWS + 1)]
    with pytest.raises(DomainError, match=r"more than 5,000 rows.*laurel activities import"):
        took(world, HEADER + "".join(rows))
    assert sums() == {}
    assert took(world, HEADER + "".join(rows[:-1])).counted == MOST_ROWS
    assert sums() == {(anna.id, "posts"): MOST_ROWS}


def test_the_number_of_statements_is_fixed(world: World, make: Make) -> None:
    for number in range(40):
        make.member(f"m{number}")
    took(world, HEADER + "0,m0,posts,1,\n")  # the activity's name is stored once
    counts = []
    for many in (1, 40):
        rows = "".join(f"{many}-{number},m{number},posts,1,\n" for number in range(many))
        with statements() as seen:
            took(world, HEADER + rows)
        counts.append(len(seen))
    assert counts[0] == counts[1]
