"""Awarding and revoking many badges in one request (A-10)."""

from __future__ import annotations

from webapp.api.framework.operations import Call, Reply, operation
from webapp.domain.awards import bulk, bulk_revocation
from webapp.domain.permissions import Scope
from webapp.schemas.bulk_awards import (
    BulkAwards,
    BulkAwardsIn,
    BulkRevocations,
    BulkRevocationsIn,
)


@operation(
    "POST",
    "/bulk-awards",
    Scope.AWARDS_WRITE,
    tag="Awards",
    summary="Award many badges",
    body=BulkAwardsIn,
    responses={200: BulkAwards},
    example={
        "body": {
            "awards": [
                {
                    "quest": "$QUEST",
                    "member": {"id": "4821"},
                    "reason": "Completed the course",
                    "awarded_at": "2024-05-31T10:20:00Z",
                },
                {"quest": "$QUEST", "member": {"username": "boris"}},
            ]
        }
    },
)
def make_bulk_awards(call: Call) -> Reply:
    """Makes up to 500 awards, each with its own quest, member, reason and date, and returns a result for each.

    An award that isn't possible gets the status `error` and doesn't affect the others: the quest or member isn't found,
    the quest is archived, the member isn't active, or the date or reason is invalid.

    You can safely send the request again: a member who has the quest gets `already_held`, and an award with the same
    date that has been revoked since isn't made again. Without a date, a revoked badge is awarded again.

    In the audit log this is one action. Webhooks are sent for each award, also for past ones.
    """
    body: BulkAwardsIn = call.body
    items = [award.item(line) for line, award in enumerate(body.awards, start=1)]
    return Reply(200, BulkAwards.of(bulk.award(items, call.actor)))


@operation(
    "POST",
    "/bulk-revocations",
    Scope.AWARDS_WRITE,
    tag="Awards",
    summary="Revoke many badges",
    body=BulkRevocationsIn,
    responses={200: BulkRevocations},
    example={
        "body": {
            "revocations": [
                {"award": "$AWARD", "reason": "Awarded by mistake"},
                {"quest": "$QUEST", "member": {"username": "boris"}},
            ]
        }
    },
)
def make_bulk_revocations(call: Call) -> Reply:
    """Revokes up to 500 awards, each with its own reason, and returns a result for each.

    Name an award by its ID, or by quest and member. If the award, quest or member isn't found, it gets the status
    `error` and doesn't affect the others. You can safely send the request again: an award that is revoked already gets
    `already_revoked`.

    In the audit log this is one action. No rule will give the members these quests again, but staff and the API still
    can.
    """
    body: BulkRevocationsIn = call.body
    items = [one.item(line) for line, one in enumerate(body.revocations, start=1)]
    return Reply(200, BulkRevocations.of(bulk_revocation.revoke(items, call.actor)))
