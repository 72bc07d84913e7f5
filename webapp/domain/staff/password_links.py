"""One-time links to set an account's password, valid for a day (R-3)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import delete, select

from webapp.database import db, execute_rowcount
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.lookup import require
from webapp.domain.staff import accounts, login_throttle
from webapp.models import Staff, StaffLink

URL_PREFIX = "/welcome/"  # path of a link before its key
LIFETIME = timedelta(hours=24)


@dataclass(frozen=True)
class NewPassword:
    """A name and a password chosen through a link, validated and hashed."""

    key: str
    name: str
    hashed: str


def create(staff_id: int, actor: Actor) -> str:
    """Create a link to an account, replacing an earlier one; return its key, which is not stored.

    Raises DomainError if the account is disabled or one's own.
    """
    if staff_id == actor.staff_id:
        raise DomainError("staff.change_own_password")
    person = require(Staff, staff_id, lock=True)
    if not person.active:
        raise DomainError("staff.account_disabled")
    login_throttle.reset(person.email)
    audit_log.write(actor, "staff.link_made", "staff", staff_id)
    return write(staff_id, actor)


def write(staff_id: int, actor: Actor) -> str:
    """Create a link within another action, without an audit log entry; replaces an earlier one."""
    db.session.execute(delete(StaffLink).where(StaffLink.staff_id == staff_id))
    key = secrets.token_urlsafe(32)
    db.session.add(
        StaffLink(
            staff_id=staff_id, key_hash=_hash(key), created_at=actor.at, created_by=actor.staff_id
        )
    )
    return key


def owner(key: str, at: datetime) -> Staff | None:
    """Return the link's owner; None if it was used, is a day old, or its owner is disabled."""
    return db.session.scalar(
        select(Staff)
        .join(StaffLink, StaffLink.staff_id == Staff.id)
        .where(StaffLink.key_hash == _hash(key), StaffLink.created_at > at - LIFETIME, Staff.active)
    )


def prepare(key: str, name: str, password: str, at: datetime) -> NewPassword:
    """Validate a name and a password and hash it. Slow: call it outside a transaction.

    Raises `DomainError`, and `NotFoundError` if the link is no longer valid.
    """
    person = owner(key, at)
    if person is None:
        raise NotFoundError("common.staff_not_found")
    name = accounts.name_of(name)
    accounts.ensure_strong_password(password, person.email, name)
    return NewPassword(key, name, accounts.hash_of(password))


def redeem(choice: NewPassword, actor: Actor) -> Staff:
    """Set the account's name and password, and end its sessions and the link.

    Raises `NotFoundError` if the link was used already, `DomainError` for a name that looks like someone else's.
    """
    person = owner(choice.key, actor.at)
    if person is None:
        raise NotFoundError("common.staff_not_found")
    spent = delete(StaffLink).where(StaffLink.key_hash == _hash(choice.key))
    if not execute_rowcount(spent):  # used concurrently
        raise NotFoundError("common.staff_not_found")
    login_throttle.reset(person.email)
    invited = person.password is None
    by = actor.by(person)
    accounts.give_name(person, choice.name, by)
    person.password = choice.hashed
    person.security_stamp = uuid4().hex
    accounts.end_sessions_and_links(person.id)
    if invited:
        audit_log.write(by, "staff.joined", "staff", person.id)
    else:
        audit_log.write(by, "staff.password_changed", "staff", person.id)
    return person


def _hash(key: str) -> str:
    # The key has 256 random bits, so a plain hash is enough to make a leaked table useless.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
