"""Requests that a role or an API key doesn't allow, as far as the audit log keeps them (L-1)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.models import AuditEvent

EVERY = timedelta(hours=1)


def record_denial(route: str, actor: Actor) -> bool:
    """Write that this person or key was refused a route, given as its pattern, such as `GET /members`.

    One entry an hour for each person or key and route, so that nobody can flood the log; returns whether it is a new
    one. A route's pattern names no member.
    """
    who = AuditEvent.key_id == actor.key_id if actor.key else AuditEvent.staff_id == actor.staff_id
    lately = select(AuditEvent.detail).where(
        who, AuditEvent.verb == "access.denied", AuditEvent.at > actor.at - EVERY
    )
    if any(detail.get("route") == route for detail in db.session.scalars(lately)):
        return False
    audit_log.write(actor, "access.denied", "route", route=route)
    return True
