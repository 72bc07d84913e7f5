"""Encrypt secrets that have to be read again, so that the database or a copy of it doesn't reveal them.

The key is derived from SECRET_KEY. Ciphertext includes its key's ID; it can be decrypted as long as its secret is in
SECRET_KEY_FALLBACKS, and the scheduler re-encrypts it.
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
    """The text was encrypted with a secret that is no longer configured, or was tampered with."""


def encrypt(text: str) -> str:
    """Encrypt and authenticate a text: its key's ID, a dot, and the ciphertext; different each time."""
    return encrypt_with(current_app.config["SECRET_KEY"], text)


def decrypt(ciphertext: str) -> str:
    config = current_app.config
    return decrypt_with((config["SECRET_KEY"], *config["SECRET_KEY_FALLBACKS"]), ciphertext)


def encrypt_with(secret: str, text: str) -> str:
    """Encrypt like `encrypt`, without an app: for migrations."""
    return f"{_id(secret)}.{_key(secret).encrypt(text.encode()).decode()}"


def decrypt_with(secrets: Iterable[str], ciphertext: str) -> str:
    """Decrypt like `decrypt`, without an app, with the first secret whose ID fits."""
    key_id, _, token = ciphertext.partition(".")
    for secret in secrets:
        if _id(secret) == key_id:
            try:
                return _key(secret).decrypt(token.encode()).decode()
            except InvalidToken:
                break
    raise DecryptionError("A secret can't be decrypted with SECRET_KEY or SECRET_KEY_FALLBACKS.")


def needs_reencryption(ciphertext: str) -> bool:
    return ciphertext.partition(".")[0] != _id(current_app.config["SECRET_KEY"])


@lru_cache
def _derived(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())


def _key(secret: str) -> Fernet:
    return Fernet(urlsafe_b64encode(_derived(secret)))


def _id(secret: str) -> str:
    return hashlib.sha256(_derived(secret)).hexdigest()[:8]
