"""What all schemas share: how strictly they parse, types of fields, references to members, pages of lists."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from webapp.database import LARGEST_ID
from webapp.domain.keyset_pagination import After
from webapp.domain.members.named import NamedMember
from webapp.models import Badge, Member, Quest
from webapp.schemas import cursors

NO_NUL = r"^[^\x00]*$"  # PostgreSQL can't store NUL
MOST = 200  # rows on a page

Text = Annotated[str, Field(pattern=NO_NUL)]
Reason = Annotated[
    Text, Field(max_length=500, description="The reason, shown in the member's history.")
]
Key = Annotated[str, Field(description="An ID, as an opaque string.", examples=["12"])]
QuestKey = Annotated[str, Field(description="The ID of the quest to award.")]
MemberId = Annotated[str, Field(description="Your own ID of the member.", examples=["4821"])]
Index = Annotated[
    int, Field(description="The position in the request, starting at 0.", examples=[0])
]
NextCursor = Annotated[
    str | None,
    Field(description="The `cursor` of the next page; null on the last page.", examples=[None]),
]

LEFT_OUT: Any = None  # the default of an optional field that can't be null


def _year(moment: datetime) -> datetime:
    if not 1900 < moment.year < 3000:
        raise ValueError("This must be a time in the years 1901 to 2999.")
    return moment


Moment = Annotated[
    AwareDatetime,
    AfterValidator(_year),
    Field(description="A time: RFC 3339, with its offset from UTC."),
]


def _moment_of(text: object) -> datetime:
    """Parse a parameter. Pydantic would also take a number, and strictly no text at all."""
    if isinstance(text, str) and _RFC_3339.fullmatch(text):
        with suppress(ValueError):  # such as a 13th month
            return datetime.fromisoformat(text.upper())
    raise ValueError("This must be a time with its offset from UTC, such as 2026-05-04T10:20:00Z.")


_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII
)
MomentParam = Annotated[Moment, BeforeValidator(_moment_of)]  # in a query

# Responses have times as strings, formatted by `moment`; the schema declares their format.
Time = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-05-04T10:20:00Z"])
]


class InputModel(BaseModel):
    """Base of request schemas: values aren't converted, and unknown fields are errors."""

    model_config = ConfigDict(strict=True, extra="forbid")


class OutputModel(BaseModel):
    """Base of response schemas; clients must ignore unknown fields."""

    model_config = ConfigDict(
        ser_json_inf_nan="null", json_schema_serialization_defaults_required=True
    )


class EmptyBody(InputModel):
    """An empty object. You can also leave out the body."""


class ReasonBody(InputModel):
    """An optional reason. You can also leave out the body."""

    reason: Reason = ""


def _at_least_one(schema: dict[str, Any]) -> None:
    """Require at least one field, and drop the defaults, which only mark fields that were left out."""
    schema["minProperties"] = 1
    for field in schema["properties"].values():
        field.pop("default")


class MemberRef(InputModel):
    """A member, identified by ID, username or email. If you give several, they must belong to the same member."""

    model_config = ConfigDict(json_schema_extra=_at_least_one)

    id: Annotated[
        Text, Field(min_length=1, description="Your own ID of the member. Case matters.")
    ] = ""
    username: Annotated[
        Text, Field(min_length=1, description="The member's username. Case doesn't matter.")
    ] = ""
    email: Annotated[
        Text, Field(min_length=1, description="The member's registered email. Case doesn't matter.")
    ] = ""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("Identify the member by id, username or email.")
        return self

    def named(self) -> NamedMember:
        return NamedMember(self.id, self.username, self.email)


class PageParams(InputModel):
    """Base of list filters: the size and the position of the page. Each list has its own cursors."""

    list_name: ClassVar[str]
    list_order: ClassVar[tuple[type, ...]]

    limit: Annotated[
        int, Field(ge=1, le=MOST, strict=False, description="How many items to return.")
    ] = 50
    cursor: Annotated[
        str | None,
        Field(
            min_length=1, max_length=3500, description="The value of `next` on the previous page."
        ),
    ] = None

    @field_validator("cursor")
    @classmethod
    def _of_this_list(cls, cursor: str | None) -> str | None:
        cursors.decode(cls.list_name, cursor, *cls.list_order)
        return cursor

    @property
    def after(self) -> After | None:
        """The position that the cursor holds."""
        return cursors.decode(self.list_name, self.cursor, *self.list_order)

    def cursor_to(self, after: After | None) -> str | None:
        """Return this list's cursor for a position; None at the end."""
        return cursors.encode(self.list_name, after)


class MemberShort(OutputModel):
    """A reference to a member."""

    id: MemberId
    username: Annotated[str, Field(description="The member's username.", examples=["anna"])]

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls.model_construct(id=member.shown_id, username=member.username)


class BadgeShort(OutputModel):
    """A reference to a badge."""

    id: Annotated[Key, Field(description="The badge's ID.", examples=["3"])]
    name: Annotated[str, Field(description="The badge's name.", examples=["Helper"])]


class QuestShort(OutputModel):
    """A reference to a quest and its badge."""

    id: Annotated[Key, Field(description="The quest's ID.", examples=["12"])]
    name: Annotated[str, Field(description="The quest's name.", examples=["Ten accepted answers"])]
    badge: Annotated[BadgeShort, Field(description="The quest's badge.")]

    @classmethod
    def of(cls, quest: Quest) -> Self:
        badge: Badge = quest.badge
        return cls.model_construct(
            id=str(quest.id),
            name=quest.name,
            badge=BadgeShort.model_construct(id=str(badge.id), name=badge.name),
        )


def number_of(key: str | None) -> int | None:
    """Convert an ID of the API to a row's ID: 0, which no row has, if it's invalid; None stays None."""
    if key is None:
        return None
    right = key.isascii() and key.isdigit() and len(key) < 20 and int(key) <= LARGEST_ID
    return int(key) if right else 0
