"""Callers of the API.

The last use is recorded on a separate connection, so that a request that only reads holds no lock.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import bindparam, or_, select, update

from webapp.database import DB_UNAVAILABLE, db, prepared
from webapp.domain.api_access import keys as api_keys
from webapp.models import ApiKey

NOTED_EVERY = timedelta(minutes=1)


_FIND = prepared(select(ApiKey).where(ApiKey.key_hash == bindparam("key_hash")))


class InvalidKeyError(Exception):
    """The key is unknown, revoked or expired; the message says only what the caller may know.

    `whose` is for the log: the key's ID if it is known.
    """

    def __init__(self, message: str, key: ApiKey | None = None) -> None:
        super().__init__(message)
        self.whose = f"API key {key.id}" if key else "an unknown API key"


def find(text: str, at: datetime) -> ApiKey:
    """Look up a key and record its use at most once a minute. Raises InvalidKeyError."""
    if not api_keys.is_well_formed(text):
        raise InvalidKeyError("This isn't a valid API key. It may be mistyped or incomplete.")
    hashed = api_keys.hash_of(text)
    key = db.session.scalar(_FIND, {"key_hash": hashed})
    if key is None:
        raise InvalidKeyError("This API key doesn't exist.")
    if key.revoked_at is not None:
        raise InvalidKeyError("This API key has been revoked.", key)
    if key.expired(at):
        raise InvalidKeyError("This API key has expired.", key)
    db.session.expunge(key)  # so that its name stays available after the transaction ends
    if key.used_at is None or key.used_at <= at - NOTED_EVERY:
        stale = ApiKey.id == key.id, or_(ApiKey.used_at.is_(None), ApiKey.used_at < at)
        with (
            suppress(*DB_UNAVAILABLE),  # a busy database must not fail the request
            db.engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            connection.execute(update(ApiKey).where(*stale).values(used_at=at))
    return key
