"""A fixture for tests of rules: Automatic badges, members, events, and workers that process everything pending."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select

from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain import rules
from webapp.domain.activities import counters
from webapp.domain.activities.counters import ActivityEventIn
from webapp.domain.actor import Actor
from webapp.domain.rules import ConditionDraft, RuleDraft, backfill, evaluation
from webapp.models import Award, Member, Origin, Quest, Rule, Staff
from webapp.models.rule import ConditionKind
from webapp.transaction import transaction


class World:
    """Rules, events and awards; each call is a separate transaction."""

    def __init__(self, make: Make) -> None:
        self.make = make
        self.staff: Staff = make.staff(name="Ivo")
        self.at = NOW

    def actor(self) -> Actor:
        """Ivo, now."""
        return Actor(self.at, Origin.CONSOLE, self.staff)

    def later(self, by: timedelta) -> None:
        """Advance the clock."""
        self.at += by

    def quest(self, *, automatic: bool = True) -> Quest:
        """A quest of a new Automatic badge."""
        return self.make.quest(
            badge=self.make.badge(f"Earned {next(self.make.numbers)}", automatic=automatic)
        )

    def rule(self, quest: Quest, *asked: ConditionDraft, any_of: bool = False) -> Rule:
        """Set the rule of a quest."""
        with transaction():
            return rules.save(quest.badge_id, quest.id, RuleDraft(asked, any_of), self.actor())

    def count(self, member: Member, activity_: str, amount: int = 1, event: str = "") -> bool:
        """Count an event; return whether it was counted."""
        event = event or f"event-{next(self.make.numbers)}"
        with transaction():
            happened = ActivityEventIn(event, member.id, activity_, amount, self.at)
            return bool(counters.record_events([happened], self.actor()))

    def work(self) -> None:
        """Process everything as workers do: candidates, and all members for rules that took effect."""
        while True:
            with transaction():
                decided = evaluation.evaluate_candidates(7, self.at)
            left = backfill.waiting()
            db.session.rollback()
            for rule_id in left:
                self.evaluate(rule_id)
            if not decided and not left:
                return

    def evaluate(self, rule_id: int, number: int = 3) -> None:
        """Evaluate all members for one rule, a few at a time."""
        with transaction():
            assert backfill.claim(rule_id, "tests", 60, self.at)
        more: bool | None = True
        while more:
            with transaction():
                more = backfill.evaluate_some(rule_id, "tests", 60, number, self.at)

    def holds(self, quest: Quest) -> set[int]:
        """The ids of the members who have a quest."""
        db.session.rollback()
        found = select(Award.member_id).where(
            Award.quest_id == quest.id, Award.revoked_at.is_(None)
        )
        return set(db.session.scalars(found))

    def awards(self, quests: Iterable[Quest]) -> set[tuple[int, int]]:
        """Pairs of member and quest for all awards."""
        return {(member, quest.id) for quest in quests for member in self.holds(quest)}


def activity_of(amount: int, name: str) -> ConditionDraft:
    return ConditionDraft(ConditionKind.ACTIVITY, amount, name)


def days_since_joining(amount: int) -> ConditionDraft:
    return ConditionDraft(ConditionKind.DAYS, amount)


def holding(quest: Quest) -> ConditionDraft:
    return ConditionDraft(ConditionKind.QUEST, required_id=quest.id)


def days_ago(number: int) -> datetime:
    return NOW - timedelta(days=number)
