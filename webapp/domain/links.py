"""One-time links: whoever opens one chooses the password of an account, once, within a day (R-3)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import delete, select

from webapp.database import changed_rows, db
from webapp.domain import attempts, record, staff
from webapp.domain.act import Act
from webapp.domain.refusals import NotFound, Refused
from webapp.models import Staff, StaffLink

PATH = "/welcome/"  # where a link leads, before its key
LAST = timedelta(hours=24)


@dataclass(frozen=True)
class Choice:
    """A name and a password that somebody chose behind a link; judged, and the password hashed."""

    key: str
    name: str
    hashed: str


def make(staff_id: int, act: Act) -> str:
    """Makes a link's key for an account; it is told this once, and ends the link before it.

    Refused where the account is disabled, and for one's own.
    """
    if staff_id == act.staff_id:
        raise Refused("Change your own password on the page “Your account”.")
    person = db.session.get(Staff, staff_id, with_for_update=True)
    if person is None:
        raise NotFound
    if not person.active:
        raise Refused("This account is disabled. Enable it first.")
    attempts.forgive(person.email)
    record.write(act, "staff.link_made", "staff", staff_id)
    return write(staff_id, act)


def write(staff_id: int, act: Act) -> str:
    """Makes a link's key as part of another act, which records itself; ends the link before it."""
    db.session.execute(delete(StaffLink).where(StaffLink.staff_id == staff_id))
    key = secrets.token_urlsafe(32)
    db.session.add(
        StaffLink(staff_id=staff_id, key_hash=_hash(key), made_at=act.at, made_by=act.staff_id)
    )
    return key


def whose(key: str, at: datetime) -> Staff | None:
    """Whose password the link chooses; None once it was used, is a day old, or its owner is disabled."""
    return db.session.scalar(
        select(Staff)
        .join(StaffLink, StaffLink.staff_id == Staff.id)
        .where(StaffLink.key_hash == _hash(key), StaffLink.made_at > at - LAST, Staff.active)
    )


def choose(key: str, name: str, password: str, at: datetime) -> Choice:
    """Judges a name and a password and hashes it, outside of any transaction, as that takes long.

    Raises `Refused` for either, and `NotFound` where the link is good no more.
    """
    person = whose(key, at)
    if person is None:
        raise NotFound
    name = staff.name_of(name)
    staff.insist(password, person.email, name)
    return Choice(key, name, staff.hash_of(password))


def use(choice: Choice, act: Act) -> Staff:
    """Gives the account its name and password, ends its sessions and the link. Raises `NotFound` the second time.

    Raises `Refused` for a name that looks like somebody else's.
    """
    person = whose(choice.key, act.at)
    if person is None:
        raise NotFound
    spent = delete(StaffLink).where(StaffLink.key_hash == _hash(choice.key))
    if not changed_rows(spent):  # somebody else was quicker
        raise NotFound
    attempts.forgive(person.email)
    invited = person.password is None
    by = act.by(person)
    staff.give_name(person, choice.name, by)
    person.password = choice.hashed
    person.security_stamp = uuid4().hex
    staff.end_sessions_and_links(person.id)
    if invited:
        record.write(by, "staff.joined", "staff", person.id)
    else:
        record.write(by, "staff.password_changed", "staff", person.id)
    return person


def _hash(key: str) -> str:
    # The key has 256 random bits: nothing to guess, so a plain hash keeps a stolen table useless.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
