"""The bodies of webhook requests. They are built when they are sent, so no member's data waits in the outbox."""

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
    WebhookEvent.AWARD_CREATED: "A badge was awarded: by staff, the API, a batch or a rule.",
    WebhookEvent.AWARD_REVOKED: "A badge was revoked.",
    WebhookEvent.BATCH_PUBLISHED: "A batch was published and is being processed.",
    WebhookEvent.BATCH_FINISHED: "A run of a batch finished. The batch's status shows the result.",
}
OF_AWARDS = (WebhookEvent.AWARD_CREATED, WebhookEvent.AWARD_REVOKED)


def payloads(due: list[Delivery]) -> dict[int, dict[str, Any] | None]:
    """The body of each delivery by its ID, in two queries; None if its subject no longer exists."""
    awards = award_queries.by_id(
        [delivery.subject_id for delivery in due if delivery.kind in OF_AWARDS]
    )
    batch_deliveries = [
        delivery for delivery in due if delivery.kind not in OF_AWARDS and delivery.kind != TEST
    ]
    batches = listing.by_id([delivery.subject_id for delivery in batch_deliveries])
    bodies: dict[int, dict[str, Any] | None] = {}
    for delivery in due:
        data: dict[str, Any] | None = None
        if delivery.kind == TEST:
            data = {"message": "This is a test message."}
        elif delivery.kind in OF_AWARDS and delivery.subject_id in awards:
            data = AwardOut.of(awards[delivery.subject_id]).model_dump()
        elif delivery.kind not in OF_AWARDS and delivery.subject_id in batches:
            data = BatchOut.of(batches[delivery.subject_id]).model_dump()
        body = {"type": delivery.kind, "timestamp": moment(delivery.at), "data": data}
        bodies[delivery.id] = body if data is not None else None
    return bodies
