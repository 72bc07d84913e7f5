"""Status lists: which credentials are revoked. Derived from the awards, so that revoking writes nothing more.

Undoing a batch revokes its awards; the lists follow in the same moment, and can never disagree with them.
"""

from __future__ import annotations

import gzip
import json
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select

from webapp.database import LARGEST_ID, db
from webapp.domain.credentials import issuer, signing
from webapp.domain.credentials.issuer import SigningKey
from webapp.domain.credentials.links import LIST_SIZE, Links
from webapp.domain.errors import NotFoundError
from webapp.models import Award, Member, MemberStatus

VALID_FOR = timedelta(days=1)


def document(number: int, address: str, at: datetime) -> dict[str, Any]:
    """Return the signed list with this number. Raises NotFoundError if no award can be in it."""
    links, first = Links(), number * LIST_SIZE
    newest = db.session.scalar(select(func.max(Award.id))) or 0
    if first > min(newest, LARGEST_ID):
        raise NotFoundError("credentials.list_not_found")
    since = at.replace(minute=0, second=0, microsecond=0)
    positions = (links.position(award_id)[1] for award_id in revoked(first))
    url = signing.status_list_url(address, number)
    unsigned = {
        "@context": signing.CONTEXTS[:1],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer.did_of(address),
        "validFrom": f"{since:%Y-%m-%dT%H:%M:%SZ}",
        "validUntil": f"{since + VALID_FOR:%Y-%m-%dT%H:%M:%SZ}",
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": encode(positions),
        },
    }
    return _signed(json.dumps(unsigned), issuer.signing_key(), address, since)


def revoked(first: int) -> list[int]:
    """Return the awards of the list that begins with this ID that are revoked, or whose members are erased."""
    inside = Award.id.between(first, first + LIST_SIZE - 1)
    erased = select(Member.id).where(Member.status == MemberStatus.ERASED)
    return list(
        db.session.scalars(
            select(Award.id)
            .where(inside, Award.revoked_at.is_not(None))
            .union(select(Award.id).where(inside, Award.member_id.in_(erased)))
        )
    )


def encode(positions: Any) -> str:
    """Return a bitstring with these bits set: most significant bit first, compressed, as multibase base64url."""
    bits = bytearray(LIST_SIZE // 8)
    for position in positions:
        bits[position // 8] |= 0x80 >> position % 8
    return "u" + urlsafe_b64encode(gzip.compress(bytes(bits), mtime=0)).decode().rstrip("=")


@lru_cache(maxsize=16)
def _signed(unsigned: str, key: SigningKey, address: str, created: datetime) -> dict[str, Any]:
    return signing.signed(json.loads(unsigned), key, address, created)
