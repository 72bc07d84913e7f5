"""Credentials: built, signed once, always the same, and verifiable by others (OB-1)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask
from openbadgeslib.ob3.did import _b58btc_decode, resolve_did, resolve_verification_method
from openbadgeslib.ob3.ldp import (
    OB3LdpVerifier,
    add_data_integrity_proof,
    verify_data_integrity_proof,
)
from openbadgeslib.ob3.verifier import OB3VerificationError

from tests.domain.credentials.conftest import ACTOR, ADDRESS
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.awards import manual
from webapp.domain.badges import settings as badge_settings
from webapp.domain.badges.settings import BadgeSettings
from webapp.domain.credentials import issuer, signing
from webapp.domain.erasure import erase
from webapp.domain.errors import NotFoundError
from webapp.models import Award, Credential, IssuerKey
from webapp.transaction import transaction

# From the W3C's vc-di-eddsa: the key pair, the document and its signature.
PUBLIC = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
PRIVATE = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
EXAMPLES = {
    "https://www.w3.org/ns/credentials/examples/v2": {
        "@context": {"@vocab": "https://www.w3.org/ns/credentials/examples#"}
    }
}
ALUMNI = {
    "@context": ["https://www.w3.org/ns/credentials/v2", *EXAMPLES],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
}
VECTORS = [
    (
        f"https://vc.example/issuers/5678#{PUBLIC}",
        "z21EVs3eXERqTn4acNHT9viboqgzUaQ3kTmhPT3eA8qrVPE7CrQq78WkzctnMX5W4CrzcKnHw8V6dvy5pgWYCU5e9",
    ),
    (
        f"did:key:{PUBLIC}#{PUBLIC}",
        "z2YwC8z3ap7yx1nZYCg4L3j3ApHsF8kgPdSb5xoS1VR7vPG3F561B52hYnQF9iseabecm3ijx4K1FBTQsCZahKZme",
    ),
]


@pytest.mark.parametrize(("method", "signature"), VECTORS)
def test_the_vectors_of_the_standard(method: str, signature: str) -> None:
    """Signed with the standard's key, its document has the standard's signature; changed, it doesn't verify."""
    seed = _b58btc_decode(PRIVATE[1:])[2:]
    pem = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    made = datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)
    signed = add_data_integrity_proof(ALUMNI, pem, method, created=made, extra_contexts=EXAMPLES)
    assert signed["proof"]["proofValue"] == signature
    key = resolve_did(f"did:key:{PUBLIC}")
    verify_data_integrity_proof(signed, key, extra_contexts=EXAMPLES)
    with pytest.raises(OB3VerificationError):
        verify_data_integrity_proof({**signed, "name": "Forged"}, key, extra_contexts=EXAMPLES)


def open_credential(award_id: int) -> str:
    award = signing.open_award(award_id)
    found = signing.stored(award_id)
    if found:
        return found
    new = signing.sign(award, ADDRESS)
    with transaction():
        return signing.keep(new, NOW)


def did_json(url: str) -> bytes:
    """What a verifier downloads."""
    assert url == f"{ADDRESS}/.well-known/did.json"
    return json.dumps(issuer.did_document(ADDRESS)).encode()


def verify(text: str) -> Any:
    return OB3LdpVerifier().verify(text, download=did_json)


def test_a_credential_verifies_with_the_published_key(issuing: Flask, make: Make) -> None:
    award = make.award(make.member("anna", email="anna@example.org").id, make.quest().id)
    with issuing.app_context():
        text = open_credential(award.id)
        assert verify(text).issuer.id == "did:web:badges.example.org"
        document = json.loads(text)
        assert document["proof"]["created"] == document["validFrom"]
        recipient = document["credentialSubject"]["identifier"][0]
        salted = f"anna@example.org{recipient['salt']}".encode()
        assert recipient["identityHash"] == f"sha256${hashlib.sha256(salted).hexdigest()}"
        assert "anna" not in text
        with pytest.raises(OB3VerificationError):
            verify(text.replace('"description":"', '"description":"not '))


def test_it_is_the_same_after_any_change(issuing: Flask, make: Make) -> None:
    """After a rotation of the key and a change of the badge; the old key still verifies it."""
    quest = make.quest()
    award = make.award(make.member().id, quest.id)
    later = make.award(make.member().id, quest.id)
    with issuing.app_context():
        before = open_credential(award.id)
        with transaction():
            first = issuer.signing_key().number
            assert issuer.rotate_key(first, ACTOR)
            assert not issuer.rotate_key(first, ACTOR)
        with transaction():
            badge_settings.change(quest.badge_id, BadgeSettings(name="Renamed"), ACTOR, 0, "")
        assert open_credential(award.id) == before
        verify(before)
        new = open_credential(later.id)
        verify(new)
        methods = [json.loads(text)["proof"]["verificationMethod"] for text in (before, new)]
        assert methods[0] != methods[1]
        for method in methods:
            assert resolve_verification_method(method, download=did_json)


def test_signing_again_gives_the_same_bytes(issuing: Flask, make: Make) -> None:
    award_id = make.award(make.member().id, make.quest().id).id
    with issuing.app_context():
        first = signing.sign(signing.open_award(award_id), ADDRESS).document
        assert signing.sign(signing.open_award(award_id), ADDRESS).document == first


def test_revoked_and_erased_awards_have_none(issuing: Flask, make: Make) -> None:
    """Also if they are revoked between signing and storing; erasing deletes what was signed."""
    quest = make.quest()
    members = make.member().id, make.member().id
    revoked, erased = (make.award(member, quest.id).id for member in members)
    with issuing.app_context():
        new = signing.sign(signing.open_award(revoked), ADDRESS)
        open_credential(erased)
        with transaction():
            manual.revoke(members[0], revoked, "", ACTOR)
        with transaction():
            erase.erase(members[1], ACTOR)
        for award_id in (revoked, erased, 999_999):
            with pytest.raises(NotFoundError):
                signing.open_award(award_id)
        with pytest.raises(NotFoundError), transaction():
            signing.keep(new, NOW)
        assert db.session.query(Credential).count() == 0


def test_a_member_without_email_is_identified_by_their_id(issuing: Flask, make: Make) -> None:
    award = make.award(make.member(email=None).id, make.quest().id)
    with issuing.app_context():
        subject = signing.build(signing.open_award(award.id), ADDRESS)["credentialSubject"]
        assert subject["identifier"][0]["identityType"] == "systemId"


def test_keys_are_encrypted(issuing: Flask, make: Make) -> None:
    with issuing.app_context():
        kept = db.session.query(IssuerKey).one().private
        assert "PRIVATE KEY" not in kept
        assert "PRIVATE KEY" in issuer.signing_key().pem


def test_nothing_is_published_before_it_is_turned_on(app: Flask, make: Make) -> None:
    award = make.award(make.member().id, make.quest().id)
    with app.app_context():
        assert issuer.did_document(ADDRESS) is None
        with pytest.raises(NotFoundError):
            signing.sign(signing.open_award(award.id), ADDRESS)
        assert db.session.get(Award, award.id)
