"""Confirm the password of someone who is signed in before changes that could lock them out (R-4)."""

from __future__ import annotations

from datetime import datetime

from flask import request
from werkzeug.exceptions import TooManyRequests

from webapp.domain.errors import DomainError
from webapp.domain.staff import accounts, login_throttle
from webapp.domain.staff.accounts import VerifiedPassword
from webapp.pages.http import known_devices
from webapp.pages.http.authorization import current_actor, current_session, current_staff
from webapp.transaction import transaction

WRONG = "staff.password_wrong"


def verify_password(
    email: str, password: str, at: datetime, session_id: int | None = None
) -> tuple[int, VerifiedPassword | None]:
    """Count an attempt and check its password. Return the attempt's number, and the account if the password is right.

    Failed confirmations count for their session only. Responds 429 after too many attempts, and also when too many
    checks are already queued; in that case the attempt is not counted.
    """
    address = request.remote_addr or ""
    try:
        with transaction():
            if session_id is None:
                attempt = login_throttle.record_attempt(
                    email, address, at, device=known_devices.known(email)
                )
            else:
                attempt = login_throttle.record_confirmation(session_id, email, address, at)
        try:
            return attempt, accounts.authenticate(email, password)
        except accounts.BusyError:
            with transaction():
                login_throttle.cancel_attempt(attempt)
            raise
    except (login_throttle.TooManyAttemptsError, accounts.BusyError) as refusal:
        raise too_many(refusal) from None


def too_many(refusal: DomainError) -> TooManyRequests:
    return TooManyRequests(refusal.message, retry_after=getattr(refusal, "wait", 10))


def require_password(field: str = "current") -> VerifiedPassword:
    """Raise `DomainError` if this form field is not the signed-in person's password. Attempts are limited."""
    actor, email = current_actor(), current_staff.email
    attempt, proof = verify_password(
        email, request.form.get(field, ""), actor.at, current_session().id
    )
    with transaction():
        if proof is None:
            login_throttle.record_failure(attempt, email, actor)
        else:
            login_throttle.cancel_attempt(attempt)
    if proof is None:
        raise DomainError(WRONG, field)
    return proof
