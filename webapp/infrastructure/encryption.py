"""Encryption of secrets in the database, so that a copy of the database doesn't reveal them.

The key is derived from SECRET_KEY. Each ciphertext names its key by an ID, so values encrypted with a former secret can
be decrypted while that secret is in SECRET_KEY_FALLBACKS. The clock re-encrypts them.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app

PURPOSE = b"laurel: sealed secrets"


class DecryptionError(Exception):
    """A value was encrypted with a secret that is no longer known, or was tampered with."""


def encrypt(text: str) -> str:
    """Encrypt and sign a text; returns the ID of the key, a dot, and the ciphertext, which differs each time."""
    return encrypt_with(current_app.config["SECRET_KEY"], text)


def decrypt(sealed: str) -> str:
    config = current_app.config
    return decrypt_with((config["SECRET_KEY"], *config["SECRET_KEY_FALLBACKS"]), sealed)


def encrypt_with(secret: str, text: str) -> str:
    """Like `encrypt`, without an app, for migrations."""
    return f"{_id(secret)}.{_key(secret).encrypt(text.encode()).decode()}"


def decrypt_with(secrets: Iterable[str], sealed: str) -> str:
    """Like `decrypt`, without an app; uses the first secret with the right ID."""
    key_id, _, token = sealed.partition(".")
    for secret in secrets:
        if _id(secret) == key_id:
            try:
                return _key(secret).decrypt(token.encode()).decode()
            except InvalidToken:
                break
    raise DecryptionError("A secret can't be decrypted with SECRET_KEY or SECRET_KEY_FALLBACKS.")


def needs_reencryption(sealed: str) -> bool:
    return sealed.partition(".")[0] != _id(current_app.config["SECRET_KEY"])


@lru_cache
def _derived(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())


def _key(secret: str) -> Fernet:
    return Fernet(urlsafe_b64encode(_derived(secret)))


def _id(secret: str) -> str:
    return hashlib.sha256(_derived(secret)).hexdigest()[:8]
