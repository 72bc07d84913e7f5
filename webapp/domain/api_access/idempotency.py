"""Idempotency keys: a repeated request returns the first response and has no second effect (A-4)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, update

from webapp.database import db, execute_rowcount, upsert
from webapp.domain.errors import DomainError
from webapp.domain.members.personal_data import PersonalData
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt
from webapp.models import IdempotentRequest

LIFETIME = timedelta(hours=24)


class KeyReuseError(DomainError):
    """The key was used with a different request."""


class ResponseErasedError(DomainError):
    """The stored response named a member who has been erased since."""


def reserve(
    key_id: int, key: str, hashes: tuple[str, ...], at: datetime
) -> IdempotentRequest | None:
    """Return the stored response, or None if the caller must process the request and then call `save_response`.

    The first of `hashes` is stored with a new key; that of a stored key may be any of them. Concurrent callers block
    until the winner commits. Raises KeyReuseError if the key came with a different request, ResponseErasedError if the
    response was erased.
    """
    of_this_request = IdempotentRequest.key_id == key_id, IdempotentRequest.key == key
    db.session.execute(
        delete(IdempotentRequest).where(
            *of_this_request, IdempotentRequest.created_at < at - LIFETIME
        )
    )
    row = {"key_id": key_id, "key": key, "request_hash": hashes[0], "status": 0}
    claimed = db.session.scalar(
        upsert(IdempotentRequest)
        .values(**row, created_at=at)
        .on_conflict_do_nothing(index_elements=[IdempotentRequest.key_id, IdempotentRequest.key])
        .returning(IdempotentRequest.key)
    )
    if claimed is not None:
        return None
    kept = db.session.get_one(IdempotentRequest, (key_id, key), populate_existing=True)
    if kept.request_hash not in hashes:
        raise KeyReuseError("api_access.key_reused")
    if kept.body is None:
        raise ResponseErasedError("api_access.response_erased")
    return kept


def body_of(stored: IdempotentRequest) -> str:
    """Return a stored response's body. Raises ResponseErasedError if it can no longer be decrypted."""
    body = stored.body or ""
    if not body or body.startswith("{"):
        return body
    try:
        return decrypt(body)
    except DecryptionError:
        raise ResponseErasedError("api_access.response_erased") from None


def save_response(
    key_id: int, key: str, status: int, body: str, *, confidential: bool = False
) -> None:
    """Store a response; a `confidential` one encrypted, because it has a secret that is shown once."""
    of_this_request = IdempotentRequest.key_id == key_id, IdempotentRequest.key == key
    body = encrypt(body) if confidential else body
    execute_rowcount(
        update(IdempotentRequest).where(*of_this_request).values(status=status, body=body)
    )


def redact(person: PersonalData) -> None:
    """Delete the body of every stored response that names the person by ID, username, email or name.

    The keys stay, so that a repeated request still has no effect.
    """
    texts = {person.external_id, person.username, person.email, person.name} - {None, ""}
    if not texts:
        return
    named = or_(
        *(
            # Matches the JSON text, also within sentences: better to drop a response too many than one too few.
            IdempotentRequest.body.icontains(
                json.dumps(text, ensure_ascii=False)[1:-1], autoescape=True
            )
            for text in texts
        )
    )
    execute_rowcount(update(IdempotentRequest).where(named).values(body=None))


def purge_expired(at: datetime) -> None:
    db.session.execute(
        delete(IdempotentRequest).where(IdempotentRequest.created_at < at - LIFETIME)
    )
