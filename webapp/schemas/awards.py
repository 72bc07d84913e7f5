"""Awards, as they come in and go out; webhooks tell of them in the same words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from webapp.models import Award
from webapp.schemas.common import (
    InputModel,
    Key,
    MemberRef,
    MemberShort,
    OutputModel,
    PageParams,
    QuestShort,
    Reason,
    Time,
    moment,
)
from webapp.schemas.cursors import MOMENT_AND_ID


class AwardIn(InputModel):
    """One quest for one member."""

    quest: Key
    member: MemberRef
    reason: Reason = ""


class GroupAwardIn(InputModel):
    """One quest for up to 50 members."""

    quest: Key
    members: Annotated[list[MemberRef], Field(min_length=1, max_length=50)]
    reason: Reason = ""


class AwardListParams(PageParams):
    """Which awards."""

    list_name = "awards"
    list_order = MOMENT_AND_ID

    member: Annotated[str | None, Field(description="The member's ID.")] = None
    quest: Key | None = None
    batch: Key | None = None
    state: Literal["active", "revoked"] | None = None


class AwardOut(OutputModel):
    """An award: the fact that a member holds, or held, a quest."""

    id: Key
    quest: QuestShort
    member: MemberShort
    state: Literal["active", "revoked"]
    way: Annotated[str, Field(description="How it came: profile, group, batch, api or rule.")]
    batch: Annotated[Key | None, Field(description="The batch that made it.")]
    reason: str
    awarded_at: Time
    revoked_at: Time | None
    revoke_reason: str

    @classmethod
    def of(cls, award: Award) -> AwardOut:
        return cls.model_construct(
            id=str(award.id),
            quest=QuestShort.of(award.quest),
            member=MemberShort.of(award.member),
            state="active" if award.revoked_at is None else "revoked",
            way=award.source,
            batch=str(award.batch_id) if award.batch_id else None,
            reason=award.reason_text,
            awarded_at=moment(award.awarded_at),
            revoked_at=moment(award.revoked_at),
            revoke_reason=award.revoke_reason,
        )


class AwardPage(OutputModel):
    """Some of the awards, newest first."""

    items: list[AwardOut]
    next: str | None


class GroupAwarded(OutputModel):
    """What became of one of the members."""

    index: Annotated[int, Field(description="Its place in the request, from 0.")]
    status: Literal["awarded", "already_held", "merged", "error"]
    award: Annotated[Key | None, Field(description="The award that the member holds now.")]
    member: MemberShort | None
    error: Annotated[str | None, Field(description="Why nothing was awarded.")] = None


class GroupAward(OutputModel):
    """What became of all of them."""

    awarded: int
    already_held: int
    errors: int
    results: list[GroupAwarded]
