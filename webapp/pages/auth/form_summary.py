"""Summarize a submitted form for its author: labels instead of field names, names instead of IDs (R-2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from flask import current_app
from werkzeug.exceptions import HTTPException

from webapp.domain.audit_log import sentences
from webapp.domain.audit_log.sentences import Names, Subject
from webapp.domain.imports.columns import FIELDS as COLUMNS
from webapp.domain.permissions import Scope
from webapp.models import MemberStatus, Role
from webapp.pages.http.request_args import parse_number, printable

Fields = Iterable[tuple[str, str]]

# URL parameters: the label, and the kind of object whose name is looked up.
ADDRESSED = {
    "badge_id": ("Badge", "badge"),
    "quest_id": ("Quest", "quest"),
    "batch_id": ("Batch", "batch"),
    "member_id": ("Member", "member"),
    "staff_id": ("Account", "staff"),
    "key_id": ("API key", "key"),
    "endpoint_id": ("Webhook", "endpoint"),
}
# Fields that hold a row's number.
NUMBERED = {
    "quest": ("Badge", "quest"),
    "badge": ("Badge", "badge"),
    "key": ("API key to revoke", "key"),
    "member_id": ("Member", "member"),
    "webhook": ("Webhook to turn off", "endpoint"),
}
# Fields that people don't fill in.
BOOKKEEPING = {
    "version",
    "seen",
    "then",
    "upload",
    "line",
    "members",
    "unknown",
    "by",
    "asked",
    "cannot",
}
LABELS = {
    "amount": "At least",
    "expires": "Expires",
    "header": "Header",
    "kinds": "Events",
    "match": "Conditions to meet",
    "member": "User ID or username",
    "name": "Name",
    "near": "Member",
    "on": "Turn",
    "received": "How members get it",
    "scopes": "Permissions",
    "url": "URL",
    "way": "Move",
    "what": "Condition",
    **COLUMNS,
    "email": "Email",  # of an account
}
CHOICES = {
    "role": {role.value: role.label for role in Role},
    "scopes": {scope.value: scope.sentence.capitalize() for scope in Scope},
    "status": {status.value: status.label for status in MemberStatus},
    "match": {"all": "All", "any": "Any"},
    "on": {"yes": "On", "no": "Off"},
    "received": {"automatic": "Automatic", "manual": "Manual"},
    "way": {"up": "Up", "down": "Down"},
}
DRAWN = {"shape", "colour", "icon"}
# Fields of an import that hold a column number.
PICKS_COLUMNS = "members.try_import"
PICKS_MEMBER = "batches.choose_member"  # here the field `member` is a number, not text
COLUMN = re.compile(r"column-(\d+)")  # of an upload: the meaning of each column
PLACED = re.compile(r"(what|amount|name|near)-\d+")  # one of several rows with the same fields


def rows(path: str, fields: Fields) -> list[tuple[str, str]]:
    """Labels and values that the author would recognize: first those of the URL, then those entered."""
    fields = [(name, value) for name, value in fields if value and name not in BOOKKEEPING]
    endpoint, arguments = _asked(path)
    if endpoint == PICKS_COLUMNS:
        fields = [(name, _column(name, value)) for name, value in fields]
    if endpoint == PICKS_MEMBER:
        fields = [("member_id" if name == "member" else name, value) for name, value in fields]
    addressed = [
        (ADDRESSED[name][0], (ADDRESSED[name][1], number))
        for name, number in arguments.items()
        if name in ADDRESSED
    ]
    subjects = {subject for _, subject in addressed}
    subjects |= {subject for subject in (_subject(*field) for field in fields) if subject}
    names = sentences.called(subjects)
    lines = [(label, _called(names, subject)) for label, subject in addressed]
    labels = COLUMNS if endpoint == PICKS_COLUMNS else LABELS
    return lines + [
        (_label(name, labels), printable(_value(names, name, text))) for name, text in fields
    ]


def _asked(path: str) -> tuple[str, Mapping[str, Any]]:
    try:
        return current_app.url_map.bind("").match(path, method="POST")
    except HTTPException:
        return "", {}


def _column(name: str, text: str) -> str:
    place = parse_number(text) if name in COLUMNS else None
    return text if place is None else f"Column {place + 1}"


def _subject(name: str, text: str) -> Subject | None:
    if name.startswith("what-") and text.startswith("quest:"):
        name, text = "quest", text.removeprefix("quest:")
    number = parse_number(text)
    return (NUMBERED[name][1], number) if name in NUMBERED and number else None


def _label(name: str, labels: Mapping[str, str]) -> str:
    if name in NUMBERED:
        return NUMBERED[name][0]
    if column := COLUMN.fullmatch(name):
        return f"Column {int(column[1]) + 1}"
    placed = PLACED.fullmatch(name)
    name = placed[1] if placed else name
    return labels.get(name, name.replace("_", " ").replace("-", " ").capitalize())


def _value(names: Names, name: str, text: str) -> str:
    if subject := _subject(name, text):
        return _called(names, subject)
    if name == "header":
        return "None" if text == "0" else f"Line {text}"
    if COLUMN.fullmatch(name):
        return COLUMNS.get(text, text)
    if name.startswith("what-"):
        return text.removeprefix("activity:").replace("_", " ").capitalize()
    if name in DRAWN:
        return text.replace("-", " ").capitalize()
    return CHOICES.get(name, {}).get(text, text)


def _called(names: Names, subject: Subject) -> str:
    name = names.get(subject)
    return name.text.strip("“”") if name else "no longer exists"
