"""Signatures of webhooks, by the Standard Webhooks specification."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

PREFIX = "whsec_"
LENGTH = 32  # bytes


def new_secret() -> str:
    """A fresh secret, as its receiver keeps it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(LENGTH)).decode()


def headers(keys: list[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a message that is sent now; signed with each of the secrets, while one takes another's place."""
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [_signature(key, signed) for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def _signature(key: str, signed: bytes) -> str:
    secret = base64.b64decode(key.removeprefix(PREFIX))
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
