"""Verify a credential that someone pastes or uploads (OB-3). Nothing is fetched from other hosts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from webapp.database import db
from webapp.domain.credentials import issuer
from webapp.domain.credentials.links import number_in
from webapp.domain.errors import DomainError, NotFoundError
from webapp.models import Award, MemberStatus

LARGEST = 256 * 1024  # bytes of a credential
LARGEST_IMAGE = 5 * 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n"


class Verdict(StrEnum):
    GENUINE = "genuine"
    EXPIRED = "expired"
    REVOKED = "revoked"
    FORGED = "forged"
    UNKNOWN = "unknown"  # of an issuer whose keys can't be read here


@dataclass(frozen=True)
class Result:
    """What was found out. `why` explains a forgery; the names are only set if the signature is right."""

    verdict: Verdict
    why: str = ""
    name: str = ""
    issuer: str = ""
    ours: bool = False
    status_known: bool = True


def read(data: bytes, address: str) -> str:
    """Return the credential in a text, PNG, SVG, or URL of a shared badge of ours. Raises DomainError."""
    if data.startswith(PNG):
        return _baked(data, _from_png)
    text = data.decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        return _baked(data, _from_svg)
    if not text:
        raise DomainError("credentials.nothing_to_verify")
    if text.startswith(("http://", "https://")):
        return _of_url(text, address)
    if len(data) > LARGEST:
        raise DomainError("credentials.too_large", limit=LARGEST >> 10)
    if not text.startswith("{"):
        raise DomainError("credentials.not_a_credential")
    return text


def verify(text: str, address: str) -> Result:
    """Check signature, dates and status of a credential. Raises DomainError if it isn't one at all."""
    from openbadgeslib.ob3.ldp import OB3LdpVerifier
    from openbadgeslib.ob3.verifier import OB3VerificationError

    try:
        document = OB3LdpVerifier._parse_document(text)
    except OB3VerificationError:
        raise DomainError("credentials.not_a_credential") from None
    did, ours = _issuer_id(document), False
    try:
        if did == issuer.did_of(address):
            ours = True
            OB3LdpVerifier(_our_key(document, address)).verify(text)
        elif did.startswith("did:key:"):
            OB3LdpVerifier().verify(text, download=_no_download)
        else:
            return Result(Verdict.UNKNOWN)
    except OB3VerificationError as problem:
        return _refused(document, str(problem), ours=ours)
    return _accepted(document, ours=ours)


def _accepted(document: dict[str, Any], *, ours: bool) -> Result:
    known = _names(document) | {"ours": ours}
    if not ours:
        return Result(Verdict.GENUINE, status_known="credentialStatus" not in document, **known)
    return Result(Verdict.REVOKED if _is_revoked(document) else Verdict.GENUINE, **known)


def _refused(document: dict[str, Any], problem: str, *, ours: bool) -> Result:
    # The signature is checked before the dates, so that an expired credential is genuine otherwise.
    if problem.startswith("Credential has expired"):
        return Result(Verdict.EXPIRED, ours=ours, **_names(document))
    if problem.startswith("Credential is not yet valid"):
        return Result(Verdict.FORGED, "early")
    if "signature mismatch" in problem:
        return Result(Verdict.FORGED, "changed")
    if "@context" in problem:
        return Result(Verdict.FORGED, "context")
    if "verificationMethod" in problem:
        return Result(Verdict.FORGED, "key")
    return Result(Verdict.FORGED, "form")


def _names(document: dict[str, Any]) -> dict[str, Any]:
    achievement = document["credentialSubject"].get("achievement") or {}
    return {
        "name": str(achievement.get("name", "")),
        "issuer": str(document["issuer"].get("name", "")) or _issuer_id(document),
    }


def _issuer_id(document: dict[str, Any]) -> str:
    found = document.get("issuer")
    return str(found.get("id", "") if isinstance(found, dict) else found or "")


def _our_key(document: dict[str, Any], address: str) -> bytes:
    """Return the key that the proof names, if it is one of ours. Raises OB3VerificationError."""
    from openbadgeslib.ob3.did import resolve_did
    from openbadgeslib.ob3.verifier import OB3VerificationError

    proof = document.get("proof")
    method = str(proof.get("verificationMethod", "")) if isinstance(proof, dict) else ""
    published = issuer.keys()
    keys = {issuer.method_of(address, key.id): key.public for key in published}
    if method not in keys:
        raise OB3VerificationError("the verificationMethod is not one of ours")
    return resolve_did("did:key:" + keys[method])


def _is_revoked(document: dict[str, Any]) -> bool:
    """True if the award is revoked or its member erased. The signature is ours, so its URL is right."""
    number = number_in(str(document.get("id", "")).rpartition("/")[2])
    award = db.session.get(Award, number, populate_existing=True) if number else None
    return award is None or bool(award.revoked_at) or award.member.status == MemberStatus.ERASED


def _no_download(_url: str) -> bytes:
    from openbadgeslib.ob3.verifier import OB3VerificationError

    raise OB3VerificationError("nothing is fetched")


def _of_url(url: str, address: str) -> str:
    from webapp.domain.credentials import sharing

    start = f"{address}/"
    if not url.startswith(start):
        raise DomainError("credentials.foreign_url", address=address)
    try:
        return sharing.credential_at(url.removeprefix(start).partition("?")[0])
    except NotFoundError:
        raise DomainError("credentials.url_gone") from None


def _baked(data: bytes, extract: Any) -> str:
    if len(data) > LARGEST_IMAGE:
        raise DomainError("credentials.image_too_large", limit=LARGEST_IMAGE >> 20)
    try:
        found = extract(data)
    except Exception:  # readers of images and XML fail in many ways on a broken file
        raise DomainError("credentials.image_damaged") from None
    if not found:
        raise DomainError("credentials.image_without")
    return str(found)


def _from_png(data: bytes) -> str | None:
    """Read only the chunks: pixels are never decoded, whatever their number."""
    from openbadgeslib import baking

    return baking.extract_png(data, keyword=baking.ITXT_KEYWORD_OB3)


def _from_svg(data: bytes) -> str | None:
    """Read only the credential's text; entities and document types are refused by the parser."""
    from openbadgeslib import baking

    return baking.extract_svg(data, element=baking.SVG_ELEMENT_OB3, text_fallback=True)
