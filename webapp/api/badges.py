"""Badges and their quests: finding, creating, changing and archiving them (A-11)."""

from __future__ import annotations

from typing import Any

from webapp.api.framework.operations import Call, Reply, operation
from webapp.domain.badges import catalogue, quests
from webapp.domain.badges import settings as badge_settings
from webapp.domain.badges.settings import BadgeSettings
from webapp.domain.lookup import require_quest
from webapp.domain.permissions import Scope
from webapp.schemas.badges import (
    BadgeChange,
    BadgeIn,
    BadgeListParams,
    BadgeOut,
    BadgePage,
    QuestChange,
    QuestIn,
    QuestWithBadge,
)
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


@operation(
    "POST",
    "/badges",
    Scope.BADGES_WRITE,
    tag="Badges",
    summary="Create a badge",
    body=BadgeIn,
    responses={201: BadgeOut},
    example={
        "body": {
            "name": "Event host",
            "quest": "Hosted an event",
            "description": "For members who bring others together.",
        },
        "response": {"name": "Event host"},
    },
)
def create_badge(call: Call) -> Reply:
    """Creates a badge with its first quest. You can change its image on the badge's page.

    Returns 422 if a badge that isn't archived already has the name.
    """
    body: BadgeIn = call.body
    badge = badge_settings.create(BadgeSettings(**_settings(body)), body.quest or "", call.actor)
    return Reply(201, BadgeOut.of(catalogue.get(badge.id, fresh=True)))


@operation(
    "PATCH",
    "/badges/<badge_id>",
    Scope.BADGES_WRITE,
    tag="Badges",
    summary="Change a badge",
    body=BadgeChange,
    responses={200: BadgeOut},
    problems=(404, 409),
    example={
        "path": {"badge_id": "$BADGE"},
        "body": {"description": "For members who help others.", "color": "teal"},
    },
)
def change_badge(call: Call, badge_id: str) -> Reply:
    """Changes the fields you send. Current holders see the changes.

    If it becomes `Automatic`, or is restored while it is, the rules of its quests become active, and members who
    qualify receive them. Preview a rule to see how many.

    Sending the same request again changes nothing. Returns 404 if the badge doesn't exist, 409 if `version` is
    outdated, and 422 if a badge that isn't archived already has the name.
    """
    body: BadgeChange = call.body
    number = number_of(badge_id) or 0
    badge_settings.change_some(number, _settings(body), call.actor, body.version)
    if body.archived is True:
        badge_settings.archive(number, call.actor)
    elif body.archived is False:
        badge_settings.unarchive(number, call.actor)
    return Reply(200, BadgeOut.of(catalogue.get(number, fresh=True)))


@operation(
    "POST",
    "/badges/<badge_id>/quests",
    Scope.BADGES_WRITE,
    tag="Badges",
    summary="Add a quest",
    body=QuestIn,
    responses={201: QuestWithBadge},
    problems=(404,),
    example={
        "path": {"badge_id": "$BADGE"},
        "body": {"name": "Hosted ten events"},
        "response": {"name": "Hosted ten events", "holders": 0},
    },
)
def add_quest(call: Call, badge_id: str) -> Reply:
    """Adds a quest, another way to earn the badge.

    Returns 404 if the badge doesn't exist, and 422 if it has a quest with this name that isn't archived.
    """
    quest = quests.add(number_of(badge_id) or 0, call.body.name, call.actor)
    return Reply(201, QuestWithBadge.of(require_quest(quest.badge_id, quest.id)))


@operation(
    "PATCH",
    "/badges/<badge_id>/quests/<quest_id>",
    Scope.BADGES_WRITE,
    tag="Badges",
    summary="Change a quest",
    body=QuestChange,
    responses={200: QuestWithBadge},
    problems=(404,),
    example={
        "path": {"badge_id": "$BADGE", "quest_id": "$QUEST"},
        "body": {"name": "Ten accepted answers"},
    },
)
def change_quest(call: Call, badge_id: str, quest_id: str) -> Reply:
    """Renames, archives or restores a quest. Current holders see the new name.

    Sending the same request again changes nothing. Returns 404 if the badge has no such quest, and 422 if it has
    another one with this name that isn't archived.
    """
    body: QuestChange = call.body
    badge, quest = number_of(badge_id) or 0, number_of(quest_id) or 0
    require_quest(badge, quest)
    if body.name is not None:
        quests.rename(badge, quest, body.name, call.actor)
    if body.archived is True:
        quests.archive(badge, quest, call.actor)
    elif body.archived is False:
        quests.unarchive(badge, quest, call.actor)
    return Reply(200, QuestWithBadge.of(require_quest(badge, quest)))


def _settings(body: BadgeIn | BadgeChange) -> dict[str, Any]:
    """The fields that were sent, as the domain names them."""
    sent = body.model_dump(include={"name", "description", "shape", "icon"}, exclude_unset=True)
    if body.color is not None:
        sent["colour"] = body.color
    if body.received is not None:
        sent["automatic"] = body.received == "Automatic"
    return sent
