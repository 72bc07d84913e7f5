"""The daily jobs of another system, with the client that test_generated_client generates.

Mypy checks this file against the client too, so the types that the API description states are the ones used here.
"""

from __future__ import annotations

from datetime import UTC, datetime

from laurel_client import AuthenticatedClient
from laurel_client.api.activities import count_activities
from laurel_client.api.awards import (
    list_awards,
    make_award,
    make_group_award,
    read_award,
    revoke_award,
)
from laurel_client.api.batches import list_entries, make_batch, publish_batch, read_batch
from laurel_client.api.events import list_events
from laurel_client.api.members import put_member, read_member, search_members
from laurel_client.models import (
    ActivitiesCounted,
    ActivityIn,
    AwardIn,
    AwardOut,
    AwardPage,
    BatchFilled,
    BatchIn,
    BatchOut,
    EntryPage,
    EventPage,
    GroupAward,
    GroupAwardIn,
    ListAwardsState,
    MemberIn,
    MemberOut,
    MemberPage,
    MemberRef,
    MemberWithAwards,
    Problem,
    ReasonBody,
)


def run(client: AuthenticatedClient, quest: str) -> None:
    members(client)
    award = awards(client, quest)
    events(client, award)
    batch(client, quest)
    activity(client)
    problems(client, award)


def members(client: AuthenticatedClient) -> None:
    joined = datetime(2024, 5, 4, 10, 20, tzinfo=UTC)
    for name in ("zoe", "yara", "xavi"):
        body = MemberIn(username=name, email=f"{name}@example.org", joined_at=joined)
        made = put_member.sync(f"id/{name}", client=client, body=body)
        assert isinstance(made, MemberOut)
        assert made.joined_at == joined
    again = put_member.sync("id/zoe", client=client, body=MemberIn(name="Zoë"))
    assert isinstance(again, MemberOut)
    assert (again.username, again.name) == ("zoe", "Zoë")
    found = search_members.sync(client=client, q="zoe", limit=1)
    assert isinstance(found, MemberPage)
    assert [one.id for one in found.items] == ["id/zoe"]
    assert found.next_ is None


def awards(client: AuthenticatedClient, quest: str) -> AwardOut:
    body = AwardIn(quest=quest, member=MemberRef(username="zoe"), reason="Passed")
    first = make_award.sync_detailed(client=client, body=body, idempotency_key="zoe-passed")
    assert isinstance(first.parsed, AwardOut)
    assert first.status_code == 201
    replayed = make_award.sync_detailed(client=client, body=body, idempotency_key="zoe-passed")
    assert replayed.parsed == first.parsed
    assert replayed.headers["Idempotent-Replayed"] == "true"
    group = make_group_award.sync(
        client=client,
        body=GroupAwardIn(quest=quest, members=[MemberRef(id="id/yara"), MemberRef(id="nobody")]),
    )
    assert isinstance(group, GroupAward)
    assert [result.error is None for result in group.results] == [True, False]
    page = list_awards.sync(client=client, quest=quest, limit=1)
    held = []
    while isinstance(page, AwardPage):
        held += [one.member.username for one in page.items]
        if page.next_ is None:
            break
        page = list_awards.sync(client=client, quest=quest, limit=1, cursor=page.next_)
    assert sorted(held) == ["yara", "zoe"]
    member = read_member.sync("id/zoe", client=client)
    assert isinstance(member, MemberWithAwards)
    assert member.awards == [first.parsed]
    return first.parsed


def events(client: AuthenticatedClient, award: AwardOut) -> None:
    page = list_events.sync(client=client, limit=1)
    seen = []
    while isinstance(page, EventPage):
        seen += [one.type_ for one in page.items]
        if not page.has_more:
            break
        page = list_events.sync(client=client, limit=1, after=page.next_)
    assert seen.count("award.created") == 2
    assert seen.count("member.created") == 3
    assert read_award.sync(award.id, client=client) == award


def batch(client: AuthenticatedClient, quest: str) -> None:
    body = BatchIn(name="May", quest=quest, members=[MemberRef(username="xavi")])
    made = make_batch.sync(client=client, body=body)
    assert isinstance(made, BatchFilled)
    published = publish_batch.sync(made.id, client=client)
    assert isinstance(published, BatchOut)
    assert published.published_at is not None
    read = read_batch.sync(made.id, client=client)
    assert isinstance(read, BatchOut)
    assert read.total == 1
    entries = list_entries.sync(made.id, client=client)
    assert isinstance(entries, EntryPage)
    assert len(entries.items) == 1


def activity(client: AuthenticatedClient) -> None:
    now = datetime.now(UTC).isoformat()
    events = [
        ActivityIn(event_id="1", member=MemberRef(id="id/zoe"), activity="posts", at=now),
        ActivityIn(event_id="2", member=MemberRef(id="id/zoe"), activity="likes", amount=3, at=now),
        ActivityIn(event_id="3", member=MemberRef(id="id/zoe"), activity="posts", at="yesterday"),
    ]
    counted = count_activities.sync(client=client, body=events)
    assert isinstance(counted, ActivitiesCounted)
    assert (counted.counted, counted.errors) == (2, 1)


def problems(client: AuthenticatedClient, award: AwardOut) -> None:
    revoked = revoke_award.sync(award.id, client=client, body=ReasonBody(reason="By mistake"))
    assert isinstance(revoked, AwardOut)
    assert revoked.revoked_at is not None
    page = list_awards.sync(client=client, state=ListAwardsState.REVOKED)
    assert isinstance(page, AwardPage)
    assert [one.id for one in page.items] == [award.id]
    body = AwardIn(quest="no", member=MemberRef(username="nobody"))
    refused = make_award.sync(client=client, body=body)
    assert isinstance(refused, Problem)
    assert refused.status == 422
    assert refused.errors
