"""Unguessable tokens and list positions, derived from the issuer's secret: they need no rows of their own.

A token is the number of its subject and 128 bits that only the secret's owner can compute. A position is a keyed
permutation of the awards of a list: without the secret it is random, and no two awards share one.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from functools import lru_cache

from webapp.database import LARGEST_ID
from webapp.domain.credentials import issuer
from webapp.models import Issuer

HALF = 9  # bits of each half of a position
LIST_SIZE = 1 << 2 * HALF  # 262,144 awards; the specification asks for at least 131,072
ROUNDS = 4


class Links:
    """Derives everything from the issuer's secret. Raises NotFoundError while Open Badges are turned off.

    Raises SecretsUnreadableError if the secret was encrypted with another SECRET_KEY.
    """

    def __init__(self, found: Issuer | None = None) -> None:
        self._secret = bytes.fromhex(issuer.reveal((found or issuer.require()).link_secret))

    def token(self, purpose: str, number: int, version: int = 0) -> str:
        """Return the token of a member or award for one purpose."""
        mac = self._mac(f"{purpose}:{number}:{version}")[:16]
        return f"{number}-{urlsafe_b64encode(mac).decode().rstrip('=')}"

    def matches(self, token: str, purpose: str, number: int, version: int = 0) -> bool:
        return hmac.compare_digest(token.encode(), self.token(purpose, number, version).encode())

    def salt(self, award_id: int) -> str:
        return self._mac(f"salt:{award_id}")[:16].hex()

    def position(self, award_id: int) -> tuple[int, int]:
        """Return the number of an award's status list, and its index there."""
        number, place = divmod(award_id, LIST_SIZE)
        left, right = place >> HALF, place & (1 << HALF) - 1
        for table in _tables(self._secret, number):
            left, right = right, left ^ table[right]
        return number, left << HALF | right

    def _mac(self, text: str) -> bytes:
        return hmac.digest(self._secret, text.encode(), "sha256")


def number_in(token: str) -> int | None:
    """Return the number that a token claims to be about, or None if it isn't one."""
    digits, _, mac = token.partition("-")
    good = digits.isascii() and digits.isdigit() and len(digits) < 20 and mac and token.isascii()
    return int(digits) if good and int(digits) <= LARGEST_ID else None


@lru_cache(maxsize=64)
def _tables(secret: bytes, number: int) -> tuple[tuple[int, ...], ...]:
    """Return the round functions of a Feistel network over the positions of one list."""
    return tuple(
        tuple(
            int.from_bytes(
                hashlib.blake2b(
                    f"{number}:{turn}:{half}".encode(), key=secret, digest_size=2
                ).digest()
            )
            & (1 << HALF) - 1
            for half in range(1 << HALF)
        )
        for turn in range(ROUNDS)
    )
