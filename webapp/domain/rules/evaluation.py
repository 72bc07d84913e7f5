"""Evaluate rule candidates and award those who qualify."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.rules import awarding
from webapp.domain.rules.awarding import AwardedByRule
from webapp.domain.rules.locking import lock_shared
from webapp.models import Member, Quest, Rule
from webapp.models.rule import Condition, RuleCandidate


def evaluate_candidates(number: int, at: datetime) -> int:
    """Evaluate up to `number` candidates, oldest first, and award; return how many.

    Needs its own transaction: if it fails, the candidates stay queued. Concurrent workers take different ones.
    """
    lock_shared()
    taken = db.session.execute(
        select(RuleCandidate.id, RuleCandidate.rule_id, RuleCandidate.member_id)
        .order_by(RuleCandidate.id)
        .limit(number)
        .with_for_update(skip_locked=True)
    ).all()
    if not taken:
        return 0
    awarded = AwardedByRule()
    for rule in _rules({rule_id for _, rule_id, _ in taken}):
        if rule.in_force:
            ids = sorted({member_id for _, rule_id, member_id in taken if rule_id == rule.id})
            awarding.award(rule, in_array(Member.id, ids), at, awarded)
    awarded.tell(at)
    db.session.execute(
        delete(RuleCandidate).where(in_array(RuleCandidate.id, [id_ for id_, _, _ in taken]))
    )
    return len(taken)


def forget(rule_id: int, member_id: int) -> None:
    db.session.execute(
        delete(RuleCandidate).where(
            RuleCandidate.rule_id == rule_id, RuleCandidate.member_id == member_id
        )
    )


def following() -> tuple[int, int] | None:
    ordered = (
        select(RuleCandidate.rule_id, RuleCandidate.member_id).order_by(RuleCandidate.id).limit(1)
    )
    row = db.session.execute(ordered.with_for_update(skip_locked=True)).first()
    return (row[0], row[1]) if row else None


def _rules(ids: set[int]) -> list[Rule]:
    query = (
        select(Rule)
        .options(
            joinedload(Rule.quest).joinedload(Quest.badge),
            selectinload(Rule.conditions).joinedload(Condition.required).joinedload(Quest.badge),
        )
        .where(in_array(Rule.id, sorted(ids)))
        .order_by(Rule.id)
    )
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))
