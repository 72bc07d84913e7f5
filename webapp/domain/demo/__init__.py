"""The demo community: members, badges, a year of awards, batches, and an account for each role."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import exists, func, insert, select

from webapp.database import db
from webapp.database.arrays import json_rows
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.award_insert import insert_awards
from webapp.domain.demo import rules
from webapp.domain.demo.catalogue import BADGES
from webapp.domain.demo.example import example_file
from webapp.domain.demo.history import BatchStory, DemoMember, History
from webapp.domain.demo.people import SEED, people
from webapp.domain.imports.upsert import insert_words
from webapp.domain.normalization import fold
from webapp.domain.staff import accounts as staff_accounts
from webapp.models import (
    ActivityCount,
    Award,
    Badge,
    Batch,
    BatchStatus,
    Entry,
    Member,
    Origin,
    Outcome,
    Quest,
    Role,
    Staff,
)

__all__ = ["ACCOUNTS", "example_file", "is_there", "make"]

MEMBERS = 12_000

ACCOUNTS = {
    Role.ADMIN: ("admin@example.org", "Mara Kovač"),
    Role.DEV: ("dev@example.org", "Kwame Mensah"),
    Role.MANAGER: ("manager@example.org", "Inés Duarte"),
    Role.SUPPORT: ("support@example.org", "Yuki Tanaka"),
}


def is_there() -> bool:
    return bool(db.session.scalar(select(exists().where(Staff.email == ACCOUNTS[Role.ADMIN][0]))))


def make(passwords: dict[Role, str], actor: Actor) -> None:
    """Create the demo community in an empty database; deterministic for the same time, except for the passwords.

    If it already exists, only sets the new passwords.
    """
    if is_there():
        for role, (email, _) in ACCOUNTS.items():
            staff_accounts.change_password(email, passwords[role], actor)
        return
    founded = Actor(actor.at - timedelta(days=400), actor.origin)
    accounts = {
        role: staff_accounts.add(email, role, passwords[role], name, founded)
        for role, (email, name) in ACCOUNTS.items()
    }
    _insert(Member, people(MEMBERS, actor.at))
    quests = _badges(actor)
    named = db.session.execute(select(Member.id, Member.name))
    insert_words((member.id, member.name) for member in named)
    rows = db.session.execute(
        select(Member.id, Member.status, Member.joined_at).order_by(Member.joined_at, Member.id)
    )
    staff_ids = {role: account.id for role, account in accounts.items()}
    history = History([DemoMember(*row) for row in rows], quests, staff_ids, actor.at, SEED)
    history.make()
    batches = [
        _batch(story, quests, list(accounts.values())[place % 2])
        for place, story in enumerate(history.batches)
    ]
    for award in history.awards:
        if award["batch_id"] is not None:
            award["batch_id"] = batches[award["batch_id"]].id
    _award(sorted(history.awards, key=lambda award: award["awarded_at"]))
    _insert(ActivityCount, rules.counters(history))
    rules.make_rules(quests, actor)


def _award(rows: list[dict[str, Any]]) -> None:
    """Insert all awards in one statement, so that the triggers that count holders update each badge once."""
    columns = {name: Award.__table__.columns[name].type for name in rows[0]}
    given = json_rows(rows, **columns).c
    others = {name: given[name] for name in columns if name != "member_id"}
    changed = func.coalesce(given.revoked_at, given.awarded_at)
    db.session.execute(insert_awards(select(given.member_id), updated_at=changed, **others))


def _insert(table: Any, rows: list[dict[str, Any]]) -> None:
    db.session.connection().execute(insert(table), rows)


def _badges(actor: Actor) -> dict[str, int]:
    made = []
    for plan in BADGES:
        shape, colour, icon = plan.art
        badge = Badge(
            name=plan.name,
            name_key=fold(plan.name),
            description=plan.description,
            automatic=plan.automatic,
            shape=shape,
            colour=colour,
            icon=icon,
            created_at=actor.at - timedelta(days=390),
            archived_at=actor.at - timedelta(days=300) if plan.archived else None,
        )
        badge.quests = [
            Quest(name=quest.name, name_key=fold(quest.name), position=place)
            for place, quest in enumerate(plan.quests)
        ]
        made.append(badge)
    db.session.add_all(made)
    db.session.flush()
    return {quest.name: quest.id for badge in made for quest in badge.quests}


def _batch(story: BatchStory, quests: dict[str, int], by: Staff) -> Batch:
    """Create a finished batch from its story, with entries, counts and audit log."""
    batch = Batch(
        name=story.plan.name,
        name_key=fold(story.plan.name),
        quest_id=quests[story.plan.quest],
        status=BatchStatus.DRAFT,
        created_at=story.begun_at,
        created_by=by.id,
        updated_at=story.begun_at + timedelta(minutes=3),
        entry_count=len(story.entries),
    )
    db.session.add(batch)
    db.session.flush()
    audit_log.write(Actor(story.begun_at, Origin.CONSOLE, by), "batch.created", "batch", batch.id)
    _insert(
        Entry,
        [
            {"batch_id": batch.id, "member_id": member_id, "outcome": outcome, "decided_at": at}
            for member_id, outcome, at in story.entries
        ],
    )
    if story.plan.draft:
        return batch
    batch.published_at = story.begun_at + timedelta(minutes=4)
    batch.run_by = by.id
    batch.updated_at = max(at for _, _, at in story.entries if at)
    batch.published = story.succeeded
    batch.already_held = story.outcomes[Outcome.ALREADY_HELD]
    batch.errors = batch.entry_count - batch.published
    batch.status = BatchStatus.PARTIALLY_PUBLISHED if batch.errors else BatchStatus.PUBLISHED
    batch.run_total = batch.run_processed = batch.entry_count
    batch.run_up_to_entry_id = db.session.scalars(
        select(func.max(Entry.id)).where(Entry.batch_id == batch.id)
    ).one()
    publish = Actor(batch.published_at, Origin.CONSOLE, by)
    audit_log.write(
        publish,
        "batch.published",
        "batch",
        batch.id,
        members=batch.entry_count,
        quest=batch.quest_id,
    )
    return batch
