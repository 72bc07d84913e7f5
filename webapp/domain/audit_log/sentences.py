"""Render entries of the audit log as sentences with the current names of their subjects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    String,
    case,
    func,
    literal,
    select,
    union_all,
)

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log import masking
from webapp.models import (
    ApiKey,
    AuditEvent,
    Award,
    Badge,
    Batch,
    Connection,
    Endpoint,
    Member,
    MemberStatus,
    Quest,
    Staff,
)

KINDS = ("batch", "badge", "quest", "award", "member", "staff", "key", "endpoint", "connection")

BY_ID = {"quest": "quest", "quest_before": "quest", "member": "member"}  # IDs in `detail`

Subject = tuple[str, int]


@dataclass(frozen=True)
class ActorName:
    """A staff account as the audit log names it; Laurel itself if there is no ID."""

    id: int | None
    name: str


@dataclass(frozen=True)
class AuditLine:
    """A rendered entry: `actor before name after`; `name` is "" if the sentence has no subject.

    `opens` is the kind and ID of the page to link to (a batch, badge or member), or None.
    """

    event: AuditEvent
    before: str
    name: str
    after: str
    opens: Subject | None

    @property
    def sentence(self) -> str:
        return f"{self.event.actor} {self.before}{self.name}{self.after}"

    @property
    def actor(self) -> ActorName:
        return ActorName(self.event.staff_id, self.event.actor)


@dataclass(frozen=True)
class Name:
    """A subject's name, and the kind and ID of the page to link to, or None."""

    text: str
    opens: Subject | None = None


Names = dict[Subject, Name]


def names_of(rows: list[AuditEvent], subject: Subject | None) -> Names:
    """Return the current names of subjects, or the last name of deleted drafts. One query for all kinds."""
    subjects = {(row.subject_kind, row.subject_id) for row in rows if row.subject_id is not None}
    for row in rows:
        subjects |= {(kind, row.detail[key]) for key, kind in BY_ID.items() if row.detail.get(key)}
    if subject:
        subjects.add(subject)
    return called(subjects)


def called(subjects: set[Subject]) -> Names:
    """Return the current names of these subjects, without unknown ones; one query for all kinds."""
    ids = {kind: [subject_id for of, subject_id in subjects if of == kind] for kind in KINDS}
    kinds = tuple(kind for kind in KINDS if ids[kind])
    if not kinds:
        return {}
    names: Names = {}
    rows = db.session.execute(_select_names(kinds), {kind: ids[kind] for kind in kinds})
    for kind, subject_id, text, opens, opens_id in rows:
        if kind in ("batch", "badge", "quest", "key", "connection"):
            text = f"“{text or 'Untitled draft'}”"
        if kind == "endpoint":  # every role reads it, and a webhook's path often holds a password
            text = masking.mask_url(text)
        names[kind, subject_id] = Name(text, (opens, opens_id) if opens else None)
    return names


@cache
def _select_names(kinds: tuple[str, ...]) -> CompoundSelect[Any]:
    """Return the query for subjects of these kinds; each kind's IDs are a parameter of its name."""
    return union_all(*(query for kind in kinds for query in _NAMES[kind]))


_NOTHING = literal(None, String), literal(None, BigInteger)
_BY_ADDRESS = func.coalesce(func.nullif(Staff.name, ""), Staff.email)
_QUEST_NAME = case(
    (Quest.is_only, Badge.name), else_=Badge.name + literal(" (") + Quest.name + literal(")")
)
_COMMUNITY = func.coalesce(func.nullif(Connection.name, ""), Connection.address)
_THERE = Member.status != MemberStatus.ERASED
_NAMES: dict[str, list[Any]] = {
    kind: [select(literal(kind), key, name, opens, opens_id).where(in_array(key, kind))]
    for kind, key, name, opens, opens_id in (
        ("batch", Batch.id, Batch.name, literal("batch"), Batch.id),
        ("badge", Badge.id, Badge.name, literal("badge"), Badge.id),
        ("staff", Staff.id, _BY_ADDRESS, *_NOTHING),
        ("key", ApiKey.id, ApiKey.name, *_NOTHING),
        ("endpoint", Endpoint.id, Endpoint.host, *_NOTHING),
        ("connection", Connection.id, _COMMUNITY, *_NOTHING),
    )
} | {
    "member": [
        select(literal("member"), Member.id, Member.username, literal("member"), Member.id).where(
            in_array(Member.id, "member"), _THERE
        )
    ],
    "quest": [
        select(literal("quest"), Quest.id, _QUEST_NAME, literal("badge"), Badge.id)
        .join(Quest.badge)
        .where(in_array(Quest.id, "quest"))
    ],
    "award": [
        select(literal("award"), Award.id, Member.username, literal("member"), Member.id)
        .join(Member, Member.id == Award.member_id)
        .where(in_array(Award.id, "award"), _THERE)
    ],
}
_NAMES["batch"].append(
    select(
        literal("batch"), AuditEvent.subject_id, AuditEvent.detail["name"].as_string(), *_NOTHING
    ).where(
        AuditEvent.subject_kind == "batch",
        in_array(AuditEvent.subject_id, "batch"),
        AuditEvent.verb == "batch.deleted",
    )
)


def name_of(names: Names, kind: str, subject_id: int | None) -> Name:
    if subject_id is None:
        return Name("an unknown account" if kind == "staff" else "")
    gone = "a member who was erased" if kind in ("member", "award") else f"no. {subject_id}"
    return names.get((kind, subject_id), Name(gone))


def line_of(row: AuditEvent, names: Names) -> AuditLine:
    detail = row.detail
    named = {
        key: name_of(names, kind, detail[key]).text
        for key, kind in BY_ID.items()
        if detail.get(key)
    }
    detail = {**detail, **named}
    before, after, has_subject = audit_log.sentence(row.verb, detail)
    name = name_of(names, row.subject_kind, row.subject_id) if has_subject else Name("")
    return AuditLine(row, before, name.text, after, name.opens)
