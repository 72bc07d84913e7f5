"""Badges and their quests."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from webapp.models import Badge, Quest
from webapp.schemas.common import BadgeShort, Key, NextCursor, OutputModel, PageParams, Time, moment

ArchivedAt = Annotated[
    Time | None,
    Field(
        description="When it was archived, if it was. Archived badges and quests can't be awarded, but members keep "
        "them.",
        examples=[None],
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
    received: Annotated[
        Literal["Manual", "Automatic"],
        Field(
            description="`Manual`: awarded by staff or the API. `Automatic`: also awarded by the rules of its quests."
        ),
    ]
    holders: Annotated[
        int, Field(description="How many members have at least one of its quests.", examples=[1330])
    ]
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
            archived_at=moment(badge.archived_at),
            quests=[QuestOut.of(quest) for quest in badge.quests],
        )


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
