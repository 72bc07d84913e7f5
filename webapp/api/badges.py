"""Badges and their quests, to find what can be awarded."""

from __future__ import annotations

from webapp.api.framework.operations import Call, Reply, operation
from webapp.domain.badges import catalogue
from webapp.domain.permissions import Scope
from webapp.schemas.badges import BadgeListParams, BadgeOut, BadgePage
from webapp.schemas.common import number_of


@operation(
    "GET",
    "/badges",
    Scope.BADGES_READ,
    tag="Badges",
    summary="List badges",
    query=BadgeListParams,
    responses={200: BadgePage},
    example={"query": {"q": "helper"}},
)
def list_badges(call: Call) -> Reply:
    """Returns badges with their quests, sorted by name. Archived badges come last."""
    params: BadgeListParams = call.query
    page = catalogue.page(params.q, params.after, params.limit)
    items = [BadgeOut.of(badge) for badge in page.items]
    following = params.cursor_to(page.after)
    return Reply(200, BadgePage.model_construct(items=items, next=following))


@operation(
    "GET",
    "/badges/<badge_id>",
    Scope.BADGES_READ,
    tag="Badges",
    summary="Get a badge",
    responses={200: BadgeOut},
    problems=(404,),
    example={"path": {"badge_id": "$BADGE"}},
)
def read_badge(_call: Call, badge_id: str) -> Reply:
    """Returns a badge with its quests, or 404 if the badge doesn't exist."""
    return Reply(200, BadgeOut.of(catalogue.get(number_of(badge_id) or 0)))
