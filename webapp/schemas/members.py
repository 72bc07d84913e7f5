"""Members, as they come in and go out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from webapp.models import Award, Member
from webapp.schemas.awards import AwardOut
from webapp.schemas.common import (
    InputModel,
    Key,
    MemberId,
    Moment,
    OutputModel,
    PageParams,
    Text,
    Time,
    moment,
)

Username = Annotated[Text, Field(min_length=1, max_length=190)]
Email = Annotated[str, Field(min_length=3, max_length=320, pattern=r"^[^\s@\x00]+@[^\s@\x00]+$")]
Name = Annotated[Text, Field(max_length=190)]
Status = Literal["active", "suspended", "left"]


class MemberListParams(PageParams):
    """Which members."""

    list_name = "members"
    list_order = (int, str)

    q: Annotated[
        str,
        Field(max_length=320, description="The beginning of a username, an email or an ID."),
    ] = ""
    holds: Annotated[Key | None, Field(description="Only those who hold this quest.")] = None


class MemberOut(OutputModel):
    """A member."""

    id: MemberId
    username: str
    email: str | None
    name: str
    status: Status
    joined_at: Time
    updated_at: Time

    @classmethod
    def of(cls, member: Member) -> MemberOut:
        return cls.model_construct(**columns(member))


class MemberWithAwards(MemberOut):
    """A member, with the awards that they hold, oldest first."""

    awards: list[AwardOut]

    @classmethod
    def with_(cls, member: Member, awards: list[Award]) -> MemberWithAwards:
        return cls.model_construct(
            **columns(member), awards=[AwardOut.of(award) for award in awards]
        )


class MemberPage(OutputModel):
    """Some of the members."""

    items: list[MemberOut]
    next: str | None


class MemberIn(InputModel):
    """What is known of a member; what is left out stays as it is. A new member needs a username."""

    username: Username | None = None
    email: Email | None = None
    name: Name | None = None
    status: Annotated[
        Status | None, Field(description="Only active members receive badges. A new one is active.")
    ] = None
    joined_at: Annotated[
        Moment | None, Field(description="RFC 3339, with its offset. For a new member: now.")
    ] = None


class MemberImport(InputModel):
    """A member to create or update, by ID. What can't be used of it is left out, with a warning."""

    id: Annotated[Text, Field(min_length=1, max_length=190, description="The community's own ID.")]
    username: str | None = None
    email: str | None = None
    name: str | None = None
    status: Annotated[str | None, Field(description="`active`, `suspended` or `left`.")] = None
    joined_at: Annotated[
        str | None,
        Field(description="A day or a moment: ISO 8601 or RFC 2822; UTC without a zone."),
    ] = None


class MemberImports(InputModel):
    """Up to 1,000 members."""

    members: Annotated[list[MemberImport], Field(min_length=1, max_length=1000)]


class MemberImported(OutputModel):
    """What became of one of them."""

    index: Annotated[int, Field(description="Its place in the request, from 0.")]
    id: MemberId
    status: Literal["created", "updated", "unchanged", "error"]
    error: Annotated[str | None, Field(description="Why nothing was done with it.")] = None
    warnings: Annotated[
        list[str],
        Field(
            default_factory=list, description="What it was imported without, and what to look at."
        ),
    ]


class MembersImported(OutputModel):
    """What became of all of them."""

    created: int
    updated: int
    unchanged: int
    errors: int
    results: list[MemberImported]


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
