"""Sessions that began at the provider: end them together, and check them there (SSO-4)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from webapp.database import db, execute_rowcount
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt
from webapp.models import SsoSession, StaffIdentity, StaffSession


@dataclass(frozen=True)
class Tokens:
    """What renews a session, and when that is due."""

    refresh_token: str
    check_at: datetime


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


def renew(session_id: int, tokens: Tokens) -> None:
    db.session.execute(
        update(SsoSession)
        .where(SsoSession.session_id == session_id)
        .values(refresh_token=encrypt(tokens.refresh_token), check_at=tokens.check_at)
    )
