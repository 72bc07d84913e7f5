"""The query string of the member directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from webapp.domain.batches.listing import BadgeChoice
from webapp.domain.members.directory import BY_MATCH, SORTS, MemberSort
from webapp.domain.members.filters import MemberFilters
from webapp.models import MemberStatus
from webapp.models.member import ASSIGNABLE_STATUSES
from webapp.pages.http.list_query import DatedListQuery, QueryReader, in_words, without
from webapp.pages.http.request_args import parse_grouped_number, short

LONGEST = 320  # characters in a search


@dataclass(frozen=True, kw_only=True)
class MemberQuery(DatedListQuery):
    """Filters, order and page of the directory.

    `holds` and `lacks` contain ids of quests, or `b` and the id of a badge for all its quests.
    """

    endpoint = "members.index"
    first_page = {"after": None, "before": None, "counted": False}  # noqa: RUF012

    tree: list[BadgeChoice]
    text: str = ""
    holds: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    statuses: tuple[MemberStatus, ...] = ()
    least: int | None = None
    most: int | None = None
    sort: MemberSort = BY_MATCH
    after: int | None = None
    before: int | None = None
    counted: bool = False

    @property
    def awardable(self) -> bool:
        """True if there is a badge that can be awarded."""
        return any(quest.open for badge in self.tree for quest in badge.quests)

    @classmethod
    def of(cls, args: MultiDict[str, str], tree: list[BadgeChoice]) -> MemberQuery:
        reader = QueryReader(args)
        first, last, zone = reader.days("Joined", "no members can match.")
        known = [value for value, _ in choices(tree)] + [f"b{badge.id}" for badge in tree]
        return cls(
            tree=tree,
            text=reader.text("q", LONGEST),
            holds=reader.choices("holds", known, "badge or quest with the number"),
            lacks=reader.choices("lacks", known, "badge or quest with the number"),
            statuses=reader.choices("status", ASSIGNABLE_STATUSES),
            first=first,
            last=last,
            zone=zone,
            least=_count(reader, "least"),
            most=_count(reader, "most"),
            sort=MemberSort(*(reader.sort(SORTS.keys() - {BY_MATCH.column}) or ())),
            after=reader.place("after"),
            before=reader.place("before"),
            counted=reader.args.get("count") == "all",
            warnings=reader.warnings,
        )

    @property
    def filters(self) -> MemberFilters:
        return MemberFilters(
            text=self.text,
            holds=tuple(self._ids(value) for value in self.holds),
            lacks=tuple(number for value in self.lacks for number in self._ids(value)),
            statuses=self.statuses,
            joined_since=self.since,
            joined_until=self.until,
            least=self.least,
            most=self.most,
        )

    def _ids(self, value: str) -> tuple[int, ...]:
        if not value.startswith("b"):
            return (int(value),)
        badge = next(badge for badge in self.tree if f"b{badge.id}" == value)
        # A badge without quests has no holders, and no quest has the id 0.
        return tuple(quest.id for quest in badge.quests) or (0,)

    def _parameters(self) -> dict[str, Any]:
        return {
            "q": self.text,
            "holds": self.holds,
            "lacks": self.lacks,
            "status": [status.value for status in self.statuses],
            **self._day_parameters(),
            "least": None if self.least is None else str(self.least),
            "most": None if self.most is None else str(self.most),
            "sort": self.sort_parameter if self.sort != BY_MATCH else None,
            "after": self.after,
            "before": self.before,
            "count": "all" if self.counted else None,
        }

    def direction(self, column: str) -> str:
        """As for any list, except that `match` without a search means the order by username."""
        if self.sort == BY_MATCH and not self.text:
            return "ascending" if column == "username" else ""
        return super().direction(column)

    @property
    def active_filters(self) -> list[tuple[str, str]]:
        return list(self._active_filters())

    def _active_filters(self) -> Iterator[tuple[str, str]]:
        names = {f"b{badge.id}": badge.name for badge in self.tree} | dict(choices(self.tree))
        if self.text:
            yield f"Search: {self.text}", self.url(text="")
        for value in self.holds:
            yield f"Has badge: {names[value]}", self.url(holds=without(self.holds, value))
        for value in self.lacks:
            yield f"Doesn't have badge: {names[value]}", self.url(lacks=without(self.lacks, value))
        for status in self.statuses:
            yield f"Status: {status.label}", self.url(statuses=without(self.statuses, status))
        if self.first:
            yield f"Joined from {in_words(self.first)}", self.url(first=None)
        if self.last:
            yield f"Joined until {in_words(self.last)}", self.url(last=None)
        if self.least is not None:
            yield f"Min. activity: {self.least:,}", self.url(least=None)
        if self.most is not None:
            yield f"Max. activity: {self.most:,}", self.url(most=None)


def choices(tree: list[BadgeChoice]) -> Iterator[tuple[str, str]]:
    for badge in tree:
        if len(badge.quests) != 1:
            yield f"b{badge.id}", badge.name
        for quest in badge.quests:
            several = len(badge.quests) > 1
            yield str(quest.id), f"{badge.name} · {quest.name}" if several else badge.name


def _count(reader: QueryReader, name: str) -> int | None:
    text = reader.get(name)
    number = parse_grouped_number(text)
    if text and number is None:
        reader.warnings.append(
            f"Activity: “{short(text)}” isn't a whole number with up to 15 digits."
        )
    return number
