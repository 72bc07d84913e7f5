"""Add one member to a batch, by ID or username (B-18, B-19)."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.batches import drafts
from webapp.domain.errors import DomainError
from webapp.domain.normalization import fold, searchable
from webapp.models import Entry, Member

FIELD = "member"


class By(StrEnum):
    ID = "id"
    USERNAME = "username"

    @property
    def label(self) -> str:
        return "User ID" if self is By.ID else "Username"


def add(batch_id: int, by: By, text: str, limit: int, actor: Actor) -> Member:
    """Add a member to a batch and return them.

    Raises DomainError if the member is unknown or already in it, or the batch is full (`limit`) or can't take members.
    """
    batch = drafts.lock(batch_id)
    drafts.ensure_accepts_members(batch)
    member = find(by, text)
    inside = select(Entry.id).where(Entry.batch_id == batch.id, Entry.member_id == member.id)
    if db.session.scalar(inside) is not None:
        raise DomainError("rows.already_in_batch", FIELD)
    if batch.entry_count >= limit:
        raise _full(limit)
    drafts.add_members(batch.id, [member.id], limit, actor)
    audit_log.write(actor, "batch.member_added", "batch", batch.id, member=member.id)
    return member


def find(by: By, text: str) -> Member:
    """Return the member with exactly this ID, or this username, ignoring a leading @. Raises DomainError."""
    text = text.strip()
    if not text:
        raise DomainError(
            "batches.user_id_missing" if by is By.ID else "batches.username_missing", FIELD
        )
    if by is By.ID:
        member = db.session.scalar(select(Member).where(Member.external_id == searchable(text)))
    else:
        key = fold(text)
        known = {
            member.username_key: member
            for member in db.session.scalars(
                select(Member).where(Member.username_key.in_([key, key.removeprefix("@")]))
            )
        }
        member = known.get(key) or known.get(key.removeprefix("@"))
    if member is None:
        raise DomainError("rows.user_not_found", FIELD)
    return member


def _full(limit: int) -> DomainError:
    return DomainError("batches.is_full", FIELD, limit=limit)
