"""Find quests by the names in a file, for which one query is enough however long the file is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.database import db
from webapp.domain.csv_files import shown
from webapp.domain.errors import DomainError
from webapp.domain.normalization import fold
from webapp.models import Quest


class _Named(NamedTuple):
    id: int
    badge: str
    names: frozenset[str]
    open: bool


class QuestNames:
    """The names of all quests at one moment. Quests that can be awarded are preferred to archived ones."""

    def __init__(self) -> None:
        quests = db.session.scalars(select(Quest).options(joinedload(Quest.badge)))
        self.quests = [
            _Named(
                quest.id,
                fold(quest.badge.name),
                frozenset({fold(quest.name), fold(quest.title)}),
                quest.open,
            )
            for quest in quests
        ]

    def find(self, badge: str, quest: str) -> int:
        """Return the ID of a quest by its name or ID, its badge's name, or both.

        Raises DomainError if there is none, or if several have the name.
        """
        if not badge and not quest:
            raise DomainError("awards.quest_missing", "quest")
        found = [one for one in self.quests if not badge or one.badge == fold(badge)]
        if not found:
            raise DomainError("awards.badge_unknown", "quest", badge=shown(badge))
        if quest:
            found = _called(quest, found)
        if not found:
            raise DomainError("awards.quest_unknown", "quest", quest=shown(quest))
        found = [one for one in found if one.open] or found[:1]
        if len(found) > 1 and quest:
            raise DomainError("awards.quest_ambiguous", "quest", quest=shown(quest))
        if len(found) > 1:
            raise DomainError("awards.badge_ambiguous", "quest", badge=shown(badge))
        return found[0].id


def _called(name: str, quests: Iterable[_Named]) -> list[_Named]:
    """Return the quests with this name; if there are none, the one with this ID."""
    quests = list(quests)
    return [one for one in quests if fold(name) in one.names] or [
        one for one in quests if str(one.id) == name
    ]
