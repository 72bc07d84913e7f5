"""The directory: prefix search, filters, orders, pages in both directions (D-1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, text, update

from bench.community import raise_if_any
from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db, dialect_name
from webapp.domain.members import directory, search
from webapp.domain.members import filters as member_filters
from webapp.domain.members.directory import BY_MATCH, EVERYBODY, MemberListing, MemberSort
from webapp.domain.members.filters import MemberFilters
from webapp.models import Award, Member, MemberStatus
from webapp.transaction import transaction

SORTS = [MemberSort(column, down) for column in directory.SORTS for down in (False, True)][2:]


def names(listing: MemberListing) -> list[str]:
    return [member.username for member in listing.members]


def found(text: str, **more: Any) -> list[str]:
    return names(directory.page(MemberFilters(text=text, **more)))


@pytest.fixture(params=["collected", "walked"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both query plans: for few members, and for a million."""
    if request.param == "walked":
        monkeypatch.setattr(search, "COLLECT_LIMIT", 0)
        monkeypatch.setattr(search, "SCAN_LIMIT", 3)
        monkeypatch.setattr(search, "MANY", 5)


def test_search_finds_by_the_beginning_of_username_email_id_and_words(
    make: Make, way: None
) -> None:
    """D-1: ignoring case and Unicode form, in names ignoring accents; the ID case-sensitively."""
    make.member("Émile", external_id="AB-1", email="zola@example.org")
    make.member("zoe", external_id="AB-2", email=None, name="Marie-Luise van der Kovač")
    make.member("anna", external_id="ab-3", email="emil@example.net", name="Zoltan Özil")
    assert found("Zo") == ["zoe", "Émile", "anna"]
    assert found("e\u0301MI") == ["Émile"]
    assert found("AB-") == ["Émile", "zoe"]
    assert found(" AB-2 ") == ["zoe"]
    assert found("@anna") == ["anna"]
    assert found("EMIL@") == ["anna"]
    assert found("ozi") == found("Özil") == found("o\u0308zil") == ["anna"]
    assert found("luise") == found("der") == found("KOVAC") == found("kovač, Mar") == ["zoe"]
    assert found("ovac") == found("marie zoltan") == []
    assert found("nobody") == found("\x00") == found("%") == found("_") == []


def test_exact_matches_come_first(make: Make, way: None) -> None:
    """D-1: by ID, username or email; then by match; and each member once."""
    make.member("17a", external_id="x")
    make.member("aaa", external_id="17", email="17@example.org", name="17 Seventeen")
    make.member("17", external_id="y", email="17")
    assert found("17") == ["aaa", "17", "17a"]
    assert names(directory.page(MemberFilters(text="17"), MemberSort("username"))) == [
        "17",
        "17a",
        "aaa",
    ]


@pytest.mark.parametrize(
    ("inside", "outside"),
    [("a\U0010ffffz", "b"), ("a\ud7ffz".encode("utf-16", "surrogatepass").decode("utf-16"), "b")],
)
def test_the_end_of_a_prefix_is_right_at_the_edges_of_unicode(
    make: Make, inside: str, outside: str
) -> None:
    """D-1: the range ends before the next text, even at the last character and before the surrogates."""
    make.member(inside)
    make.member(outside)
    assert found(inside[:2]) == [inside]


def test_filters_combine(make: Make, way: None) -> None:
    """D-1: has, doesn't have, joined, status, activity; any quest of a group is enough."""
    quests = [make.quest() for _ in range(3)]
    people = {
        name: make.member(
            name,
            status=status,
            activity=activity,
            joined_at=NOW + timedelta(days=joined),
        )
        for name, status, activity, joined in (
            ("anna", "active", 5, 0),
            ("bea", "active", 50, 1),
            ("carl", "suspended", 500, 2),
            ("dora", "left", 0, 3),
        )
    }
    make.award(people["anna"].id, quests[0].id)
    make.award(people["bea"].id, quests[0].id, revoked_at=NOW)
    make.award(people["bea"].id, quests[1].id)
    make.award(people["carl"].id, quests[0].id)
    make.award(people["carl"].id, quests[1].id)
    first, second, third = (quest.id for quest in quests)

    def left(**filters: Any) -> list[str]:
        return names(directory.page(MemberFilters(**filters)))

    assert left(holds=((first,),)) == ["anna", "carl"]
    assert left(holds=((first, second),)) == ["anna", "bea", "carl"]
    assert left(holds=((first,), (second,))) == ["carl"]
    assert left(holds=((third,),)) == []
    assert left(lacks=(first,)) == ["bea", "dora"]
    assert left(lacks=(first, second)) == ["dora"]
    assert left(holds=((second,),), lacks=(first,)) == ["bea"]
    assert left(statuses=(MemberStatus.LEFT, MemberStatus.SUSPENDED)) == ["carl", "dora"]
    assert left(statuses=(MemberStatus.ACTIVE,)) == ["anna", "bea"]
    assert left(joined_since=NOW + timedelta(days=1)) == ["bea", "carl", "dora"]
    assert left(joined_until=NOW + timedelta(days=1)) == ["anna"]
    assert left(least=5, most=50) == ["anna", "bea"]
    assert left(least=0, most=0) == ["dora"]
    assert left(text="c", holds=((first,),), least=1) == ["carl"]
    assert left(text="c", lacks=(first,)) == []


def test_every_member_is_listed_in_every_order(make: Make) -> None:
    """D-1: by username, ID, joined, activity, and reversed; equal ones have a stable order."""
    for place, (name, external_id, joined, activity) in enumerate(
        (("bea", "3", 0, 7), ("Anna", "20", 5, 7), ("carl", "100", 5, 1))
    ):
        del place
        make.member(
            name, external_id=external_id, joined_at=NOW + timedelta(days=joined), activity=activity
        )
    orders = {
        "username": ["Anna", "bea", "carl"],
        "id": ["carl", "Anna", "bea"],
        "joined": ["bea", "Anna", "carl"],
        "activity": ["carl", "bea", "Anna"],
    }
    for column, order in orders.items():
        assert names(directory.page(EVERYBODY, MemberSort(column))) == order
        assert names(directory.page(EVERYBODY, MemberSort(column, True))) == order[::-1]


def through(filters: MemberFilters, sort: MemberSort, size: int) -> list[list[str]]:
    """All pages, each also reached from the one after it."""
    listing = directory.page(filters, sort, size=size)
    pages = [listing]
    while pages[-1].next:
        pages.append(directory.page(filters, sort, after=pages[-1].next, size=size))
    for page, following in pairwise(pages):
        assert following.previous is not None
        back = directory.page(filters, sort, before=following.previous, size=size)
        assert names(back) == names(page)
    assert pages[0].previous is None
    return [names(page) for page in pages]


@pytest.mark.parametrize("sort", [BY_MATCH, *SORTS], ids=str)
def test_pages_in_both_directions(make: Make, way: None, sort: MemberSort) -> None:
    """D-1: every member once, in the same order in both directions, with every order and search."""
    for number in range(11):
        make.member(
            f"user{number}",
            external_id=f"u{number % 4}-{number}",
            email=f"ux{number}@example.org" if number % 3 else None,
            name="Ursula Uhl" if number % 2 else "Uma",
            joined_at=NOW + timedelta(days=number % 3),
            activity=number % 2,
        )
    make.member("zed", external_id="0", name="Urs")
    for filters, total in (
        (EVERYBODY, 12),
        (MemberFilters(text="u"), 12),
        (MemberFilters(text="ur u"), 6),
    ):
        pages = through(filters, sort, size=4)
        everybody = [name for page in pages for name in page]
        assert len(everybody) == len(set(everybody)) == total
        assert [len(page) for page in pages[:-1]] == [4] * (len(pages) - 1)


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_both_query_plans_find_the_same(
    data: st.DataObject, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D-1: with both plans, for any filters and orders, compared with checking each member."""
    if not directory.page().members:
        _people(make)
    filters = data.draw(
        st.builds(
            MemberFilters,
            text=st.sampled_from(["", "a", "an", "b", "bra", "a b", "1", "A-1", "@an"]),
            holds=st.sampled_from([(), ((1,),), ((1, 2),), ((1,), (2,))]),
            lacks=st.sampled_from([(), (1,), (2,)]),
            statuses=st.sampled_from([(), (MemberStatus.LEFT,), (MemberStatus.ACTIVE,)]),
            least=st.sampled_from([None, 0, 2]),
            most=st.sampled_from([None, 1, 3]),
        )
    )
    sort = data.draw(st.sampled_from([BY_MATCH, *SORTS]))
    few = through(filters, sort, size=3)
    with monkeypatch.context() as patch:
        patch.setattr(search, "COLLECT_LIMIT", 0)
        patch.setattr(search, "SCAN_LIMIT", data.draw(st.sampled_from([1, 4, 100])))
        patch.setattr(search, "MANY", data.draw(st.sampled_from([0, 100])))
        assert through(filters, sort, size=3) == few
        ids = [one for chunk in search.Search(filters).chunks(2) for one in chunk]
    everybody = [name for page in few for name in page]
    assert directory.count(filters) == len(ids) == len(set(ids)) == len(everybody)
    db.session.rollback()


@pytest.mark.parametrize("limit", [1, 3, 1_000])
def test_the_best_matches_are_the_first_of_the_page(
    make: Make, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """E-3: also if they come long after the first names that begin with one of the words."""
    _people(make)
    monkeypatch.setattr(search, "BEST_SCAN_LIMIT", limit)
    for text_ in ("bran an", "an bra", "anna b", "ann", "br", "a", "bra nobody"):
        best, _ = directory.best(text_, 3)
        assert [member.username for member in best] == found(text_)[:3]


def _people(make: Make) -> None:
    first, second = make.quest(), make.quest()
    for number in range(9):
        member = make.member(
            ("anna", "bea", "an", "brand")[number % 4] + str(number),
            external_id=f"A-{number}",
            email=f"{'a' if number % 2 else 'b'}{number}@example.org",
            name=("Anna Brandt", "", "Bran Anders", "Ann Ann")[number % 4],
            status=("active", "left")[number % 3 == 0],
            activity=number % 5,
        )
        if number % 2:
            make.award(member.id, first.id)
        if number % 3:
            make.award(member.id, second.id)


def test_a_missing_cursor_member_gives_the_first_page(make: Make) -> None:
    """D-1: the member at the cursor may have been erased since."""
    make.members(30)
    first = directory.page()
    for place in (10**12, 2**70):
        assert names(directory.page(after=place)) == names(first)
        assert names(directory.page(before=place)) == names(first)


def test_small_totals_are_exact(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """D-1: a lower bound if they are many; an exact count on request."""
    quest = make.quest()
    ids = make.members(30)
    for member_id in ids[:5]:
        make.award(member_id, quest.id)
    assert (directory.page().total, directory.page().more) == (30, False)
    listing = directory.page(MemberFilters(holds=((quest.id,),)))
    assert (listing.total, listing.more) == (5, False)
    monkeypatch.setattr(search, "COLLECT_LIMIT", 20)
    assert (directory.page().total, directory.page().more) == (20, True)
    listing = directory.page(MemberFilters(lacks=(quest.id,)))
    assert (listing.total, listing.more) == (25, True) or not listing.next
    assert directory.count(MemberFilters(lacks=(quest.id,))) == 25
    assert directory.count(EVERYBODY) == 30


def test_a_fixed_number_of_queries(make: Make) -> None:
    """D-1: at most eight, for any number of members, awards, words and pages."""
    asked = [
        (EVERYBODY, BY_MATCH),
        (MemberFilters(text="user"), BY_MATCH),
        (MemberFilters(text="user", statuses=(MemberStatus.ACTIVE,)), MemberSort("joined", True)),
        (MemberFilters(holds=((1,),), lacks=(2,), least=0), MemberSort("activity")),
    ]

    def count() -> list[int]:
        numbers = []
        for filters, sort in asked:
            with statements() as seen:
                listing = directory.page(filters, sort)
                if listing.next:
                    directory.page(filters, sort, after=listing.next)
            numbers.append(len(seen) // (2 if listing.next else 1))
            db.session.rollback()
        return numbers

    quests = [make.quest(), make.quest()]
    make.award(make.members(1)[0], quests[0].id)
    few = count()
    for member_id in make.members(60, "user-"):
        make.award(member_id, quests[0].id)
    assert all(number <= 8 for number in few)
    assert all(many <= one + 1 for one, many in zip(few, count(), strict=True))


def test_badges_are_counted(make: Make) -> None:
    """D-1: revoked awards are not."""
    ids = make.members(3)
    quests = [make.quest(), make.quest()]
    make.award(ids[0], quests[0].id)
    make.award(ids[0], quests[1].id)
    make.award(ids[1], quests[0].id, revoked_at=NOW)
    assert directory.page().badges == {ids[0]: 2}


class Explained:
    """The query plans of a block's statements."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def __enter__(self) -> Explained:
        event.listen(db.engine, "before_cursor_execute", self._note)
        return self

    def _note(self, _connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            self.sent.append((statement, given))

    def __exit__(self, *_: object) -> None:
        event.remove(db.engine, "before_cursor_execute", self._note)

    def plans(self) -> Iterator[tuple[str, str]]:
        explain = "EXPLAIN " if dialect_name() == "postgresql" else "EXPLAIN QUERY PLAN "
        with db.engine.connect() as connection:
            if dialect_name() == "postgresql":  # a full scan then means that there is no other way
                connection.exec_driver_sql("SET enable_seqscan = off")
            for statement, given in self.sent:
                rows = connection.exec_driver_sql(explain + statement, given)
                yield statement, "\n".join(str(row[-1]) for row in rows)


# A sequential scan.
WHOLE = re.compile(
    r"Seq Scan on (members|awards|member_words)|SCAN (members|awards|member_words)$", re.M
)


@pytest.mark.slow
def test_every_query_is_answered_by_an_index(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """D-1: on both databases, for searches and filters that match few, many and nearly all members."""
    monkeypatch.setattr(search, "COLLECT_LIMIT", 200)
    monkeypatch.setattr(search, "SCAN_LIMIT", 300)
    quest, rare = make.quest(), make.quest()
    raise_if_any(5_000, quest.id)
    with transaction():
        few = [
            {"member_id": n, "quest_id": rare.id, "source": "rule", "awarded_at": NOW}
            for n in range(1, 100)
        ]
        db.session.execute(insert(Award), few)
        db.session.execute(update(Member).where(Member.id % 50 == 0).values(status="left"))
        db.session.execute(update(Member).values(activity=Member.id % 100))
    with db.engine.connect().execution_options(write=True) as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    asked = [
        EVERYBODY,
        *(
            MemberFilters(text=typed)
            for typed in ("member4", "ID12", "num", "number 17", "nobody", "m")
        ),
        MemberFilters(holds=((quest.id,),)),
        MemberFilters(holds=((rare.id,),)),
        MemberFilters(lacks=(rare.id,)),
        MemberFilters(statuses=(MemberStatus.LEFT,)),
        MemberFilters(joined_since=NOW),
        MemberFilters(joined_until=NOW, text="member4"),
        MemberFilters(least=99),
        MemberFilters(most=98, holds=((quest.id,),), lacks=(rare.id,), text="num"),
    ]
    for filters in asked:
        for sort in (
            BY_MATCH,
            MemberSort("username"),
            MemberSort("joined", True),
            MemberSort("activity"),
        ):
            with Explained() as explained:
                listing = directory.page(filters, sort)
                if listing.next:
                    again = directory.page(filters, sort, after=listing.next)
                    if again.previous:
                        directory.page(filters, sort, before=again.previous)
                directory.best(filters.text or "number 1", 6)
            db.session.rollback()
            for statement, plan in explained.plans():
                assert not WHOLE.search(plan), f"{filters} {sort}\n{statement}\n{plan}"


def test_erased_members_are_not_listed(make: Make, way: None) -> None:
    """D-5: with any order or filter; their page can't be opened either."""
    from tests.domain.erasure.test_erase import erase

    quest = make.quest()
    gone, other = make.member("gone", name="Gone Away"), make.member("other")
    make.award(gone.id, quest.id)
    erase(gone.id)
    for sort in (BY_MATCH, *SORTS):
        assert names(directory.page(EVERYBODY, sort)) == ["other"]
    assert found("gone") == found("erased") == found("away") == []
    assert names(directory.page(MemberFilters(holds=((quest.id,),)))) == []
    assert names(directory.page(MemberFilters(least=0))) == [other.username]
    assert directory.page().total == 1
    assert member_filters.EVERYBODY == EVERYBODY
