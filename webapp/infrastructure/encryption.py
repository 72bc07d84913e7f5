"""Secrets that have to be read again are kept sealed: the database alone, or a copy of it, does not give them away.

The key is made of SECRET_KEY. What was sealed with a former secret says so by its key's id, opens while that secret
stands in SECRET_KEY_FALLBACKS, and is sealed anew by the clock.
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
    """It was sealed with a secret that is not there any more, or was tampered with."""


def encrypt(text: str) -> str:
    """The text sealed: the id of its key, a dot, and what nobody can read or change; each time another."""
    return encrypt_with(current_app.config["SECRET_KEY"], text)


def decrypt(sealed: str) -> str:
    config = current_app.config
    return decrypt_with((config["SECRET_KEY"], *config["SECRET_KEY_FALLBACKS"]), sealed)


def encrypt_with(secret: str, text: str) -> str:
    """The same as `seal` without an app: for migrations."""
    return f"{_id(secret)}.{_key(secret).encrypt(text.encode()).decode()}"


def decrypt_with(secrets: Iterable[str], sealed: str) -> str:
    """The same as `unseal` without an app; the first secret whose id fits is used."""
    key_id, _, token = sealed.partition(".")
    for secret in secrets:
        if _id(secret) == key_id:
            try:
                return _key(secret).decrypt(token.encode()).decode()
            except InvalidToken:
                break
    raise DecryptionError("A sealed secret can't be opened with SECRET_KEY or its fallbacks.")


def needs_reencryption(sealed: str) -> bool:
    return sealed.partition(".")[0] != _id(current_app.config["SECRET_KEY"])


@lru_cache
def _derived(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())


def _key(secret: str) -> Fernet:
    return Fernet(urlsafe_b64encode(_derived(secret)))


def _id(secret: str) -> str:
    return hashlib.sha256(_derived(secret)).hexdigest()[:8]
