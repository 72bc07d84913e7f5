"""Accounts of erased members, which pulls pass over (ADR 48).

What is kept is a keyed hash of the account's ID there, and nothing else. Without a key, it would be enough to try all
IDs, which are often small numbers. The key is the connection's own, so the hashes of two communities can't be compared.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable

from sqlalchemy import delete, select

from webapp.database import db, execute_rowcount, upsert
from webapp.database.arrays import in_array
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt
from webapp.models import Connection, ErasedAccount


def keep(accounts: Iterable[tuple[int, str]]) -> None:
    """Remember accounts, pairs of a connection's ID and the account's there. Idempotent.

    Skips connections that haven't pulled anything yet, or whose key can't be decrypted.
    """
    by_connection: dict[int, list[str]] = {}
    for connection_id, remote_id in accounts:
        by_connection.setdefault(connection_id, []).append(remote_id)
    connections = (
        select(Connection.id, Connection.account_key)
        .where(in_array(Connection.id, sorted(by_connection)))
        .with_for_update(read=True, key_share=True)  # one that is being removed has gone then
    )
    rows = [
        {"connection_id": connection_id, "hash": _hash(key, remote_id)}
        for connection_id, encrypted in db.session.execute(connections)
        if (key := _decrypted(encrypted)) is not None
        for remote_id in by_connection[connection_id]
    ]
    if rows:
        db.session.execute(upsert(ErasedAccount).on_conflict_do_nothing(), rows)


def among(connection: Connection, remote_ids: list[str]) -> set[str]:
    """Return which of these accounts belong to erased members; one statement. Call it with the connection locked."""
    key = _key(connection)
    hashes = {_hash(key, remote_id): remote_id for remote_id in remote_ids}
    found = select(ErasedAccount.hash).where(
        ErasedAccount.connection_id == connection.id, in_array(ErasedAccount.hash, list(hashes))
    )
    return {hashes[hash_] for hash_ in db.session.scalars(found)}


def _key(connection: Connection) -> bytes:
    """Return the connection's key; create it if there is none yet, or if it can't be decrypted any more.

    In that case the hashes made with it are of no use, and are deleted.
    """
    key = _decrypted(connection.account_key)
    if key is None:
        if connection.account_key:
            theirs = ErasedAccount.connection_id == connection.id
            execute_rowcount(delete(ErasedAccount).where(theirs))
        key = secrets.token_bytes(32)
        connection.account_key = encrypt(key.hex())
        db.session.flush()
    return key


def _decrypted(encrypted: str) -> bytes | None:
    try:
        return bytes.fromhex(decrypt(encrypted)) if encrypted else None
    except DecryptionError:
        return None


def _hash(key: bytes, remote_id: str) -> str:
    return hmac.digest(key, remote_id.encode(), "sha256").hex()
