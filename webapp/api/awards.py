"""Awards: awarding to one member or a group, listing and revoking (M-12)."""

from __future__ import annotations

from webapp.api.framework.operations import Call, Reply, operation
from webapp.api.known_filters import known_filters
from webapp.domain.awards import group as group_awards
from webapp.domain.awards import manual
from webapp.domain.awards import queries as award_queries
from webapp.domain.awards.group import Result
from webapp.domain.awards.queries import AwardFilters
from webapp.domain.members import queries as member_queries
from webapp.domain.members.identify import MatchedRow, MatchKind
from webapp.domain.members.named import identify
from webapp.domain.permissions import Scope
from webapp.messages import message
from webapp.models import Award, AwardSource
from webapp.schemas.awards import (
    AwardIn,
    AwardListParams,
    AwardOut,
    AwardPage,
    GroupAward,
    GroupAwarded,
    GroupAwardIn,
)
from webapp.schemas.common import MemberShort, ReasonBody, number_of


@operation(
    "POST",
    "/awards",
    Scope.AWARDS_WRITE,
    tag="Awards",
    summary="Award a badge",
    body=AwardIn,
    responses={200: AwardOut, 201: AwardOut},
    problems=(409,),
    example={
        "body": {"quest": "$QUEST", "member": {"id": "4821"}, "reason": "Completed the course"}
    },
)
def make_award(call: Call) -> Reply:
    """Awards a quest to a member and returns the new award with 201.

    If the member already has it, returns their award unchanged with 200, so you can safely send the request again.

    Returns 422 if the quest or the member isn't found or the quest is archived, and 409 if the member isn't active.
    """
    body: AwardIn = call.body
    quest_id = number_of(body.quest) or 0
    done = manual.award_named(body.member.named(), quest_id, body.reason, call.actor)
    return Reply(201 if done.changed else 200, AwardOut.of(done.award))


@operation(
    "POST",
    "/group-awards",
    Scope.AWARDS_WRITE,
    tag="Awards",
    summary="Award a badge to several members",
    body=GroupAwardIn,
    responses={200: GroupAward},
    example={
        "body": {
            "quest": "$QUEST",
            "members": [{"id": "4821"}, {"username": "boris"}, {"email": "clara@example.org"}],
        }
    },
)
def make_group_award(call: Call) -> Reply:
    """Awards a quest to up to 50 members and returns a result for each.

    A member who isn't found or isn't active gets the status `error` and doesn't affect the others. A member who
    already has the quest gets `already_held`, so you can safely send the request again.

    Returns 422 if the quest isn't found or is archived. For more than 50 members, create a batch.
    """
    body: GroupAwardIn = call.body
    lines = identify([member.named() for member in body.members])
    member_ids = [
        line.member_id for line in lines if line.member_id and line.kind != MatchKind.MERGED
    ]
    quest_id = number_of(body.quest)
    unknown = sum(line.member_id is None for line in lines)
    result = group_awards.award_members(
        member_ids, quest_id, body.reason, call.actor, left_out=unknown
    )
    held = {award.member_id: award for award in award_queries.active_awards(member_ids, quest_id)}
    people = {
        id_: MemberShort.of(member) for id_, member in member_queries.by_id(member_ids).items()
    }
    results = [_awarded(line, result, held, people) for line in lines]
    answer = GroupAward.model_construct(
        awarded=result.awarded,
        already_held=result.held,
        errors=sum(entry.status == "error" for entry in results),
        results=results,
    )
    return Reply(200, answer)


def _awarded(
    line: MatchedRow, result: Result, held: dict[int, Award], people: dict[int, MemberShort]
) -> GroupAwarded:
    why_not = {
        member.id: str(message(f"awards.member_{member.status}", member=member.display_name))
        for member in result.unable
    }
    member_id = line.member_id or 0
    error = None
    if line.member_id is None:
        status, error = "error", str(line.message)
    elif member_id in why_not:
        status, error = "error", why_not[member_id]
    elif line.kind == MatchKind.MERGED:
        status, error = "merged", None
    else:
        status = "awarded" if member_id in result.made else "already_held"
    award = held.get(member_id)
    return GroupAwarded.model_construct(
        index=line.line - 1,
        status=status,
        award=str(award.id) if award else None,
        member=people.get(member_id),
        error=error,
    )


@operation(
    "GET",
    "/awards",
    Scope.AWARDS_READ,
    tag="Awards",
    summary="List awards",
    query=AwardListParams,
    responses={200: AwardPage},
    example={"query": {"member": "4821", "state": "active"}},
)
def list_awards(call: Call) -> Reply:
    """Returns awards, newest first. If you give several filters, an award must match all of them.

    To get only what has changed, give `updated_since`. To follow changes without gaps, use events instead.

    Returns 422 if the member, quest or batch of a filter doesn't exist.
    """
    params: AwardListParams = call.query
    with known_filters() as known:
        filters = AwardFilters(
            member_id=known.member("member", params.member),
            quest_id=known.quest("quest", params.quest),
            batch_id=known.batch("batch", params.batch),
            source=AwardSource(params.source) if params.source else None,
            active=None if params.state is None else params.state == "active",
            awarded_since=params.awarded_since,
            awarded_before=params.awarded_before,
            updated_since=params.updated_since,
        )
    page = award_queries.page(filters, params.after, params.limit)
    items = [AwardOut.of(award) for award in page.items]
    following = params.cursor_to(page.after)
    return Reply(200, AwardPage.model_construct(items=items, next=following))


@operation(
    "GET",
    "/awards/<award_id>",
    Scope.AWARDS_READ,
    tag="Awards",
    summary="Get an award",
    responses={200: AwardOut},
    problems=(404,),
    example={"path": {"award_id": "$AWARD"}},
)
def read_award(_call: Call, award_id: str) -> Reply:
    """Returns an award, active or revoked, or 404 if it doesn't exist."""
    return Reply(200, AwardOut.of(award_queries.get(number_of(award_id) or 0)))


@operation(
    "POST",
    "/awards/<award_id>/revocation",
    Scope.AWARDS_WRITE,
    tag="Awards",
    summary="Revoke an award",
    body=ReasonBody,
    body_optional=True,
    responses={200: AwardOut},
    problems=(404,),
    example={
        "path": {"award_id": "$AWARD"},
        "body": {"reason": "Awarded by mistake"},
        "response": {
            "state": "revoked",
            "revoked_at": "2026-05-06T08:15:00Z",
            "revoke_reason": "Awarded by mistake",
        },
    },
)
def revoke_award(call: Call, award_id: str) -> Reply:
    """Revokes an award. It stays in the member's history, with your reason.

    If it's already revoked, returns it unchanged. Returns 404 if the award doesn't exist.

    No rule will give the member this quest again, but staff and the API still can.
    """
    number = number_of(award_id) or 0
    reason = call.body.reason if call.body else ""
    manual.revoke(manual.member_of(number), number, reason, call.actor, source=AwardSource.API)
    return Reply(200, AwardOut.of(award_queries.get(number)))
