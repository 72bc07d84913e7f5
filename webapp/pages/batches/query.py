"""What the address of the list asks for, and the addresses that ask for a little more or less of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from functools import cached_property
from urllib.parse import urlencode

from flask import url_for
from werkzeug.datastructures import MultiDict

from webapp.domain import dates
from webapp.domain.batches.listing import (
    NEWEST,
    SORTS,
    BadgeChoice,
    Compare,
    DayFilter,
    Filters,
    Sort,
)
from webapp.domain.labels import MAX_LENGTH as NAME_LENGTH
from webapp.models import BatchStatus
from webapp.pages.http.request_args import parse_number, printable, short

STATUSES = [status for status in BatchStatus if status != BatchStatus.DRAFT]
FIELDS = {"created": "Created at", "updated": "Last updated"}
OPERATORS = {Compare.AFTER: "> After", Compare.BEFORE: "< Before", Compare.ON: "= Equal"}
WORDS = {Compare.AFTER: "after", Compare.BEFORE: "before", Compare.ON: "on"}
NO_FILTERS = Filters()


@dataclass(frozen=True)
class BatchQuery:
    """Filters, sort, page and tab as the address has them; `notes` says what in it means nothing, and is left out."""

    tree: list[BadgeChoice]
    filters: Filters = NO_FILTERS
    zone_name: str = ""
    sort: Sort = NEWEST
    page: int = 1
    drafts: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, args: MultiDict[str, str], tree: list[BadgeChoice]) -> BatchQuery:
        """Reads an address's arguments; those of the form are read as well. Never raises."""
        notes: list[str] = []
        drafts = args.get("tab") == "drafts"
        if args.get("tab", "") not in ("", "drafts"):
            notes.append(f"There is no tab “{short(args['tab'])}”; these are the batches.")
        days = tuple(sorted(set(_days(args, notes))))
        zone_name = args.get("zone", "").strip()
        zone = _zone(zone_name, notes)  # said even if no day asks for it
        badges, quests = _chosen(args, tree, notes)
        filters = Filters(
            statuses=_statuses(args, drafts, notes),
            name=_name(args, notes),
            badges=badges,
            quests=quests,
            days=days,
            zone=zone if days else UTC,
        )
        if filters.zone is UTC:
            zone_name = ""
        return cls(tree, filters, zone_name, _sort(args, notes), _page(args, notes), drafts, notes)

    def url(self, **changes: object) -> str:
        """The address of the list with this changed; the first page of it, unless `page` is given."""
        asked = replace(self, **{"page": 1, **changes})  # type: ignore[arg-type]
        query = urlencode(list(asked._pairs()))
        return url_for("batches.index") + (f"?{query}" if query else "")

    def _pairs(self) -> Iterator[tuple[str, object]]:
        if self.drafts:
            yield "tab", "drafts"
        yield from self.kept(form=False)
        if self.sort != NEWEST:
            yield "sort", ("-" if self.sort.descending else "") + self.sort.column
        if self.page > 1:
            yield "page", self.page

    def kept(self, form: bool = True) -> Iterator[tuple[str, object]]:
        """Names and values of the filters; for the form those alone that have no control of their own in it."""
        if not form:
            yield from (("status", status.value) for status in self.filters.statuses)
            if self.filters.name:
                yield "name", self.filters.name
            yield from (("badge", badge_id) for badge_id in self.filters.badges)
            yield from (("quest", quest_id) for quest_id in self.filters.quests)
        yield from ((f"{one.field}_{one.compare}", one.day) for one in self.filters.days)
        if self.zone_name and not form:
            yield "zone", self.zone_name

    @property
    def cleared(self) -> str:
        """The address of the list without filters."""
        return self.url(filters=NO_FILTERS, zone_name="")

    def tab(self, drafts: bool) -> str:
        """The address of the other tab, or of this one; drafts are not filtered by status."""
        filters = replace(self.filters, statuses=()) if drafts else self.filters
        return self.url(drafts=drafts, filters=filters)

    def sorted_by(self, column: str) -> str:
        """Where a column's header leads: sorted by it, or the other way round where it is sorted by it now."""
        here = self.sort.column == column
        return self.url(sort=Sort(column, here and not self.sort.descending))

    def direction(self, column: str) -> str:
        """How the list is sorted by a column: `ascending`, `descending`, or "" where it is by another."""
        if self.sort.column != column:
            return ""
        return "descending" if self.sort.descending else "ascending"

    @cached_property
    def chips(self) -> list[tuple[str, str]]:
        """Each filter in force: its words, and the address without it."""
        return [
            (words, self.url(filters=without, zone_name=self.zone_name if without.days else ""))
            for words, without in self._one_less()
        ]

    def _one_less(self) -> Iterator[tuple[str, Filters]]:
        now = self.filters
        for status in now.statuses:
            others = tuple(one for one in now.statuses if one != status)
            yield f"Status: {status.label}", replace(now, statuses=others)
        if now.name:
            yield f"Name: {now.name}", replace(now, name="")
        for kind, identity, words in self._picked:
            if kind == "badge":
                left = replace(now, badges=tuple(one for one in now.badges if one != identity))
            else:
                left = replace(now, quests=tuple(one for one in now.quests if one != identity))
            yield f"Badge: {words}", left
        for day in now.days:
            words = f"{FIELDS[day.field]} {WORDS[day.compare]} {day.day.day} {day.day:%b %Y}"
            yield words, replace(now, days=tuple(one for one in now.days if one != day))

    @cached_property
    def _picked(self) -> list[tuple[str, int, str]]:
        picked = []
        for badge in self.tree:
            if badge.id in self.filters.badges:
                picked.append(("badge", badge.id, badge.name))
            for quest in badge.quests:
                if quest.id in self.filters.quests:
                    picked.append(("quest", quest.id, f"{badge.name} · {quest.name}"))
        return picked

    @property
    def picked_words(self) -> str:
        """The badges and quests that are chosen, in words."""
        return ", ".join(words for _, _, words in self._picked)

    @property
    def status_words(self) -> str:
        """The statuses that are chosen, in words."""
        return ", ".join(status.label for status in self.filters.statuses)


def _statuses(args: MultiDict[str, str], drafts: bool, notes: list[str]) -> tuple[BatchStatus, ...]:
    values = [value for value in args.getlist("status") if value]
    known = {status.value: status for status in STATUSES}
    for value in dict.fromkeys(values):
        if value not in known:
            notes.append(f"There is no status “{short(value)}”.")
    found = tuple(status for status in STATUSES if status.value in values)
    if drafts and found:
        notes.append("Drafts have no status to filter by: all are shown.")
        return ()
    return found


def _name(args: MultiDict[str, str], notes: list[str]) -> str:
    name = printable(args.get("name", "")).strip()
    if len(name) > NAME_LENGTH:
        notes.append(f"A name has at most {NAME_LENGTH} characters; those were searched for.")
    return name[:NAME_LENGTH].strip()


def _chosen(
    args: MultiDict[str, str], tree: list[BadgeChoice], notes: list[str]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Badges and quests that there are; a quest whose badge is chosen goes with it."""
    numbers = {
        kind: {value: parse_number(value) or 0 for value in args.getlist(kind) if value}
        for kind in ("badge", "quest")
    }
    wanted, single = set(numbers["badge"].values()), set(numbers["quest"].values())
    badges = tuple(badge.id for badge in tree if badge.id in wanted)
    all_quests = {quest.id: badge.id for badge in tree for quest in badge.quests}
    known = {"badge": {badge.id for badge in tree}, "quest": set(all_quests)}
    for kind, found in numbers.items():
        for value, number in found.items():
            if number not in known[kind]:
                notes.append(f"There is no {kind} with the number “{short(value)}”.")
    quests = (one for one, badge in all_quests.items() if one in single and badge not in badges)
    return badges, tuple(quests)


def _days(args: MultiDict[str, str], notes: list[str]) -> Iterator[DayFilter]:
    for name, label in FIELDS.items():
        given = [(one, value) for one in Compare for value in args.getlist(f"{name}_{one}")]
        chosen = args.get(f"{name}_is", Compare.AFTER)
        typed = [value for value in args.getlist(name) if value.strip()]
        if typed and chosen not in list(Compare):
            notes.append(f"A date is after, before or on a day, not “{short(chosen)}”.")
        elif typed:
            given += [(Compare(chosen), value) for value in typed]
        for compare, value in given:
            if day := dates.parse_day(value.strip()):
                yield DayFilter(name, compare, day)
            elif value.strip():
                notes.append(
                    f"{label}: “{short(value)}” is not a day of the years "
                    f"{dates.YEARS[0]} to {dates.YEARS[-1]}. Write a day like 2026-11-22."
                )


def _zone(name: str, notes: list[str]) -> tzinfo:
    if name in ("", "UTC", "Etc/UTC"):
        return UTC
    if zone := dates.parse_zone(name):
        return zone
    notes.append(f"The time zone “{short(name)}” is not known: days are those of UTC.")
    return UTC


def _sort(args: MultiDict[str, str], notes: list[str]) -> Sort:
    text = args.get("sort", "")
    column = text.removeprefix("-")
    if column in SORTS:
        return Sort(column, text.startswith("-"))
    if text:
        notes.append(f"There is no column “{short(text)}”: the newest come first.")
    return NEWEST


def _page(args: MultiDict[str, str], notes: list[str]) -> int:
    text = args.get("page", "")
    number = parse_number(text)
    if text and not number:
        notes.append(f"There is no page “{short(text)}”; this is the first.")
    return number or 1
