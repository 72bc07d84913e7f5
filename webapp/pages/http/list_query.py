"""Parse the query string of a list, and build links that change a part of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

from flask import abort, redirect, request, url_for
from werkzeug.datastructures import MultiDict

from webapp.database import LARGEST_ID
from webapp.domain import dates
from webapp.pages.http.request_args import parse_number, printable, short

T = TypeVar("T")
S = TypeVar("S", bound=str)


def require_readable(warnings: list[str], endpoint: str, **values: Any) -> None:
    """Instead of an action on more rows than requested, show the list, which says what was ignored."""
    if warnings:
        query = request.query_string.decode("ascii", "replace")
        abort(redirect(f"{url_for(endpoint, **values)}?{query}", 303))


class QueryReader:
    """Reads values from a query string. Values that can't be parsed are dropped with a sentence in `warnings`."""

    def __init__(self, args: MultiDict[str, str]) -> None:
        self.args = args
        self.warnings: list[str] = []

    def get(self, name: str) -> str:
        return printable(self.args.get(name, "")).strip()

    def text(self, name: str, longest: int, what: str = "A search") -> str:
        text = self.get(name)
        if len(text) > longest:
            self.warnings.append(
                f"{what} can have up to {longest} characters; the rest was ignored."
            )
        return text[:longest].strip()

    def choice(
        self, name: str, known: Collection[str], *, what: str = "", otherwise: str = ""
    ) -> str:
        """One of the `known` values, or "". `otherwise` ends the warning: what is shown instead."""
        value = self.get(name)
        if value and value not in known:
            instead = f"; {otherwise}." if otherwise else "."
            self.warnings.append(f"There is no {what or name} “{short(value)}”{instead}")
            return ""
        return value

    def choices(self, name: str, known: Iterable[S], what: str = "") -> tuple[S, ...]:
        """The requested values among `known`, in the order of `known`."""
        chosen, known = dict.fromkeys(filter(None, self.args.getlist(name))), list(known)
        for value in chosen:
            if value not in known:
                self.warnings.append(f"There is no {what or name} “{short(value)}”.")
        return tuple(value for value in known if value in chosen)

    def day(self, name: str, label: str = "") -> date | None:
        return self.parse_day(self.get(name), label)

    def parse_day(self, text: str, label: str = "") -> date | None:
        """Parse a date; None if empty."""
        text = text.strip()
        day = dates.parse_day(text)
        if text and day is None:
            self.warnings.append(
                f"{label + ': ' if label else ''}“{short(text)}” isn't a valid date. "
                f"Enter one between {dates.YEARS[0]} and {dates.YEARS[-1]}, such as 2026-11-22."
            )
        return day

    def days(
        self, label: str, nothing: str, first: str = "from", last: str = "to"
    ) -> tuple[date | None, date | None, ZoneInfo | None]:
        """The first and last day, and their time zone. A zone without a day is accepted but not kept."""
        begin = self.day(first, f"{label} {first}".strip().capitalize())
        end = self.day(last, f"{label} {last}".strip().capitalize())
        zone = self.zone()
        if begin and end and end < begin:
            self.warnings.append(f"The end date is before the start date, so {nothing}")
        return begin, end, zone if begin or end else None

    def zone(self) -> ZoneInfo | None:
        """The time zone of the dates; None is UTC."""
        name = self.get("zone")
        zone = dates.parse_zone(name)
        if name and zone is None:
            self.warnings.append(f"Unknown time zone “{short(name)}”; using UTC.")
        return zone

    def page(self) -> int:
        text = self.get("page")
        number = parse_number(text)
        if text and not number:
            self.warnings.append(f"There is no page “{short(text)}”; showing the first page.")
        return number or 1

    def place(self, name: str) -> int | None:
        """The id of the row at which the page starts or ends; None for the first page."""
        text = self.get(name)
        number = parse_id(text)
        if text and not number:
            self.warnings.append("That page doesn't exist; showing the first page.")
        return number

    def sort(self, columns: Collection[str]) -> tuple[str, bool] | None:
        """The column to sort by, and whether descending (`-created`); None for the default order."""
        text = self.get("sort")
        column = text.removeprefix("-")
        if column in columns:
            return column, text.startswith("-")
        if text:
            self.warnings.append(f"There is no column “{short(text)}”; showing the default order.")
        return None


def parse_id(text: str) -> int | None:
    """Parse a row's id; None if it can't be one."""
    plain = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if plain and 0 < int(text) <= LARGEST_ID else None


def in_words(day: date) -> str:
    """Format a date as `22 Nov 2026`."""
    return f"{day.day} {day:%b %Y}"


def without(values: tuple[T, ...], value: T) -> tuple[T, ...]:
    return tuple(other for other in values if other != value)


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """Filters, order and page of a list. `warnings` says which parts of the query string were ignored."""

    endpoint: ClassVar[str]
    first_page: ClassVar[
        dict[str, Any]
    ]  # the fields that select a page, with the first page's values
    sort: Any = None  # with `column` and `descending`
    warnings: list[str] = field(default_factory=list)

    def url(self, endpoint: str = "", **changes: Any) -> str:
        """The URL with these fields changed; resets to the first page unless they select one."""
        changed = replace(self, **{**self.first_page, **changes})
        return url_for(endpoint or self.endpoint, **changed.parameters())

    def parameters(self) -> dict[str, Any]:
        return {name: value for name, value in self._parameters().items() if value}

    def _parameters(self) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def sort_parameter(self) -> str:
        return f"{'-' if self.sort.descending else ''}{self.sort.column}"

    def sorted_by(self, column: str) -> str:
        """The URL of a column header: sort by it, or reverse the order if already sorted by it."""
        here = self.sort.column == column
        return self.url(
            sort=replace(self.sort, column=column, descending=here and not self.sort.descending)
        )

    def direction(self, column: str) -> str:
        """`ascending` or `descending` if the list is sorted by this column, else ""."""
        if self.sort.column != column:
            return ""
        return "descending" if self.sort.descending else "ascending"


@dataclass(frozen=True, kw_only=True)
class DatedListQuery(ListQuery):
    """A list with a filter by first and last day in a time zone."""

    first: date | None = None
    last: date | None = None
    zone: ZoneInfo | None = None

    @property
    def since(self) -> datetime | None:
        return dates.start_of_day(self.first, self.zone) if self.first else None

    @property
    def until(self) -> datetime | None:
        return dates.end_of_day(self.last, self.zone) if self.last else None

    @property
    def zone_words(self) -> str:
        return self.zone.key.replace("_", " ") if self.zone else "UTC"

    def _day_parameters(self) -> dict[str, Any]:
        zone = self.zone if self.first or self.last else None
        return {"from": self.first, "to": self.last, "zone": zone.key if zone else None}
