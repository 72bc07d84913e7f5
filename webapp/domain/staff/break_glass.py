"""Break-glass admins: they can always sign in with a password, whatever happens to the provider (SSO-3)."""

from __future__ import annotations

from sqlalchemy import select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError
from webapp.domain.lookup import require
from webapp.domain.staff import two_factor
from webapp.models import Role, Staff

_ABLE = select(Staff.id).where(
    Staff.break_glass, Staff.active, Staff.role == Role.ADMIN, Staff.password.is_not(None)
)


def exists() -> bool:
    """True if there is an admin who can sign in without the provider."""
    return bool(db.session.scalar(select(_ABLE.exists())))


def turn_on(staff_id: int, actor: Actor) -> bool:
    """Make someone a break-glass admin; return whether they weren't one.

    Raises `DomainError` unless they are an admin with a password and two-factor authentication.
    """
    person = require(Staff, staff_id, lock=True)
    if person.break_glass:
        return False
    able = person.active and person.role == Role.ADMIN and person.password
    if not able or not two_factor.is_on(person.id):
        raise DomainError("staff.break_glass_needs")
    person.break_glass = True
    audit_log.write(actor, "staff.break_glass_on", "staff", staff_id)
    return True


def turn_off(staff_id: int, actor: Actor) -> bool:
    """End someone's being a break-glass admin; return whether they were one. Raises `DomainError` for the last one."""
    _lock_able()
    person = require(Staff, staff_id, lock=True)
    if not person.break_glass:
        return False
    remove(person, actor)
    return True


def remove(person: Staff, actor: Actor) -> None:
    """The same within another action that takes their access, if they are one."""
    if not person.break_glass:
        return
    if not _lock_able() - {person.id}:
        raise DomainError("staff.last_break_glass", name=person.display_name)
    person.break_glass = False
    audit_log.write(actor, "staff.break_glass_off", "staff", person.id)


def _lock_able() -> set[int]:
    """Lock those who can sign in, so that two can't remove each other."""
    return set(db.session.scalars(_ABLE.order_by(Staff.id).with_for_update()))
