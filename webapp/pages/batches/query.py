"""The query string of the lists of batches and drafts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from webapp.domain.batches.listing import (
    NEWEST,
    SORTS,
    BadgeChoice,
    BatchFilters,
    BatchSort,
    Compare,
    DayFilter,
)
from webapp.domain.labels import MAX_LENGTH as NAME_LENGTH
from webapp.models import BatchStatus
from webapp.pages.http.list_query import ListQuery, QueryReader, in_words, without
from webapp.pages.http.request_args import parse_number, short

STATUSES = [status for status in BatchStatus if status != BatchStatus.DRAFT]
FIELDS = {"created": "Created at", "updated": "Last updated"}
OPERATORS = {Compare.AFTER: "> After", Compare.BEFORE: "< Before", Compare.ON: "= Equal"}
WORDS = {Compare.AFTER: "after", Compare.BEFORE: "before", Compare.ON: "on"}
NO_FILTERS = BatchFilters()


@dataclass(frozen=True, kw_only=True)
class BatchQuery(ListQuery):
    endpoint = "batches.index"
    first_page = {"page": 1}  # noqa: RUF012

    tree: list[BadgeChoice]
    filters: BatchFilters = NO_FILTERS
    sort: BatchSort = NEWEST
    page: int = 1
    drafts: bool = False

    @classmethod
    def of(cls, args: MultiDict[str, str], tree: list[BadgeChoice]) -> BatchQuery:
        reader = QueryReader(args)
        drafts = reader.choice("tab", ["drafts"], otherwise="showing batches") == "drafts"
        zone = reader.zone()
        badges, quests = _badges_and_quests(reader, tree)
        filters = BatchFilters(
            statuses=_statuses(reader, drafts),
            name=reader.text("name", NAME_LENGTH, "A name"),
            badges=badges,
            quests=quests,
            days=tuple(sorted(set(_days(reader)))),
            zone=zone if zone and zone.key not in ("UTC", "Etc/UTC") else UTC,
        )
        sort = BatchSort(*(reader.sort(SORTS) or (NEWEST.column, NEWEST.descending)))
        return cls(
            tree=tree,
            filters=filters,
            sort=sort,
            page=reader.page(),
            drafts=drafts,
            warnings=reader.warnings,
        )

    def _parameters(self) -> dict[str, Any]:
        return {
            "tab": "drafts" if self.drafts else None,
            "status": [status.value for status in self.filters.statuses],
            "name": self.filters.name,
            "badge": self.filters.badges,
            "quest": self.filters.quests,
            **MultiDict(self.hidden_fields).to_dict(flat=False),
            "zone": self.zone_name,
            "sort": self.sort_parameter if self.sort != NEWEST else None,
            "page": self.page if self.page > 1 else None,
        }

    @property
    def hidden_fields(self) -> list[tuple[str, str]]:
        """Date filters, which have no control of their own in the form."""
        return [(f"{day.field}_{day.compare}", str(day.day)) for day in self.filters.days]

    @property
    def zone_name(self) -> str:
        zone = self.filters.zone
        return zone.key if isinstance(zone, ZoneInfo) and self.filters.days else ""

    @property
    def cleared(self) -> str:
        return self.url(filters=NO_FILTERS)

    def tab(self, drafts: bool) -> str:
        filters = replace(self.filters, statuses=()) if drafts else self.filters
        return self.url(drafts=drafts, filters=filters)

    @cached_property
    def active_filters(self) -> list[tuple[str, str]]:
        return [(words, self.url(filters=others)) for words, others in self._one_less()]

    def _one_less(self) -> Iterator[tuple[str, BatchFilters]]:
        now = self.filters
        for status in now.statuses:
            yield f"Status: {status.label}", replace(now, statuses=without(now.statuses, status))
        if now.name:
            yield f"Name: {now.name}", replace(now, name="")
        for badge, words in self._chosen_badges:
            yield f"Badge: {words}", replace(now, badges=without(now.badges, badge))
        for quest, words in self._chosen_quests:
            yield f"Badge: {words}", replace(now, quests=without(now.quests, quest))
        for day in now.days:
            words = f"{FIELDS[day.field]} {WORDS[day.compare]} {in_words(day.day)}"
            yield words, replace(now, days=without(now.days, day))

    @cached_property
    def _chosen_badges(self) -> list[tuple[int, str]]:
        return [(badge.id, badge.name) for badge in self.tree if badge.id in self.filters.badges]

    @cached_property
    def _chosen_quests(self) -> list[tuple[int, str]]:
        return [
            (quest.id, f"{badge.name} · {quest.name}")
            for badge in self.tree
            for quest in badge.quests
            if quest.id in self.filters.quests
        ]

    @property
    def badge_words(self) -> str:
        return ", ".join(words for _, words in self._chosen_badges + self._chosen_quests)

    @property
    def status_words(self) -> str:
        return ", ".join(status.label for status in self.filters.statuses)


def _statuses(reader: QueryReader, drafts: bool) -> tuple[BatchStatus, ...]:
    statuses = reader.choices("status", STATUSES)
    if drafts and statuses:
        reader.warnings.append("Drafts have no status; showing all of them.")
        return ()
    return statuses


def _badges_and_quests(
    reader: QueryReader, tree: list[BadgeChoice]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Existing badges and quests. A quest is left out if its badge is selected too."""
    badge_of = {quest.id: badge.id for badge in tree for quest in badge.quests}
    badges = _ids(reader, "badge", [badge.id for badge in tree])
    quests = _ids(reader, "quest", list(badge_of))
    return badges, tuple(quest for quest in quests if badge_of[quest] not in badges)


def _ids(reader: QueryReader, name: str, known: list[int]) -> tuple[int, ...]:
    numbers = {value: parse_number(value) for value in reader.args.getlist(name) if value}
    for value, number in numbers.items():
        if number not in known:
            reader.warnings.append(
                f"There is no {name} with the number “{short(value)}”; the filter was ignored."
            )
    return tuple(number for number in known if number in numbers.values())


def _days(reader: QueryReader) -> Iterator[DayFilter]:
    """Date filters: `created_after=2026-11-22`, or from the form `created=2026-11-22&created_is=after`."""
    for name, label in FIELDS.items():
        filters = [
            (comparison, value)
            for comparison in Compare
            for value in reader.args.getlist(f"{name}_{comparison}")
        ]
        chosen = reader.args.get(f"{name}_is", Compare.AFTER)
        typed = [value for value in reader.args.getlist(name) if value.strip()]
        if typed and chosen not in list(Compare):
            reader.warnings.append(
                f"Dates can be filtered by after, before or on, not “{short(chosen)}”; the filter was ignored."
            )
        elif typed:
            filters += [(Compare(chosen), value) for value in typed]
        for compare, value in filters:
            if day := reader.parse_day(value, label):
                yield DayFilter(name, compare, day)
