"""Queue candidates: members for whom a rule may have become true; `evaluation` processes them within seconds (T-2).

A rule becomes true only when a counter crosses its threshold, enough days have passed or a quest is awarded. Each of
these queues the member for the rules that require it, and no others. Candidates are rows and survive a crash.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, insert, literal, select, true, update

from webapp.database import Id, UtcDateTime, db, execute_rowcount
from webapp.database.arrays import in_array, json_rows
from webapp.domain.rules.locking import lock_shared
from webapp.infrastructure import job_queue
from webapp.models import Badge, Entry, Member, Outcome, Quest, Rule
from webapp.models.rule import Condition, ConditionKind, RuleCandidate

LONGEST = timedelta(hours=1)  # generous limit for a transaction
EVERYBODY = 1  # argument of the one job for all candidates


def note_counter_crossings(risen: Iterable[tuple[int, str, int, int]], at: datetime) -> None:
    """Queue members whose counters rose, given as (member ID, activity, from, to); two statements."""
    rises = [crossing for crossing in risen if crossing[3] > crossing[2]]
    if not rises:
        return
    named = select(Condition.activity, Condition.amount, Condition.rule_id).where(
        in_array(Condition.activity, sorted({activity for _, activity, _, _ in rises})),
        Condition.rule_id.in_(in_force()),
    )
    marks: dict[str, list[tuple[int, int]]] = {}
    for activity, amount, rule_id in db.session.execute(named):
        marks.setdefault(str(activity), []).append((amount, rule_id))
    _note(
        {
            (rule_id, member_id)
            for member_id, activity, before, now in rises
            for amount, rule_id in marks.get(activity, ())
            if before < amount <= now
        },
        at,
    )


def note_awarded(pairs: list[tuple[int, int]], at: datetime) -> None:
    """Queue recipients, given as (quest, member), for every rule that requires the quest; one statement."""
    if not pairs:
        return
    rows = [{"quest": quest, "member": member} for quest, member in sorted(pairs)]
    awarded = json_rows(rows, quest=Id, member=Id)
    asking = select(Condition.rule_id, awarded.c.member, literal(at, UtcDateTime)).distinct()
    matching = Condition.required_id == awarded.c.quest
    _write(asking.join(awarded, matching).where(Condition.rule_id.in_(in_force())))


def is_required(quest_id: ColumnElement[int]) -> ColumnElement[bool]:
    """True if any active rule requires a quest; part of a larger statement."""
    return exists().where(Condition.required_id == quest_id, Condition.rule_id.in_(in_force()))


def note_awarded_by_batch(
    batch_id: int, quest_id: int | None, chunk: ColumnElement[bool], at: datetime
) -> None:
    """Queue the members to whom a batch has just awarded its quest, in a chunk of its entries; one statement."""
    members = (
        select(Entry.member_id.label("value"))
        .where(
            Entry.batch_id == batch_id,
            chunk,
            Entry.outcome == Outcome.AWARDED,
            Entry.decided_at == literal(at, UtcDateTime),
        )
        .subquery()
    )
    asking = _asking_for(quest_id or 0).subquery()
    pairs = asking.join(members, true())
    _write(select(asking.c.rule_id, members.c.value, literal(at, UtcDateTime)).select_from(pairs))


def note_revoked_by_batch_undo(
    batch_id: int, quest_id: int | None, chunk: ColumnElement[bool], at: datetime
) -> None:
    """Queue the members from whom a batch's undo revoked its quest, for the quest's own rule; one statement."""
    _write(
        select(Rule.id, Entry.member_id, literal(at, UtcDateTime))
        .join(Entry, Entry.batch_id == batch_id)
        .where(
            Rule.quest_id == quest_id,
            Rule.id.in_(in_force()),
            chunk,
            Entry.outcome == Outcome.REVOKED_BY_UNDO,
            Entry.decided_at == literal(at, UtcDateTime),
        )
    )


def note_revoked_by_undo(quest_id: int, member_ids: list[int], at: datetime) -> None:
    """Queue members whose award of a quest was undone, for the quest's own rule; one statement."""
    _write(
        select(Rule.id, Member.id, literal(at, UtcDateTime))
        .join(Member, in_array(Member.id, sorted(member_ids)))
        .where(Rule.quest_id == quest_id, Rule.id.in_(in_force()))
    )


def note_reactivated(member_ids: list[int], at: datetime) -> None:
    """Queue members who can receive badges again, for every active rule; one statement."""
    if member_ids:
        everything = select(Rule.id, Member.id, literal(at, UtcDateTime)).select_from(Rule)
        these = everything.join(Member, in_array(Member.id, sorted(member_ids)))
        _write(these.where(Rule.id.in_(in_force())))


def note_new_members(member_ids: list[int], at: datetime) -> None:
    """Queue new members, or ones with a new join date, for rules whose days have already passed for them."""
    if member_ids:
        for rule_id, _, days in _asking_for_days():
            these = in_array(Member.id, sorted(member_ids))
            _write_days(rule_id, and_(these, Member.joined_at <= at - days), at)


def note_days_reached(at: datetime) -> None:
    """Queue members for whom a rule's days have passed since the last check; one statement per such rule.

    Repeats the last hour: a transaction that added members may have been open during the last check.
    """
    lock_shared()
    for rule_id, since, days in _asking_for_days():
        begin = (since or at) - LONGEST - days
        _write_days(rule_id, Member.joined_at.between(begin, at - days), at)
    db.session.execute(update(Rule).where(Rule.id.in_(in_force())).values(days_evaluated_at=at))


def any_waiting() -> bool:
    return bool(
        db.session.scalar(select(exists().where(RuleCandidate.rule_id == RuleCandidate.rule_id)))
    )


def in_force() -> Any:
    return (
        select(Rule.id)
        .join(Quest, Quest.id == Rule.quest_id)
        .join(Badge, Badge.id == Quest.badge_id)
        .where(Badge.automatic, Badge.archived_at.is_(None), Quest.archived_at.is_(None))
    )


def _asking_for(quest_id: int) -> Any:
    return (
        select(Condition.rule_id)
        .where(Condition.required_id == quest_id, Condition.rule_id.in_(in_force()))
        .distinct()
    )


def _asking_for_days() -> list[tuple[int, datetime | None, timedelta]]:
    """Return active rules with their number of days and the time of their last check."""
    asking = (
        select(Rule.id, Rule.days_evaluated_at, Condition.amount)
        .join(Condition, Condition.rule_id == Rule.id)
        .where(Condition.kind == ConditionKind.DAYS, Rule.id.in_(in_force()))
    )
    rules_ = db.session.execute(asking).all()
    return [(rule_id, since, timedelta(days=amount)) for rule_id, since, amount in rules_]


def _write_days(rule_id: int, members: ColumnElement[bool], at: datetime) -> None:
    _write(select(literal(rule_id), Member.id, literal(at, UtcDateTime)).where(members))


def _note(pairs: set[tuple[int, int]], at: datetime) -> None:
    if not pairs:
        return
    rows = [{"rule_id": rule, "member_id": member, "since": at} for rule, member in sorted(pairs)]
    db.session.execute(insert(RuleCandidate), rows)
    job_queue.enqueue_after_commit("evaluate_candidates", EVERYBODY)


def _write(rows: Any) -> None:
    written = insert(RuleCandidate).from_select(
        ["rule_id", "member_id", "since"], rows, include_defaults=False
    )
    if execute_rowcount(written):
        job_queue.enqueue_after_commit("evaluate_candidates", EVERYBODY)
