"""Many awards and revocations in one request, and the result for each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from webapp.domain.awards.bulk import AT_MOST, AwardItem, Outcome, Status, count, date_in
from webapp.domain.awards.bulk_revocation import RevocationItem
from webapp.domain.csv_files import Row
from webapp.domain.members.named import NamedMember
from webapp.messages import join
from webapp.schemas.common import (
    LEFT_OUT,
    Index,
    InputModel,
    Key,
    MemberShort,
    OutputModel,
    QuestKey,
    Text,
    number_of,
)

BulkReason = Annotated[
    Text,
    Field(description="The reason, shown in the member's history. Up to 500 characters."),
]


class BulkMember(InputModel):
    """A member, identified by ID, username or email. If you give several, they must belong to the same member."""

    id: Annotated[Text, Field(description="Your own ID of the member. Case matters.")] = ""
    username: Annotated[Text, Field(description="The member's username. Case doesn't matter.")] = ""
    email: Annotated[
        Text, Field(description="The member's registered email. Case doesn't matter.")
    ] = ""

    def row(self, line: int) -> Row:
        return NamedMember(self.id, self.username, self.email).row(line)


class BulkAwardIn(InputModel):
    """An award to make."""

    quest: QuestKey
    member: Annotated[BulkMember, Field(description="The member to award it to.")]
    reason: BulkReason = ""
    awarded_at: Annotated[
        Text,
        Field(
            description="When it was awarded, if not now: a date or a time, in ISO 8601 or RFC 2822. Without an "
            "offset, it is in UTC; a date alone means noon. Not in the future, and not before 1990.",
            examples=["2024-05-31T10:20:00Z"],
        ),
    ] = LEFT_OUT

    def item(self, line: int) -> AwardItem:
        at, problems = date_in(self.awarded_at)
        return AwardItem(self.member.row(line), number_of(self.quest), self.reason, at, problems)


class BulkAwardsIn(InputModel):
    """Awards to make."""

    awards: Annotated[
        list[BulkAwardIn],
        Field(min_length=1, max_length=AT_MOST, description="The awards, each with its own quest."),
    ]


class BulkRevocationIn(InputModel):
    """An award to revoke: `award`, or `quest` and `member`."""

    award: Annotated[Key, Field(description="The award's ID.", examples=["9001"])] = LEFT_OUT
    quest: Annotated[Key, Field(description="The ID of the quest to revoke.")] = LEFT_OUT
    member: Annotated[BulkMember, Field(description="The member to revoke it from.")] = LEFT_OUT
    reason: BulkReason = ""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = self.model_fields_set - {"reason"}
        if given not in ({"award"}, {"quest", "member"}):
            raise ValueError("Name the award by its ID, or by quest and member.")
        return self

    def item(self, line: int) -> RevocationItem:
        row = self.member.row(line) if self.member else None
        return RevocationItem(number_of(self.award), number_of(self.quest), row, self.reason)


class BulkRevocationsIn(InputModel):
    """Awards to revoke."""

    revocations: Annotated[
        list[BulkRevocationIn],
        Field(min_length=1, max_length=AT_MOST, description="The awards to revoke."),
    ]


class _BulkResult(OutputModel):
    index: Index
    award: Annotated[
        Key | None,
        Field(description="The ID of the award that this is about, if any.", examples=["9001"]),
    ]
    member: Annotated[MemberShort | None, Field(description="The member, if found.")]
    error: Annotated[str | None, Field(description="Why nothing was changed.", examples=[None])] = (
        None
    )

    @classmethod
    def of(cls, index: int, outcome: Outcome) -> Self:
        return cls.model_construct(
            index=index,
            status=str(outcome.status),
            award=str(outcome.award_id) if outcome.award_id else None,
            member=MemberShort.of(outcome.member) if outcome.member else None,
            error=join(outcome.problems) or None,
        )


class BulkAwarded(_BulkResult):
    """The result for one award."""

    status: Annotated[
        Literal["awarded", "already_held", "already_revoked", "merged", "error"],
        Field(
            description="`already_held`: the member already has it. `already_revoked`: it was awarded with this date "
            "and has been revoked since. `merged`: the same quest and member come earlier in the request. `error`: "
            "nothing was awarded."
        ),
    ]


class BulkAwards(OutputModel):
    """The results for all awards."""

    awarded: Annotated[int, Field(description="How many badges were awarded.", examples=[1])]
    already_held: Annotated[int, Field(description="How many were already held.", examples=[0])]
    already_revoked: Annotated[
        int, Field(description="How many had been revoked since.", examples=[0])
    ]
    errors: Annotated[int, Field(description="How many got an error.", examples=[0])]
    results: Annotated[
        list[BulkAwarded], Field(description="One result per award, in the order of the request.")
    ]

    @classmethod
    def of(cls, outcomes: list[Outcome]) -> Self:
        counts = count(outcomes)
        return cls.model_construct(
            awarded=counts[Status.AWARDED],
            already_held=counts[Status.ALREADY_HELD],
            already_revoked=counts[Status.ALREADY_REVOKED],
            errors=counts[Status.ERROR],
            results=[BulkAwarded.of(index, outcome) for index, outcome in enumerate(outcomes)],
        )


class BulkRevoked(_BulkResult):
    """The result for one revocation."""

    status: Annotated[
        Literal["revoked", "already_revoked", "not_held", "merged", "error"],
        Field(
            description="`already_revoked`: it was revoked before. `not_held`: the member never had it. `merged`: the "
            "same award comes earlier in the request. `error`: nothing was revoked."
        ),
    ]


class BulkRevocations(OutputModel):
    """The results for all revocations."""

    revoked: Annotated[int, Field(description="How many awards were revoked.", examples=[1])]
    already_revoked: Annotated[
        int, Field(description="How many had been revoked before.", examples=[0])
    ]
    not_held: Annotated[int, Field(description="How many members never had it.", examples=[0])]
    errors: Annotated[int, Field(description="How many got an error.", examples=[0])]
    results: Annotated[
        list[BulkRevoked],
        Field(description="One result per revocation, in the order of the request."),
    ]

    @classmethod
    def of(cls, outcomes: list[Outcome]) -> Self:
        counts = count(outcomes)
        return cls.model_construct(
            revoked=counts[Status.REVOKED],
            already_revoked=counts[Status.ALREADY_REVOKED],
            not_held=counts[Status.NOT_HELD],
            errors=counts[Status.ERROR],
            results=[BulkRevoked.of(index, outcome) for index, outcome in enumerate(outcomes)],
        )
