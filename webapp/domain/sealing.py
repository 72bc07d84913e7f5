"""Small secrets that must be read again, such as that of an authenticator app: sealed with a key made of SECRET_KEY."""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from webapp.config import Settings


class Broken(Exception):
    """What is sealed can't be opened: it was sealed under a secret that is not set any more."""


class Seal:
    """Seals with the present SECRET_KEY; opens what it, or one of SECRET_KEY_FALLBACKS, has sealed for this purpose."""

    def __init__(self, settings: Settings, purpose: str) -> None:
        secrets = [settings.secret_key, *settings.secret_key_fallbacks]
        boxes = [Fernet(_key(secret, purpose)) for secret in secrets]
        self._present, self._all = boxes[0], MultiFernet(boxes)

    def close(self, text: str) -> str:
        """The text, sealed; a different seal each time."""
        return self._present.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text again; raises `Broken`."""
        try:
            return self._all.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Broken from None

    def renew(self, sealed: str) -> str:
        """The same under the present secret, unchanged where it is under it already; raises `Broken`."""
        try:
            self._present.decrypt(sealed.encode())
        except InvalidToken:
            return self.close(self.open(sealed))
        return sealed


def _key(secret: str, purpose: str) -> bytes:
    # A key for each purpose: nothing made for one can be passed off as made for another.
    derived = HKDF(SHA256(), 32, salt=None, info=f"laurel {purpose}".encode())
    return urlsafe_b64encode(derived.derive(secret.encode()))
