"""Evaluate all existing members in the background when a rule becomes active, a range at a time.

As with batches, the database holds all state: a worker leases the rule, every chunk is one short transaction that
advances `position`, and a worker that has lost its lease changes nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select

from webapp.database import db
from webapp.domain import leases
from webapp.domain.rules import awarding
from webapp.domain.rules.awarding import AwardedByRule
from webapp.domain.rules.locking import lock_shared
from webapp.models import Member, Rule

log = logging.getLogger(__name__)

CLAIMS = 5  # of a rule, without progress


def waiting() -> list[int]:
    """Return rules with members left to evaluate and without a lease, oldest first."""
    return list(db.session.scalars(select(Rule.id).where(_claimable()).order_by(Rule.begun_at)))


def claim(rule_id: int, owner: str, lease: float, at: datetime) -> Rule | None:
    """Lease a waiting rule for `lease` seconds; one of several callers gets it, the others get None.

    After five claims in a row without progress the backfill ends with the last failure.
    """
    rule = leases.acquire(
        Rule, rule_id, _claimable(), owner, lease, failed_claims=Rule.failed_claims + 1
    )
    if rule is not None and rule.failed_claims > CLAIMS:
        rule.last_error = rule.last_error or "rules.interrupted"
        log.error("rule %s: gave up after %s attempts: %s", rule_id, CLAIMS, rule.last_error)
        _end(rule, at)
        return None
    return rule


def evaluate_some(rule_id: int, owner: str, lease: float, number: int, at: datetime) -> bool:
    """Evaluate the next `number` members; True if there may be more. Raises LeaseLostError."""
    lock_shared()
    rule = leases.renew(Rule, rule_id, owner, lease)
    if not rule.in_force:  # deactivated since; reactivating it starts over
        _end(rule, at)
        return False
    chunk = and_(Member.id > rule.position, Member.id <= rule.up_to_member_id)
    following = select(Member.id).where(chunk).order_by(Member.id).limit(number).subquery()
    evaluated, last = db.session.execute(
        select(func.count(), func.max(following.c.id)).select_from(following)
    ).one()
    if not evaluated:
        rule.last_error = ""
        _end(rule, at)
        return False
    awarded = AwardedByRule()
    rule.awarded += awarding.award(rule, Member.id.between(rule.position + 1, last), at, awarded)
    awarded.tell(at)
    rule.position, rule.evaluated = last, rule.evaluated + evaluated
    rule.failed_claims, rule.last_error = 0, ""
    return True


def _claimable() -> ColumnElement[bool]:
    return and_(Rule.begun_at.is_not(None), Rule.ended_at.is_(None), leases.is_free(Rule))


def _end(rule: Rule, at: datetime) -> None:
    rule.ended_at = at
    rule.end_lease()
    rule.failed_claims = 0
