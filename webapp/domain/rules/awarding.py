"""Awards by rules: one statement for all qualifying members of a chunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.award_insert import in_id_order, insert_awards
from webapp.domain.rules import candidates, criteria
from webapp.domain.webhooks import outbox
from webapp.models import Award, AwardSource, Member, Origin, Rule, WebhookEvent


@dataclass
class AwardedByRule:
    """Awards that rules made in a step: pairs of quest and member, and the IDs of the awards."""

    pairs: list[tuple[int, int]] = field(default_factory=list)  # (quest, member)
    awards: list[int] = field(default_factory=list)

    def tell(self, at: datetime) -> None:
        """Queue webhooks, and rule candidates for the rules that require these quests; two statements."""
        outbox.emit(WebhookEvent.AWARD_CREATED, sorted(self.awards), at)
        candidates.note_awarded(self.pairs, at)


def award(rule: Rule, members: ColumnElement[bool], at: datetime, awarded: AwardedByRule) -> int:
    """Award the rule's quest to the qualifying members who may receive it; return how many. Idempotent.

    Skips holders, and members from whom a person revoked the quest (M-14). Writes one audit log entry for all;
    `awarded` goes to the outbox at the end of the step.
    """
    quest_id = rule.quest_id
    chosen = (
        select(Member.id)
        .where(
            members,
            criteria.fits(rule.conditions, rule.any_of, at, few=True),
            criteria.receives(quest_id, few=True),
        )
        .order_by(in_id_order(Member.id))
    )
    new = insert_awards(
        chosen,
        quest_id=quest_id,
        source=AwardSource.RULE,
        awarded_at=at,
        updated_at=at,
        reason=criteria.why(rule.conditions, rule.any_of, at, few=True),
    )
    made = dict(db.session.execute(new.returning(Award.member_id, Award.id)).all())
    if made:
        audit_log.write(
            Actor(at, Origin.WORKER), "rule.awarded", "quest", quest_id, members=len(made)
        )
        awarded.pairs += [(quest_id, member_id) for member_id in made]
        awarded.awards += made.values()
    return len(made)
