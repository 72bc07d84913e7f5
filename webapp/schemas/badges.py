"""Badges with their quests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from webapp.models import Badge
from webapp.schemas.common import Key, OutputModel, PageParams, Time, moment


class BadgeListParams(PageParams):
    """Which badges."""

    list_name = "badges"
    list_order = (int, str, int)

    q: Annotated[str, Field(max_length=120, description="A part of the name.")] = ""


class QuestOut(OutputModel):
    """One way to unlock a badge; what is awarded is a quest."""

    id: Key
    name: str
    holders: Annotated[int, Field(description="How many members hold it.")]
    archived_at: Time | None


class BadgeOut(OutputModel):
    """A badge; archived ones can't be awarded any more."""

    id: Key
    name: str
    description: str
    received: Literal["Manual", "Automatic"]
    holders: Annotated[int, Field(description="How many members hold any of its quests.")]
    archived_at: Time | None
    quests: list[QuestOut]

    @classmethod
    def of(cls, badge: Badge) -> BadgeOut:
        quests = [
            QuestOut.model_construct(
                id=str(quest.id),
                name=quest.name,
                holders=quest.holders,
                archived_at=moment(quest.archived_at),
            )
            for quest in badge.quests
        ]
        return cls.model_construct(
            id=str(badge.id),
            name=badge.name,
            description=badge.description,
            received=badge.received,
            holders=badge.holders,
            archived_at=moment(badge.archived_at),
            quests=quests,
        )


class BadgePage(OutputModel):
    """Some of the badges."""

    items: list[BadgeOut]
    next: str | None
