"""API keys: created, shown once, revoked (A-3, S8). Callers act as the key, within its scopes."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from webapp.database import db
from webapp.domain import labels
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError
from webapp.domain.lookup import require
from webapp.domain.normalization import fold
from webapp.domain.permissions import Scope, grantable
from webapp.domain.webhooks import endpoints
from webapp.models import ApiKey

PREFIX = "laurel_"  # lets secret scanners find leaked keys
# Characters: 256 random bits, and a checksum that rejects a mistyped key without a query.
SECRET, CHECKSUM = 43, 6
HINT = 4  # first characters of the secret, shown so that people recognize the key
SHAPE = rf"{PREFIX}[0-9A-Za-z]{{{SECRET + CHECKSUM}}}"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class CreatedKey:
    key: ApiKey
    text: str


def create(
    name: str, scopes: Collection[str], expires_at: datetime | None, actor: Actor
) -> CreatedKey:
    """Create a key; not idempotent. Raises DomainError with the field."""
    missing = "api_access.name_missing"
    name = labels.validate(name, missing)
    if not scopes:
        raise DomainError("api_access.scope_missing", "scopes")
    if unknown := sorted(set(scopes) - set(Scope)):
        raise DomainError("api_access.scope_unknown", "scopes", scope=unknown[0][:40])
    granted = grantable(actor.staff.role) if actor.staff else list(Scope)
    if refused := sorted(set(scopes) - set(granted)):
        raise DomainError(
            "api_access.scope_not_allowed", "scopes", action=Scope(refused[0]).sentence
        )
    if expires_at is not None and expires_at <= actor.at:
        raise DomainError("api_access.expired_already", "expires")
    text = _new()
    key = ApiKey(
        name=name,
        name_key=fold(name),
        key_hash=hash_of(text),
        hint=text[: len(PREFIX) + HINT],
        scopes=[scope for scope in Scope if scope in scopes],
        created_at=actor.at,
        created_by=actor.staff_id,
        expires_at=expires_at,
    )
    db.session.add(key)
    db.session.flush()
    audit_log.write(actor, "key.made", "key", key.id, scopes=", ".join(key.scopes))
    return CreatedKey(key, text)


def revoke(key_id: int, actor: Actor) -> bool:
    """Revoke a key and turn off the webhooks whose URL it has set; its next request is rejected.

    Returns whether this call revoked it. Raises NotFoundError.
    """
    key = require(ApiKey, key_id, lock=True)
    if key.revoked_at is not None:
        return False
    key.revoked_at, key.revoked_by = actor.at, actor.staff_id
    audit_log.write(actor, "key.revoked", "key", key.id)
    endpoints.disable_set_by_key(key.id, actor)
    return True


def revoke_created_by(staff_id: int, key_ids: Collection[int], actor: Actor) -> int:
    """Revoke those of these keys that a person created and that still work; return how many."""
    theirs = {key.id for key in created_by(staff_id, actor.at)}
    return sum(revoke(key_id, actor) for key_id in sorted(theirs & set(key_ids)))


def created_by(staff_id: int, at: datetime) -> list[ApiKey]:
    keys = select(ApiKey).where(ApiKey.created_by == staff_id, ApiKey.revoked_at.is_(None))
    return [
        key for key in db.session.scalars(keys.order_by(ApiKey.id.desc())) if not key.expired(at)
    ]


def get(key_id: int) -> ApiKey:
    return require(ApiKey, key_id)


def all_keys() -> list[ApiKey]:
    ordered = select(ApiKey).order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())
    return list(db.session.scalars(ordered))


def is_well_formed(text: str) -> bool:
    secret, checksum = text[:-CHECKSUM], text[-CHECKSUM:]
    right = len(text) == len(PREFIX) + SECRET + CHECKSUM and text.isascii()
    return right and text.startswith(PREFIX) and checksum == _checksum(secret)


def hash_of(text: str) -> str:
    """Hash a key for storage. It has 256 random bits, so a plain hash is enough to make a leaked table useless."""
    return hashlib.sha256(text.encode()).hexdigest()


def _new() -> str:
    secret = PREFIX + _base62(int.from_bytes(secrets.token_bytes(32)), SECRET)
    return secret + _checksum(secret)


def _checksum(secret: str) -> str:
    return _base62(zlib.crc32(secret.encode()), CHECKSUM)


def _base62(number: int, length: int) -> str:
    """Encode a number in base 62, padded with zeros."""
    written = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        written = _DIGITS[digit] + written
    return written
