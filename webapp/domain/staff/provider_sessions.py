"""Sessions that began at the provider: confirm and check them there, and end them together (SSO-2, SSO-4)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from webapp.database import db, execute_rowcount
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.staff import accounts, claimed_roles
from webapp.domain.staff.single_sign_on import Claims
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt
from webapp.models import SsoSession, StaffIdentity, StaffSession


def end(issuer: str, subject: str, sid: str, actor: Actor) -> int:
    """End the sessions of a provider's session `sid`, or all of a `subject`; return how many. At least one is given."""
    ended = select(SsoSession.session_id, StaffIdentity.staff_id).join(
        StaffIdentity, StaffIdentity.id == SsoSession.identity_id
    )
    ended = ended.where(StaffIdentity.issuer == issuer)
    if subject:
        ended = ended.where(StaffIdentity.subject == subject)
    if sid:
        ended = ended.where(SsoSession.sid == sid)
    rows = db.session.execute(ended).all() if subject or sid else []
    db.session.execute(delete(StaffSession).where(StaffSession.id.in_([row[0] for row in rows])))
    for staff_id in dict.fromkeys(row[1] for row in rows):
        audit_log.write(actor, "staff.ended_by_provider", "staff", staff_id)
    return len(rows)


def id_token(session_id: int) -> str:
    """Return the ID token of a session, "" if it has none."""
    kept = db.session.get(SsoSession, session_id)
    with suppress(DecryptionError):
        return decrypt(kept.id_token) if kept else ""
    return ""


def claim_check(session_id: int, at: datetime, next_at: datetime) -> str | None:
    """Take a due check, which the others then leave out; return the refresh token, "" without one, None if taken."""
    due = update(SsoSession).where(SsoSession.session_id == session_id, SsoSession.check_at <= at)
    if not execute_rowcount(due.values(check_at=next_at)):
        return None
    kept = db.session.scalar(
        select(SsoSession.refresh_token).where(SsoSession.session_id == session_id)
    )
    with suppress(DecryptionError):
        return decrypt(kept) if kept else ""
    return ""


def keep_token(session_id: int, refresh_token: str) -> None:
    """Store the refresh token of the next check: the provider may not accept the previous one again."""
    _update(session_id, refresh_token=encrypt(refresh_token))


def postpone_check(session_id: int, check_at: datetime) -> None:
    _update(session_id, check_at=check_at)


def reread_role(session_id: int, claims: Claims, actor: Actor) -> str:
    """Give a session's owner the role they have at the provider now; return "", or why that isn't possible, as a code.

    Without a role all their sessions end, only this one if they are a break-glass admin.
    """
    identity = db.session.scalar(
        select(StaffIdentity)
        .join(SsoSession, SsoSession.identity_id == StaffIdentity.id)
        .where(SsoSession.session_id == session_id)
    )
    if identity is None:
        return "sso.state_unknown"
    if (identity.issuer, identity.subject) != (claims.issuer, claims.subject):
        return "sso.someone_else"
    person = claimed_roles.lock(identity.staff_id, claims.role)
    if claims.role is None:
        if person.break_glass:
            _delete(session_id)
        else:
            accounts.end_sessions_and_links(person.id)
        audit_log.write(actor, "staff.ended_without_role", "staff", person.id)
        return "sso.no_role"
    if not claimed_roles.is_kept(person, claims.role):
        claimed_roles.assign(person, claims.role, actor)
    return ""


def confirm(session_id: int, claims: Claims, entered_at: datetime, actor: Actor) -> str:
    """Record when a session's owner entered credentials at the provider, and read their role again.

    Returns "", or the code of the sentence that says why not: it's someone else, or they have no role any more.
    """
    refusal = reread_role(session_id, claims, actor)
    if not refusal:
        confirmed = update(StaffSession).where(StaffSession.id == session_id)
        db.session.execute(confirmed.values(confirmed_at=entered_at))
    return refusal


def end_refused(session_id: int, actor: Actor) -> None:
    """End a session that the provider doesn't renew."""
    if staff_id := _delete(session_id):
        audit_log.write(actor, "staff.ended_by_provider", "staff", staff_id)


def end_unverified(session_id: int, actor: Actor) -> None:
    """End a session about whose owner the provider's answer can't be trusted."""
    if staff_id := _delete(session_id):
        audit_log.write(actor, "staff.ended_unverified", "staff", staff_id)


def _delete(session_id: int) -> int | None:
    """Return whose session it was; None if it had ended."""
    ended = delete(StaffSession).where(StaffSession.id == session_id)
    return db.session.scalar(ended.returning(StaffSession.staff_id))


def _update(session_id: int, **values: Any) -> None:
    db.session.execute(
        update(SsoSession).where(SsoSession.session_id == session_id).values(**values)
    )
