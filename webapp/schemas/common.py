"""What all schemas share: how strictly they read, texts that can be kept, members as they are named, lists."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self, overload

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from webapp.database import LARGEST_ID
from webapp.domain.batches.from_api import NamedMember
from webapp.domain.keyset_pagination import After
from webapp.models import Badge, Member, Quest
from webapp.schemas import cursors

NO_NUL = r"^[^\x00]*$"  # no database can keep it
MOST = 200  # rows of a list at once

Text = Annotated[str, Field(pattern=NO_NUL)]
Reason = Annotated[Text, Field(max_length=500, description="Why, for the history of the member.")]
Key = Annotated[str, Field(description="An id: a text that means nothing but itself.")]
MemberId = Annotated[str, Field(description="The community's own ID of the member.")]


def _year(moment: datetime) -> datetime:
    if not 1900 < moment.year < 3000:
        raise ValueError("This must be a moment of the years 1901 to 2999.")
    return moment


Moment = Annotated[
    AwareDatetime, AfterValidator(_year), Field(description="RFC 3339, with its offset.")
]


# Times go out as they are written here; schemas say what they are.
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


@overload
def moment(at: datetime) -> str: ...
@overload
def moment(at: None) -> None: ...
def moment(at: datetime | None) -> str | None:
    """A moment as the API writes it: RFC 3339 in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class InputModel(BaseModel):
    """What comes in: types are meant as written, and a field that nobody knows is a mistake."""

    model_config = ConfigDict(strict=True, extra="forbid")


class OutputModel(BaseModel):
    """What goes out; whoever reads it leaves aside what they don't know."""

    model_config = ConfigDict(ser_json_inf_nan="null")


class EmptyBody(InputModel):
    """An empty object, or no body at all."""


class ReasonBody(InputModel):
    """A reason, or none."""

    reason: Reason = ""


def _at_least_one(schema: dict[str, Any]) -> None:
    """At least one field, and none that is empty: what is left out has no value that could be sent."""
    schema["minProperties"] = 1
    for field in schema["properties"].values():
        field.pop("default")


class MemberRef(InputModel):
    """A member, by at least one of the three; all that are given must be the same member's."""

    model_config = ConfigDict(json_schema_extra=_at_least_one)

    id: Annotated[Text, Field(min_length=1, description="The community's own ID; case counts.")] = (
        ""
    )
    username: Annotated[Text, Field(min_length=1, description="Case does not count.")] = ""
    email: Annotated[Text, Field(min_length=1, description="The registered email.")] = ""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("Name the member by id, username or email.")
        return self

    def named(self) -> NamedMember:
        return NamedMember(self.id, self.username, self.email)


class PageParams(InputModel):
    """Where a list goes on, and how much of it is wanted; each list has cursors of its own."""

    list_name: ClassVar[str]
    list_order: ClassVar[tuple[type, ...]]

    limit: Annotated[int, Field(ge=1, le=MOST, strict=False)] = 50
    cursor: Annotated[
        str | None, Field(min_length=1, max_length=3500, description="`next` of the part before.")
    ] = None

    @field_validator("cursor")
    @classmethod
    def _of_this_list(cls, cursor: str | None) -> str | None:
        cursors.decode(cls.list_name, cursor, *cls.list_order)
        return cursor

    @property
    def after(self) -> After | None:
        """The place that the cursor leads to."""
        return cursors.decode(self.list_name, self.cursor, *self.list_order)

    def cursor_to(self, after: After | None) -> str | None:
        """The cursor of this list that leads to a place; None at the end."""
        return cursors.encode(self.list_name, after)


class MemberShort(OutputModel):
    """A member, in short."""

    id: MemberId
    username: str

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls.model_construct(id=member.shown_id, username=member.username)


class BadgeShort(OutputModel):
    """A badge, in short."""

    id: Key
    name: str


class QuestShort(OutputModel):
    """A quest with its badge, in short."""

    id: Key
    name: str
    badge: BadgeShort

    @classmethod
    def of(cls, quest: Quest) -> Self:
        badge: Badge = quest.badge
        return cls.model_construct(
            id=str(quest.id),
            name=quest.name,
            badge=BadgeShort.model_construct(id=str(badge.id), name=badge.name),
        )


def number_of(key: str | None) -> int | None:
    """The row's number that an id stands for; 0, which is nowhere, where it is none. None stays None."""
    if key is None:
        return None
    right = key.isascii() and key.isdigit() and len(key) < 20 and int(key) <= LARGEST_ID
    return int(key) if right else 0
