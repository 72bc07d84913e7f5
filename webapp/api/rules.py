"""Rules of quests: reading, setting, removing and previewing them (A-11)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from webapp.api.framework.operations import Call, Reply, operation
from webapp.api.framework.problems import FieldError, invalid
from webapp.domain import rules
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.permissions import Scope
from webapp.domain.rules import reach
from webapp.schemas.common import number_of
from webapp.schemas.rules import RuleIn, RuleOut, RulePreview, RulePreviewIn

PATH = "/badges/<badge_id>/quests/<quest_id>/rule"
QUEST = {"badge_id": "$BADGE", "quest_id": "$QUEST"}
RULE = {
    "match": "all",
    "conditions": [
        {"type": "activity", "activity": "accepted_answers", "amount": 10},
        {"type": "days", "amount": 30},
    ],
}
# Fields of a condition in the form, and in the body.
_PARTS = {"what": "", "amount": "/amount", "name": "/activity"}


@operation(
    "GET",
    PATH,
    Scope.BADGES_READ,
    tag="Badges",
    summary="Get a rule",
    responses={200: RuleOut},
    problems=(404,),
    example={"path": QUEST},
)
def read_rule(_call: Call, badge_id: str, quest_id: str) -> Reply:
    """Returns the rule of a quest, or 404 if it has none."""
    _, rule = rules.get(number_of(badge_id) or 0, number_of(quest_id) or 0)
    if rule is None:
        raise NotFoundError("rules.missing")
    return Reply(200, RuleOut.of(rule))


@operation(
    "PUT",
    PATH,
    Scope.BADGES_WRITE,
    tag="Badges",
    summary="Set a rule",
    body=RuleIn,
    responses={200: RuleOut},
    problems=(404, 409),
    example={"path": QUEST, "body": RULE},
)
def put_rule(call: Call, badge_id: str, quest_id: str) -> Reply:
    """Sets how members earn a quest, replacing its rule if it has one.

    If the badge is `Automatic`, existing members are checked in the background, and new ones receive the quest within
    seconds of qualifying. Otherwise the rule becomes active when you change the badge. No one loses a badge.

    Sending the same request again changes nothing. Returns 404 if the badge has no such quest, and 409 if `version` is
    outdated (0: no rule yet).
    """
    body: RuleIn = call.body
    badge, quest = number_of(badge_id) or 0, number_of(quest_id) or 0
    with _pointers():
        rule = rules.save(badge, quest, body.draft(), call.actor, body.version)
    return Reply(200, RuleOut.of(rule))


@operation(
    "DELETE",
    PATH,
    Scope.BADGES_WRITE,
    tag="Badges",
    summary="Remove a rule",
    responses={204: None},
    problems=(404,),
    example={"path": QUEST},
)
def remove_rule(call: Call, badge_id: str, quest_id: str) -> Reply:
    """Removes the rule of a quest, if it has one. Members who earned the quest keep it.

    Returns 404 if the badge has no such quest.
    """
    rules.remove(number_of(badge_id) or 0, number_of(quest_id) or 0, call.actor)
    return Reply(204)


@operation(
    "POST",
    PATH + "/preview",
    Scope.BADGES_WRITE,
    tag="Badges",
    summary="Preview a rule",
    body=RulePreviewIn,
    responses={200: RulePreview},
    problems=(404,),
    reads_only=True,
    example={"path": QUEST, "body": RULE},
)
def preview_rule(call: Call, badge_id: str, quest_id: str) -> Reply:
    """Counts the members who would receive a quest with this rule, without saving it.

    Returns 404 if the badge has no such quest.
    """
    body: RulePreviewIn = call.body
    quest, _ = rules.get(number_of(badge_id) or 0, number_of(quest_id) or 0)
    with _pointers():
        draft = rules.validate(quest, body.draft())
    return Reply(200, RulePreview.of(reach.reach(quest, draft, call.actor.at)))


@contextmanager
def _pointers() -> Iterator[None]:
    """Point at the place in the body instead of the form's field, such as `amount-2`."""
    try:
        yield
    except DomainError as error:
        if error.field is None:
            raise
        raise invalid([_at(part) for part in error.flatten()]) from None


def _at(error: Any) -> FieldError:
    part, _, place = str(error.field).partition("-")
    return FieldError(error.message, pointer=f"#/conditions/{place}{_PARTS[part]}")
