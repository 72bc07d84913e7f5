"""Administration of staff accounts by admins: invite, disable, enable, change roles (R-3)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, func, select

from webapp.database import db
from webapp.domain import permissions
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.lookup import require
from webapp.domain.normalization import fold
from webapp.domain.staff import accounts, break_glass, password_links
from webapp.domain.webhooks import endpoints
from webapp.models import (
    AuditEvent,
    Role,
    SecondFactor,
    Staff,
    StaffIdentity,
    StaffLink,
    StaffSession,
)


@dataclass(frozen=True)
class Account:
    """An account, when it was last seen, and how its owner signs in."""

    person: Staff
    seen_at: datetime | None
    factor_since: datetime | None
    link_until: datetime | None  # of the pending link
    linked_at: datetime | None  # to an identity at a provider

    @property
    def status(self) -> str:
        if not self.person.active:
            return "Disabled"
        known = self.person.password or self.linked_at or self.seen_at  # seen through a proxy
        return "Active" if known else "Invited"


def list_accounts() -> list[Account]:
    accounts_ = [_account(*row) for row in db.session.execute(_ACCOUNTS)]
    return sorted(
        accounts_,
        key=lambda account: (
            not account.person.active,
            fold(account.person.display_name),
            account.person.id,
        ),
    )


def get(staff_id: int) -> Account:
    row = db.session.execute(_ACCOUNTS.where(Staff.id == staff_id)).one_or_none()
    if row is None:
        raise NotFoundError("common.staff_not_found")
    return _account(*row)


def invite(email: str, name: str, role: Role, actor: Actor) -> tuple[Staff, str]:
    """Create an account without a password; return it with the key of a link to set one.

    Raises `DomainError` if the email is taken or invalid, or the name is invalid.
    """
    person = accounts.create(email, name, role, None, actor)
    audit_log.write(actor, "staff.invited", "staff", person.id, role=str(role))
    return person, password_links.write(person.id, actor)


def disable(
    staff_id: int, actor: Actor, keys: Collection[int] = (), webhooks: Collection[int] = ()
) -> bool:
    """Disable an account immediately, with all its links and sessions; return whether it was enabled.

    Also revokes those of the API keys `keys`, and disables those of `webhooks`, that the person created. Raises
    `DomainError` for the last admin who can sign in.
    """
    person, admins = lock_with_admins(staff_id)
    api_keys.revoke_created_by(staff_id, keys, actor)
    endpoints.disable_created_by(staff_id, webhooks, actor)
    if not person.active:
        return False
    if person.role == Role.ADMIN:
        _ensure_other_admin(person, admins)
    break_glass.remove(person, actor)
    person.active = False
    accounts.end_sessions_and_links(staff_id)
    audit_log.write(actor, "staff.disabled", "staff", staff_id)
    return True


def enable(staff_id: int, actor: Actor) -> bool:
    """Enable an account with its old password; return whether it was disabled."""
    person, _ = lock_with_admins(staff_id)
    if person.active:
        return False
    person.active = True
    person.security_stamp = uuid4().hex  # old cookies must stay invalid
    audit_log.write(actor, "staff.enabled", "staff", staff_id)
    return True


def change_role(
    staff_id: int,
    role: Role,
    actor: Actor,
    keys: Collection[int] = (),
    webhooks: Collection[int] = (),
) -> bool:
    """Change an account's role, effective at its next request; return whether it changed.

    Also revokes those of the API keys `keys`, and disables those of `webhooks`, that the person created; fewer
    permissions end the unused links they created. Raises `DomainError` for the last admin who can sign in.
    """
    person, admins = lock_with_admins(staff_id)
    api_keys.revoke_created_by(staff_id, keys, actor)
    endpoints.disable_created_by(staff_id, webhooks, actor)
    if person.role == role:
        return False
    if person.role == Role.ADMIN and person.active:
        _ensure_other_admin(person, admins)
    break_glass.remove(person, actor)
    if permissions.is_reduced(Role(person.role), role):
        db.session.execute(delete(StaffLink).where(StaffLink.created_by == staff_id))
    before, person.role = str(person.role), role
    audit_log.write(actor, "staff.role_changed", "staff", staff_id, before=before, role=str(role))
    return True


_last_act = select(func.max(AuditEvent.at)).where(AuditEvent.staff_id == Staff.id).correlate(Staff)
_last_request = (
    select(func.max(StaffSession.seen_at)).where(StaffSession.staff_id == Staff.id).correlate(Staff)
)
_linked = (
    select(func.min(StaffIdentity.linked_at))
    .where(StaffIdentity.staff_id == Staff.id)
    .correlate(Staff)
)
_ACCOUNTS = (
    select(
        Staff,
        _last_act.scalar_subquery(),
        _last_request.scalar_subquery(),
        SecondFactor.confirmed_at,
        StaffLink.created_at,
        _linked.scalar_subquery(),
    )
    .outerjoin(SecondFactor, SecondFactor.staff_id == Staff.id)
    .outerjoin(StaffLink, StaffLink.staff_id == Staff.id)
)


def _account(
    person: Staff,
    acted_at: datetime | None,
    seen_at: datetime | None,
    factor_since: datetime | None,
    link_made: datetime | None,
    linked_at: datetime | None,
) -> Account:
    seen = max(filter(None, (acted_at, seen_at)), default=None)
    link_until = link_made + password_links.LIFETIME if link_made else None
    return Account(person, seen, factor_since, link_until, linked_at)


def lock_with_admins(staff_id: int) -> tuple[Staff, set[int]]:
    """Return the person and the admins who can sign in (IDs), all locked, so that two can't disable each other."""
    able = select(Staff.id).where(
        Staff.role == Role.ADMIN, Staff.active, Staff.password.is_not(None)
    )
    admins = set(db.session.scalars(able.order_by(Staff.id).with_for_update()))
    person = require(Staff, staff_id, lock=True)
    return person, admins


def is_last_admin(person: Staff) -> bool:
    """True if no other admin can sign in with a password; locks those who can."""
    _, admins = lock_with_admins(person.id)
    return admins == {person.id}


def _ensure_other_admin(person: Staff, admins: set[int]) -> None:
    if not admins - {person.id}:
        raise DomainError("staff.last_admin", name=person.display_name)
