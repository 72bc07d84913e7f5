"""The audit log (L-1): one row per action, and the sentence that people read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from webapp import messages
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.normalization import fold
from webapp.messages import Message, rules
from webapp.models import AuditEvent, MemberStatus, Role

ADDRESS_LENGTH = 64

VERBS = messages.audit_actions()
"""Verb → what a filter calls it, and its sentence after the actor's name."""


def write(actor: Actor, verb: str, kind: str, subject_id: int | None = None, **detail: Any) -> None:
    """Write one entry, such as `batch.published` for batch 7; each call is a row.

    `detail` never names a member. A `name` in it is the name of a subject that has been deleted; search finds it.
    """
    if "name" in detail:
        detail["key"] = fold(detail["name"])
    db.session.add(AuditEvent(**_values(actor, verb, kind), subject_id=subject_id, detail=detail))


def write_many(
    actor: Actor, verb: str, kind: str, subjects: list[tuple[int | None, dict[str, Any]]]
) -> None:
    """Write one entry per subject, each with its detail, in one statement."""
    if subjects:
        values = _values(actor, verb, kind)
        rows = [{**values, "subject_id": one, "detail": detail} for one, detail in subjects]
        db.session.execute(insert(AuditEvent), rows)


def _values(actor: Actor, verb: str, kind: str) -> dict[str, Any]:
    return {
        "at": actor.at,
        "actor": actor.name,
        "staff_id": actor.staff_id,
        "key_id": actor.key_id,
        "address": actor.address[:ADDRESS_LENGTH],
        "origin": actor.origin,
        "verb": verb,
        "subject_kind": kind,
    }


def last_actor(kind: str, subject_id: int, verbs: tuple[str, ...]) -> str:
    """The last actor of one of these actions on a subject; `Somebody` if there is none."""
    newest = (
        select(AuditEvent.actor)
        .where(
            AuditEvent.subject_kind == kind,
            AuditEvent.subject_id == subject_id,
            AuditEvent.verb.in_(verbs),
        )
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )
    return db.session.scalar(newest) or "Somebody"


def label(verb: str) -> str:
    """What a filter calls the verb."""
    return VERBS[verb][0] if verb in VERBS else verb


def sentence(verb: str, detail: dict[str, Any]) -> tuple[str, str, bool]:
    """What stands before and after the subject's name, and whether the name stands there at all.

    `detail` is the row's, with what its `quest` is called in place of the id.
    """
    if verb == "batch.filled" and "member" in detail:  # written before single additions had a verb
        verb = "batch.member_added"
    if verb not in VERBS:  # of a later version
        return f"did “{verb}”", "", False
    shown = {name: _shown(name, value) for name, value in detail.items()}
    before, subject, after = messages.fill_around(VERBS[verb][1], "subject", shown)
    return before, after, subject


def _shown(name: str, value: Any) -> Any:
    """A value of a detail as its sentence has it."""
    if name in ("role", "before") and value in set(Role):
        return Role(value).label
    if name in ("was", "now"):
        return MemberStatus(value).label
    if name == "rule":
        return rules.unpack(value)
    if name == "reason":
        return str(Message(value)).removesuffix(".")
    if name == "changes":
        return ", ".join(str(Message.from_json(change)) for change in value)
    return value
