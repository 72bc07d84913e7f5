"""Sign in the person whom a trusted proxy names by email."""

from __future__ import annotations

from sqlalchemy import select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError
from webapp.domain.normalization import fold
from webapp.domain.staff import accounts
from webapp.domain.staff.single_sign_on import SignIn
from webapp.models import Staff

NOT_TEXT = "\ufffd"  # in place of bytes that aren't UTF-8


def sign_in(value: str, header: str, actor: Actor) -> SignIn:
    """Find the enabled account with the email in the header's `value`, and record the sign-in or why it was refused."""
    email = email_of(value)
    if not email:
        return _refuse("remote_user.invalid", None, actor)
    known = select(Staff).where(Staff.email == email).with_for_update(key_share=True)
    person = db.session.scalar(known)
    if person is None:
        return _refuse("remote_user.no_account", None, actor)
    if not person.active:
        return _refuse("sso.disabled", person, actor)
    audit_log.write(actor.by(person), "staff.signed_in", "staff", person.id, header=header)
    return SignIn(person)


def names(value: str, person: Staff) -> bool:
    """True if the header's `value` is this person's email."""
    return person.email in (fold(value), email_of(value))


def email_of(value: str) -> str:
    """Return the normalized email, "" if the value is anything but one."""
    wrong = not value.isprintable() or "," in value or NOT_TEXT in value
    if wrong or len(value) > accounts.LONGEST_EMAIL:
        return ""
    try:
        return accounts.address_of(value)
    except DomainError:
        return ""


def _refuse(code: str, person: Staff | None, actor: Actor) -> SignIn:
    audit_log.write(
        actor, "staff.proxy_refused", "staff", person.id if person else None, reason=code
    )
    return SignIn(refusal=code)
