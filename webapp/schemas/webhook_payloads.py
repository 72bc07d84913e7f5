"""What events say, in webhooks and in the feed. Bodies are built when they are sent or read, so no event holds
personal data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Protocol

from pydantic import Field

from webapp.domain.awards import queries as award_queries
from webapp.domain.badges import catalogue
from webapp.domain.batches import listing
from webapp.domain.dates import moment
from webapp.domain.members import queries as member_queries
from webapp.domain.webhooks import event_feed
from webapp.domain.webhooks.deliveries import OutgoingMessage
from webapp.models import WebhookEvent
from webapp.models.webhook import TEST
from webapp.schemas.awards import AwardOut
from webapp.schemas.badges import BadgeOut, QuestWithBadge
from webapp.schemas.batches import BatchOut
from webapp.schemas.common import MemberId, OutputModel
from webapp.schemas.members import MemberOut

TEST_MESSAGE = "This is a test message."
EVENT_DESCRIPTIONS = {
    WebhookEvent.AWARD_CREATED: "A badge was awarded: by staff, the API, a batch or a rule.",
    WebhookEvent.AWARDS_CREATED: "The same as award.created, with up to 500 awards in one message.",
    WebhookEvent.AWARD_REVOKED: "A badge was revoked.",
    WebhookEvent.AWARD_RESTORED: "Staff undid a revocation: the member has the badge again, by a new award.",
    WebhookEvent.MEMBER_CREATED: "A member was added.",
    WebhookEvent.MEMBER_CHANGED: "A member's details or status changed.",
    WebhookEvent.MEMBER_ERASED: "A member was erased. Delete their personal data too.",
    WebhookEvent.BADGE_CHANGED: "A badge was created, changed, archived or restored.",
    WebhookEvent.QUEST_CHANGED: "A quest was created, changed, archived or restored.",
    WebhookEvent.RULE_CHANGED: "A quest's rule was created, changed or removed.",
    WebhookEvent.BATCH_PUBLISHED: "A batch was published and is being processed.",
    WebhookEvent.BATCH_FINISHED: "A run of a batch finished. The batch's status shows the result.",
}


class MemberErased(OutputModel):
    """A member who was erased."""

    id: Annotated[MemberId, Field(description="Your own ID of the member, until they were erased.")]


class AwardsOut(OutputModel):
    """Awards that were made, in their order."""

    awards: Annotated[
        list[AwardOut],
        Field(description="Up to 500 awards. Each is sent once, in this or another message."),
    ]


class Subject(Protocol):
    """What a payload is built from: a delivery, or an event of the feed."""

    @property
    def kind(self) -> str: ...
    @property
    def subject_id(self) -> int: ...
    @property
    def at(self) -> datetime: ...


def _awards(ids: list[int]) -> Mapping[int, OutputModel]:
    return {id_: AwardOut.of(award) for id_, award in award_queries.by_id(ids).items()}


def _members(ids: list[int]) -> Mapping[int, OutputModel]:
    members = member_queries.by_id(ids).items()
    return {id_: MemberOut.of(member) for id_, member in members if not member.erased}


def _erased(ids: list[int]) -> Mapping[int, OutputModel]:
    erased = event_feed.erased_ids(ids).items()
    return {id_: MemberErased.model_construct(id=external_id) for id_, external_id in erased}


def _badges(ids: list[int]) -> Mapping[int, OutputModel]:
    return {id_: BadgeOut.of(badge) for id_, badge in catalogue.by_id(ids).items()}


def _quests(ids: list[int]) -> Mapping[int, OutputModel]:
    return {id_: QuestWithBadge.of(quest) for id_, quest in catalogue.quests_by_id(ids).items()}


def _batches(ids: list[int]) -> Mapping[int, OutputModel]:
    return {id_: BatchOut.of(batch) for id_, batch in listing.by_id(ids).items()}


@dataclass(frozen=True)
class Payload:
    """The `data` of some kinds of events: its schema, and how it's loaded for many subjects at once."""

    model: type[OutputModel]
    load: Callable[[list[int]], Mapping[int, OutputModel]]


_AWARD, _MEMBER = Payload(AwardOut, _awards), Payload(MemberOut, _members)
_QUEST, _BATCH = Payload(QuestWithBadge, _quests), Payload(BatchOut, _batches)
PAYLOADS = {
    WebhookEvent.AWARD_CREATED: _AWARD,
    WebhookEvent.AWARDS_CREATED: Payload(AwardsOut, _awards),
    WebhookEvent.AWARD_REVOKED: _AWARD,
    WebhookEvent.AWARD_RESTORED: _AWARD,
    WebhookEvent.MEMBER_CREATED: _MEMBER,
    WebhookEvent.MEMBER_CHANGED: _MEMBER,
    WebhookEvent.MEMBER_ERASED: Payload(MemberErased, _erased),
    WebhookEvent.BADGE_CHANGED: Payload(BadgeOut, _badges),
    WebhookEvent.QUEST_CHANGED: _QUEST,
    WebhookEvent.RULE_CHANGED: _QUEST,
    WebhookEvent.BATCH_PUBLISHED: _BATCH,
    WebhookEvent.BATCH_FINISHED: _BATCH,
}


def data(events: Sequence[Subject]) -> list[OutputModel | None]:
    """Return the `data` of each event, as it is now; None if its subject no longer exists.

    One query for each kind of subject (two for badges), whatever the number of events.
    """
    wanted: dict[Payload, set[int]] = {}
    for event in events:
        wanted.setdefault(PAYLOADS[WebhookEvent(event.kind)], set()).add(event.subject_id)
    loaded = {payload: payload.load(sorted(ids)) for payload, ids in wanted.items()}
    return [loaded[PAYLOADS[WebhookEvent(event.kind)]].get(event.subject_id) for event in events]


def payloads(due: list[OutgoingMessage]) -> list[dict[str, Any] | None]:
    """Return the body of each message; None if its subjects no longer exist."""
    others = [one for message in due if message.kind != TEST for one in message.deliveries]
    loaded = iter(data(others))
    return [_body(message, loaded) for message in due]


def _body(message: OutgoingMessage, loaded: Iterator[OutputModel | None]) -> dict[str, Any] | None:
    content: dict[str, Any] = {"message": TEST_MESSAGE}
    if message.kind != TEST:
        models = list(filter(None, islice(loaded, len(message.deliveries))))
        if not models:
            return None
        content = models[0].model_dump()
        if message.kind == WebhookEvent.AWARDS_CREATED:
            content = {"awards": [model.model_dump() for model in models]}
    at = moment(message.deliveries[0].at)
    return {"type": message.kind, "timestamp": at, "data": content}
