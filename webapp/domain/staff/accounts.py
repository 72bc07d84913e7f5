"""Accounts of the staff, and their passwords (R-3, S7)."""

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
from webapp.domain.normalization import fold
from webapp.domain.staff import login_throttle, password_strength
from webapp.domain.staff.confusable_names import is_own, key_of, likeness
from webapp.models import Role, Staff, StaffLink, StaffSession

LONGEST_EMAIL = 320

_hasher = PasswordHasher()  # argon2id with the parameters of RFC 9106's second choice
# A hash takes 64 MiB and a core for a while: two at once, whoever asks.
_places = threading.BoundedSemaphore(2)
_PATIENCE = 10.0  # seconds


class BusyError(DomainError):
    """More passwords are to be checked than this machine can; try again."""


@dataclass(frozen=True)
class VerifiedPassword:
    """A right password: whose, the hash it was checked against, and a new one if its parameters are out of date."""

    staff_id: int
    password: str
    rehashed: str | None


def add(email: str, role: Role, password: str, name: str, actor: Actor) -> Staff:
    """Adds a person; raises `DomainError` where the address is taken or not one, or the password is weak."""
    email, name = address_of(email), name_of(name)
    insist(password, email, name)
    _insist_is_new(email)
    staff = create(email, name, role, hash_of(password), actor)
    audit_log.write(actor, "staff.added", "staff", staff.id, role=str(role))
    return staff


def create(email: str, name: str, role: Role, hashed: str | None, actor: Actor) -> Staff:
    """Create an account without an audit log entry; it can't sign in without a password.

    Raises `DomainError` as `add` does, and for a name that looks like somebody else's.
    """
    email, name = address_of(email), name_of(name)
    _insist_is_new(email)
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
    staff = _find(email)
    if staff is None:
        raise NotFoundError(f"There is no account for {email.strip()}.")
    return staff


def change_password(email: str, password: str, actor: Actor) -> Staff:
    """Gives an account another password and ends its sessions;
    raises `NotFoundError`, or `DomainError` if it is weak.
    """
    staff = find(email)
    insist(password, staff.email, staff.name)
    _set_password(staff, hash_of(password), actor)
    return staff


def change_own_password(hashed: str, actor: Actor) -> Staff:
    """Gives whoever acts another password, judged and hashed before, and ends all their sessions."""
    staff = db.session.get_one(Staff, actor.staff_id, with_for_update=True)
    _set_password(staff, hashed, actor)
    return staff


def rename(name: str, actor: Actor) -> bool:
    """Gives whoever acts another name; says whether it is another one. Raises `DomainError` where it can't be one."""
    staff = db.session.get_one(Staff, actor.staff_id, with_for_update=True)
    name = name_of(name)
    if staff.name == name:
        return False
    give_name(staff, name, actor)
    return True


def give_name(staff: Staff, name: str, actor: Actor) -> None:
    """Gives an account another name, and records the one before; the same again changes nothing.

    Raises `DomainError` for a name that looks like somebody else's, or the console's own.
    """
    if staff.name == name:
        return
    key = key_of_name(name, staff.email, staff.id)
    before, after = staff.display_name, name or staff.email
    if staff.name or staff.password:  # else it is the first name of someone who was invited
        audit_log.write(actor, "staff.renamed", "staff", staff.id, before=before, after=after)
    staff.name, staff.name_key = name, key


def key_of_name(name: str, email: str, staff_id: int | None = None) -> str | None:
    """The key of a name that nobody else on the staff has, None for no name, and locks all names until the commit.

    Raises `DomainError` if an account's name, or its email where it has none, looks like the name or the email of
    another account, or like a name that the audit log uses for the console itself.
    """
    lock_exclusive(Lock.STAFF_NAMES)
    shown = likeness(name or email)
    if name and is_own(name):
        raise DomainError("This name is used by Laurel itself. Choose another one.", "name")
    rows = db.session.execute(select(Staff.id, Staff.name, Staff.email)).all()
    for other_id, *texts in rows:
        if other_id != staff_id and shown in map(likeness, filter(None, texts)):
            raise DomainError(
                "Someone else on the staff has this name, or one that looks the same. "
                "Add something that tells you apart."
                if name
                else "This email looks the same as a colleague's name or email. Enter a name as well.",
                "name",
            )
    return key_of(name)


def _set_password(staff: Staff, hashed: str, actor: Actor) -> None:
    staff.password = hashed
    staff.security_stamp = uuid4().hex
    end_sessions_and_links(staff.id)  # a link on its way would undo it
    login_throttle.reset(staff.email)
    audit_log.write(actor, "staff.password_changed", "staff", staff.id)


def end_sessions_and_links(staff_id: int) -> None:
    """End a person's sessions, the link to their account, and the unused links they made for other accounts.

    Someone who knew the old password may have made such a link, to come back by it later.
    """
    db.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    theirs = (StaffLink.staff_id == staff_id) | (StaffLink.created_by == staff_id)
    db.session.execute(delete(StaffLink).where(theirs))


def authenticate(email: str, password: str) -> VerifiedPassword | None:
    """Whether this is the password of an active account; takes as long for one that does not exist.

    Raises `Busy` when too many wait.
    """
    staff = _find(email)
    known = staff.password if staff and staff.password else _nobodys_hash()
    with _Place():
        right = _matches(known, password)
        if not (right and staff and staff.active and staff.password):
            return None
        stale = _hasher.check_needs_rehash(known)
        return VerifiedPassword(staff.id, known, _hasher.hash(password) if stale else None)


def hash_of(password: str) -> str:
    """The argon2id hash of a password, a different one each time; raises `Busy` when too many wait."""
    with _Place():
        return _hasher.hash(password)


class _Place:
    def __enter__(self) -> None:
        if not _places.acquire(timeout=_PATIENCE):
            raise BusyError("Too many people sign in at once. Try again in a moment.")

    def __exit__(self, *_: object) -> None:
        _places.release()


def _matches(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


def _nobodys_hash() -> str:
    # Well formed and of today's cost, so that checking it takes the usual time; no password gives it.
    salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (16, 32))
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


def _find(email: str) -> Staff | None:
    email = fold(email)
    if len(email) > LONGEST_EMAIL:
        return None
    return db.session.scalar(select(Staff).where(Staff.email == email))


def _insist_is_new(email: str) -> None:
    if _find(email):
        raise _taken(email)


def _taken(email: str) -> DomainError:
    return DomainError(f"There is an account for {email} already.", "email")


def address_of(email: str) -> str:
    """The address as accounts keep it; raises `DomainError` where it is none."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        raise DomainError(f"This is not an email address: {problem}", "email") from None
    return fold(checked.normalized)


def name_of(name: str) -> str:
    """The name as accounts keep it; raises `DomainError` where it can't be one."""
    return labels.validate(name)


def insist(password: str, email: str, name: str) -> None:
    """Raises `DomainError` where the password can't be this person's."""
    problem = password_strength.problem(password, email, name)
    if problem:
        raise DomainError(problem, "password")
