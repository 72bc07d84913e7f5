"""Credentials follow the JSON schema of Open Badges 3.0 (OB-1).

The official schema isn't part of any package, and tests load nothing. So this one was written from the specification's
tables of the classes that Laurel issues: required properties, types, and the values that it fixes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask

from tests.domain.credentials.conftest import ACTOR, ADDRESS
from tests.domain.credentials.test_signing import open_credential
from tests.factories import NOW, Make
from webapp.domain.credentials import issuer, status_lists
from webapp.transaction import transaction

URI = {"type": "string", "format": "uri"}
TEXT = {"type": "string", "minLength": 1}
MOMENT = {"type": "string", "format": "date-time"}
IMAGE = {
    "type": "object",
    "required": ["id", "type"],
    "properties": {"id": URI, "type": {"const": "Image"}, "caption": TEXT},
    "additionalProperties": False,
}


def types(*needed: str) -> dict[str, Any]:
    return {"type": "array", "allOf": [{"contains": {"const": one}} for one in needed]}


PROFILE = {
    "type": "object",
    "required": ["id", "type", "name"],
    "properties": {
        "id": URI,
        "type": types("Profile"),
        "name": TEXT,
        "url": URI,
        "email": {"type": "string", "format": "email"},
        "image": IMAGE,
    },
    "additionalProperties": False,
}
ACHIEVEMENT = {
    "type": "object",
    "required": ["id", "type", "name", "description", "criteria"],
    "properties": {
        "id": URI,
        "type": types("Achievement"),
        "name": TEXT,
        "description": TEXT,
        "criteria": {
            "type": "object",
            "properties": {"id": URI, "narrative": TEXT},
            "minProperties": 1,
            "additionalProperties": False,
        },
        "image": IMAGE,
    },
    "additionalProperties": False,
}
IDENTITY = {
    "type": "object",
    "required": ["type", "hashed", "identityHash", "identityType"],
    "properties": {
        "type": {"const": "IdentityObject"},
        "hashed": {"const": True},
        "identityHash": {"type": "string", "pattern": "^sha256\\$[0-9a-f]{64}$"},
        "identityType": {"enum": ["emailAddress", "systemId"]},
        "salt": {"type": "string", "minLength": 16},
    },
    "additionalProperties": False,
}
PROOF = {
    "type": "object",
    "required": [
        "type",
        "cryptosuite",
        "created",
        "verificationMethod",
        "proofPurpose",
        "proofValue",
    ],
    "properties": {
        "type": {"const": "DataIntegrityProof"},
        "cryptosuite": {"const": "eddsa-rdfc-2022"},
        "created": MOMENT,
        "verificationMethod": URI,
        "proofPurpose": {"const": "assertionMethod"},
        "proofValue": {"type": "string", "pattern": "^z[1-9A-HJ-NP-Za-km-z]+$"},
    },
}
STATUS = {
    "type": "object",
    "required": ["type", "statusPurpose", "statusListIndex", "statusListCredential"],
    "properties": {
        "id": URI,
        "type": {"const": "BitstringStatusListEntry"},
        "statusPurpose": {"const": "revocation"},
        "statusListIndex": {"type": "string", "pattern": "^[0-9]+$"},
        "statusListCredential": URI,
    },
    "additionalProperties": False,
}
CONTEXT = {
    "type": "array",
    "minItems": 2,
    "prefixItems": [
        {"const": "https://www.w3.org/ns/credentials/v2"},
        {"pattern": "^https://purl\\.imsglobal\\.org/spec/ob/v3p0/context-3\\.\\d\\.\\d\\.json$"},
    ],
}
CREDENTIAL = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["@context", "id", "type", "issuer", "validFrom", "credentialSubject", "proof"],
    "properties": {
        "@context": CONTEXT,
        "id": URI,
        "type": types("VerifiableCredential", "OpenBadgeCredential"),
        "name": TEXT,
        "issuer": PROFILE,
        "validFrom": MOMENT,
        "credentialSubject": {
            "type": "object",
            "required": ["type", "achievement"],
            "anyOf": [{"required": ["id"]}, {"required": ["identifier"]}],
            "properties": {
                "type": types("AchievementSubject"),
                "identifier": {"type": "array", "minItems": 1, "items": IDENTITY},
                "achievement": ACHIEVEMENT,
            },
            "additionalProperties": False,
        },
        "credentialSchema": {
            "type": "array",
            "items": {
                "required": ["id", "type"],
                "properties": {"id": URI, "type": {"const": "1EdTechJsonSchemaValidator2019"}},
            },
        },
        "credentialStatus": STATUS,
        "proof": {"anyOf": [PROOF, {"type": "array", "minItems": 1, "items": PROOF}]},
    },
    "additionalProperties": False,
}
LIST = {
    "type": "object",
    "required": ["@context", "id", "type", "issuer", "validFrom", "validUntil", "credentialSubject", "proof"],
    "properties": {
        "type": types("VerifiableCredential", "BitstringStatusListCredential"),
        "validUntil": MOMENT,
        "credentialSubject": {
            "required": ["type", "statusPurpose", "encodedList"],
            "properties": {
                "type": {"const": "BitstringStatusList"},
                "encodedList": {"type": "string", "pattern": "^u[A-Za-z0-9_-]+$"},
            },
        },
        "proof": {"anyOf": [PROOF, {"type": "array", "minItems": 1, "items": PROOF}]},
    },
}  # fmt: skip


def faults(schema: dict[str, Any], document: Any) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return [error.message for error in validator.iter_errors(document)]


@pytest.mark.parametrize("details", [("", ""), ("https://forum.example.org", "hello@example.org")])
@pytest.mark.parametrize("email", ["anna@example.org", None])
def test_a_credential_follows_the_schema(
    issuing: Flask, make: Make, details: tuple[str, str], email: str | None
) -> None:
    award = make.award(make.member(email=email).id, make.quest().id)
    with issuing.app_context():
        with transaction():
            issuer.change(*details, ACTOR)
        document = json.loads(open_credential(award.id))
        assert faults(CREDENTIAL, document) == []
        assert faults(LIST, status_lists.document(0, ADDRESS, NOW)) == []


@pytest.mark.parametrize(
    "break_it",
    [
        lambda one: one.pop("issuer"),
        lambda one: one["credentialSubject"]["achievement"].pop("criteria"),
        lambda one: one["credentialSubject"].pop("identifier"),
        lambda one: one["credentialStatus"].update(statusListIndex=7),
        lambda one: one["@context"].pop(0),
        lambda one: one.update(validFrom="yesterday"),
        lambda one: one.update(type=["VerifiableCredential"]),
    ],
)
def test_the_schema_refuses_what_the_specification_does(
    issuing: Flask, make: Make, break_it: Callable[[dict[str, Any]], object]
) -> None:
    award = make.award(make.member().id, make.quest().id)
    with issuing.app_context():
        document = json.loads(open_credential(award.id))
    break_it(document)
    assert faults(CREDENTIAL, document) != []
