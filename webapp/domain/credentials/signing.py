"""Build and sign the credential of an award when it is first opened. It is stored, so that it is always the same."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.database import LARGEST_ID, db, upsert
from webapp.domain.credentials import issuer
from webapp.domain.credentials.issuer import SigningKey
from webapp.domain.credentials.links import Links
from webapp.domain.errors import NotFoundError
from webapp.models import Award, Credential, MemberStatus, Quest

CONTEXTS = [
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    # Defines the type of `credentialSchema`; without it, the proof wouldn't cover that type.
    "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
]
SCHEMA = (
    "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
)
CREDENTIAL = "credential"  # the purpose of a token in a credential's id


def open_award(award_id: int) -> Award:
    """Return an active award with its member, quest and badge. Raises NotFoundError for revoked and erased ones."""
    award = db.session.scalar(
        select(Award)
        .where(Award.id == min(award_id, LARGEST_ID))
        .options(joinedload(Award.member), joinedload(Award.quest).joinedload(Quest.badge))
        .execution_options(populate_existing=True)
    )
    if award is None or award.revoked_at or award.member.status == MemberStatus.ERASED:
        raise NotFoundError("common.award_not_found")
    return award


def stored(award_id: int) -> str | None:
    """Return an award's credential if it has been opened before."""
    return db.session.scalar(select(Credential.document).where(Credential.award_id == award_id))


def sign(award: Award, address: str) -> Credential:
    """Return a new credential for an award, to be stored by `keep`. Takes about 10 ms; needs no transaction."""
    key = issuer.signing_key()
    document = signed(build(award, address), key, address, award.awarded_at)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Credential(award_id=award.id, key_id=key.number, document=text)


def keep(new: Credential, at: datetime) -> str:
    """Store a credential unless another request was faster; return the one that stays. Raises NotFoundError."""
    open_award(new.award_id)
    db.session.execute(
        upsert(Credential)
        .values(award_id=new.award_id, key_id=new.key_id, document=new.document, signed_at=at)
        .on_conflict_do_nothing()
    )
    return stored(new.award_id) or ""


def signed(
    document: dict[str, Any], key: SigningKey, address: str, created: datetime
) -> dict[str, Any]:
    """Return a document with its proof. The same document, key and time give the same bytes."""
    from openbadgeslib.ob3.ldp import add_data_integrity_proof

    method = issuer.method_of(address, key.number)
    return add_data_integrity_proof(
        document, key.pem, method, created=created.replace(microsecond=0)
    )


def build(award: Award, address: str) -> dict[str, Any]:
    """Return the unsigned credential of an award."""
    links, quest, badge = Links(), award.quest, award.quest.badge
    number, index = links.position(award.id)
    list_url = status_list_url(address, number)
    url = credential_url(address, links, award.id)
    achievement = {
        "id": f"{address}/badges/{badge.id}#quest-{quest.id}",
        "type": ["Achievement"],
        "name": quest.title,
        "description": badge.description or quest.title,
        "criteria": {"narrative": quest.name},
        # A URL instead of the picture: the badge may get a new one, and signing gives the same bytes.
        "image": {"id": f"{url}/image.png", "type": "Image"},
    }
    return {
        "@context": CONTEXTS,
        "id": url,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": quest.title,
        "issuer": issuer.profile(address),
        "validFrom": f"{award.awarded_at:%Y-%m-%dT%H:%M:%SZ}",
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": [_recipient(award, links.salt(award.id))],
            "achievement": achievement,
        },
        "credentialSchema": [{"id": SCHEMA, "type": "1EdTechJsonSchemaValidator2019"}],
        "credentialStatus": {
            "id": f"{list_url}#{index}",
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": str(index),
            "statusListCredential": list_url,
        },
    }


def credential_url(address: str, links: Links, award_id: int) -> str:
    return f"{address}/credentials/{links.token(CREDENTIAL, award_id)}"


def status_list_url(address: str, number: int) -> str:
    return f"{address}/credentials/status/{number}"


def _recipient(award: Award, salt: str) -> dict[str, Any]:
    """Return whom the credential is for: a salted hash of their email, or of their ID if there is none."""
    member = award.member
    kind = "emailAddress" if member.email else "systemId"
    identity = (member.email or member.external_id) + salt
    return {
        "type": "IdentityObject",
        "hashed": True,
        "identityHash": "sha256$" + hashlib.sha256(identity.encode()).hexdigest(),
        "identityType": kind,
        "salt": salt,
    }
