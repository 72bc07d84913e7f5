"""How many statements each often requested page takes: a new one must be stated here."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import Make
from tests.pages.client import ReviewingClient

# The first statement of each is the session's, with the person and the community's name.
EXPECTED = {
    ("/batches/usernames?member=user&by=username", True): 2,
    ("/batches/{batch}", True): 4,
    ("/", False): 8,
    ("/", True): 4,
    ("/members/suggestions?q=user", True): 3,
    ("/search?q=user", False): 6,
    ("/search/results?q=named person", True): 9,
    ("/members", False): 5,
    ("/members?q=user", False): 7,
    ("/batches", False): 4,
    ("/badges", False): 4,
    ("/members/{member}", False): 5,
}


@pytest.mark.databases("sqlite", "postgresql")
@pytest.mark.parametrize(("path", "htmx"), EXPECTED)
def test_statements_of_a_page(
    app: Flask, as_admin: ReviewingClient, make: Make, path: str, htmx: bool
) -> None:
    quest = make.quest()
    members = make.members(12)
    make.award(members[0], quest.id)
    batch = make.batch(members, quest, published=True)
    address = path.format(batch=batch.id, member=members[0])
    as_admin.get(address, htmx=htmx)
    with app.app_context(), statements() as sent:
        as_admin.get(address, htmx=htmx)
    assert len(sent) == EXPECTED[path, htmx], "\n\n".join(sent)
