"""Staff accounts and passwords (R-3, S7)."""

from __future__ import annotations

import threading
from base64 import b64encode
from dataclasses import dataclass
from uuid import uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import delete, select

from webapp.database import db
from webapp.database.locks import Lock, lock_exclusive
from webapp.domain import labels, unique_names
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.lookup import NO_KEY_UPDATE
from webapp.domain.normalization import fold
from webapp.domain.staff import login_throttle, password_strength
from webapp.domain.staff.confusable_names import is_own, key_of, likeness
from webapp.models import Density, Role, Staff, StaffLink, StaffSession, Theme

LONGEST_EMAIL = 320

_hasher = PasswordHasher()  # argon2id with RFC 9106's second recommended parameters
# Each hash takes 64 MiB and a core, so at most two run at once.
_slots = threading.BoundedSemaphore(2)
_PATIENCE = 10.0  # seconds


class BusyError(DomainError):
    """Too many passwords are waiting to be checked; try again."""


@dataclass(frozen=True)
class VerifiedPassword:
    """A correct password: its account, the hash it was checked against, and a new hash if that one is outdated."""

    staff_id: int
    password: str
    rehashed: str | None


def add(email: str, role: Role, password: str, name: str, actor: Actor) -> Staff:
    """Create an account. Raises `DomainError` if the email is taken or invalid, or the password is weak."""
    email, name = address_of(email), name_of(name)
    ensure_strong_password(password, email, name)
    _ensure_not_taken(email)
    staff = create(email, name, role, hash_of(password), actor)
    audit_log.write(actor, "staff.added", "staff", staff.id, role=str(role))
    return staff


def create(email: str, name: str, role: Role, hashed: str | None, actor: Actor) -> Staff:
    """Create an account without an audit log entry; it can't sign in without a password.

    Raises `DomainError` as `add` does, and for a name that looks like someone else's.
    """
    email, name = address_of(email), name_of(name)
    _ensure_not_taken(email)
    staff = Staff(
        email=email,
        name=name,
        name_key=key_of_name(name, email),
        role=role,
        password=hashed,
        active=True,
        security_stamp=uuid4().hex,
        created_at=actor.at,
    )
    db.session.add(staff)
    unique_names.flush(_taken(email))
    return staff


def find(email: str) -> Staff:
    """Return the account with this email. Raises `NotFoundError`."""
    staff = _find(email)
    if staff is None:
        raise NotFoundError("staff.account_unknown", email=email.strip())
    return staff


def change_password(email: str, password: str, actor: Actor) -> Staff:
    """Set an account's password and end its sessions. Raises `NotFoundError`, or `DomainError` for a weak password."""
    staff = find(email)
    ensure_strong_password(password, staff.email, staff.name)
    _set_password(staff, hash_of(password), actor)
    return staff


def change_own_password(hashed: str, actor: Actor) -> Staff:
    """Set the acting person's password, already validated and hashed, and end all their sessions."""
    staff = db.session.get_one(Staff, actor.staff_id, with_for_update=True)
    _set_password(staff, hashed, actor)
    return staff


def rename(name: str, actor: Actor) -> bool:
    """Rename the acting person; return whether the name changed. Raises `DomainError` if it is invalid."""
    staff = db.session.get_one(Staff, actor.staff_id, with_for_update=True)
    name = name_of(name)
    if staff.name == name:
        return False
    give_name(staff, name, actor)
    return True


def set_appearance(staff_id: int, theme: Theme, density: Density) -> None:
    """Set how the console looks for a person. Not in the audit log, because no one else sees it."""
    staff = db.session.get_one(Staff, staff_id, with_for_update=NO_KEY_UPDATE)
    staff.theme, staff.density = theme, density


def give_name(staff: Staff, name: str, actor: Actor) -> None:
    """Rename an account, and record the old name. Idempotent.

    Raises `DomainError` for a name that looks like someone else's, or like one of Laurel's own.
    """
    if staff.name == name:
        return
    key = key_of_name(name, staff.email, staff.id)
    before, after = staff.display_name, name or staff.email
    if staff.name or staff.password:  # otherwise an invited person's first name
        audit_log.write(actor, "staff.renamed", "staff", staff.id, before=before, after=after)
    staff.name, staff.name_key = name, key


def key_of_name(name: str, email: str, staff_id: int | None = None) -> str | None:
    """Return the key of a unique name, or None for a blank one; locks all names until the end of the transaction.

    Raises `DomainError` if an account's name, or its email if it has none, looks like the name or email of another
    account, or like a name that the audit log uses for Laurel itself.
    """
    lock_exclusive(Lock.STAFF_NAMES)
    shown = likeness(name or email)
    if name and is_own(name):
        raise DomainError("staff.name_reserved", "name")
    others = db.session.execute(select(Staff.id, Staff.name, Staff.email)).all()
    for other_id, *texts in others:
        if other_id != staff_id and shown in map(likeness, filter(None, texts)):
            raise DomainError("staff.name_taken" if name else "staff.name_needed", "name")
    return key_of(name)


def _set_password(staff: Staff, hashed: str, actor: Actor) -> None:
    staff.password = hashed
    staff.security_stamp = uuid4().hex
    end_sessions_and_links(staff.id)  # a pending link would undo the change
    login_throttle.reset(staff.email)
    audit_log.write(actor, "staff.password_changed", "staff", staff.id)


def end_sessions_and_links(staff_id: int) -> None:
    """End a person's sessions, the link to their account, and the unused links they made for other accounts.

    Someone who knew the old password may have made such a link to come back later.
    """
    db.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    theirs = (StaffLink.staff_id == staff_id) | (StaffLink.created_by == staff_id)
    db.session.execute(delete(StaffLink).where(theirs))


def authenticate(email: str, password: str) -> VerifiedPassword | None:
    """Check the password of an active account, in the same time if the account doesn't exist.

    Raises `BusyError` if too many checks are waiting.
    """
    staff = _find(email)
    known = staff.password if staff and staff.password else _dummy_hash()
    with _HashingSlot():
        right = _matches(known, password)
        if not (right and staff and staff.active and staff.password):
            return None
        stale = _hasher.check_needs_rehash(known)
        return VerifiedPassword(staff.id, known, _hasher.hash(password) if stale else None)


def hash_of(password: str) -> str:
    """Return a salted argon2id hash. Raises `BusyError` if too many are waiting."""
    with _HashingSlot():
        return _hasher.hash(password)


class _HashingSlot:
    """One of the slots for hashing."""

    def __enter__(self) -> None:
        if not _slots.acquire(timeout=_PATIENCE):
            raise BusyError("staff.busy")

    def __exit__(self, *_: object) -> None:
        _slots.release()


def _matches(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


def _dummy_hash() -> str:
    # Well formed and with current parameters, so that checking it takes the usual time; no password matches.
    salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (16, 32))
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


def _find(email: str) -> Staff | None:
    email = fold(email)
    if len(email) > LONGEST_EMAIL:
        return None
    return db.session.scalar(select(Staff).where(Staff.email == email))


def _ensure_not_taken(email: str) -> None:
    if _find(email):
        raise _taken(email)


def _taken(email: str) -> DomainError:
    return DomainError("staff.account_exists", "email", email=email)


def address_of(email: str) -> str:
    """Return a normalized email. Raises `DomainError` if it is invalid."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        raise DomainError("staff.email_invalid", "email", reason=str(problem)) from None
    return fold(checked.normalized)


def name_of(name: str) -> str:
    """Return a normalized name. Raises `DomainError` if it is invalid."""
    return labels.validate(name)


def ensure_strong_password(password: str, email: str, name: str) -> None:
    """Raise `DomainError` if the password is too weak for this person."""
    problem = password_strength.problem(password, email, name)
    if problem:
        raise DomainError(problem.code, "password", **problem.values)
