"""Rules, their conditions, and the members still to be evaluated."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime, text_key
from webapp.models.badge import Quest
from webapp.models.lease import CountedLease


class ConditionKind(StrEnum):
    ACTIVITY = "activity"  # an amount of an activity
    DAYS = "days"  # a number of days as a member
    QUEST = "quest"  # a quest that they hold


class Activity(Base):
    """An activity named by the community or a rule; lower case, for comparison."""

    __tablename__ = "activities"

    name: Mapped[str] = mapped_column(text_key(60), primary_key=True)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Rule(CountedLease, Base):
    """A quest's rule: all of its conditions, or with `any_of` any of them. Active while its badge is Automatic.

    When it becomes active, a worker leases the rule and evaluates existing members in the background: `position` is the
    ID of the last member evaluated, `up_to_member_id` that of the last one to evaluate.
    """

    __tablename__ = "rules"
    __table_args__ = (Index("uq_rules_quest_id", "quest_id", unique=True), NO_ID_REUSE)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    quest_id: Mapped[int] = mapped_column(ForeignKey("quests.id"))
    any_of: Mapped[bool] = mapped_column(default=False, server_default="0")
    version: Mapped[int] = mapped_column(default=0, server_default="0")
    days_evaluated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # last check of days

    begun_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    position: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    up_to_member_id: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    total: Mapped[int] = mapped_column(default=0, server_default="0")  # members to evaluate
    evaluated: Mapped[int] = mapped_column(default=0, server_default="0")
    awarded: Mapped[int] = mapped_column(default=0, server_default="0")  # of those

    quest: Mapped[Quest] = relationship()
    conditions: Mapped[list[Condition]] = relationship(
        order_by="Condition.place", cascade="all, delete-orphan", foreign_keys="Condition.rule_id"
    )

    @property
    def in_force(self) -> bool:
        return self.quest.badge.automatic and self.quest.open

    @property
    def evaluating(self) -> bool:
        return self.begun_at is not None and self.ended_at is None

    @property
    def percent(self) -> int:
        """Progress of the backfill, 0 to 100; 100 only when all members are evaluated."""
        if not self.evaluating:
            return 100
        return min(99, 100 * self.evaluated // self.total) if self.total else 0


class Condition(Base):
    """A requirement: an amount of an activity, a number of days as a member, or a quest held."""

    __tablename__ = "conditions"
    __table_args__ = (
        Index("ix_conditions_rule_id", "rule_id"),
        Index("ix_conditions_activity", "activity"),
        Index("ix_conditions_required_id", "required_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("rules.id", ondelete="CASCADE"))
    place: Mapped[int] = mapped_column(default=0)
    kind: Mapped[ConditionKind] = mapped_column(String(10))
    amount: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    activity: Mapped[str | None] = mapped_column(text_key(60))
    required_id: Mapped[int | None] = mapped_column(ForeignKey("quests.id"))

    required: Mapped[Quest | None] = relationship()


class RuleCandidate(Base):
    """A member for whom a rule may have become true; deleted when a worker has evaluated it.

    Rows may repeat, because a worker may already be evaluating an existing row with older data.
    """

    __tablename__ = "rule_candidates"
    __table_args__ = (
        Index("ix_rule_candidates_rule_id", "rule_id"),
        Index("ix_rule_candidates_member_id", "member_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("rules.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
