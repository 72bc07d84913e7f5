"""Callers of the API: whose key it is, and when it was last used.

As with sessions, the note is a short statement on a connection of its own: a request that only reads holds no lock.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from webapp.database import DB_UNAVAILABLE, db
from webapp.domain.api_access import keys as api_keys
from webapp.models import ApiKey

NOTED_EVERY = timedelta(minutes=1)


class InvalidKeyError(Exception):
    """The key opens nothing; the message says why, as far as whoever has it may know.

    `whose` is for the log: the key's number, where there is one.
    """

    def __init__(self, message: str, key: ApiKey | None = None) -> None:
        super().__init__(message)
        self.whose = f"API key {key.id}" if key else "an unknown API key"


def find(text: str, at: datetime) -> ApiKey:
    """The key with this text, noting at most once a minute that it was used; raises InvalidKeyError."""
    if not api_keys.is_well_formed(text):
        raise InvalidKeyError("This isn't a valid API key. It may be mistyped or incomplete.")
    hashed = api_keys.hash_of(text)
    key = db.session.scalar(select(ApiKey).where(ApiKey.key_hash == hashed))
    if key is None:
        raise InvalidKeyError("This API key doesn't exist.")
    if key.revoked_at is not None:
        raise InvalidKeyError("This API key has been revoked.", key)
    if key.expired(at):
        raise InvalidKeyError("This API key has expired.", key)
    db.session.expunge(key)  # so that its name outlives the end of the reading
    if key.used_at is None or key.used_at <= at - NOTED_EVERY:
        stale = ApiKey.id == key.id, or_(ApiKey.used_at.is_(None), ApiKey.used_at < at)
        with (
            suppress(*DB_UNAVAILABLE),  # a busy database is no reason to refuse a request
            db.engine.connect().execution_options(write=True) as connection,
            connection.begin(),
        ):
            connection.execute(update(ApiKey).where(*stale).values(used_at=at))
    return key
