"""Find a member while typing, and add them by ID or username (B-18, B-19)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import add_member, drafts
from webapp.domain.batches.add_member import By
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.members import autocomplete
from webapp.models import AuditEvent, Batch, Entry, Member, Origin
from webapp.transaction import transaction

ACT = Actor(at=NOW, origin=Origin.CONSOLE)


def add(batch: Batch, by: By, text: str, limit: int = 5000) -> str:
    """Add a member and return their username."""
    with transaction():
        return add_member.add(batch.id, by, text, limit, ACT).username


def names(text: str) -> list[str]:
    return [member.username for member in autocomplete.usernames(text)]


def test_the_first_ten_by_prefix(make: Make) -> None:
    """B-18: from the first character, at most ten, ordered by username, in one query."""
    make.members(30, prefix="fam")
    make.member("Fa")
    make.member("other")
    db.session.rollback()
    with statements() as seen:
        assert names("f") == ["Fa", "fam1", *[f"fam{n}" for n in range(10, 18)]]
    assert len(seen) == 1
    assert names("FAM3") == ["fam3", "fam30"]
    assert names("@oth") == ["other"]


@pytest.mark.parametrize("text", ["", "  ", "nobody", "fam%", "fam_", "\\", "'; --", "x" * 5000])
def test_a_prefix_without_matches_finds_no_one(make: Make, text: str) -> None:
    """B-18: wildcards and quotes are literal; blank and endless text finds no one."""
    make.members(3, prefix="fam")
    assert names(text) == []


@pytest.mark.parametrize("text", ["\x00", "fam\x00", "@", "\U0010ffff", "\ud7ff", "\n"])
def test_characters_that_break_things(make: Make, text: str) -> None:
    """B-18, W95: a NUL, the last Unicode character, a lone @: no match, no error."""
    make.members(3, prefix="fam")
    assert names(text) == []
    batch = make.batch()
    for by in By:
        with pytest.raises(DomainError):
            add(batch, by, text)


def test_wildcards_are_found_where_they_are_written(make: Make) -> None:
    """B-18: exactly, for all kinds of names and in any Unicode form."""
    for name in ("100%", "a_b", "a\\b", "@home", "Zoë", "ÅSA", "日本太郎", "straße"):
        make.member(name)
    for typed in ("100%", "a_", "a\\", "@ho", "ZOE\u0308", "zo", "åsa", "日本", "STRASS"):
        assert len(names(typed)) == 1, typed


def test_added_by_id_and_by_username(make: Make) -> None:
    """B-19: an ID exactly, a username as people write it; newest first in the list (B-20); one action each."""
    make.member("Anna", external_id="Q-1")
    make.member("ben")
    make.member("@cleo")
    batch = make.batch()
    assert add(batch, By.ID, " Q-1 ") == "Anna"
    assert add(batch, By.USERNAME, "@BEN") == "ben"
    assert add(batch, By.USERNAME, "@cleo") == "@cleo"
    shown = drafts.get(batch.id)
    assert shown.entry_count == 3
    order = select(Entry).where(Entry.batch_id == batch.id).order_by(Entry.id.desc())
    assert [entry.member.username for entry in db.session.scalars(order)] == [
        "@cleo",
        "ben",
        "Anna",
    ]
    acts = db.session.scalars(
        select(AuditEvent).where(AuditEvent.verb == "batch.member_added")
    ).all()
    added = {db.session.get_one(Member, actor.detail["member"]).username for actor in acts}
    assert (len(acts), added) == (3, {"Anna", "ben", "@cleo"})


@pytest.mark.parametrize("by", list(By))
def test_the_two_messages(make: Make, by: By) -> None:
    """B-19: with the exact wording; the second `Add` changes nothing."""
    make.member("anna", external_id="7")
    batch = make.batch()
    text = "7" if by is By.ID else "anna"
    add(batch, by, text)
    with pytest.raises(DomainError) as already:
        add(batch, by, text)
    assert already.value.message == "This user is already in the batch."
    for unknown in ("8", "ann", "ANNA7", "x" * 5000):
        with pytest.raises(DomainError) as nobody:
            add(batch, by, unknown)
        assert nobody.value.message == "User was not found."
    assert drafts.get(batch.id).entry_count == 1


def test_case_counts_in_an_id(make: Make) -> None:
    """B-15, B-19: an ID is matched exactly."""
    make.member(external_id="Ab")
    with pytest.raises(DomainError, match="not found"):
        add(make.batch(), By.ID, "ab")


def test_a_full_batch(make: Make) -> None:
    """B-12: rejected with both numbers; members already in it are reported first."""
    ids = make.members(3)
    batch = make.batch(ids[:2])
    with pytest.raises(DomainError, match=r"This batch is full: it can have up to 2 members\."):
        add(batch, By.USERNAME, "user3", limit=2)
    with pytest.raises(DomainError, match="already in the batch"):
        add(batch, By.USERNAME, "user2", limit=2)
    assert add(batch, By.USERNAME, "user3", limit=3) == "user3"


def test_a_running_batch_accepts_no_members(make: Make) -> None:
    """B-36: rejected with the reason; a deleted batch is not found."""
    ids = make.members(2)
    batch = make.batch(ids[:1], published=True)
    with pytest.raises(DomainError, match="This batch is Unpublished"):
        add(batch, By.USERNAME, "user2")
    batch.id = 999
    with pytest.raises(NotFoundError):
        add(batch, By.USERNAME, "user2")
