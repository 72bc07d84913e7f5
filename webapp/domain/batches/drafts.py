"""Create, fill and delete drafts of batches. Workers process published batches in `processing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, literal, select
from sqlalchemy.orm import joinedload

from webapp.database import LARGEST_ID, db, upsert
from webapp.database.arrays import array_rows
from webapp.domain import labels
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.badges import quests
from webapp.domain.batches import ranges
from webapp.domain.errors import ConflictError, DomainError, ErrorCollector, NotFoundError
from webapp.domain.lookup import require
from webapp.domain.normalization import fold
from webapp.models import Batch, BatchRange, BatchStatus, Entry, Quest

# Actions that set a batch's name or badge.
HEADED = ("batch.created", "batch.continued", "batch.gathered", "batch.divided", "batch.changed")
UNTITLED = "Untitled draft"


@dataclass(frozen=True)
class Heading:
    """Name and quest from the batch form; either may be missing."""

    name: str = ""
    quest_id: int | None = None


def create(heading: Heading, actor: Actor) -> Batch:
    """Create a draft; not idempotent. Raises DomainError if the name is too long or the quest can't be awarded."""
    batch = add_draft(heading, actor)
    audit_log.write(actor, "batch.created", "batch", batch.id)
    return batch


def add_draft(heading: Heading, actor: Actor) -> Batch:
    batch = Batch(
        status=BatchStatus.DRAFT,
        version=0,
        created_at=actor.at,
        created_by=actor.staff_id,
        updated_at=actor.at,
    )
    _write_heading(batch, heading)
    db.session.add(batch)
    db.session.flush()
    return batch


def save(batch_id: int, heading: Heading, actor: Actor, version: int | None = None) -> Batch:
    """Change a batch's name and, before it is published, its quest. Idempotent.

    It keeps its quest if the heading has none. Raises ConflictError if `version` is outdated.
    """
    batch = lock(batch_id)
    if heading.quest_id is None:
        heading = Heading(heading.name, batch.quest_id)
    if (batch.name, batch.quest_id) != (labels.validate(heading.name), heading.quest_id):
        if version is not None and version != batch.version:
            who = audit_log.last_actor("batch", batch.id, HEADED)
            raise ConflictError("batches.changed", who=who)
        if batch.published_at is not None and not heading.name.strip():
            raise DomainError("batches.name_missing", "name")
        before = batch.name, batch.quest_id
        _write_heading(batch, heading)
        batch.updated_at = actor.at
        audit_log.write(actor, "batch.changed", "batch", batch.id, **_changes(batch, *before))
    return batch


def _changes(batch: Batch, name: str, quest_id: int | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if name != batch.name:
        changes |= {"before": name or UNTITLED, "after": batch.name or UNTITLED}
    if quest_id != batch.quest_id:
        changes |= {"quest": batch.quest_id, "quest_before": quest_id}
    return changes


def _write_heading(batch: Batch, heading: Heading) -> None:
    refusals = ErrorCollector()
    with refusals:
        name = labels.validate(heading.name)
    with refusals:
        if heading.quest_id != batch.quest_id:
            if batch.published_at is not None:
                raise DomainError("batches.badge_fixed", "quest")
            if heading.quest_id is not None:
                quests.open_quest(heading.quest_id)
    refusals.raise_if_any()
    batch.name, batch.name_key, batch.quest_id = name, fold(name), heading.quest_id
    batch.version += 1


def add_members(batch_id: int, member_ids: list[int], limit: int, actor: Actor) -> int:
    """Add members to a batch in this order; return how many were new.

    Raises DomainError, adding none, if the batch can't take members or would exceed `limit`.
    """
    batch = lock(batch_id)
    ensure_accepts_members(batch)
    rows = array_rows(member_ids)
    added = db.session.execute(
        upsert(Entry)
        .from_select(
            ["batch_id", "member_id", "attempts"],
            select(literal(batch.id), rows.c.value, literal(0))
            .where(rows.c.value > 0)
            .order_by(rows.c.place),
            include_defaults=False,
        )
        .on_conflict_do_nothing(index_elements=[Entry.batch_id, Entry.member_id])
        .returning(Entry.id)
    )
    number = len(added.all())
    batch.entry_count += number
    if batch.entry_count > limit:
        raise over_limit(batch.entry_count, limit)
    batch.updated_at = actor.at
    return number


def ensure_accepts_members(batch: Batch) -> None:
    if batch.undone_at:
        raise DomainError("batches.undone")
    if not batch.takes_members:
        partial = batch.status == BatchStatus.PARTIALLY_PUBLISHED
        code = "batches.errors_first" if partial else "batches.not_accepting"
        raise DomainError(code, status=batch.status_label)


def over_limit(number: int, limit: int) -> DomainError:
    """Return the error for a batch that would exceed its limit."""
    return DomainError("batches.full", limit=limit, number=number)


def remove_member(batch_id: int, entry_id: int, actor: Actor) -> None:
    """Remove a member from an unpublished batch; does nothing if they were already removed.

    Raises NotFoundError for an entry of another batch, DomainError if the entry is decided or being processed.
    """
    batch = lock(batch_id)
    entry = db.session.get(Entry, entry_id)
    if entry is None:
        return
    if entry.batch_id != batch.id:
        raise NotFoundError("batches.entry_not_found")
    if entry.outcome is not None or batch.running:
        raise DomainError("batches.entry_processed")
    audit_log.write(actor, "batch.member_removed", "batch", batch.id, member=entry.member_id)
    db.session.delete(entry)
    batch.entry_count -= 1
    batch.updated_at = actor.at


def delete_draft(batch_id: int, actor: Actor) -> str:
    """Delete a draft with its entries and file, and return its name. Raises DomainError for a published batch."""
    batch = lock(batch_id)
    if not batch.draft:
        raise DomainError("batches.not_a_draft")
    audit_log.write(
        actor, "batch.deleted", "batch", batch.id, name=batch.name, users=batch.entry_count
    )
    name = batch.name
    db.session.execute(delete(Batch).where(Batch.id == batch.id))
    return name


def get(batch_id: int) -> Batch:
    with_badge = joinedload(Batch.quest).joinedload(Quest.badge)
    return require(Batch, batch_id, fresh=True, options=[with_badge])


def lock(batch_id: int) -> Batch:
    """Return the batch, locked until the end of the transaction to protect its counts and status.

    Waits for chunks in progress; meanwhile no worker begins another.
    """
    ranges.lock(BatchRange.batch_id == min(batch_id, LARGEST_ID))
    return require(Batch, batch_id, lock=True)
