"""Rows of an import beside the members there are: what to create, what to change, what clashes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, select, update

from webapp.database import changed_rows, db, dialect_name
from webapp.database.bulk import insert_many, reserve
from webapp.database.given import among
from webapp.domain import days
from webapp.domain.act import Act
from webapp.domain.keys import fold, words
from webapp.domain.rules import due
from webapp.domain.rules.gate import enter
from webapp.domain.spreadsheets import shown
from webapp.models import Member, MemberStatus, MemberWord


class Incoming(NamedTuple):
    """A row to import: texts as they came; "" says nothing and leaves what there is."""

    line: int
    external_id: str
    username: str = ""
    email: str = ""
    name: str = ""
    problem: str = ""  # why it can't be read, if it can't
    joined: str = ""  # a day or a moment


@dataclass
class Known:
    """A member as far as an import is concerned; `id` None: one that is to be created."""

    id: int | None
    external_id: str
    username: str
    username_key: str
    email: str
    email_key: str
    name: str
    joined_at: datetime | None


@dataclass(frozen=True)
class Change:
    """What a row did: the member as they were (None: there was none) and as they are."""

    line: int
    before: Known | None
    after: Known


class Fault(NamedTuple):
    """What is wrong with a row, in a sentence, and in which field of Incoming; "" is the row as a whole."""

    field: str
    sentence: str


@dataclass
class Plan:
    """What to do with a chunk of rows: changes, how many change nothing, what is wrong with the others, by line."""

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    problems: dict[int, list[Fault]] = field(default_factory=dict)
    outcomes: dict[int, str] = field(default_factory=dict)  # of the other rows, by line


@dataclass
class Imagined:
    """What a dry run has done without doing it: keys that were taken and given up, as hashes, for the rows to come."""

    taken: set[int] = field(default_factory=set)
    free: set[int] = field(default_factory=set)

    def note(self, change: Change) -> None:
        """Adds what a row would have done."""
        for label, key in KEYS:
            old = getattr(change.before, key) if change.before else ""
            new = getattr(change.after, key)
            if old and old != new:
                self.free.add(hash((label, old)))
            if new and old != new:
                self.taken.add(hash((label, new)))


NAMELESS = Fault("username", "There is no member with this ID; a new one needs a username.")
ERASED = Fault("external_id", "This member was erased meanwhile.")
KEYS = (("username", "username_key"), ("email", "email_key"))
_Owners = dict[str, Known]


def write(rows: list[Incoming], act: Act) -> Plan:
    """Creates and updates the members of a chunk of rows with a fixed number of statements; returns what it did.

    Raises IntegrityError where somebody else takes a username or email at the same moment.
    """
    enter()
    made = plan(rows)
    # Updates first, in the order of the file: so a username that one member gives up can go to the next.
    changed = [change for change in made.changes if change.before]
    if changed:
        there = _lock([change.after.id or 0 for change in changed])
        erased = [change.line for change in changed if change.after.id not in there]
        if erased or dialect_name() == "postgresql":
            # Again, by what they are now that nobody else changes them.
            made = plan([row for row in rows if row.line not in erased])
            made.problems |= {line: [ERASED] for line in erased}
            changed = [change for change in made.changes if change.before]
        _update(changed, act)
    created = [change.after for change in made.changes if not change.before]
    if created:
        ids = reserve(Member, len(created))
        for member, member_id in zip(created, ids, strict=True):
            member.id = member_id
        insert_many(Member, [_new_row(member, act) for member in created])
    renamed = [one.after for one in changed if one.before and one.before.name != one.after.name]
    if renamed:
        ids = [member.id for member in renamed if member.id]
        changed_rows(delete(MemberWord).where(among(MemberWord.member_id, ids)))
    insert_many(MemberWord, [row for member in [*created, *renamed] for row in word_rows(member)])
    due.joined([one.id for one in (*created, *(one.after for one in changed)) if one.id], act.at)
    return made


def word_rows(member: Known | Member) -> list[dict[str, Any]]:
    """The rows of `MemberWord` for a member's name."""
    return [{"word": word, "member_id": member.id} for word in words(member.name)]


def _lock(member_ids: list[int]) -> set[int]:
    """Locks members in the order of their ids, as all do who lock many; those who are not erased meanwhile."""
    rows = select(Member.id, Member.status).where(among(Member.id, member_ids))
    locked = db.session.execute(rows.order_by(Member.id).with_for_update(key_share=True))
    return {member_id for member_id, status in locked if status != MemberStatus.ERASED}


def _update(changed: list[Change], act: Act) -> None:
    if not changed:
        return
    values = (
        "username",
        "username_key",
        "email",
        "email_key",
        "name",
        "joined_at",
        "updated_at",
    )
    db.session.connection().execute(
        update(Member)
        .where(Member.id == bindparam("member_id"))
        .values({value: bindparam(f"new_{value}") for value in values}),
        [
            {"member_id": one.after.id, **{f"new_{value}": row[value] for value in values}}
            for one in changed
            for row in [_columns(one.after, act)]
        ],
    )


def plan(rows: list[Incoming], imagined: Imagined | None = None) -> Plan:
    """Goes through the rows in order, as if each were written before the next is looked at; writes nothing.

    `imagined` is what earlier rows of a dry run would have done; three queries.
    """
    made = Plan()
    keys = [(fold(row.username), fold(row.email)) for row in rows]
    known, *owners = _known(rows, keys)
    for row, row_keys in zip(rows, keys, strict=True):
        member = known.get(row.external_id)
        wanted = _merged(row, row_keys, member)
        faults = _clashes(wanted, member, owners, imagined)
        if member is None and not row.username:
            faults.insert(0, NAMELESS)
        if faults:
            made.problems[row.line] = faults
            continue
        if wanted == member:
            made.unchanged += 1
            made.outcomes[row.line] = "unchanged"
            continue
        for (_, key), owned in zip(KEYS, owners, strict=True):
            if member is not None:
                owned.pop(getattr(member, key), None)
            if mine := getattr(wanted, key):
                owned[mine] = wanted
        known[row.external_id] = wanted
        made.changes.append(Change(row.line, member, wanted))
        made.outcomes[row.line] = "updated" if member else "created"
        if imagined is not None:
            imagined.note(made.changes[-1])
    return made


def _known(
    rows: list[Incoming], keys: list[tuple[str, str]]
) -> tuple[dict[str, Known], _Owners, _Owners]:
    """The members whom any of the rows touches, by ID, username key and email key; three queries."""
    columns = (
        Member.id,
        Member.external_id,
        Member.username,
        Member.username_key,
        func.coalesce(Member.email, ""),
        func.coalesce(Member.email_key, ""),
        Member.name,
        Member.joined_at,
    )
    known: dict[str, Known] = {}
    for column, wanted in (
        (Member.external_id, {row.external_id for row in rows}),
        (Member.username_key, {username for username, _ in keys if username}),
        (Member.email_key, {email for _, email in keys if email}),
    ):
        if wanted:
            found = db.session.execute(select(*columns).where(among(column, sorted(wanted))))
            known.update((row[1], Known(*row)) for row in found)
    by_username = {member.username_key: member for member in known.values()}
    by_email = {member.email_key: member for member in known.values() if member.email_key}
    return known, by_username, by_email


def _merged(row: Incoming, keys: tuple[str, str], member: Known | None) -> Known:
    joined = days.given(row.joined) if row.joined else None
    if member is None:
        at = joined.at if joined else None
        names = row.username, keys[0], row.email, keys[1], row.name
        return Known(None, row.external_id, *names, at)
    return Known(
        member.id,
        member.external_id,
        row.username or member.username,
        keys[0] or member.username_key,
        row.email or member.email,
        keys[1] or member.email_key,
        row.name or member.name,
        joined.at if joined and not joined.names(member.joined_at) else member.joined_at,
    )


def _clashes(
    wanted: Known, member: Known | None, owners: list[_Owners], imagined: Imagined | None
) -> list[Fault]:
    """Why a row can't have its username or its email: somebody else's, or of an earlier row in a dry run."""
    found = []
    for (label, name), owned in zip(KEYS, owners, strict=True):
        key = getattr(wanted, name)
        if not key or (member is not None and getattr(member, name) == key):
            continue
        owner = owned.get(key)
        if imagined is not None and hash((label, key)) in imagined.taken:
            whose = "is that of an earlier row"
        elif owner is not None and (imagined is None or hash((label, key)) not in imagined.free):
            whose = f"belongs to another member (ID {shown(owner.external_id)})"
        else:
            continue
        found.append(Fault(label, f"The {label} {shown(getattr(wanted, label))} {whose}."))
    return found


def _columns(member: Known, act: Act) -> dict[str, Any]:
    return {
        "external_id": member.external_id,
        "username": member.username,
        "username_key": member.username_key,
        "email": member.email or None,
        "email_key": member.email_key or None,
        "name": member.name,
        "joined_at": member.joined_at or act.at,
        "updated_at": act.at,
    }


def _new_row(member: Known, act: Act) -> dict[str, Any]:
    return {"id": member.id, **_columns(member, act), "status": str(MemberStatus.ACTIVE)}
