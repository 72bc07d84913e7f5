"""The query string of a badge's holders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from webapp.domain.awards.holders import HolderFilters
from webapp.models import AwardSource, Badge, Quest
from webapp.pages.http.list_query import DatedListQuery, QueryReader, in_words, parse_id
from webapp.pages.members.query import LONGEST


@dataclass(frozen=True, kw_only=True)
class HolderQuery(DatedListQuery):
    endpoint = "badges.show"
    first_page = {"after": None, "before": None, "revoked": None}  # noqa: RUF012

    badge: Badge
    quest: Quest | None = None
    source: AwardSource | None = None
    text: str = ""
    after: int | None = None
    before: int | None = None
    revoked: int | None = None  # a group revocation made just now

    @classmethod
    def of(cls, args: MultiDict[str, str], badge: Badge) -> HolderQuery:
        reader = QueryReader(args)
        first, last, zone = reader.days("Awarded", "no holders can match.")
        quests = {str(quest.id): quest for quest in badge.quests}
        source = reader.choice("source", tuple(AwardSource))
        return cls(
            badge=badge,
            quest=quests.get(reader.choice("quest", quests, what="quest with the number")),
            source=AwardSource(source) if source else None,
            text=reader.text("q", LONGEST),
            first=first,
            last=last,
            zone=zone,
            after=reader.place("after"),
            before=reader.place("before"),
            revoked=parse_id(reader.get("revoked")),
            warnings=reader.warnings,
        )

    @property
    def filters(self) -> HolderFilters:
        quests = [self.quest] if self.quest else self.badge.quests
        return HolderFilters(
            tuple(quest.id for quest in quests), self.source, self.since, self.until, self.text
        )

    @property
    def filter_parameters(self) -> dict[str, Any]:
        """The filters alone, for hidden fields of a form."""
        found = {
            "q": self.text,
            "quest": self.quest.id if self.quest else None,
            "source": self.source,
            **self._day_parameters(),
        }
        return {name: value for name, value in found.items() if value}

    def _parameters(self) -> dict[str, Any]:
        return {
            "badge_id": self.badge.id,
            **self.filter_parameters,
            "revoked": self.revoked,
            "after": self.after,
            "before": self.before,
            "_anchor": "holders",
        }

    @property
    def active_filters(self) -> list[tuple[str, str]]:
        return list(self._active_filters())

    def _active_filters(self) -> Iterator[tuple[str, str]]:
        if self.text:
            yield f"Member: {self.text}", self.url(text="")
        if self.quest:
            yield f"Quest: {self.quest.name}", self.url(quest=None)
        if self.source:
            yield f"Source: {self.source.label}", self.url(source=None)
        if self.first:
            yield f"Awarded from {in_words(self.first)}", self.url(first=None)
        if self.last:
            yield f"Awarded until {in_words(self.last)}", self.url(last=None)
