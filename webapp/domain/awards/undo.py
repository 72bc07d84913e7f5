"""Who may undo an award or a revocation made by hand, and for how long (M-5, E-4, E-6)."""

from __future__ import annotations

from datetime import datetime, timedelta

from webapp.domain.actor import Actor
from webapp.domain.errors import DomainError

UNDO_FOR = timedelta(minutes=10)


def can_undo(staff_id: int | None, at: datetime, actor: Actor) -> bool:
    """True if the actor is the person who did it, at most ten minutes ago."""
    return _is_theirs(staff_id, actor) and actor.at - at <= UNDO_FOR


def validate_undo(staff_id: int | None, at: datetime, actor: Actor, action: str = "undo") -> None:
    """Raise DomainError for anyone but the person who did it, and after ten minutes."""
    if not _is_theirs(staff_id, actor):
        raise DomainError(f"awards.{action}_not_yours")
    if not can_undo(staff_id, at, actor):
        raise DomainError(f"awards.{action}_too_late")


def _is_theirs(staff_id: int | None, actor: Actor) -> bool:
    return staff_id is not None and staff_id == actor.staff_id
