"""Rows of an import beside the members there are: what to create, what to change, what clashes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from webapp.database import among, db
from webapp.domain.act import Act
from webapp.domain.keys import fold
from webapp.domain.spreadsheets import shown
from webapp.models import Member, MemberStatus


class Incoming(NamedTuple):
    """A row to import: texts as they came; "" says nothing and leaves what there is."""

    line: int
    external_id: str
    username: str = ""
    email: str = ""
    name: str = ""
    problem: str = ""  # why it can't be read, if it can't


@dataclass
class _Known:
    """A member as far as an import is concerned; `id` None: of this very chunk."""

    id: int | None
    external_id: str
    username: str
    email: str
    name: str


@dataclass
class Plan:
    """Rows of the table to create and to change, how many stay, and (line, sentence) of those left out."""

    created: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)
    unchanged: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    outcomes: dict[int, str] = field(default_factory=dict)  # of the other rows, by line


def write(rows: list[Incoming], act: Act) -> Plan:
    """Creates and updates the members of a chunk of rows, in five statements; returns what it did.

    Raises IntegrityError where somebody else takes a username or email at the same moment.
    """
    plan = _plan(rows, act)
    # Updates first, in the order of the file: so a username that one member gives up can go to the next.
    if plan.updated:
        values = ("username", "username_key", "email", "email_key", "name", "updated_at")
        db.session.connection().execute(
            update(Member)
            .where(Member.id == bindparam("member_id"))
            .values({value: bindparam(f"new_{value}") for value in values}),
            [
                {"member_id": row["id"], **{f"new_{value}": row[value] for value in values}}
                for row in plan.updated
            ],
        )
    if plan.created:
        db.session.connection().execute(insert(Member), plan.created)
    return plan


def _plan(rows: list[Incoming], act: Act) -> Plan:
    """Goes through the rows in order, as if each were written before the next is looked at."""
    plan = Plan()
    known, by_username, by_email = _known(rows)
    for row in rows:
        member = known.get(row.external_id)
        if member is None and not row.username:
            plan.problems.append(
                (row.line, "There is no member with this ID; a new one needs a username.")
            )
            continue
        wanted = _merged(row, member)
        clash = _clash("username", wanted.username, member, by_username) or _clash(
            "email", wanted.email, member, by_email
        )
        if clash:
            plan.problems.append((row.line, clash))
            continue
        if wanted == member:
            plan.unchanged += 1
            plan.outcomes[row.line] = "unchanged"
            continue
        if member is not None:
            by_username.pop(fold(member.username), None)
            by_email.pop(fold(member.email), None)
        by_username[fold(wanted.username)] = wanted
        if wanted.email:
            by_email[fold(wanted.email)] = wanted
        known[row.external_id] = wanted
        (plan.updated if member else plan.created).append(_columns(wanted, act))
        plan.outcomes[row.line] = "updated" if member else "created"
    return plan


def _known(
    rows: list[Incoming],
) -> tuple[dict[str, _Known], dict[str, _Known], dict[str, _Known]]:
    """The members whom any of the rows touches, by ID, username key and email key; three queries."""
    columns = (Member.id, Member.external_id, Member.username, Member.email, Member.name)
    known: dict[str, _Known] = {}
    for key, wanted in (
        (Member.external_id, {row.external_id for row in rows}),
        (Member.username_key, {fold(row.username) for row in rows if row.username}),
        (Member.email_key, {fold(row.email) for row in rows if row.email}),
    ):
        if not wanted:
            continue
        for found in db.session.execute(select(*columns).where(among(key, sorted(wanted)))):
            known[found.external_id] = _Known(
                found.id, found.external_id, found.username, found.email or "", found.name
            )
    by_username = {fold(member.username): member for member in known.values()}
    by_email = {fold(member.email): member for member in known.values() if member.email}
    return known, by_username, by_email


def _merged(row: Incoming, member: _Known | None) -> _Known:
    if member is None:
        return _Known(None, row.external_id, row.username, row.email, row.name)
    return _Known(
        member.id,
        member.external_id,
        row.username or member.username,
        row.email or member.email,
        row.name or member.name,
    )


def _clash(label: str, text: str, member: _Known | None, owners: dict[str, _Known]) -> str:
    owner = owners.get(fold(text)) if text else None
    if owner is None or (member is not None and owner.external_id == member.external_id):
        return ""
    return f"The {label} {shown(text)} belongs to another member (ID {shown(owner.external_id)})."


def _columns(member: _Known, act: Act) -> dict[str, Any]:
    columns = {
        "external_id": member.external_id,
        "username": member.username,
        "username_key": fold(member.username),
        "email": member.email or None,
        "email_key": fold(member.email) or None,
        "name": member.name,
        "updated_at": act.at,
    }
    if member.id is not None:
        return {"id": member.id, **columns}
    return {**columns, "status": MemberStatus.ACTIVE, "joined_at": act.at}
