"""Recognize columns by name: the three that identify a member, as this and other tools call them (B-10)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from unicodedata import category, normalize

from rapidfuzz.distance import OSA

from webapp.domain.csv_files.cell_values import clean
from webapp.domain.csv_files.sheet import shown
from webapp.messages import Message, message

FIELDS = {"external_id": "ID", "username": "Username", "email": "Registered email"}

SYNONYMS = {
    "id": "external_id",
    "userid": "external_id",
    "memberid": "external_id",
    "externalid": "external_id",
    "username": "username",
    "usernames": "username",
    "login": "username",
    "userlogin": "username",  # WordPress
    "loginname": "username",
    "samaccountname": "username",  # Active Directory
    "accountname": "username",
    "handle": "username",
    "userhandle": "username",
    "memberusername": "username",
    "screenname": "username",
    "email": "email",
    "emails": "email",
    "emailaddress": "email",
    "emailaddresses": "email",
    "registeredemail": "email",
    "registeredemailaddress": "email",
    "useremail": "email",  # WordPress
    "useremailaddress": "email",
    "primaryemail": "email",
    "primaryemailaddress": "email",
    "memberemail": "email",
    "attendeeemail": "email",
    "emailid": "email",
    "mail": "email",  # LDAP
    "email1value": "email",  # Google Contacts
    "email1address": "email",  # Outlook
    "email1": "email",
}
"""Field by header key."""

_PLAIN = ("id", "userid", "username", "login", "email", "emailaddress", "registeredemail")
"""Names that take precedence over those of other tools if a file has both."""

_OTHER_SYSTEMS_ID = ({"userid", "billingactive"}, {"userid", "has2fa"})
"""Sets of header keys whose ID belongs to the exporting tool: Slack."""

_ADDED = re.compile(
    r"[(\[{]\s*(?:required|optional|mandatory|text|string|unique|key|primary|pk|utf-?8|plain text|\*)\s*[)\]}]"
)
_NOISE = re.compile(r"^[\W_]+|[\W_]+$")
_BETWEEN = ("Zs", "Zl", "Zp", "Cc", "Cf", "Pd", "Pc")
_LOOKS = {
    "email": re.compile(r"e?mail|upn|userprincipalname"),
    "username": re.compile(r"user.?name|login|handle|nick|account|^user$"),
    "external_id": re.compile(
        r"^(?:user|member|customer|account|person|external|participant|internal).*(?:id|number|no)$"
        r"|^uu?id|^guid|^idn|identifier|^id\d*$"
    ),
}
_LONGEST_NAME = 100
_NEAR = ("username", "email", "emailaddress", "registeredemail", "userid", "login")


def key_of(name: str) -> str:
    """Return a header in lower case, without spaces, `_`, dashes, dots, invisible characters and surrounding noise.

    So quotes, semicolons, asterisks or brackets around a name, and `(required)` after it, don't matter.
    """
    if len(name) > _LONGEST_NAME:
        return ""
    if name.isascii() and name.isalnum():
        return name.lower()
    folded = _NOISE.sub("", _ADDED.sub("", normalize("NFKC", clean(name)).casefold()))
    return "".join(sign for sign in folded if sign != "." and category(sign) not in _BETWEEN)


def known(header: Sequence[str]) -> dict[str, list[int]]:
    """Return the cells of a header by field of FIELDS, without absent fields."""
    keys = [key_of(name) for name in header]
    there = set(keys)
    foreign = any(tool <= there for tool in _OTHER_SYSTEMS_ID)
    places_of: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        field = SYNONYMS.get(key)
        if field and not (foreign and key == "userid"):
            places_of.setdefault(field, []).append(place)
    for field, places in places_of.items():
        plain = [place for place in places if keys[place] in _PLAIN]
        places_of[field] = plain or places
    return places_of


def overlooked(
    header: Sequence[str], columns: Mapping[str, int], missing: Collection[str] = tuple(FIELDS)
) -> list[Message]:
    """Warn about each unused column whose name resembles a field without a column."""
    used = set(columns.values())
    sentences = []
    for place, name in enumerate(header):
        field = "" if place in used else _similar_field(key_of(name))
        if field in missing and field not in columns:
            sentences.append(
                message(
                    "csv_files.unused_lookalike", column=shown(name.strip()), field=FIELDS[field]
                )
            )
    return sentences[:5]


def _similar_field(key: str) -> str:
    """Return the field of FIELDS that a key resembles, or ""."""
    if not key:
        return ""
    if field := SYNONYMS.get(key):
        return field  # another system's ID
    for field, pattern in _LOOKS.items():
        if pattern.search(key):
            return field
    for name in _NEAR:
        if OSA.distance(key, name, score_cutoff=2) <= 2:
            return SYNONYMS[name]
    return ""
