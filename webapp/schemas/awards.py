"""Awards in requests, responses and webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from webapp.domain.dates import moment
from webapp.models import Award
from webapp.schemas.common import (
    Index,
    InputModel,
    Key,
    MemberRef,
    MemberShort,
    MomentParam,
    NextCursor,
    OutputModel,
    PageParams,
    QuestKey,
    QuestShort,
    Reason,
    Time,
)
from webapp.schemas.cursors import MOMENT_AND_ID

Source = Literal["profile", "group", "batch", "api", "rule", "import"]


class AwardIn(InputModel):
    """An award of a quest to a member."""

    quest: QuestKey
    member: Annotated[MemberRef, Field(description="The member to award it to.")]
    reason: Reason = ""


class GroupAwardIn(InputModel):
    """An award of a quest to several members."""

    quest: QuestKey
    members: Annotated[
        list[MemberRef],
        Field(min_length=1, max_length=50, description="The members to award the quest to."),
    ]
    reason: Reason = ""


class AwardListParams(PageParams):
    """Filters for awards."""

    list_name = "awards"
    list_order = MOMENT_AND_ID

    member: Annotated[
        str | None, Field(description="Only awards of the member with this ID (your own).")
    ] = None
    quest: Annotated[Key | None, Field(description="Only awards of the quest with this ID.")] = None
    batch: Annotated[
        Key | None, Field(description="Only awards made by the batch with this ID.")
    ] = None
    state: Annotated[
        Literal["active", "revoked"] | None,
        Field(description="Only active or only revoked awards."),
    ] = None
    source: Annotated[
        Source | None, Field(description="Only awards made in this way (their `way`).")
    ] = None
    awarded_since: Annotated[
        MomentParam | None, Field(description="Only awards made at this time or later.")
    ] = None
    awarded_before: Annotated[
        MomentParam | None, Field(description="Only awards made before this time.")
    ] = None
    updated_since: Annotated[
        MomentParam | None,
        Field(
            description="Only awards that were made, revoked or restored, or whose member was erased, at this time or "
            "later. They are then sorted by `updated_at`, oldest first."
        ),
    ] = None


class AwardOut(OutputModel):
    """An award: it says that a member has, or had, a quest's badge."""

    id: Annotated[Key, Field(description="The award's ID.", examples=["9001"])]
    quest: Annotated[QuestShort, Field(description="The quest that was awarded.")]
    member: Annotated[MemberShort, Field(description="The member who received it.")]
    state: Annotated[
        Literal["active", "revoked"], Field(description="Whether the member still has the badge.")
    ]
    way: Annotated[
        Literal["profile", "group", "batch", "api", "rule", "import"],
        Field(
            description="How the award was made: `profile` or `group` by staff, `batch`, `api`, `rule` for an "
            "Automatic badge, or `import` from a file of past awards.",
            examples=["api"],
        ),
    ]
    batch: Annotated[
        Key | None,
        Field(description="The ID of the batch that made the award, if any.", examples=[None]),
    ]
    reason: Annotated[
        str,
        Field(
            description="The reason given when it was awarded.", examples=["Completed the course"]
        ),
    ]
    awarded_at: Annotated[
        Time,
        Field(description="When it was awarded. May be earlier than when the award was made here."),
    ]
    revoked_at: Annotated[
        Time | None, Field(description="When it was revoked, if it was.", examples=[None])
    ]
    revoke_reason: Annotated[
        str, Field(description="The reason given when it was revoked.", examples=[""])
    ]
    restored_at: Annotated[
        Time | None,
        Field(
            description="When staff undid the revocation of an earlier award, if that made this award. It has the "
            "`awarded_at` and reason of the earlier one, which stays revoked.",
            examples=[None],
        ),
    ]
    updated_at: Annotated[Time, Field(description="When it last changed.")]

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
            restored_at=moment(award.restored_at),
            updated_at=moment(award.updated_at),
        )


class AwardPage(OutputModel):
    """A page of awards."""

    items: Annotated[list[AwardOut], Field(description="The awards on this page.")]
    next: NextCursor


class GroupAwarded(OutputModel):
    """The result for one member."""

    index: Index
    status: Annotated[
        Literal["awarded", "already_held", "merged", "error"],
        Field(
            description="`already_held`: the member already has it. `merged`: the same member comes earlier in the "
            "request. `error`: nothing was awarded."
        ),
    ]
    award: Annotated[
        Key | None,
        Field(description="The ID of the member's active award, if any.", examples=["9001"]),
    ]
    member: Annotated[MemberShort | None, Field(description="The member, if found.")]
    error: Annotated[str | None, Field(description="Why nothing was awarded.", examples=[None])] = (
        None
    )


class GroupAward(OutputModel):
    """The results for all members."""

    awarded: Annotated[int, Field(description="How many members received the badge.", examples=[1])]
    already_held: Annotated[
        int, Field(description="How many members already had it.", examples=[0])
    ]
    errors: Annotated[int, Field(description="How many members got an error.", examples=[0])]
    results: Annotated[
        list[GroupAwarded], Field(description="One result per member, in the order of the request.")
    ]
