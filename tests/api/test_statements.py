"""How many statements the most frequent requests take: a new one must be stated here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.counting import statements
from tests.factories import NOW
from webapp.adapters.contract import Check, RemoteBadge
from webapp.domain.actor import Actor
from webapp.domain.connections import mappings, settings
from webapp.domain.connections.settings import ConnectionFields
from webapp.domain.credentials import issuer
from webapp.domain.webhooks import endpoints
from webapp.models import Origin, WebhookEvent
from webapp.transaction import transaction

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
    assert len(revoking) == 9, "\n\n".join(revoking)


def test_a_community_and_a_webhook_take_a_statement_each(
    lms: Caller, community: dict[str, Any]
) -> None:
    """One to mark what the community is to show, one to write the deliveries; without them, neither."""
    quest = community["quest"]

    def counts() -> tuple[int, int]:
        with statements() as awarding:
            made = lms.post("/awards", {"quest": str(quest.id), "member": {"id": "4821"}})
        with statements() as revoking:
            lms.post(f"/awards/{made.json['id']}/revocation", {"reason": "Mistake"})
        return len(awarding), len(revoking)

    assert counts() == (5, 9)
    actor = Actor(NOW, Origin.COMMAND_LINE)
    fields = ConnectionFields("wordpress", "https://club.example.org/", "laurel", "secret")
    with transaction():
        connection_id = settings.create(fields, Check("Club", "laurel", "6.8"), (), actor).id
    assert counts() == (5, 9)
    with transaction():
        mappings.create(connection_id, quest.id, RemoteBadge("b1", "Helper"), actor)
    assert counts() == (6, 10)
    kinds = [WebhookEvent.AWARD_CREATED, WebhookEvent.AWARD_REVOKED]
    with transaction():
        endpoints.create("https://example.org/hook", kinds, (), actor)
    assert counts() == (7, 11)


@pytest.mark.parametrize(
    ("path", "number"), [("/members?q=an", 5), ("/members/4821", 4), ("/awards", 2), ("/events", 9)]
)
def test_statements_of_a_read(
    lms: Caller, community: dict[str, Any], path: str, number: int
) -> None:
    lms.post("/awards", {"quest": str(community["quest"].id), "member": {"id": "4822"}})
    with statements() as sent:
        assert lms.get(path).status_code == 200
    assert len(sent) == number, "\n\n".join(sent)


def test_the_link_to_a_members_page_takes_one_statement_more(
    lms: Caller, community: dict[str, Any]
) -> None:
    """And one to see that Open Badges are on, for keys that get links."""
    with transaction():
        issuer.turn_on(Actor(NOW, Origin.COMMAND_LINE))
    with statements() as sent:
        assert lms.get("/members/4821").json["page_url"]
    assert len(sent) == 5, "\n\n".join(sent)
