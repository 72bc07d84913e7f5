"""The rule by which a quest is earned, its conditions, and the members it is still to be looked at for."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime, text_key
from webapp.models.badge import Quest
from webapp.models.lease import CountedLease


class ConditionKind(StrEnum):
    ACTIVITY = "activity"  # so much of an activity
    DAYS = "days"  # so many days since joining
    QUEST = "quest"  # a quest that they hold


class Activity(Base):
    """An activity that the community, or a rule, has named; written small, as it is compared."""

    __tablename__ = "activities"

    name: Mapped[str] = mapped_column(text_key(60), primary_key=True)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Rule(CountedLease, Base):
    """A quest's rule: all of its conditions, or with `any_of` one of them. It is in force while its badge is Automatic.

    Existing members are evaluated in the background when it comes into force, by a worker that leases the rule:
    `position` is the id of the last member evaluated, `up_to_member_id` that of the last one to evaluate.
    """

    __tablename__ = "rules"
    __table_args__ = (Index("uq_rules_quest_id", "quest_id", unique=True), NO_ID_REUSE)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    quest_id: Mapped[int] = mapped_column(ForeignKey("quests.id"))
    any_of: Mapped[bool] = mapped_column(default=False, server_default="0")
    version: Mapped[int] = mapped_column(default=0, server_default="0")
    days_evaluated_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # until when days were looked at

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
        """How many of the members have been evaluated, 0 to 100; 100 only when all are."""
        if not self.evaluating:
            return 100
        return min(99, 100 * self.evaluated // self.total) if self.total else 0


class Condition(Base):
    """One thing that a rule asks: so much of an activity, so many days since joining, or a quest that is held."""

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

    One row for each time, because a worker may already be evaluating an existing row with older data.
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
