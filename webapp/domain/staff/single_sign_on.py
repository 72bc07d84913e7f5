"""Accounts of people who sign in through an OpenID Connect provider (SSO-1, SSO-2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from webapp.database import db, upsert
from webapp.database.locks import Lock, lock_exclusive
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError
from webapp.domain.staff import accounts, claimed_roles
from webapp.models import (
    ProviderOutage,
    Role,
    SsoSession,
    Staff,
    StaffIdentity,
    StaffLink,
)


@dataclass(frozen=True)
class Claims:
    """What the provider says about a person. `role` is that of their groups, None if no group has one."""

    issuer: str
    subject: str
    email: str
    verified: bool  # the email
    name: str
    role: Role | None


@dataclass(frozen=True)
class SignIn:
    """Who signs in with which identity, or else the code of the sentence that says why not."""

    person: Staff | None = None
    identity_id: int = 0
    refusal: str = ""


def sign_in(claims: Claims, create: bool, actor: Actor) -> SignIn:
    """Find, link or create the account of an identity, give it the role of its groups, and record the sign-in.

    Refuses people without a role, and ends the sessions of those who had one.
    """
    identity = _lock_identity(claims)
    person = claimed_roles.lock(identity.staff_id, claims.role) if identity else None
    if claims.role is None:
        return _refuse("sso.no_role", person, actor)
    if identity is None or person is None:
        try:
            identity, person = _link(claims, claims.role, create, actor)
        except DomainError as refusal:
            return _refuse(refusal.text.code, None, actor)
    if not person.active:
        return _refuse("sso.disabled", person, actor)
    if claimed_roles.is_kept(person, claims.role):
        audit_log.write(actor, "staff.role_kept", "staff", person.id, role=str(claims.role))
    else:
        claimed_roles.assign(person, claims.role, actor)
    identity.signed_in_at = actor.at
    audit_log.write(actor.by(person), "staff.signed_in", "staff", person.id, provider=claims.issuer)
    return SignIn(person, identity.id)


def is_used(session_id: int) -> bool:
    """True if a session began at the provider."""
    began = select(SsoSession.session_id).where(SsoSession.session_id == session_id)
    return bool(db.session.scalar(select(began.exists())))


def is_linked(staff_id: int) -> bool:
    linked = select(StaffIdentity.id).where(StaffIdentity.staff_id == staff_id)
    return bool(db.session.scalar(select(linked.exists())))


def outage(issuer: str) -> ProviderOutage | None:
    return db.session.get(ProviderOutage, issuer)


def note_outage(issuer: str, problem: str, at: datetime) -> None:
    """Record that the provider doesn't work; the time of the first failure stays."""
    row = {"issuer": issuer, "problem": problem, "since": at}
    db.session.execute(
        upsert(ProviderOutage)
        .values(row)
        .on_conflict_do_update(index_elements=["issuer"], set_={"problem": problem})
    )


def end_outage(issuer: str) -> None:
    db.session.execute(delete(ProviderOutage).where(ProviderOutage.issuer == issuer))


def _lock_identity(claims: Claims) -> StaffIdentity | None:
    """Return a known identity. For an unknown one, later transactions wait until this one has linked it."""
    known = select(StaffIdentity).where(
        StaffIdentity.issuer == claims.issuer, StaffIdentity.subject == claims.subject
    )
    identity = db.session.scalar(known)
    if identity is None:
        lock_exclusive(Lock.STAFF_NAMES)
        identity = db.session.scalar(known)
    return identity


def _link(claims: Claims, role: Role, create: bool, actor: Actor) -> tuple[StaffIdentity, Staff]:
    """Link an identity to the account with its verified email, or to a new one. Raises `DomainError`."""
    if not claims.verified or not claims.email:
        raise DomainError("sso.email_unverified")
    email = accounts.address_of(claims.email)
    found = db.session.scalar(select(Staff.id).where(Staff.email == email))
    if found is None and not create:
        raise DomainError("sso.no_account")
    known = claimed_roles.lock(found, role) if found is not None else None
    person = known or _create(email, claims.name, role, actor)
    if not person.active:
        raise DomainError("sso.disabled")
    others = select(StaffIdentity.id).where(
        StaffIdentity.staff_id == person.id, StaffIdentity.issuer == claims.issuer
    )
    if db.session.scalar(others) is not None:
        raise DomainError("sso.linked_otherwise")
    identity = StaffIdentity(
        staff_id=person.id,
        issuer=claims.issuer,
        subject=claims.subject,
        linked_at=actor.at,
        signed_in_at=actor.at,
    )
    db.session.add(identity)
    db.session.flush()
    # An invitation that is no longer needed.
    db.session.execute(delete(StaffLink).where(StaffLink.staff_id == person.id))
    detail = {"provider": claims.issuer, "role": str(role)}
    if found is None:
        audit_log.write(actor, "staff.provisioned", "staff", person.id, **detail)
    else:
        audit_log.write(actor, "staff.linked", "staff", person.id, **detail)
    return identity, person


def _create(email: str, name: str, role: Role, actor: Actor) -> Staff:
    """Create an account with the provider's name, or without if a colleague's looks the same."""
    try:
        return accounts.create(email, name, role, None, actor)
    except DomainError as refusal:
        if refusal.field != "name":
            raise
    return accounts.create(email, email, role, None, actor)


def _refuse(code: str, person: Staff | None, actor: Actor) -> SignIn:
    if person and code == "sso.no_role" and not person.break_glass:
        accounts.end_sessions_and_links(person.id)
    audit_log.write(
        actor, "staff.sign_in_refused", "staff", person.id if person else None, reason=code
    )
    return SignIn(refusal=code)
