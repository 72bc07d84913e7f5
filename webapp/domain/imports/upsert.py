"""Create and update the members of a chunk of rows, as planned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import String, bindparam, cast, delete, literal, select, update

from webapp.database import db, dialect_name, execute_rowcount
from webapp.database.arrays import in_array
from webapp.database.bulk import insert_many, reserve
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.imports.plan import KEYS, Change, ExistingMember, Plan, RowError, ValidRow
from webapp.domain.imports.planner import Postpone, plan
from webapp.domain.lookup import locking_members
from webapp.domain.normalization import name_words
from webapp.domain.rules import candidates
from webapp.domain.rules.locking import lock_shared
from webapp.domain.webhooks import outbox
from webapp.messages import Message
from webapp.models import Member, MemberStatus, MemberWord, WebhookEvent

ERASED = RowError("external_id", Message("imports.erased"))


def write(rows: list[ValidRow], actor: Actor, postpone: Postpone | None, *, strict: bool) -> Plan:
    """Create and update the members of a chunk with a fixed number of statements; return the plan that was carried out.

    Raises IntegrityError if a username or email is taken concurrently.
    """
    lock_shared()
    made = _plan_and_lock(rows, postpone, strict)
    _carry_out(made, actor)
    return made


def write_new(made: Plan, actor: Actor) -> None:
    """Create the members of a plan that changes none. Raises IntegrityError if there is one with the same key."""
    lock_shared()
    _carry_out(made, actor)


def _carry_out(made: Plan, actor: Actor) -> None:
    changed = _changed(made)
    created = [change.after for change in made.changes if not change.before]
    _release(changed, created)
    _update(changed, actor)
    new_ids = _insert([*made.new, *created], actor)
    _write_words(changed)
    _record(made, new_ids, actor)


def _plan_and_lock(rows: list[ValidRow], postpone: Postpone | None, strict: bool) -> Plan:
    """Plan, lock the members to change, and on PostgreSQL plan again, because they may have changed before the lock."""
    made = plan(rows, None, postpone, strict=strict)
    changed = _changed(made)
    if not changed:
        return made
    there = _lock([change.after.id or 0 for change in changed])
    erased = [change.line for change in changed if change.after.id not in there]
    if erased or dialect_name() == "postgresql":
        left = [row for row in rows if row.line not in erased]
        made = plan(left, None, postpone, strict=strict)
        made.problems |= {line: [ERASED] for line in erased}
    return made


def _changed(made: Plan) -> list[Change]:
    return [change for change in [*made.changes, *made.renamed] if change.before]


def _record(made: Plan, created: list[int], actor: Actor) -> None:
    """Queue rule candidates, and write events and audit log entries for the written members."""
    updated = [change.after for change in made.changes if change.before]
    candidates.note_new_members(created + _ids(updated), actor.at)
    outbox.emit(WebhookEvent.MEMBER_CREATED, created, actor.at)
    changed = [change.after for change in _changed(made)]
    outbox.emit(WebhookEvent.MEMBER_CHANGED, _ids(changed), actor.at)
    moved = made.status_changes
    returned = [change.after.id for change in moved if change.after.status == MemberStatus.ACTIVE]
    candidates.note_reactivated([member_id for member_id in returned if member_id], actor.at)
    audit_log.write_many(
        actor,
        "member.status_changed",
        "member",
        [
            (
                change.after.id,
                {
                    "was": MemberStatus(change.before.status).label if change.before else "",
                    "now": MemberStatus(change.after.status).label,
                },
            )
            for change in moved
        ],
    )


def _ids(members: Iterable[ExistingMember]) -> list[int]:
    return sorted({member.id for member in members if member.id})


def _insert(created: list[ValidRow | ExistingMember], actor: Actor) -> list[int]:
    """Insert members with the words of their names; return their IDs."""
    if not created:
        return []
    ids = reserve(Member, len(created))
    keys: dict[str, list[Any]] = {
        "id": ids,
        "external_id": [member.external_id for member in created],
    }
    insert_many(Member, keys | _columns(created, actor))
    insert_words(zip(ids, (member.name for member in created), strict=True))
    return ids


def _write_words(changed: list[Change]) -> None:
    """Replace the words of members with another name."""
    renamed = [
        (change.after.id or 0, change.after.name)
        for change in changed
        if change.before and change.before.name != change.after.name
    ]
    if renamed:
        ids = [member_id for member_id, _ in renamed]
        execute_rowcount(delete(MemberWord).where(in_array(MemberWord.member_id, ids)))
        insert_words(renamed)


def insert_words(names: Iterable[tuple[int, str]]) -> None:
    """Insert the words of members' names, given with the members' IDs."""
    rows = [(word, member_id) for member_id, name in names for word in name_words(name)]
    words, ids = zip(*rows, strict=True) if rows else ((), ())
    insert_many(MemberWord, {"word": words, "member_id": ids})


def _lock(member_ids: list[int]) -> set[int]:
    """Lock members; return those not erased concurrently."""
    rows = select(Member.id, Member.status).where(in_array(Member.id, member_ids))
    locked = db.session.execute(locking_members(rows))
    return {member_id for member_id, status in locked if status != MemberStatus.ERASED}


def _release(changed: list[Change], created: list[ExistingMember]) -> None:
    """Clear usernames and emails that pass from one member to another; one statement.

    So no two members ever have the same one, in whatever order they are written.
    """
    taken: set[tuple[str, str]] = set()
    for before, after in [
        *((change.before, change.after) for change in changed),
        *((None, member) for member in created),
    ]:
        for label, key in KEYS:
            new = getattr(after, key)
            if new and (before is None or getattr(before, key) != new):
                taken.add((label, new))
    ids = [
        change.before.id
        for change in changed
        if change.before
        and any((label, getattr(change.before, key)) in taken for label, key in KEYS)
    ]
    if ids:
        apart = literal(" ", String) + cast(Member.id, String)  # no key starts with a space
        released = update(Member).where(in_array(Member.id, sorted(filter(None, ids))))
        execute_rowcount(released.values(username_key=apart, email_key=None))


def _update(changed: list[Change], actor: Actor) -> None:
    if not changed:
        return
    columns = _columns([change.after for change in changed], actor)
    ids = [change.after.id for change in changed]
    named = {"member_id": ids} | {f"new_{name}": values for name, values in columns.items()}
    db.session.connection().execute(
        update(Member)
        .where(Member.id == bindparam("member_id"))
        .values({name: bindparam(f"new_{name}") for name in columns}),
        [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)],
    )


def _columns(members: Sequence[ValidRow | ExistingMember], actor: Actor) -> dict[str, list[Any]]:
    """Return the values that an import writes, by column."""
    active, at = MemberStatus.ACTIVE, actor.at
    return {
        "username": [member.username for member in members],
        "username_key": [member.username_key for member in members],
        "email": [member.email or None for member in members],
        "email_key": [member.email_key or None for member in members],
        "name": [member.name for member in members],
        "status": [str(member.status or active) for member in members],
        "joined_at": [member.joined_at or at for member in members],
        "updated_at": [at] * len(members),
    }
