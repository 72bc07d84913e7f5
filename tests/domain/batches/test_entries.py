"""Search and filter the members of one batch (B-35)."""

from __future__ import annotations

import pytest

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, entries
from webapp.models import Batch, Origin
from webapp.transaction import transaction


@pytest.fixture
def batch(make: Make) -> Batch:
    """A batch with some people; similar ones are not in it."""
    people = [
        make.member("Anna", external_id="K-1", email="anna@example.org"),
        make.member("annabel", external_id="K-10", email="bel@example.org"),
        make.member("Straße_100%", external_id="k-2", email="ANN@example.com"),
        make.member("bob", external_id="Anna", email=None),
    ]
    make.member("anna2", external_id="K-11")
    return make.batch([person.id for person in people])


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ann", ["Straße_100%", "annabel", "Anna"]),
        ("ANNA", ["annabel", "Anna"]),
        (" @Anna ", ["annabel", "Anna"]),
        ("Anna", ["bob", "annabel", "Anna"]),
        ("K-1", ["annabel", "Anna"]),
        ("k-", ["Straße_100%"]),
        ("strasse", ["Straße_100%"]),
        ("bel@", ["annabel"]),
        ("%", []),
        ("_", []),
        ("nobody", []),
        ("an\x00na", []),
        ("x" * 5000, []),
        ("\U0010ffff", []),
        ("  ", ["bob", "Straße_100%", "annabel", "Anna"]),
    ],
)
def test_search_by_the_beginning(batch: Batch, search: str, found: list[str]) -> None:
    """B-35: username, ID (case-sensitive) or email; newest first; only members of the batch."""
    page = entries.page(batch, 1, None, search)
    assert [entry.member.username for entry in page.items] == found
    assert page.total == len(found)


def test_search_and_status_hold_both(make: Make, batch: Batch) -> None:
    """B-35: within one status; an error is found by its member's name."""
    assert entries.page(batch, 1, "Unpublished", "bob").total == 1
    assert entries.page(batch, 1, "Error", "bob").total == 0


def test_pages_of_a_search(make: Make) -> None:
    """B-35: in two queries for any number; past the end is the last page."""
    batch = make.batch(make.members(60, "many") + make.members(10, "few"))
    with transaction():
        drafts.add_members(batch.id, [], 100, Actor(NOW, Origin.CONSOLE))
    with statements() as sent:
        page = entries.page(batch, 10**9, None, "many")
    assert (page.number, page.total, len(page.items)) == (3, 60, 10)
    assert len(sent) == 2
