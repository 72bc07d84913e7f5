"""The audit log, filtered and newest first: in pages, or completely in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    and_,
    bindparam,
    false,
    literal,
    select,
    true,
    tuple_,
    union_all,
)

from webapp.database import LARGEST_ID, UtcDateTime, db
from webapp.database.arrays import in_array
from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log.sentences import AuditLine, Subject, line_of, name_of, names_of
from webapp.domain.normalization import fold, searchable
from webapp.domain.pagination import PAGE_SIZE
from webapp.models import ApiKey, AuditEvent, Award, Badge, Batch, Member, Quest, Staff

CHUNK = 1_000  # rows of an export held in memory
MANY_STAFF = 100  # people that one search matches
COMINGS_AND_GOINGS = ("staff.signed_in", "staff.signed_out")
LAUREL = 0  # the actor of actions that no person did


@dataclass(frozen=True)
class AuditFilters:
    """`since` is inclusive, `until` exclusive. `actor` is a staff ID or LAUREL."""

    verbs: tuple[str, ...] = ()
    actor: int | None = None
    origin: str = ""
    since: datetime | None = None
    until: datetime | None = None
    subject: Subject | None = None
    text: str = ""


@dataclass(frozen=True)
class AuditPage:
    lines: list[AuditLine]
    newer: int | None
    older: int | None
    subject: str = ""  # name of the subject to search for


def page(
    filters: AuditFilters, older_than: int | None = None, newer_than: int | None = None
) -> AuditPage:
    """Return 25 lines: the newest, or those next to an entry. An unknown entry gives the newest.

    Three queries (five with a search), each answered by an index, however long the log and however old the page.
    """
    mark = _mark(older_than or newer_than)
    if mark and older_than:
        rows = _rows(filters, mark, limit=PAGE_SIZE + 1)
        if rows:
            return _slice(filters, rows[:PAGE_SIZE], True, len(rows) > PAGE_SIZE)
    if mark and not older_than:
        rows = _rows(filters, mark, limit=PAGE_SIZE + 1, back=True)
        if len(rows) > PAGE_SIZE:
            return _slice(filters, rows[:PAGE_SIZE][::-1], True, True)
    rows = _rows(filters, limit=PAGE_SIZE + 1)
    return _slice(filters, rows[:PAGE_SIZE], False, len(rows) > PAGE_SIZE)


def recent(number: int) -> list[AuditLine]:
    """Return the latest actions, newest first, without signing in and out; two queries."""
    return _lines(list(db.session.scalars(_SELECT_RECENT, {"number": number})))


_SELECT_RECENT = (
    select(AuditEvent)
    .where(AuditEvent.verb.not_in(COMINGS_AND_GOINGS))
    .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
    .limit(bindparam("number"))
)


def latest(kind: str, subject_id: int, number: int) -> list[AuditLine]:
    """Return the latest entries about a subject, newest first; two queries."""
    return _lines(_rows(AuditFilters(subject=(kind, subject_id)), limit=number))


def _lines(rows: list[AuditEvent]) -> list[AuditLine]:
    names = names_of(rows, None)
    return [line_of(row, names) for row in rows]


def all_of(filters: AuditFilters) -> Iterator[list[AuditLine]]:
    """Yield every line, newest first, a thousand at a time, without those written after the call."""
    mark = None
    while rows := _rows(filters, mark, limit=CHUNK):
        mark = rows[-1].at, rows[-1].id
        names = names_of(rows, None)
        lines = [line_of(row, names) for row in rows]
        db.session.expunge_all()
        db.session.rollback()  # a slow download must not hold a connection
        yield lines


def actors() -> list[Staff]:
    people = db.session.scalars(select(Staff).order_by(Staff.id))
    return sorted(people, key=lambda person: (fold(person.display_name), person.id))


def _slice(filters: AuditFilters, rows: list[AuditEvent], newer: bool, older: bool) -> AuditPage:
    names = names_of(rows, filters.subject)
    subject = name_of(names, *filters.subject).text if filters.subject else ""
    return AuditPage(
        [line_of(row, names) for row in rows],
        rows[0].id if newer else None,
        rows[-1].id if older else None,
        subject,
    )


Cursor = tuple[datetime, int]


def _mark(record_id: int | None) -> Cursor | None:
    if record_id is None:
        return None
    row = db.session.execute(
        select(AuditEvent.at, AuditEvent.id).where(AuditEvent.id == min(record_id, LARGEST_ID))
    ).one_or_none()
    return (row[0], row[1]) if row else None


def _rows(
    filters: AuditFilters, mark: Cursor | None = None, *, limit: int, back: bool = False
) -> list[AuditEvent]:
    """Return the next rows older than `mark`, newest first; with `back` the next newer ones, oldest first.

    Alternatives are queried separately, each by its index, then merged: queried together, they may cost a scan.
    """
    keys: list[Any] = [AuditEvent.at, AuditEvent.id]
    if filters.actor == LAUREL:  # otherwise PostgreSQL doesn't see that the index has this order
        keys.insert(0, AuditEvent.staff_id)
    ordered = [key.asc() if back else key.desc() for key in keys]
    conditions = _conditions(filters)
    if mark:
        here = tuple_(AuditEvent.at, AuditEvent.id)
        there = tuple_(literal(mark[0], UtcDateTime), literal(mark[1]))
        conditions.append(here > there if back else here < there)
    queries = [
        select(
            select(AuditEvent.id)
            .where(*conditions, alternative)
            .order_by(*ordered)
            .limit(limit)
            .subquery()
        )
        for alternative in _alternatives(filters)
    ]
    ids = union_all(*queries).subquery()
    return list(
        db.session.scalars(
            select(AuditEvent)
            .where(AuditEvent.id.in_(select(ids.c.id)))
            .order_by(*ordered)
            .limit(limit)
        )
    )


def _conditions(filters: AuditFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.text and filters.verbs:
        conditions.append(AuditEvent.verb.in_(filters.verbs))
    if filters.actor is not None:
        person = filters.actor or None
        conditions.append(AuditEvent.staff_id == person if person else _laurel())
    if filters.origin:
        conditions.append(AuditEvent.origin == filters.origin)
    if filters.since:
        conditions.append(AuditEvent.at >= filters.since)
    if filters.until:
        conditions.append(AuditEvent.at < filters.until)
    if filters.subject:
        conditions.append(_subject(*filters.subject))
    return conditions


def _alternatives(filters: AuditFilters) -> list[ColumnElement[bool]]:
    if filters.text:
        return _matches_name(searchable(filters.text))
    return [AuditEvent.verb == verb for verb in filters.verbs] or [true()]


def _matches_name(text: str) -> list[ColumnElement[bool]]:
    """Match labels of actions and parts of names of actors and subjects; members and network addresses only in full."""
    key = fold(text)
    alternatives = [
        AuditEvent.verb == verb
        for verb, (label, _) in audit_log.VERBS.items()
        if key in fold(label)
    ]
    people = [person.id for person in actors() if key in fold(person.name) or key in person.email]
    for staff_id in people[:MANY_STAFF]:
        alternatives += [AuditEvent.staff_id == staff_id, _subject("staff", staff_id)]
    if key in "laurel":
        alternatives.append(_laurel())
    if len(text) <= audit_log.ADDRESS_LENGTH:
        alternatives.append(AuditEvent.address == text)
    # Queried first: PostgreSQL turns a subquery into a join that may take minutes.
    ids: dict[str, list[int]] = {}
    for kind, subject_id in db.session.execute(_matching_subjects(text, key)):
        ids.setdefault(kind, []).append(subject_id)
    if "key" in ids:
        alternatives.append(in_array(AuditEvent.key_id, ids["key"]))
    for kind, subject_ids in ids.items():
        alternatives.append(
            and_(AuditEvent.subject_kind == kind, in_array(AuditEvent.subject_id, subject_ids))
        )
    return alternatives or [false()]


def _matching_subjects(text: str, key: str) -> CompoundSelect[Any]:
    """Return the kind and ID of matching subjects: batches, keys and badges by part of the name, members by all."""
    badge = Badge.name_key.contains(key, autoescape=True)
    member = (Member.username_key == key) | (Member.external_id == text)
    return union_all(
        select(literal("batch"), Batch.id).where(Batch.name_key.contains(key, autoescape=True)),
        select(literal("batch"), AuditEvent.subject_id).where(
            AuditEvent.verb == "batch.deleted",
            AuditEvent.detail["key"].as_string().contains(key, autoescape=True),
        ),
        select(literal("key"), ApiKey.id).where(ApiKey.name_key.contains(key, autoescape=True)),
        select(literal("badge"), Badge.id).where(badge),
        select(literal("quest"), Quest.id).join(Quest.badge).where(badge),
        select(literal("member"), Member.id).where(member),
        select(literal("award"), Award.id).join(Member).where(member),
    )


def _laurel() -> ColumnElement[bool]:
    return and_(AuditEvent.staff_id.is_(None), AuditEvent.key_id.is_(None))


def _subject(kind: str, subject_id: int) -> ColumnElement[bool]:
    return and_(AuditEvent.subject_kind == kind, AuditEvent.subject_id == subject_id)
