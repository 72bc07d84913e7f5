"""The issuer of credentials: its details, its signing keys, and its DID document."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select, update

from webapp.database import db, execute_rowcount, upsert
from webapp.domain import community
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError, ErrorCollector, NotFoundError
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt, needs_reencryption
from webapp.models import Issuer, IssuerKey

log = logging.getLogger(__name__)

ROW = 1
URL_LENGTH = 2000
DID_CONTEXTS = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]


class SecretsUnreadableError(DomainError):
    """The issuer's secrets were encrypted with a SECRET_KEY that is no longer configured."""

    def __init__(self) -> None:
        super().__init__("credentials.secrets_unreadable")


@dataclass(frozen=True)
class SigningKey:
    """A key that signs: its verification method is `DID#key-NUMBER`."""

    number: int
    pem: str


def find() -> Issuer | None:
    """Return the issuer's details, or None while Open Badges are turned off."""
    return db.session.get(Issuer, ROW)


def require() -> Issuer:
    """Return the issuer's details. Raises NotFoundError while Open Badges are turned off."""
    issuer = find()
    if issuer is None:
        raise NotFoundError("credentials.turned_off")
    return issuer


def turn_on(actor: Actor) -> bool:
    """Create the secret of all links and the first signing key; False if Open Badges are already on."""
    made = execute_rowcount(
        upsert(Issuer)
        .values(id=ROW, link_secret=encrypt(secrets.token_hex(32)), created_at=actor.at)
        .on_conflict_do_nothing()
    )
    if made:
        _create_key(actor.at)
        audit_log.write(actor, "issuer.turned_on", "issuer")
    return bool(made)


def change(url: str, email: str, actor: Actor) -> bool:
    """Set the community's public URL and email, or remove blank ones; return whether something changed.

    Raises DomainError with the errors of all fields.
    """
    refusals = ErrorCollector()
    with refusals:
        url = _validate_url(url.strip())
    with refusals:
        email = _validate_email(email.strip())
    refusals.raise_if_any()
    issuer = _lock()
    if (issuer.url, issuer.email) == (url, email):
        return False
    issuer.url, issuer.email = url, email
    audit_log.write(actor, "issuer.changed", "issuer", url=url or "none", email=email or "none")
    return True


def rotate_key(in_use: int | None, actor: Actor) -> bool:
    """Sign with a new key from now on; False if `in_use` has been replaced already. Old keys stay published."""
    _lock()
    replaced = execute_rowcount(
        update(IssuerKey)
        .where(IssuerKey.replaced_at.is_(None), IssuerKey.id == in_use)
        .values(replaced_at=actor.at)
    )
    if replaced:
        _create_key(actor.at)
        audit_log.write(actor, "issuer.key_rotated", "issuer")
    return bool(replaced)


def keys() -> list[IssuerKey]:
    """Return all keys, the one in use first."""
    return list(db.session.scalars(select(IssuerKey).order_by(IssuerKey.id.desc())))


def signing_key() -> SigningKey:
    """Return the key in use. Raises NotFoundError while Open Badges are turned off, and SecretsUnreadableError."""
    key = db.session.scalar(select(IssuerKey).order_by(IssuerKey.id.desc()).limit(1))
    if key is None:
        raise NotFoundError("credentials.turned_off")
    return SigningKey(key.id, reveal(key.private))


def reveal(secret: str) -> str:
    """Decrypt a secret of the issuer. Raises SecretsUnreadableError."""
    try:
        return decrypt(secret)
    except DecryptionError:
        log.error(
            "Open Badges: the issuer's secrets were encrypted with a SECRET_KEY that is no longer configured"
        )
        raise SecretsUnreadableError from None


def are_secrets_readable() -> bool:
    """True if the link secret and the key in use can be decrypted, or if there are none."""
    issuer = find()
    try:
        if issuer:
            decrypt(issuer.link_secret)
            decrypt(keys()[0].private)
    except DecryptionError:
        return False
    return True


def did_of(address: str) -> str:
    """Return the console's did:web for its public address: `did:web:badges.example.org`, a port as `%3A8000`."""
    return "did:web:" + urlsplit(address).netloc.lower().replace(":", "%3A")


def method_of(address: str, key_id: int) -> str:
    return f"{did_of(address)}#key-{key_id}"


def did_document(address: str) -> dict[str, Any] | None:
    """Return the DID document with the key in use and all earlier ones; None while Open Badges are turned off."""
    published = keys()
    if not published:
        return None
    did = did_of(address)
    methods = [
        {
            "id": method_of(address, key.id),
            "type": "Multikey",
            "controller": did,
            "publicKeyMultibase": key.public,
        }
        for key in published
    ]
    return {
        "@context": DID_CONTEXTS,
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


def profile(address: str) -> dict[str, Any]:
    """Return the issuer's Profile, as it is embedded in credentials."""
    issuer, brand = require(), community.brand()
    shown: dict[str, Any] = {"id": did_of(address), "type": ["Profile"], "name": brand.name}
    if issuer.url:
        shown["url"] = issuer.url
    if issuer.email:
        shown["email"] = issuer.email
    if brand.logo:
        logo = f"{address}/settings/community/logo/{brand.logo}.webp"
        shown["image"] = {"id": logo, "type": "Image"}
    return shown


def reencrypt_secrets() -> None:
    """Encrypt the secrets with the current SECRET_KEY. Skips undecryptable ones: signing reports them."""
    for row, name in [
        *((issuer, "link_secret") for issuer in db.session.scalars(select(Issuer))),
        *((key, "private") for key in db.session.scalars(select(IssuerKey))),
    ]:
        if needs_reencryption(getattr(row, name)):
            try:
                setattr(row, name, encrypt(decrypt(getattr(row, name))))
            except DecryptionError:
                continue


def _create_key(at: datetime) -> None:
    from openbadgeslib.ob3.did import multikey_from_pem

    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    db.session.add(IssuerKey(public=multikey_from_pem(public), private=encrypt(pem), created_at=at))
    db.session.flush()


def _lock() -> Issuer:
    issuer = db.session.get(Issuer, ROW, with_for_update=True, populate_existing=True)
    if issuer is None:
        raise DomainError("credentials.turned_off")
    return issuer


def _validate_url(url: str) -> str:
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    except ValueError:
        good = False
    if not good or len(url) > URL_LENGTH or not url.isprintable() or " " in url:
        raise DomainError("credentials.url_invalid", "url")
    return url


def _validate_email(email: str) -> str:
    if not email:
        return ""
    try:
        return validate_email(email, check_deliverability=False).normalized
    except EmailNotValidError:
        raise DomainError("credentials.email_invalid", "email") from None
