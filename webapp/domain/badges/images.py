"""Badge images: at most one per badge, shown instead of its design (M-15, B-41)."""

from __future__ import annotations

import hashlib

from sqlalchemy import delete, select

from webapp.database import LARGEST_ID, db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.badges import catalogue
from webapp.domain.badges.image_processing import Picture
from webapp.domain.webhooks import outbox
from webapp.models import Image, WebhookEvent


def put(badge_id: int, picture: Picture, actor: Actor) -> bool:
    """Set a badge's image; False if it is already this one. Raises NotFoundError."""
    badge = catalogue.lock(badge_id)
    name = hashlib.sha256(picture.content + picture.small).hexdigest()[:32]
    if badge.art_hash == name:
        return False
    _delete(badge_id)
    badge.art_hash = name
    row = {"hash": name, "content": picture.content, "small": picture.small}
    db.session.add(Image(badge_id=badge.id, created_at=actor.at, **row))
    audit_log.write(actor, "badge.image_changed", "badge", badge.id)
    outbox.emit(WebhookEvent.BADGE_CHANGED, [badge.id], actor.at)
    return True


def remove(badge_id: int, actor: Actor) -> bool:
    """Remove a badge's image, so that its design is shown; False if it has none. Raises NotFoundError."""
    badge = catalogue.lock(badge_id)
    if not badge.art_hash:
        return False
    _delete(badge_id)
    badge.art_hash = ""
    audit_log.write(actor, "badge.image_removed", "badge", badge.id)
    outbox.emit(WebhookEvent.BADGE_CHANGED, [badge.id], actor.at)
    return True


def find(badge_id: int, name: str, small: bool) -> bytes | None:
    """Return the image with this hash as WebP; None if the badge has a different one or none."""
    column = Image.small if small else Image.content
    return db.session.scalar(
        select(column).where(Image.badge_id == min(badge_id, LARGEST_ID), Image.hash == name)
    )


def _delete(badge_id: int) -> None:
    db.session.execute(delete(Image).where(Image.badge_id == badge_id))
