"""Roles that follow from people's groups at the provider (SSO-2)."""

from __future__ import annotations

from sqlalchemy import delete, select

from webapp.database import db
from webapp.domain import permissions
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.audit_log import events as audit_log
from webapp.domain.lookup import NO_KEY_UPDATE
from webapp.domain.staff import administration
from webapp.models import Role, Staff, StaffLink


def lock(staff_id: int, role: Role | None) -> Staff:
    """Lock the account to which the provider gives this role.

    If it's an admin's and could fall, the other admins come first, as in everything else that takes the role from one:
    two admins who lose it at the same moment would wait for each other.
    """
    now = db.session.scalar(select(Staff.role).where(Staff.id == staff_id))
    if now == Role.ADMIN and role not in (None, Role.ADMIN):
        person, _ = administration.lock_with_admins(staff_id)
        return person
    return db.session.get_one(Staff, staff_id, with_for_update=NO_KEY_UPDATE)


def is_kept(person: Staff, role: Role) -> bool:
    """True if someone stays an admin whatever their groups: a break-glass admin, or the last one with a password."""
    if person.role == role:
        return False
    return person.break_glass or (
        person.role == Role.ADMIN and administration.is_last_admin(person)
    )


def assign(person: Staff, role: Role, actor: Actor) -> None:
    """Give someone the role of their groups.

    The audit log lists the API keys of a person whose role falls: they keep working until someone revokes them.
    """
    before = Role(person.role)
    if before == role:
        return
    keys = []
    if permissions.is_reduced(before, role):
        db.session.execute(delete(StaffLink).where(StaffLink.created_by == person.id))
        keys = [key.name for key in api_keys.created_by(person.id, actor.at)]
    person.role = role
    audit_log.write(
        actor,
        "staff.role_claimed",
        "staff",
        person.id,
        before=str(before),
        role=str(role),
        keys=", ".join(keys),
    )
