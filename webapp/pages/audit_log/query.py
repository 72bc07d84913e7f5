"""The query string of the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log.search import LAUREL, AuditFilters
from webapp.domain.audit_log.sentences import KINDS, Subject
from webapp.models import Origin, Staff
from webapp.pages.http.list_query import DatedListQuery, QueryReader, in_words, parse_id, without
from webapp.pages.http.request_args import short

NO_PERSON = "laurel"  # the actor of entries without a person
LONGEST = 120  # characters in a search


@dataclass(frozen=True, kw_only=True)
class AuditQuery(DatedListQuery):
    endpoint = "audit_log.index"
    first_page = {"older_than": None, "newer_than": None}  # noqa: RUF012

    people: list[Staff]
    verbs: tuple[str, ...] = ()
    actor: int | None = None
    origin: str = ""
    subject: Subject | None = None
    text: str = ""
    older_than: int | None = None
    newer_than: int | None = None

    @classmethod
    def of(cls, args: MultiDict[str, str], people: list[Staff]) -> AuditQuery:
        reader = QueryReader(args)
        first, last, zone = reader.days("", "no entries match.")
        return cls(
            people=people,
            verbs=reader.choices("act", audit_log.VERBS, "action"),
            actor=_actor(reader, people),
            origin=reader.choice("origin", tuple(Origin), what="source"),
            first=first,
            last=last,
            zone=zone,
            subject=_subject(reader),
            text=reader.text("q", LONGEST),
            older_than=reader.place("before"),
            newer_than=reader.place("after"),
            warnings=reader.warnings,
        )

    @property
    def filters(self) -> AuditFilters:
        return AuditFilters(
            verbs=self.verbs,
            actor=self.actor,
            origin=self.origin,
            since=self.since,
            until=self.until,
            subject=self.subject,
            text=self.text,
        )

    def _parameters(self) -> dict[str, Any]:
        return {
            "q": self.text,
            "act": self.verbs,
            "actor": NO_PERSON if self.actor == LAUREL else self.actor,
            "origin": self.origin,
            **self._day_parameters(),
            "subject": ":".join(map(str, self.subject)) if self.subject else None,
            "before": self.older_than,
            "after": self.newer_than,
        }

    @property
    def verb_labels(self) -> str:
        return ", ".join(map(audit_log.label, self.verbs))

    def active_filters(self, subject: str) -> list[tuple[str, str]]:
        return list(self._active_filters(subject))

    def _active_filters(self, subject: str) -> Iterator[tuple[str, str]]:
        if self.text:
            yield f"Search: {self.text}", self.url(text="")
        for verb in self.verbs:
            yield f"Action: {audit_log.label(verb)}", self.url(verbs=without(self.verbs, verb))
        if self.actor is not None:
            names = {person.id: person.display_name for person in self.people}
            yield f"By: {names.get(self.actor, 'Laurel (system)')}", self.url(actor=None)
        if self.origin:
            source = "API" if self.origin == Origin.API else self.origin
            yield f"Source: {source}", self.url(origin="")
        if self.first:
            yield f"From {in_words(self.first)}", self.url(first=None)
        if self.last:
            yield f"To {in_words(self.last)}", self.url(last=None)
        if self.subject:
            yield f"About: {self.subject[0]} {subject}", self.url(subject=None)


def _actor(reader: QueryReader, people: list[Staff]) -> int | None:
    text = reader.get("actor")
    if text == NO_PERSON:
        return LAUREL
    number = parse_id(text)
    if text and number not in {person.id for person in people}:
        reader.warnings.append(
            f"No staff account has the ID “{short(text)}”; showing entries by anyone."
        )
        return None
    return number


def _subject(reader: QueryReader) -> Subject | None:
    text = reader.get("subject")
    kind, _, number = text.partition(":")
    subject_id = parse_id(number)
    if kind in KINDS and subject_id:
        return kind, subject_id
    if text:
        reader.warnings.append(
            f"No entries are about “{short(text)}”; showing entries about anything."
        )
    return None
