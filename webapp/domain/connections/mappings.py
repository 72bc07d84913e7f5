"""Which badge of a community shows which quest's awards (CN-2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import joinedload

from webapp.adapters.contract import RemoteBadge
from webapp.database import db, execute_rowcount
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.connections import settings
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.infrastructure import job_queue
from webapp.models import Badge, BadgeDifference, BadgeMapping, BadgeSync, Connection, Quest

MOST_BADGES = 2_000  # of a community that are kept


@dataclass(frozen=True)
class Mapped:
    mapping: BadgeMapping
    waiting: int
    refused: int


def store_badges(connection_id: int, badges: Sequence[RemoteBadge]) -> None:
    """Keep the list of a community's badges, to choose from."""
    connection = require(Connection, connection_id, lock=NO_KEY_UPDATE)
    ordered = sorted(badges, key=lambda badge: badge.name.casefold())
    connection.badges = [[badge.id, badge.name] for badge in ordered[:MOST_BADGES]]


def choose_badge(
    connection: Connection, quest_id: int | None, badge_id: str | None, allowed: Iterable[str]
) -> RemoteBadge:
    """Return the badge there that is to show a quest's awards; without an ID, create one of the quest's title.

    It may call the community: call it outside a transaction. Raises DomainError.
    """
    if quest_id is None:
        raise DomainError("connections.quest_missing", "quest")
    if badge_id is None:
        quest = require(Quest, quest_id, options=[joinedload(Quest.badge)])
        name, description = quest.title, quest.badge.description
        other = exists().where(
            BadgeMapping.connection_id == connection.id,
            BadgeMapping.quest_id == quest_id,
            BadgeMapping.remote_name != name[:190],
        )
        if db.session.scalar(select(other)):  # a new badge would stay there unused
            raise DomainError("connections.quest_mapped", "quest")
        return settings.fetch(
            connection, allowed, lambda adapter: adapter.create_badge(name, description)
        )
    names = dict(connection.badges)
    if badge_id not in names:
        raise DomainError("connections.badge_missing", "badge")
    return RemoteBadge(badge_id, names[badge_id])


def create(connection_id: int, quest_id: int, badge: RemoteBadge, actor: Actor) -> BadgeMapping:
    """Show a quest's awards as a badge there, those made before too. Returns an existing mapping of both unchanged.

    Raises DomainError if one of the two is mapped already.
    """
    connection = require(Connection, connection_id, lock=NO_KEY_UPDATE)
    quest = require(Quest, quest_id)
    mine = BadgeMapping.connection_id == connection.id
    either = (BadgeMapping.quest_id == quest.id) | (BadgeMapping.remote_id == badge.id)
    for there in db.session.scalars(select(BadgeMapping).where(mine, either)):
        if there.quest_id == quest.id and there.remote_id == badge.id:
            return there
        if there.quest_id == quest.id:
            raise DomainError("connections.quest_mapped", "quest")
        raise DomainError("connections.badge_mapped", "badge")
    if badge.id not in {known for known, _ in connection.badges}:
        connection.badges = [*connection.badges, [badge.id, badge.name]]
    mapping = BadgeMapping(
        connection_id=connection.id,
        quest_id=quest.id,
        remote_id=badge.id,
        remote_name=badge.name[:190],
        mark_after=0,
    )
    db.session.add(mapping)
    db.session.flush()
    audit_log.write(
        actor, "connection.mapped", "connection", connection.id, quest=quest.id, badge=badge.name
    )
    job_queue.enqueue_after_commit("push", connection.id)
    return mapping


def remove(connection_id: int, mapping_id: int, actor: Actor) -> None:
    """End a mapping. The badges that members have there stay as they are. Raises NotFoundError."""
    mapping = get(connection_id, mapping_id)
    for table in (BadgeSync, BadgeDifference):
        execute_rowcount(
            delete(table).where(
                table.connection_id == connection_id, table.quest_id == mapping.quest_id
            )
        )
    quest, badge = mapping.quest_id, mapping.remote_name
    audit_log.write(
        actor, "connection.unmapped", "connection", connection_id, quest=quest, badge=badge
    )
    db.session.delete(mapping)


def get(connection_id: int, mapping_id: int) -> BadgeMapping:
    mapping = require(BadgeMapping, mapping_id)
    if mapping.connection_id != connection_id:
        raise NotFoundError("common.badge_mapping_not_found")
    return mapping


def overview(connection_id: int) -> list[Mapped]:
    """Return all mappings by badge and quest, with their numbers of waiting and refused changes; two queries."""
    query = (
        select(BadgeMapping)
        .join(BadgeMapping.quest)
        .join(Quest.badge)
        .where(BadgeMapping.connection_id == connection_id)
        .options(joinedload(BadgeMapping.quest).joinedload(Quest.badge))
        .order_by(Badge.name_key, Quest.id)
    )
    counted = (
        select(BadgeSync.quest_id, func.count(), func.count(BadgeSync.due_at))
        .where(BadgeSync.connection_id == connection_id)
        .group_by(BadgeSync.quest_id)
    )
    numbers = {quest_id: (due, all_ - due) for quest_id, all_, due in db.session.execute(counted)}
    return [
        Mapped(mapping, *numbers.get(mapping.quest_id, (0, 0)))
        for mapping in db.session.scalars(query)
    ]
