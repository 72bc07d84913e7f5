"""Create, change and archive badges: name, mode and design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import select

from webapp.database import db
from webapp.domain import labels, rules, unique_names
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.badges import catalogue, quests
from webapp.domain.badges.art import COLOURS, ICONS, NO_ICON, SHAPES
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.normalization import fold
from webapp.domain.rules.locking import lock_exclusive
from webapp.domain.webhooks import outbox
from webapp.messages import Message, message
from webapp.models import Badge, WebhookEvent

DESCRIPTION_LENGTH = 500


@dataclass(frozen=True)
class BadgeSettings:
    """The fields of a badge's form."""

    name: str = ""
    description: str = ""
    automatic: bool = False
    shape: str = "circle"
    colour: str = "green"
    icon: str = "award"


def settings_of(badge: Badge) -> BadgeSettings:
    return BadgeSettings(
        **{field.name: getattr(badge, field.name) for field in fields(BadgeSettings)}
    )


def create(wanted: BadgeSettings, quest: str, actor: Actor) -> Badge:
    """Create a badge with its first quest, named like the badge if `quest` is blank; not idempotent (M-15).

    Raises DomainError with the field if the name is missing, too long or already used, or the design is unknown.
    """
    wanted = _validate(wanted, BadgeSettings())
    first = labels.validate(quest, field="quest") or wanted.name
    badge = Badge(**_values(wanted), version=0, created_at=actor.at)
    _ensure_name_free(wanted.name, None)
    db.session.add(badge)
    unique_names.flush(_name_taken(wanted.name))
    db.session.refresh(badge)
    quests.first(badge, first, actor)
    audit_log.write(actor, "badge.created", "badge", badge.id)
    outbox.emit(WebhookEvent.BADGE_CHANGED, [badge.id], actor.at)
    return badge


def change(
    badge_id: int,
    wanted: BadgeSettings,
    actor: Actor,
    version: int | None = None,
    seen: str | None = None,
) -> Badge:
    """Change a badge's settings. Idempotent; existing awards don't change (M-1, M-3).

    Raises as `create`, and ConflictError if `version` is outdated. If switching to Automatic makes rules active, raises
    UnconfirmedError unless `seen` is their fingerprint or None.
    """
    lock_exclusive()
    badge = catalogue.lock(badge_id)
    now = settings_of(badge)
    wanted = _validate(wanted, now)
    changed = _changes(now, wanted)
    if not changed:
        return badge
    if version is not None and version != badge.version:
        who = audit_log.last_actor("badge", badge.id, ("badge.created", "badge.changed"))
        raise ConflictError("badges.changed", who=who)
    if badge.archived_at is None:
        _ensure_name_free(wanted.name, badge.id)
    for name, value in _values(wanted).items():
        setattr(badge, name, value)
    badge.version += 1
    unique_names.flush(_name_taken(wanted.name))
    audit_log.write(
        actor, "badge.changed", "badge", badge.id, changes=[change.to_json() for change in changed]
    )
    outbox.emit(WebhookEvent.BADGE_CHANGED, [badge.id], actor.at)
    if wanted.automatic and not now.automatic:
        rules.came_into_force(badge.id, actor, seen=seen)
    return badge


def change_some(
    badge_id: int, changes: Mapping[str, Any], actor: Actor, version: int | None = None
) -> Badge:
    """Change these fields of a badge's settings; the others stay as they are now. Idempotent. Raises as `change`."""
    lock_exclusive()
    wanted = replace(settings_of(catalogue.lock(badge_id)), **changes)
    return change(badge_id, wanted, actor, version)


def _changes(now: BadgeSettings, wanted: BadgeSettings) -> list[Message]:
    """Describe each change for the audit log: the name before and after, the new mode, the others by field."""
    changes = []
    for name in (setting.name for setting in fields(BadgeSettings)):
        if getattr(wanted, name) == getattr(now, name):
            continue
        if name == "name":
            changes.append(message("badge_changes.name", before=now.name, after=wanted.name))
        elif name == "automatic":
            mode = "automatic" if wanted.automatic else "manual"
            changes.append(Message(f"badge_changes.{mode}"))
        else:
            changes.append(Message(f"badge_changes.{name}"))
    return changes


def archive(badge_id: int, actor: Actor) -> bool:
    """Archive a badge: it can't be awarded any more, but holders keep it. False if it is already archived (M-15)."""
    badge = catalogue.lock(badge_id)
    if badge.archived_at is not None:
        return False
    badge.archived_at = actor.at
    audit_log.write(actor, "badge.archived", "badge", badge.id)
    outbox.emit(WebhookEvent.BADGE_CHANGED, [badge.id], actor.at)
    return True


def unarchive(badge_id: int, actor: Actor, seen: str | None = None) -> bool:
    """Restore an archived badge; False if it is not archived.

    Raises DomainError if another badge has its name now, and UnconfirmedError as `change` does.
    """
    lock_exclusive()
    badge = catalogue.lock(badge_id)
    if badge.archived_at is None:
        return False
    _ensure_name_free(badge.name, badge.id)
    badge.archived_at = None
    unique_names.flush(_name_taken(badge.name))
    audit_log.write(actor, "badge.unarchived", "badge", badge.id)
    outbox.emit(WebhookEvent.BADGE_CHANGED, [badge.id], actor.at)
    rules.came_into_force(badge.id, actor, seen=seen)
    return True


def _values(wanted: BadgeSettings) -> dict[str, object]:
    values = {field.name: getattr(wanted, field.name) for field in fields(BadgeSettings)}
    return {**values, "name_key": fold(wanted.name)}


def _validate(wanted: BadgeSettings, now: BadgeSettings) -> BadgeSettings:
    name = labels.validate(wanted.name, missing="badges.name_missing")
    description = "\n".join(wanted.description.strip().splitlines())
    labels.validate_text(description, "description", DESCRIPTION_LENGTH, "description")
    for field, known in (("shape", SHAPES), ("colour", COLOURS), ("icon", (*ICONS, NO_ICON))):
        if getattr(wanted, field) not in (*known, getattr(now, field)):
            raise DomainError(f"badges.{field}_unknown", field)
    art = wanted.shape, wanted.colour, wanted.icon
    return BadgeSettings(name, description, wanted.automatic, *art)


def _ensure_name_free(name: str, badge_id: int | None) -> None:
    other = select(Badge.id).where(
        Badge.name_key == fold(name), Badge.archived_at.is_(None), Badge.id != (badge_id or 0)
    )
    unique_names.ensure_free(other, _name_taken(name))


def _name_taken(name: str) -> DomainError:
    return DomainError("badges.name_taken", "name", name=name)
