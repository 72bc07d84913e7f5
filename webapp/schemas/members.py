"""Members in requests and responses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from webapp.domain.dates import moment
from webapp.models import Award, Member
from webapp.schemas.awards import AwardOut
from webapp.schemas.common import (
    LEFT_OUT,
    Index,
    InputModel,
    Key,
    MemberId,
    Moment,
    NextCursor,
    OutputModel,
    PageParams,
    Text,
    Time,
)

Username = Annotated[Text, Field(min_length=1, max_length=190)]
Email = Annotated[str, Field(min_length=3, max_length=320, pattern=r"^[^\s@\x00]+@[^\s@\x00]+$")]
Name = Annotated[Text, Field(max_length=190)]
Status = Literal["active", "suspended", "left"]


class MemberListParams(PageParams):
    """Filters for members."""

    list_name = "members"
    list_order = (int, str, int)

    q: Annotated[
        str,
        Field(
            max_length=320,
            description="Only members whose username, email or ID starts with this text, or whose name has words that "
            "start with its words.",
        ),
    ] = ""
    holds: Annotated[
        Key | None, Field(description="Only members who have the quest with this ID.")
    ] = None


class MemberOut(OutputModel):
    """A member."""

    id: MemberId
    username: Annotated[str, Field(description="The member's username.", examples=["anna"])]
    email: Annotated[
        str | None,
        Field(description="The member's registered email, if any.", examples=["anna@example.org"]),
    ]
    name: Annotated[
        str, Field(description="The member's name; may be empty.", examples=["Anna Novák"])
    ]
    status: Annotated[Status, Field(description="Only active members can receive badges.")]
    joined_at: Annotated[
        Time, Field(description="When the member joined.", examples=["2024-05-04T10:20:00Z"])
    ]
    updated_at: Annotated[Time, Field(description="When the member last changed in Laurel.")]

    @classmethod
    def of(cls, member: Member) -> MemberOut:
        return cls.model_construct(**columns(member))


class MemberWithAwards(MemberOut):
    """A member with their active awards."""

    awards: Annotated[list[AwardOut], Field(description="Active awards, oldest first.")]
    page_url: Annotated[
        str | None,
        Field(
            description="The secret link to the member's own page, where they download and share their badges. Give it "
            "only to the member. Null for keys without the scope `member-links:read`, and while Open Badges are off.",
            examples=["https://badges.example.org/m/4821-Zk3v0aXxD0m2v1m8qLrS5w"],
        ),
    ]

    @classmethod
    def with_(
        cls, member: Member, awards: list[Award], page_url: str | None = None
    ) -> MemberWithAwards:
        return cls.model_construct(
            **columns(member),
            awards=[AwardOut.of(award) for award in awards],
            page_url=page_url,
        )


class MemberPage(OutputModel):
    """A page of members."""

    items: Annotated[list[MemberOut], Field(description="The members on this page.")]
    next: NextCursor


class MemberIn(InputModel):
    """A member's data. Fields you leave out stay as they are. A new member needs a username."""

    username: Annotated[
        Username, Field(description="The member's username. Required for a new member.")
    ] = LEFT_OUT
    email: Annotated[
        Email | None, Field(description="The member's registered email; null removes it.")
    ] = None
    name: Annotated[Name | None, Field(description="The member's name; null removes it.")] = None
    status: Annotated[
        Status,
        Field(description="Only active members can receive badges. New members are active."),
    ] = LEFT_OUT
    joined_at: Annotated[
        Moment,
        Field(
            description="When the member joined: RFC 3339, with its offset from UTC. For new members, the default "
            "is now."
        ),
    ] = LEFT_OUT


class MemberImport(InputModel):
    """A member to create or update. If only some fields are invalid, they are left out with a warning."""

    id: Annotated[
        Text, Field(min_length=1, max_length=190, description="Your own ID of the member.")
    ]
    username: Annotated[
        str, Field(description="The member's username. Required for a new member.")
    ] = LEFT_OUT
    email: Annotated[
        str | None, Field(description="The member's registered email; null removes it.")
    ] = None
    name: Annotated[str | None, Field(description="The member's name; null removes it.")] = None
    status: Annotated[
        str,
        Field(description="`active`, `suspended` or `left`. New members are active."),
    ] = LEFT_OUT
    joined_at: Annotated[
        str,
        Field(
            description="When the member joined: a date or a time, in ISO 8601 or RFC 2822. Without an offset, it is "
            "in UTC. For new members, the default is now."
        ),
    ] = LEFT_OUT


class MemberImports(InputModel):
    """Members to create or update."""

    members: Annotated[
        list[MemberImport],
        Field(min_length=1, max_length=1000, description="The members, each with a different ID."),
    ]


class MemberImported(OutputModel):
    """The result for one member."""

    index: Index
    id: MemberId
    status: Annotated[
        Literal["created", "updated", "unchanged", "error"],
        Field(description="`error`: the member wasn't created or changed."),
    ]
    error: Annotated[
        str | None, Field(description="Why the member wasn't imported.", examples=[None])
    ] = None
    warnings: Annotated[
        list[str],
        Field(
            default_factory=list,
            description="Fields the member was imported without, and values to check.",
            examples=[[]],
        ),
    ]


class MembersImported(OutputModel):
    """The results for all members."""

    created: Annotated[int, Field(description="How many members were created.", examples=[1])]
    updated: Annotated[int, Field(description="How many members were updated.", examples=[0])]
    unchanged: Annotated[
        int, Field(description="How many members already had this data.", examples=[0])
    ]
    errors: Annotated[int, Field(description="How many members weren't imported.", examples=[0])]
    results: Annotated[
        list[MemberImported],
        Field(description="One result per member, in the order of the request."),
    ]


def columns(member: Member) -> dict[str, Any]:
    return {
        "id": member.external_id,
        "username": member.username,
        "email": member.email,
        "name": member.name,
        "status": str(member.status),
        "joined_at": moment(member.joined_at),
        "updated_at": moment(member.updated_at),
    }
