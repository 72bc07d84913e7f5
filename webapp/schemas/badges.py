"""Badges and their quests."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from webapp.domain.badges import art
from webapp.domain.dates import moment
from webapp.models import Badge, Quest
from webapp.schemas.common import (
    LEFT_OUT,
    BadgeShort,
    InputModel,
    Key,
    NextCursor,
    OutputModel,
    PageParams,
    Text,
    Time,
)

ArchivedAt = Annotated[
    Time | None,
    Field(
        description="When it was archived, if it was. Archived badges and quests can't be awarded, but members keep "
        "them.",
        examples=[None],
    ),
]


Description = Annotated[
    Text, Field(max_length=500, description="What the badge is for, in a sentence or two.")
]
Received = Annotated[
    Literal["Manual", "Automatic"],
    Field(
        description="`Manual`: awarded by staff or the API. `Automatic`: also awarded by the rules of its quests."
    ),
]
Name = Annotated[Text, Field(max_length=120, description="The name.")]
Shape = Annotated[
    str,
    Field(
        description="The shape it's drawn in, unless it has an image.",
        examples=["circle"],
        json_schema_extra={"enum": list(art.SHAPES)},
    ),
]
Color = Annotated[
    str,
    Field(
        description="The color it's drawn in.",
        examples=["green"],
        json_schema_extra={"enum": list(art.COLOURS)},
    ),
]
Icon = Annotated[
    str,
    Field(
        description="The icon in it. Empty: the first letter of the badge's name.",
        examples=["award"],
        json_schema_extra={"enum": [art.NO_ICON, *art.ICONS]},
    ),
]
Version = Annotated[
    int, Field(description="The number of times its settings were changed.", examples=[0])
]
SeenVersion = Annotated[
    int,
    Field(
        ge=0,
        le=2**31 - 1,
        description="The version you've read. If someone has changed it since, you get 409; without it, your change "
        "overwrites theirs.",
    ),
]
Archived = Annotated[
    bool,
    Field(
        description="Archive it (true), so that it can't be awarded while members keep it, or restore it (false)."
    ),
]


class BadgeListParams(PageParams):
    """Filters for badges."""

    list_name = "badges"
    list_order = (int, str, int)

    q: Annotated[
        str, Field(max_length=120, description="Only badges whose name contains this text.")
    ] = ""


class QuestOut(OutputModel):
    """A quest: one way to earn a badge. Awards are for a quest."""

    id: Annotated[
        Key, Field(description="The quest's ID. Use it to award the badge.", examples=["12"])
    ]
    name: Annotated[str, Field(description="The quest's name.", examples=["Ten accepted answers"])]
    holders: Annotated[int, Field(description="How many members have it.", examples=[1330])]
    archived_at: ArchivedAt

    @classmethod
    def of(cls, quest: Quest) -> Self:
        return cls.model_construct(**_quest(quest))


class QuestWithBadge(QuestOut):
    """A quest and its badge."""

    badge: Annotated[BadgeShort, Field(description="The quest's badge.")]

    @classmethod
    def of(cls, quest: Quest) -> Self:
        badge = BadgeShort.model_construct(id=str(quest.badge.id), name=quest.badge.name)
        return cls.model_construct(**_quest(quest), badge=badge)


class BadgeOut(OutputModel):
    """A badge with its quests."""

    id: Annotated[Key, Field(description="The badge's ID.", examples=["3"])]
    name: Annotated[str, Field(description="The badge's name.", examples=["Helper"])]
    description: Annotated[
        str,
        Field(
            description="What the badge is for.",
            examples=["For members who help others with good answers."],
        ),
    ]
    received: Received
    holders: Annotated[
        int, Field(description="How many members have at least one of its quests.", examples=[1330])
    ]
    shape: Shape
    color: Color
    icon: Icon
    version: Version
    archived_at: ArchivedAt
    quests: Annotated[list[QuestOut], Field(description="The ways to earn the badge, in order.")]

    @classmethod
    def of(cls, badge: Badge) -> BadgeOut:
        return cls.model_construct(
            id=str(badge.id),
            name=badge.name,
            description=badge.description,
            received=badge.received,
            holders=badge.holders,
            shape=badge.shape,
            color=badge.colour,
            icon=badge.icon,
            version=badge.version,
            archived_at=moment(badge.archived_at),
            quests=[QuestOut.of(quest) for quest in badge.quests],
        )


class BadgeIn(InputModel):
    """A badge to create."""

    name: Name
    quest: Annotated[
        Text,
        Field(
            max_length=120,
            description="The name of its first quest. Without it, the quest has the badge's name.",
        ),
    ] = LEFT_OUT
    description: Description = LEFT_OUT
    received: Received = LEFT_OUT
    shape: Shape = LEFT_OUT
    color: Color = LEFT_OUT
    icon: Icon = LEFT_OUT


class BadgeChange(InputModel):
    """Changes of a badge. Fields you leave out stay as they are."""

    name: Name = LEFT_OUT
    description: Description = LEFT_OUT
    received: Received = LEFT_OUT
    shape: Shape = LEFT_OUT
    color: Color = LEFT_OUT
    icon: Icon = LEFT_OUT
    archived: Archived = LEFT_OUT
    version: SeenVersion = LEFT_OUT


class QuestIn(InputModel):
    """A quest to add."""

    name: Name


class QuestChange(InputModel):
    """Changes of a quest. Fields you leave out stay as they are."""

    name: Name = LEFT_OUT
    archived: Archived = LEFT_OUT


class BadgePage(OutputModel):
    """A page of badges, sorted by name, archived ones last."""

    items: Annotated[list[BadgeOut], Field(description="The badges on this page.")]
    next: NextCursor


def _quest(quest: Quest) -> dict[str, Any]:
    return {
        "id": str(quest.id),
        "name": quest.name,
        "holders": quest.holders,
        "archived_at": moment(quest.archived_at),
    }
