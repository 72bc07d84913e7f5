"""What the address of the directory asks for, and the addresses that ask for a little more or less of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flask import url_for
from werkzeug.datastructures import MultiDict

from webapp.database import LARGEST_ID
from webapp.domain import dates
from webapp.domain.batches.listing import BadgeChoice
from webapp.domain.members.directory import BY_MATCH, SORTS, Sort
from webapp.domain.members.filters import MemberFilters
from webapp.models import MemberStatus
from webapp.models.member import ASSIGNABLE_STATUSES
from webapp.pages.http.request_args import parse_grouped_number

LONGEST = 320  # characters of a search


@dataclass(frozen=True)
class MemberQuery:
    """MemberFilters, order and place as the address has them; `notes` says what in it means nothing, and is left out.

    `holds` and `lacks` name a quest by its number, or all of a badge: `b` and the badge's.
    """

    tree: list[BadgeChoice]
    text: str = ""
    holds: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    statuses: tuple[MemberStatus, ...] = ()
    first: date | None = None
    last: date | None = None
    zone: ZoneInfo | None = None
    least: int | None = None
    most: int | None = None
    sort: Sort = BY_MATCH
    after: int | None = None
    before: int | None = None
    counted: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, args: MultiDict[str, str], tree: list[BadgeChoice]) -> MemberQuery:
        """Reads an address's arguments. Never raises."""
        notes: list[str] = []
        first, last = _day(args, "from", "Joined from", notes), _day(args, "to", "Joined to", notes)
        zone = _zone(
            args, notes
        )  # said even if no day asks for it: a link that someone changed by hand
        if first and last and last < first:
            notes.append("The last day is before the first: nobody can have joined between them.")
        return cls(
            tree,
            text=_text(args, notes),
            holds=_quests(args, "holds", tree, notes),
            lacks=_quests(args, "lacks", tree, notes),
            statuses=_statuses(args, notes),
            first=first,
            last=last,
            zone=zone if first or last else None,
            least=_count(args, "least", notes),
            most=_count(args, "most", notes),
            sort=_sort(args, notes),
            after=_place(args, "after", notes),
            before=_place(args, "before", notes),
            counted=args.get("count") == "all",
            notes=notes,
        )

    @property
    def filters(self) -> MemberFilters:
        """What the domain is asked."""
        return MemberFilters(
            text=self.text,
            holds=tuple(self._ids(one) for one in self.holds),
            lacks=tuple(number for one in self.lacks for number in self._ids(one)),
            statuses=self.statuses,
            joined_since=dates.start_of_day(self.first, self.zone) if self.first else None,
            joined_until=dates.end_of_day(self.last, self.zone) if self.last else None,
            least=self.least,
            most=self.most,
        )

    def _ids(self, one: str) -> tuple[int, ...]:
        if not one.startswith("b"):
            return (int(one),)
        badge = next(badge for badge in self.tree if f"b{badge.id}" == one)
        # Of a badge without quests nobody holds anything; 0 is no quest's number.
        return tuple(quest.id for quest in badge.quests) or (0,)

    def url(self, endpoint: str = "members.index", **changes: object) -> str:
        """The address with this changed; the beginning of it, unless `after` or `before` is given."""
        first_page = {"after": None, "before": None, "counted": False}
        asked = replace(self, **{**first_page, **changes})  # type: ignore[arg-type]
        return url_for(endpoint, **asked._query())

    def _query(self) -> dict[str, Any]:
        order = ("-" if self.sort.descending else "") + self.sort.column
        found: dict[str, Any] = {
            "q": self.text,
            "holds": self.holds,
            "lacks": self.lacks,
            "status": [status.value for status in self.statuses],
            "from": self.first,
            "to": self.last,
            "zone": self.zone.key if self.zone and (self.first or self.last) else None,
            "least": None if self.least is None else str(self.least),
            "most": None if self.most is None else str(self.most),
            "sort": order if self.sort != BY_MATCH else None,
            "after": self.after,
            "before": self.before,
            "count": "all" if self.counted else None,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def zone_words(self) -> str:
        """The zone whose days are meant, to be read."""
        return self.zone.key.replace("_", " ") if self.zone else "UTC"

    def sorted_by(self, column: str) -> str:
        """Where a column's header leads: sorted by it, or the other way round where it is sorted by it now."""
        here = self.sort.column == column
        return self.url(sort=Sort(column, here and not self.sort.descending))

    def direction(self, column: str) -> str:
        """How the list is sorted by a column: `ascending`, `descending`, or "" where it is by another."""
        shown = self.sort.column
        if shown == "match" and not self.text:
            shown = "username"
        if shown != column:
            return ""
        return "descending" if self.sort.descending else "ascending"

    @property
    def chips(self) -> list[tuple[str, str]]:
        """Each filter in force: its words, and the address without it."""
        return list(self._chips())

    def _chips(self) -> Iterator[tuple[str, str]]:
        if self.text:
            yield f"Search: {self.text}", self.url(text="")
        for one in self.holds:
            yield f"Holds {self.called(one)}", self.url(holds=_without(self.holds, one))
        for one in self.lacks:
            yield f"Does not hold {self.called(one)}", self.url(lacks=_without(self.lacks, one))
        for status in self.statuses:
            left = tuple(other for other in self.statuses if other != status)
            yield f"Status: {status.label}", self.url(statuses=left)
        if self.first:
            yield f"Joined from {_in_words(self.first)}", self.url(first=None)
        if self.last:
            yield f"Joined to {_in_words(self.last)}", self.url(last=None)
        if self.least is not None:
            yield f"Activity at least {self.least:,}", self.url(least=None)
        if self.most is not None:
            yield f"Activity at most {self.most:,}", self.url(most=None)

    def called(self, one: str) -> str:
        """What a quest, or all of a badge, is called."""
        return dict(choices(self.tree))[one]


def choices(tree: list[BadgeChoice]) -> Iterator[tuple[str, str]]:
    """What can be held, as an address names it, and in words; a badge of several quests as a whole, too."""
    for badge in tree:
        if len(badge.quests) != 1:
            yield f"b{badge.id}", badge.name
        for quest in badge.quests:
            several = len(badge.quests) > 1
            yield str(quest.id), f"{badge.name} · {quest.name}" if several else badge.name


def _without(some: tuple[str, ...], one: str) -> tuple[str, ...]:
    return tuple(other for other in some if other != one)


def _in_words(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _text(args: MultiDict[str, str], notes: list[str]) -> str:
    text = args.get("q", "").replace("\x00", "\ufffd").strip()  # HTML has no NUL
    if len(text) > LONGEST:
        notes.append(f"A search has at most {LONGEST} characters; those were searched for.")
    return text[:LONGEST].strip()


def _quests(
    args: MultiDict[str, str], name: str, tree: list[BadgeChoice], notes: list[str]
) -> tuple[str, ...]:
    asked = list(dict.fromkeys(filter(None, args.getlist(name))))
    known = {one for one, _ in choices(tree)} | {f"b{badge.id}" for badge in tree}
    for one in asked:
        if one not in known:
            notes.append(f"There is no badge or quest with the number “{_short(one)}”.")
    return tuple(one for one in asked if one in known)


def _statuses(args: MultiDict[str, str], notes: list[str]) -> tuple[MemberStatus, ...]:
    asked = list(dict.fromkeys(filter(None, args.getlist("status"))))
    for one in asked:
        if one not in list(ASSIGNABLE_STATUSES):
            notes.append(f"There is no status “{_short(one)}”.")
    return tuple(status for status in ASSIGNABLE_STATUSES if status in asked)


def _day(args: MultiDict[str, str], name: str, label: str, notes: list[str]) -> date | None:
    text = args.get(name, "").strip()
    day = dates.parse_day(text)
    if text and day is None:
        notes.append(f"{label}: “{_short(text)}” is not a day. Write a day like 2026-11-22.")
    return day


def _zone(args: MultiDict[str, str], notes: list[str]) -> ZoneInfo | None:
    name = args.get("zone", "")
    zone = dates.parse_zone(name)
    if name and zone is None:
        notes.append(f"The time zone “{_short(name)}” is not known: days are those of UTC.")
    return zone


def _count(args: MultiDict[str, str], name: str, notes: list[str]) -> int | None:
    text = args.get(name, "").strip()
    number = parse_grouped_number(text)
    if text and number is None:
        notes.append(f"Activity: “{_short(text)}” is not a whole number of up to 15 digits.")
    return number


def _sort(args: MultiDict[str, str], notes: list[str]) -> Sort:
    text = args.get("sort", "")
    column = text.removeprefix("-")
    if column in SORTS and column != "match":
        return Sort(column, text.startswith("-"))
    if text:
        notes.append(f"There is no column “{_short(text)}”: members are in their usual order.")
    return BY_MATCH


def _place(args: MultiDict[str, str], name: str, notes: list[str]) -> int | None:
    text = args.get(name, "")
    plain = text.isascii() and text.isdigit() and len(text) < 20
    number = int(text) if plain and 0 < int(text) <= LARGEST_ID else None
    if text and number is None:
        notes.append(f"There is no place “{_short(text)}” in the directory; this is the beginning.")
    return number


def _short(text: str) -> str:
    text = text.replace("\x00", "\ufffd")
    return text if len(text) <= 40 else text[:39] + "…"
