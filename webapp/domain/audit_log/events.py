"""Write entries of the audit log, one per action (L-1), and look up their sentences."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from webapp import messages
from webapp.database import db, prepared, table
from webapp.domain.actor import Actor
from webapp.domain.normalization import fold
from webapp.messages import Message, rules
from webapp.models import AuditEvent, MemberStatus, Role

ADDRESS_LENGTH = 64

VERBS = messages.audit_actions()
"""Verb → label in filters, and sentence after the actor's name."""


def write(actor: Actor, verb: str, kind: str, subject_id: int | None = None, **detail: Any) -> None:
    """Write one entry, such as `batch.published` for batch 7; not idempotent.

    `detail` never names a member. A `name` in it belongs to a subject that has been deleted, and search finds it.
    """
    if "name" in detail:
        detail["key"] = fold(detail["name"])
    db.session.execute(
        _INSERT, {**_values(actor, verb, kind), "subject_id": subject_id, "detail": detail}
    )


_INSERT = prepared(insert(table(AuditEvent)).inline())  # its ID isn't needed


def write_many(
    actor: Actor, verb: str, kind: str, subjects: list[tuple[int | None, dict[str, Any]]]
) -> None:
    """Write one entry per subject, each with its detail, in one statement."""
    if subjects:
        values = _values(actor, verb, kind)
        rows = [
            {**values, "subject_id": subject_id, "detail": detail}
            for subject_id, detail in subjects
        ]
        db.session.execute(_INSERT, rows)


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
    """Return who last did one of these actions to a subject; `Somebody` if there is no entry."""
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
    """Return the action's name in filters."""
    return VERBS[verb][0] if verb in VERBS else verb


def sentence(verb: str, detail: dict[str, Any]) -> tuple[str, str, bool]:
    """Return the text before and after the subject's name, and whether the name appears at all.

    `detail` is the row's, with the name of `quest` in place of its ID.
    """
    if verb == "batch.filled" and "member" in detail:  # of an earlier version
        verb = "batch.member_added"
    if verb not in VERBS:  # written by a later version
        return f"did “{verb}”", "", False
    shown = {name: _format_value(name, value) for name, value in detail.items()}
    before, subject, after = messages.fill_around(VERBS[verb][1], "subject", shown)
    return before, after, subject


def _format_value(name: str, value: Any) -> Any:
    """Format a value of `detail` for its sentence."""
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
