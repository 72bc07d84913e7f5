"""What webhooks tell, in the words of the API; looked up when it is sent: nothing of a member waits anywhere."""

from __future__ import annotations

from typing import Any

from webapp.domain.awards import queries as award_queries
from webapp.domain.batches import listing
from webapp.models import Delivery, WebhookEvent
from webapp.models.webhook import TEST
from webapp.schemas.awards import AwardOut
from webapp.schemas.batches import BatchOut
from webapp.schemas.common import moment

EVENT_DESCRIPTIONS = {
    WebhookEvent.AWARD_CREATED: "A badge was awarded, by whatever way.",
    WebhookEvent.AWARD_REVOKED: "A badge was taken back.",
    WebhookEvent.BATCH_PUBLISHED: "A batch was handed to the workers.",
    WebhookEvent.BATCH_FINISHED: "A run of a batch ended; its status says how.",
}
OF_AWARDS = (WebhookEvent.AWARD_CREATED, WebhookEvent.AWARD_REVOKED)


def payloads(due: list[Delivery]) -> dict[int, dict[str, Any] | None]:
    """The body of each delivery by its id, two queries for all; None where what it tells of is gone."""
    awards = award_queries.by_id([one.subject_id for one in due if one.kind in OF_AWARDS])
    others = [one for one in due if one.kind not in OF_AWARDS and one.kind != TEST]
    batches = listing.by_id([one.subject_id for one in others])
    found: dict[int, dict[str, Any] | None] = {}
    for one in due:
        data: dict[str, Any] | None = None
        if one.kind == TEST:
            data = {"message": "A test, which tells of nothing."}
        elif one.kind in OF_AWARDS and one.subject_id in awards:
            data = AwardOut.of(awards[one.subject_id]).model_dump()
        elif one.kind not in OF_AWARDS and one.subject_id in batches:
            data = BatchOut.of(batches[one.subject_id]).model_dump()
        body = {"type": one.kind, "timestamp": moment(one.at), "data": data}
        found[one.id] = body if data is not None else None
    return found
