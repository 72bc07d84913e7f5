"""The first admin of a new console, who comes in by a one-time setup link (E-2).

The link works only while there is no admin account at all, so an old one can never add a second.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from webapp.database import db, execute_rowcount
from webapp.database.locks import Lock, lock_exclusive
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import ErrorCollector, NotFoundError
from webapp.domain.staff import accounts
from webapp.models import Role, SetupLink, Staff

URL_PREFIX = "/setup/"  # path of a link before its key
LIFETIME = timedelta(hours=24)


@dataclass(frozen=True)
class NewAdmin:
    """The account chosen through a link, validated, its password hashed."""

    key: str
    email: str
    name: str
    hashed: str


def is_missing() -> bool:
    """True while there is no admin account, not even a disabled or invited one."""
    admins = select(Staff.id).where(Staff.role == Role.ADMIN)
    return not db.session.scalar(select(admins.exists()))


def create_link(actor: Actor) -> str | None:
    """Create a setup link, replacing an earlier one; return its key, which is not stored. None if there is an admin."""
    if not is_missing():
        return None
    db.session.execute(delete(SetupLink))
    key = secrets.token_urlsafe(32)
    db.session.add(SetupLink(key_hash=_hash(key), created_at=actor.at))
    audit_log.write(actor, "staff.setup_link_made", "staff")
    return key


def is_valid(key: str, at: datetime) -> bool:
    """True if the link was neither used nor replaced, is less than a day old, and there is no admin."""
    link = select(SetupLink.id).where(
        SetupLink.key_hash == _hash(key), SetupLink.created_at > at - LIFETIME
    )
    return is_missing() and bool(db.session.scalar(select(link.exists())))


def prepare(key: str, email: str, name: str, password: str, at: datetime) -> NewAdmin:
    """Validate the account and hash its password. Slow: call it outside a transaction.

    Raises `DomainError`, and `NotFoundError` if the link isn't valid; then nothing is hashed.
    """
    if not is_valid(key, at):
        raise NotFoundError("common.staff_not_found")
    errors = ErrorCollector()
    with errors:
        email = accounts.address_of(email)
    with errors:
        name = accounts.name_of(name)
    with errors:
        accounts.ensure_strong_password(password, email, name)
    errors.raise_if_any()
    return NewAdmin(key, email, name, accounts.hash_of(password))


def create(choice: NewAdmin, actor: Actor, *, break_glass: bool = False) -> Staff:
    """Create the first admin, a break-glass admin if only those may use passwords, and use up the link.

    Raises `NotFoundError` if the link was used in the meantime or somebody else has become an admin, `DomainError` if
    an account has this email or a similar name.
    """
    lock_exclusive(Lock.STAFF_NAMES)  # as every new account does: one of two browsers comes second
    if not is_valid(choice.key, actor.at) or not execute_rowcount(delete(SetupLink)):
        raise NotFoundError("common.staff_not_found")
    person = accounts.create(choice.email, choice.name, Role.ADMIN, choice.hashed, actor)
    person.break_glass = break_glass
    audit_log.write(actor.by(person), "staff.set_up", "staff", person.id)
    return person


def _hash(key: str) -> str:
    # The key has 256 random bits, so a plain hash is enough to make a leaked table useless.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
