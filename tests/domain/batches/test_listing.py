"""The list of batches: filters, sorting, pages (B-30 to B-34, B-7's tab)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, update

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain import dates
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts as batch_drafts
from webapp.domain.batches import listing
from webapp.domain.batches.listing import SORTS, BatchFilters, BatchSort, Compare, DayFilter
from webapp.domain.normalization import fold
from webapp.models import Batch, BatchStatus, Origin
from webapp.transaction import transaction

BERLIN = ZoneInfo("Europe/Berlin")


def put(name: str, status: BatchStatus = BatchStatus.PUBLISHED, **given: object) -> int:
    """A batch as a row, with the columns that a test searches by; returns its id."""
    values = {
        "name": name, "name_key": fold(name), "status": status, "version": 1,
        "created_at": NOW, "updated_at": NOW, **given,
    }  # fmt: skip
    with transaction():
        return db.session.execute(insert(Batch).returning(Batch.id), [values]).scalar_one()


def names(
    filters: BatchFilters | None = None, sort: BatchSort | None = None, drafts: bool = False
) -> list[str]:
    found = listing.listing(filters or BatchFilters(), sort or BatchSort(), drafts=drafts)
    return [batch.name for batch in found.page.items]


def test_drafts_have_their_own_list_newest_first(make: Make) -> None:
    """B-7, B-30: two lists, newest first, 25 per page; a page past the end gives the last."""
    for number in range(27):
        put(f"Published {number}")
    put("Draft", BatchStatus.DRAFT)
    assert names(drafts=True) == ["Draft"]
    first = listing.listing(BatchFilters())
    assert (first.batches, first.drafts) == (27, 1)
    assert [batch.name for batch in first.page.items][:2] == ["Published 26", "Published 25"]
    assert (len(first.page.items), first.page.first, first.page.last) == (25, 1, 25)
    assert listing.listing(BatchFilters(), number=10**9).page.number == 2
    assert listing.listing(BatchFilters(), number=-3).page.number == 1


def test_a_name_contains_what_was_typed(make: Make) -> None:
    """B-31: ignoring case, Unicode composition and surrounding spaces; wildcards are literal."""
    for name in ("Été à Paris", "Straße 9", "100% of_them", "back\\slash", "Plain"):
        put(name)
    for wanted, found in {
        "e\u0301TE\u0301": "Été à Paris",
        "STRASSE": "Straße 9",
        " à p ": "Été à Paris",
        "0%": "100% of_them",
        "f_t": "100% of_them",
        "k\\s": "back\\slash",
    }.items():
        assert names(BatchFilters(name=wanted)) == [found], wanted
    assert names(BatchFilters(name="%l%")) == names(BatchFilters(name="_____")) == []
    assert len(names(BatchFilters(name="  "))) == 5


def test_statuses_and_badges_are_alternatives_and_the_rest_adds_up(make: Make) -> None:
    """B-31, B-33: a badge includes all its quests, later ones too; different filters combine."""
    scholar, founder = make.badge("Scholar"), make.badge("Founder")
    first, second = make.quest("First", scholar), make.quest("Second", scholar)
    other = make.quest("Other", founder)
    put("a", BatchStatus.PUBLISHED, quest_id=first.id)
    put("b", BatchStatus.PARTIALLY_PUBLISHED, quest_id=second.id)
    put("c", BatchStatus.UNPUBLISHED, quest_id=other.id)
    put("d", BatchStatus.DRAFT, quest_id=first.id)
    put("e", BatchStatus.DRAFT)
    assert names(BatchFilters(badges=(scholar.id,))) == ["b", "a"]
    assert names(BatchFilters(badges=(scholar.id,)), drafts=True) == ["d"]
    assert names(BatchFilters(quests=(first.id, other.id))) == ["c", "a"]
    assert names(BatchFilters(badges=(founder.id,), quests=(second.id,))) == ["c", "b"]
    two = (BatchStatus.PUBLISHED, BatchStatus.UNPUBLISHED)
    assert names(BatchFilters(statuses=two)) == ["c", "a"]
    assert names(BatchFilters(statuses=two, badges=(scholar.id,))) == ["a"]
    assert names(BatchFilters(statuses=two, badges=(scholar.id,), name="x")) == []
    found = listing.listing(BatchFilters(statuses=two, badges=(scholar.id,)))
    assert (found.batches, found.drafts) == (1, 1)  # the drafts' tab has no status to filter by
    assert names(BatchFilters(quests=(10**12,))) == []


@pytest.mark.parametrize(
    ("zone", "day", "begin", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), datetime(2026, 3, 28, 23), 23),
        ("Europe/Berlin", date(2026, 10, 25), datetime(2026, 10, 24, 22), 25),
        ("Africa/Cairo", date(2026, 4, 24), datetime(2026, 4, 23, 22), 23),  # no midnight
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4), 25),  # midnight twice
        (
            "Pacific/Apia",
            date(2011, 12, 30),
            datetime(2011, 12, 30, 10),
            0,
        ),  # the whole day is skipped
        ("Asia/Kathmandu", date(2026, 1, 1), datetime(2025, 12, 31, 18, 15), 24),
    ],
)
def test_a_day_begins_where_its_clocks_say(
    zone: str, day: date, begin: datetime, hours: int
) -> None:
    """B-32: days of 23, 25 and no hours."""
    place = ZoneInfo(zone)
    assert dates.start_of_day(day, place) == begin.replace(tzinfo=UTC)
    length = dates.end_of_day(day, place) - dates.start_of_day(day, place)
    assert length == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["created", "updated"])
def test_days_of_the_viewer(make: Make, name: str) -> None:
    """B-32: after is from the start of the next day, before until the start of the day, equal the day; both combine."""
    day = date(2026, 3, 29)  # 23 hours long, in Berlin
    begin, end = datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)
    instant = timedelta(microseconds=1)
    for number, at in enumerate((begin - instant, begin, end - instant, end)):
        put(str(number), **{f"{name}_at": at})

    def found(*conditions: tuple[Compare, date]) -> set[str]:
        days = tuple(DayFilter(name, compare, one) for compare, one in conditions)
        return set(names(BatchFilters(days=days, zone=BERLIN)))

    assert found((Compare.AFTER, day)) == {"3"}
    assert found((Compare.BEFORE, day)) == {"0"}
    assert found((Compare.ON, day)) == {"1", "2"}
    around = (Compare.AFTER, day - timedelta(days=1)), (Compare.BEFORE, day + timedelta(days=1))
    assert found(*around) == {"1", "2"}
    assert found((Compare.AFTER, day), (Compare.BEFORE, day)) == set()


@pytest.mark.parametrize("column", list(SORTS))
def test_each_column_sorts_both_ways(make: Make, column: str) -> None:
    """B-34: each column both ways, ties ordered by id, so that pages never overlap."""
    alpha, omega = make.badge("ähre"), make.badge("Zebra")
    first, second = make.quest("Two", alpha, position=0), make.quest("One", alpha, position=1)
    last = make.quest("Only", omega)
    hours = [NOW + timedelta(hours=number) for number in range(3)]
    put("beta", BatchStatus.IN_PROGRESS, quest_id=last.id, entry_count=20, created_at=hours[1])
    put("Alpha", BatchStatus.PUBLISHED, quest_id=second.id, entry_count=3, updated_at=hours[2])
    put("alpha", BatchStatus.PARTIALLY_PUBLISHED, quest_id=first.id, entry_count=3)
    put("Émile", BatchStatus.UNPUBLISHED, created_at=hours[2], updated_at=hours[1])
    ascending = {
        "title": ["Alpha", "alpha", "beta", "Émile"],
        "badge": ["Émile", "beta", "alpha", "Alpha"],
        "users": ["Émile", "Alpha", "alpha", "beta"],
        "created": ["Alpha", "alpha", "beta", "Émile"],
        "updated": ["beta", "alpha", "Émile", "Alpha"],
        "status": ["beta", "alpha", "Alpha", "Émile"],
    }[column]
    assert names(sort=BatchSort(column, descending=False)) == ascending
    assert names(sort=BatchSort(column, descending=True)) == ascending[::-1]


def test_pages_of_equals_overlap_nowhere(make: Make) -> None:
    """B-34: each of 60 batches with one name is on one page only."""
    for _ in range(60):
        put("Same")
    for column in SORTS:
        pages = [listing.listing(BatchFilters(), BatchSort(column), number) for number in (1, 2, 3)]
        ids = [batch.id for one in pages for batch in one.page.items]
        assert len(set(ids)) == 60, column


def test_keys_are_there_for_every_batch_and_badge(make: Make) -> None:
    """B-31, B-34: renaming moves a batch in the list, and it is found by its new name."""
    batch = make.batch(name="Before")
    with transaction():
        batch_drafts.save(
            batch.id, batch_drafts.Heading("ÄFTER", batch.quest_id), Actor(NOW, Origin.CONSOLE)
        )
    assert names(BatchFilters(name="äft"), drafts=True) == ["ÄFTER"]


def test_the_list_takes_two_queries_and_the_tree_one(make: Make) -> None:
    """B-30: whatever the filters and order; displayed data of a batch is loaded with it."""
    quest = make.quest()
    for _ in range(3):
        for number in range(10):
            put(f"Batch {number}", quest_id=quest.id)
        days = (DayFilter("created", Compare.AFTER, date(2026, 1, 1)),)
        for sort in SORTS:
            with statements() as sent:
                found = listing.listing(BatchFilters(name="batch", days=days), BatchSort(sort))
                shown = [batch.quest and batch.quest.badge.name for batch in found.page.items]
            assert len(sent) == 2
            assert all(shown)
            assert not any("entries" in one for one in sent)
        with statements() as sent:
            listing.tree()
        assert len(sent) == 1


def test_the_tree_has_archived_ones_too(make: Make) -> None:
    """B-31: batches may exist for them; badges by name, quests by position."""
    badge = make.badge("zeta", archived_at=NOW)
    make.quest("Second", badge, position=2)
    make.quest("First", badge, position=1, archived_at=NOW)
    make.quest("Only", make.badge("Éta"))
    make.badge("Without quests")
    tree = [(one.name, [quest.name for quest in one.quests]) for one in listing.tree()]
    assert tree == [("zeta", ["First", "Second"]), ("Éta", ["Only"])]


def test_counts_come_from_the_batches_own_rows(make: Make) -> None:
    """B-30: the number of users is stored on the batch; lists never query entries."""
    batch = make.batch(make.members(3), published=True)
    with transaction():
        db.session.execute(update(Batch).where(Batch.id == batch.id).values(entry_count=4_812))
    assert [one.entry_count for one in listing.listing(BatchFilters()).page.items] == [4_812]
