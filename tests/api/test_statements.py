"""How many statements the most frequent requests take: a new one must be stated here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.counting import statements

pytestmark = [pytest.mark.databases("sqlite", "postgresql"), pytest.mark.usefixtures("context")]


def test_statements_of_an_award_and_its_revocation(lms: Caller, community: dict[str, Any]) -> None:
    """One of them is the key. The member is locked with the rules' lock, in the statement that finds them."""
    quest = str(community["quest"].id)
    lms.post("/awards", {"quest": quest, "member": {"id": "4822"}})
    with statements() as awarding:
        made = lms.post("/awards", {"quest": quest, "member": {"id": "4821"}})
    assert made.status_code == 201
    assert len(awarding) == 5, "\n\n".join(awarding)
    with statements() as repeating:
        assert lms.post("/awards", {"quest": quest, "member": {"id": "4821"}}).status_code == 200
    assert len(repeating) == 4, "\n\n".join(repeating)
    with statements() as revoking:
        lms.post(f"/awards/{made.json['id']}/revocation", {"reason": "Mistake"})
    assert len(revoking) == 10, "\n\n".join(revoking)


@pytest.mark.parametrize(
    ("path", "number"), [("/members?q=an", 5), ("/members/4821", 3), ("/awards", 2), ("/events", 9)]
)
def test_statements_of_a_read(
    lms: Caller, community: dict[str, Any], path: str, number: int
) -> None:
    lms.post("/awards", {"quest": str(community["quest"].id), "member": {"id": "4822"}})
    with statements() as sent:
        assert lms.get(path).status_code == 200
    assert len(sent) == number, "\n\n".join(sent)
