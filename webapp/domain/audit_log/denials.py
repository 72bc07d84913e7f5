"""Requests denied by a role or an API key's scopes, for the audit log (L-1)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.models import AuditEvent

EVERY = timedelta(hours=1)


def record_denial(route: str, actor: Actor) -> bool:
    """Record that a person or key was denied a route, given as its pattern, such as `GET /members`.

    Written once an hour per person or key and route, so that nothing can flood the log; returns whether an entry was
    added. The pattern names no member.
    """
    who = AuditEvent.key_id == actor.key_id if actor.key else AuditEvent.staff_id == actor.staff_id
    lately = select(AuditEvent.detail).where(
        who, AuditEvent.verb == "access.denied", AuditEvent.at > actor.at - EVERY
    )
    if any(detail.get("route") == route for detail in db.session.scalars(lately)):
        return False
    audit_log.write(actor, "access.denied", "route", route=route)
    return True
