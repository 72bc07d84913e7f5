"""Add, rename, reorder and archive the quests of a badge (M-15)."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import contains_eager, joinedload
from sqlalchemy.orm.util import identity_key

from webapp.database import db, prepared
from webapp.database.arrays import in_array
from webapp.domain import labels, rules, unique_names
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.badges import catalogue
from webapp.domain.errors import DomainError
from webapp.domain.lookup import require_quest
from webapp.domain.normalization import fold
from webapp.domain.rules.locking import lock_exclusive
from webapp.domain.webhooks import outbox
from webapp.models import Badge, Quest, WebhookEvent

MISSING = "badges.name_missing"
UP, DOWN = "up", "down"


def first(badge: Badge, name: str, actor: Actor) -> Quest:
    """Create a new badge's first quest, without an audit log entry of its own."""
    quest = _add(badge, name)
    outbox.emit(WebhookEvent.QUEST_CHANGED, [quest.id], actor.at)
    return quest


def add(badge_id: int, name: str, actor: Actor) -> Quest:
    """Add a quest at the end of a badge's list; not idempotent.

    Raises NotFoundError, and DomainError if the name is missing, too long or used by another open quest of the badge.
    """
    badge = catalogue.lock(badge_id)
    quest = _add(badge, name)
    audit_log.write(actor, "quest.created", "quest", quest.id)
    outbox.emit(WebhookEvent.QUEST_CHANGED, [quest.id], actor.at)
    return quest


def rename(badge_id: int, quest_id: int, name: str, actor: Actor) -> Quest:
    """Rename a quest, also for existing awards. Idempotent. Raises as `add`."""
    quest = _lock(badge_id, quest_id)
    name = labels.validate(name, MISSING)
    if name == quest.name:
        return quest
    if quest.archived_at is None:
        _ensure_name_free(quest.badge_id, name, quest.id)
    before, quest.name, quest.name_key = quest.name, name, fold(name)
    unique_names.flush(_name_taken(name))
    audit_log.write(actor, "quest.renamed", "quest", quest.id, before=before, after=name)
    outbox.emit(WebhookEvent.QUEST_CHANGED, [quest.id], actor.at)
    return quest


def move(badge_id: int, quest_id: int, way: str, actor: Actor) -> bool:
    """Move a quest one place `up` or `down`; False if it is the first or last. Raises NotFoundError."""
    quest = _lock(badge_id, quest_id)
    ordered = _ordered(badge_id)
    here = ordered.index(quest)
    there = here + {UP: -1, DOWN: 1}.get(way, 0)
    if there == here or not 0 <= there < len(ordered):
        return False
    ordered.insert(there, ordered.pop(here))
    for place, moved in enumerate(ordered):
        moved.position = place
    audit_log.write(actor, "quest.moved", "quest", quest.id, way=way)
    outbox.emit(WebhookEvent.QUEST_CHANGED, [quest.id], actor.at)
    return True


def archive(badge_id: int, quest_id: int, actor: Actor) -> bool:
    """Archive a quest: it can't be awarded any more, but its holders keep it. False if it is already archived."""
    quest = _lock(badge_id, quest_id)
    if quest.archived_at is not None:
        return False
    quest.archived_at = actor.at
    audit_log.write(actor, "quest.archived", "quest", quest.id)
    outbox.emit(WebhookEvent.QUEST_CHANGED, [quest.id], actor.at)
    return True


def unarchive(badge_id: int, quest_id: int, actor: Actor, seen: str | None = None) -> bool:
    """Restore an archived quest; False if it is not archived.

    Raises DomainError if another quest of the badge has its name. If its rule becomes active, raises UnconfirmedError
    unless `seen` is the rule's fingerprint or None.
    """
    lock_exclusive()
    quest = _lock(badge_id, quest_id)
    if quest.archived_at is None:
        return False
    _ensure_name_free(quest.badge_id, quest.name, quest.id)
    quest.archived_at = None
    unique_names.flush(_name_taken(quest.name))
    rules.came_into_force(badge_id, actor, quest.id, seen)
    audit_log.write(actor, "quest.unarchived", "quest", quest.id)
    outbox.emit(WebhookEvent.QUEST_CHANGED, [quest.id], actor.at)
    return True


def _add(badge: Badge, name: str) -> Quest:
    name = labels.validate(name, MISSING)
    _ensure_name_free(badge.id, name, None)
    last = select(func.max(Quest.position)).where(Quest.badge_id == badge.id)
    position = db.session.scalar(last)
    quest = Quest(
        badge_id=badge.id,
        name=name,
        name_key=fold(name),
        position=0 if position is None else position + 1,
    )
    db.session.add(quest)
    unique_names.flush(_name_taken(name))
    return quest


def _ordered(badge_id: int) -> list[Quest]:
    query = select(Quest).where(Quest.badge_id == badge_id).order_by(Quest.position, Quest.id)
    return list(db.session.scalars(query))


def _lock(badge_id: int, quest_id: int) -> Quest:
    """Return the quest after locking its badge, which protects the names and order of all its quests."""
    catalogue.lock(badge_id)
    return require_quest(badge_id, quest_id)


def _ensure_name_free(badge_id: int, name: str, quest_id: int | None) -> None:
    query = select(Quest.id).where(
        Quest.badge_id == badge_id,
        Quest.name_key == fold(name),
        Quest.archived_at.is_(None),
        Quest.id != (quest_id or 0),
    )
    unique_names.ensure_free(query, _name_taken(name))


def _name_taken(name: str) -> DomainError:
    return DomainError("badges.quest_name_taken", "name", name=name)


def open_quest(quest_id: int | None) -> Quest:
    """Return the quest. Raises DomainError if it can't be awarded."""
    if not quest_id:
        return require_open(None)
    loaded = db.session.identity_map.get(identity_key(Quest, quest_id))
    return require_open(loaded or db.session.scalar(_BY_ID, {"id": quest_id}))


_BY_ID = prepared(select(Quest).options(joinedload(Quest.badge)).where(Quest.id == bindparam("id")))


def by_id(quest_ids: Collection[int]) -> dict[int, Quest]:
    """Return quests with their badges; one query. Unknown IDs are left out."""
    query = select(Quest).options(joinedload(Quest.badge))
    quests = db.session.scalars(query.where(in_array(Quest.id, sorted(quest_ids))))
    return {quest.id: quest for quest in quests}


def require_open(quest: Quest | None) -> Quest:
    """Return the quest. Raises DomainError if there is none, or if it can't be awarded."""
    if quest is None:
        raise DomainError("common.badge_not_found", "quest")
    if not quest.open:
        raise DomainError("awards.quest_archived", "quest", quest=quest.title)
    return quest


def choices(
    chosen: int | None = None, held: Collection[int] = ()
) -> list[tuple[Badge, list[Quest]]]:
    """Return badges by name with the quests that can be awarded and the earlier choice `chosen` (M-4); one query.

    Leaves out badges whose quests are all `held`.
    """
    quests = db.session.scalars(_SELECT_CHOICES, {"chosen": chosen})
    badges = [(badge, list(quests)) for badge, quests in groupby(quests, lambda quest: quest.badge)]
    return [
        (badge, quests) for badge, quests in badges if any(quest.id not in held for quest in quests)
    ]


_SELECT_CHOICES = (
    select(Quest)
    .join(Quest.badge)
    .options(contains_eager(Quest.badge))
    .where(
        Quest.archived_at.is_(None) & Badge.archived_at.is_(None)
        | (Quest.id == bindparam("chosen"))
    )
    .order_by(Badge.name_key, Badge.id, Quest.position, Quest.id)
)
