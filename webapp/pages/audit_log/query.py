"""What the address of the record asks for, and the addresses that ask for a little more or less of it."""

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
from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log.search import LAUREL, AuditFilters
from webapp.domain.audit_log.sentences import KINDS, Subject
from webapp.models import Staff
from webapp.pages.http.request_args import short

NOBODY = "laurel"  # the actor where no person acted
LONGEST = 120  # characters of a search


@dataclass(frozen=True)
class AuditQuery:
    """Filters and place as the address has them; `notes` says what in it means nothing, and is left out."""

    people: list[Staff]
    acts: tuple[str, ...] = ()
    actor: int | None = None
    origin: str = ""
    first: date | None = None
    last: date | None = None
    zone: ZoneInfo | None = None
    subject: Subject | None = None
    text: str = ""
    older_than: int | None = None
    newer_than: int | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, args: MultiDict[str, str], people: list[Staff]) -> AuditQuery:
        """Reads an address's arguments. Never raises."""
        notes: list[str] = []
        first, last = _day(args, "from", notes), _day(args, "to", notes)
        zone = _zone(
            args, notes
        )  # said even if no day asks for it: a link that someone changed by hand
        if first and last and last < first:
            notes.append("The last day is before the first: nothing can lie between them.")
        return cls(
            people,
            acts=_acts(args, notes),
            actor=_actor(args, people, notes),
            origin=_origin(args, notes),
            first=first,
            last=last,
            zone=zone if first or last else None,
            subject=_subject(args, notes),
            text=_text(args, notes),
            older_than=_place(args, "before", notes),
            newer_than=_place(args, "after", notes),
            notes=notes,
        )

    @property
    def filters(self) -> AuditFilters:
        """What the domain is asked."""
        return AuditFilters(
            verbs=self.acts,
            actor=self.actor,
            origin=self.origin,
            since=dates.start_of_day(self.first, self.zone) if self.first else None,
            until=dates.end_of_day(self.last, self.zone) if self.last else None,
            subject=self.subject,
            text=self.text,
        )

    def url(self, endpoint: str = "record.index", **changes: object) -> str:
        """The address with this changed; the newest acts of it, unless `older_than` or `newer_than` is given."""
        asked = replace(self, **{"older_than": None, "newer_than": None, **changes})  # type: ignore[arg-type]
        return url_for(endpoint, **asked._query())

    def _query(self) -> dict[str, Any]:
        actor = NOBODY if self.actor == LAUREL else self.actor
        found = {
            "q": self.text,
            "act": self.acts,
            "actor": actor,
            "origin": self.origin,
            "from": self.first,
            "to": self.last,
            "zone": self.zone.key if self.zone and (self.first or self.last) else None,
            "subject": ":".join(map(str, self.subject)) if self.subject else None,
            "before": self.older_than,
            "after": self.newer_than,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def zone_words(self) -> str:
        """The zone whose days are meant, to be read."""
        return self.zone.key.replace("_", " ") if self.zone else "UTC"

    @property
    def act_words(self) -> str:
        """The acts that are chosen, in words."""
        return ", ".join(map(audit_log.label, self.acts))

    def chips(self, subject: str) -> list[tuple[str, str]]:
        """Each filter in force: its words, and the address without it; `subject` is what the subject is called."""
        return list(self._chips(subject))

    def _chips(self, subject: str) -> Iterator[tuple[str, str]]:
        if self.text:
            yield f"Search: {self.text}", self.url(text="")
        for actor in self.acts:
            others = tuple(one for one in self.acts if one != actor)
            yield f"Act: {audit_log.label(actor)}", self.url(acts=others)
        if self.actor is not None:
            names = {person.id: person.display_name for person in self.people}
            yield f"By: {names.get(self.actor, 'Laurel')}", self.url(actor=None)
        if self.origin:
            yield f"Origin: {self.origin}", self.url(origin="")
        if self.first:
            yield f"From {in_words(self.first)}", self.url(first=None)
        if self.last:
            yield f"To {in_words(self.last)}", self.url(last=None)
        if self.subject:
            yield f"About: {self.subject[0]} {subject}", self.url(subject=None)


def in_words(day: date) -> str:
    """A day to be read: `22 Nov 2026`."""
    return f"{day.day} {day:%b %Y}"


def _acts(args: MultiDict[str, str], notes: list[str]) -> tuple[str, ...]:
    asked = dict.fromkeys(filter(None, args.getlist("act")))
    unknown = [actor for actor in asked if actor not in audit_log.VERBS]
    if unknown:
        notes.append(f"There is no act “{short(unknown[0])}”.")
    return tuple(actor for actor in audit_log.VERBS if actor in asked)


def _actor(args: MultiDict[str, str], people: list[Staff], notes: list[str]) -> int | None:
    text = args.get("actor", "")
    if text == NOBODY:
        return LAUREL
    number = _number(text)
    if text and number not in {person.id for person in people}:
        notes.append(f"Nobody of the staff has the number “{short(text)}”.")
        return None
    return number or None


def _origin(args: MultiDict[str, str], notes: list[str]) -> str:
    origin = args.get("origin", "")
    if origin and origin not in audit_log.ORIGINS:
        notes.append(f"There is no origin “{short(origin)}”.")
        return ""
    return origin


def _day(args: MultiDict[str, str], name: str, notes: list[str]) -> date | None:
    text = args.get(name, "").strip()
    day = dates.parse_day(text)
    if text and day is None:
        notes.append(
            f"{name.capitalize()}: “{short(text)}” is not a day. Write a day like 2026-11-22."
        )
    return day


def _zone(args: MultiDict[str, str], notes: list[str]) -> ZoneInfo | None:
    name = args.get("zone", "")
    zone = dates.parse_zone(name)
    if name and zone is None:
        notes.append(f"The time zone “{short(name)}” is not known: days are those of UTC.")
    return zone


def _subject(args: MultiDict[str, str], notes: list[str]) -> Subject | None:
    text = args.get("subject", "")
    kind, _, number = text.partition(":")
    if text and (kind not in KINDS or not _number(number)):
        notes.append(f"“{short(text)}” names nothing that acts are about.")
        return None
    return (kind, _number(number)) if text else None


def _text(args: MultiDict[str, str], notes: list[str]) -> str:
    text = args.get("q", "").replace("\x00", "\ufffd").strip()
    if len(text) > LONGEST:
        notes.append(f"A search has at most {LONGEST} characters; those were searched for.")
    return text[:LONGEST].strip()


def _place(args: MultiDict[str, str], name: str, notes: list[str]) -> int | None:
    text = args.get(name, "")
    if text and not _number(text):
        notes.append(f"There is no place “{short(text)}” in the record; these are the newest.")
    return _number(text) or None


def _number(text: str) -> int:
    plain = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if plain and int(text) <= LARGEST_ID else 0
