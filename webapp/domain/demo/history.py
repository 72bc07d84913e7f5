"""Create a year of awards and batches for the demo community."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any

from webapp.domain.demo import rules
from webapp.domain.demo.catalogue import (
    ANNIVERSARIES,
    BADGES,
    BATCHES,
    REVOKED_BECAUSE,
    WELCOME,
    WHY,
    BatchPlan,
)
from webapp.models import MemberStatus, Outcome, Role
from webapp.models.batch import SUCCESSES

YEAR = timedelta(days=365)
REVOKED = 0.03  # of the awards made by staff


@dataclass
class DemoMember:
    id: int
    status: str
    joined_at: datetime


@dataclass
class BatchStory:
    """A batch's entries in order, each with outcome and time (both None in a draft)."""

    plan: BatchPlan
    begun_at: datetime
    entries: list[tuple[int, Outcome | None, datetime | None]] = field(default_factory=list)

    @property
    def outcomes(self) -> Counter[Outcome | None]:
        return Counter(outcome for _, outcome, _ in self.entries)

    @property
    def succeeded(self) -> int:
        return sum(self.outcomes[outcome] for outcome in SUCCESSES)


class History:
    """Generate the history; deterministic for the same members and `now`."""

    def __init__(
        self,
        people: list[DemoMember],
        quests: dict[str, int],
        staff: dict[Role, int],
        now: datetime,
        seed: int,
    ) -> None:
        self.people, self.quests, self.staff, self.now = people, quests, staff, now
        self.random = Random(seed)
        # A few members write a lot and most write little.
        self.weights = list(accumulate(self.random.paretovariate(1.3) for _ in people))
        self.awards: list[dict[str, Any]] = []
        self.batches: list[BatchStory] = []
        self.holders: dict[str, set[int]] = {name: set() for name in quests}
        self.found_held: set[tuple[int, int]] = set()  # (quest, member) held before their batch

    def make(self) -> None:
        """Fill `awards` and `batches`, with batches in the order they were created."""
        for place, plan in enumerate(BATCHES):
            self._batch(plan, place)
        self._welcomes()
        self._anniversaries()
        for badge in BADGES:
            for quest in badge.quests:
                for _ in range(quest.awards):
                    sources, weights = zip(*quest.sources, strict=True)
                    self._award(quest.name, self.random.choices(sources, weights)[0])
        rules.complete(self)
        self._take_some_back()

    def _somebody(self, quest: str, before: datetime) -> DemoMember:
        while True:
            person = self.random.choices(self.people, cum_weights=self.weights)[0]
            if person.joined_at < before and person.id not in self.holders[quest]:
                return person

    def _batch(self, plan: BatchPlan, place: int) -> None:
        story = BatchStory(plan, self.now - timedelta(days=plan.days_ago))
        before = set(self.holders[plan.quest])
        chosen = self.random.sample(sorted(before), plan.again)
        self.found_held.update((self.quests[plan.quest], member_id) for member_id in chosen)
        lacking: list[int] = []
        status = {person.id: person.status for person in self.people}
        while len(lacking) < plan.size - plan.again:
            person = self._somebody(plan.quest, story.begun_at)
            if plan.sound and person.status != MemberStatus.ACTIVE:
                continue
            self.holders[plan.quest].add(person.id)
            lacking.append(person.id)
        members = chosen + lacking
        self.random.shuffle(members)
        for number, member_id in enumerate(members):
            if plan.draft:
                story.entries.append((member_id, None, None))
                self.holders[plan.quest].discard(member_id)
                continue
            at = story.begun_at + timedelta(minutes=4, seconds=number // 500)
            outcome = Outcome.ALREADY_HELD if member_id in before else _outcome(status[member_id])
            story.entries.append((member_id, outcome, at))
            if outcome is Outcome.AWARDED:
                self.add(plan.quest, member_id, "batch", at, self._publisher(place), place)
            elif outcome is not Outcome.ALREADY_HELD:
                self.holders[plan.quest].discard(member_id)
        self.batches.append(story)

    def _publisher(self, place: int) -> int:
        return self.staff[(Role.ADMIN, Role.DEV)[place % 2]]

    def _welcomes(self) -> None:
        for person in self.people:
            if person.joined_at > self.now - YEAR and self.random.random() < 0.83:
                at = person.joined_at + timedelta(minutes=self.random.expovariate(1 / 900))
                if at < self.now:
                    self.add(WELCOME, person.id, "rule", at)

    def _anniversaries(self) -> None:
        for quest, years in ANNIVERSARIES.items():
            for person in self.people:
                at = person.joined_at + years * YEAR
                if at < self.now and person.status == MemberStatus.ACTIVE:
                    # Badges were introduced a year ago: members who already qualified got theirs on the first day.
                    first_day = self.now - YEAR + timedelta(minutes=5)
                    self.add(quest, person.id, "rule", max(at, first_day))

    def _award(self, quest: str, source: str) -> None:
        if source == "group":  # several members at the same time
            at = self.now - timedelta(days=41 * self.random.randint(1, 8), hours=5)
        else:
            at = self.now - YEAR * self.random.random() ** 1.15
        person = self._somebody(quest, at)
        by = None
        if source in ("profile", "group"):
            roles = (Role.MANAGER, Role.MANAGER, Role.ADMIN)
            by = self.staff[self.random.choice(roles)]
        self.add(quest, person.id, source, at, by)

    def add(
        self,
        quest: str,
        member_id: int,
        source: str,
        at: datetime,
        by: int | None = None,
        batch: int | None = None,
    ) -> None:
        self.holders[quest].add(member_id)
        self.awards.append(
            {
                "member_id": member_id,
                "quest_id": self.quests[quest],
                "batch_id": batch,  # index in `batches` until the batch has an ID
                "source": source,
                "awarded_at": at,
                "awarded_by": by,
                "reason": WHY.get(quest, "") if source == "rule" else "",
                "revoked_at": None,
                "revoked_by": None,
                "revoke_reason": "",
            }
        )

    def _take_some_back(self) -> None:
        takers = (Role.SUPPORT, Role.SUPPORT, Role.MANAGER, Role.ADMIN)
        for award in list(self.awards):
            spared = (award["quest_id"], award["member_id"]) in self.found_held
            if award["awarded_by"] is None or spared or self.random.random() > REVOKED:
                continue
            at = award["awarded_at"] + (self.now - award["awarded_at"]) * self.random.random() * 0.4
            award["revoked_at"] = at
            award["revoked_by"] = self.staff[self.random.choice(takers)]
            award["revoke_reason"] = self.random.choice(REVOKED_BECAUSE)
            if self.random.random() < 0.25:
                again = at + (self.now - at) * self.random.random()
                self.awards.append(
                    {
                        **award,
                        "batch_id": None,
                        "source": "profile",
                        "awarded_at": again,
                        "awarded_by": self.staff[Role.MANAGER],
                        "revoked_at": None,
                        "revoked_by": None,
                        "revoke_reason": "",
                    }
                )


def _outcome(status: str) -> Outcome:
    return {
        MemberStatus.LEFT: Outcome.LEFT,
        MemberStatus.SUSPENDED: Outcome.SUSPENDED,
    }.get(MemberStatus(status), Outcome.AWARDED)
