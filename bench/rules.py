"""Events per second with two hundred rules over the whole community, compared with inserting the rows without rules."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import select, text, update

from bench.measures import Bench
from webapp.database import db
from webapp.domain import rules
from webapp.domain.activities import counters
from webapp.domain.activities.counters import ActivityEventIn
from webapp.domain.normalization import fold
from webapp.domain.rules import ConditionDraft, RuleDraft, evaluation, reach
from webapp.models import Badge, Member, Quest, Rule
from webapp.models.rule import ConditionKind
from webapp.transaction import transaction

ACTIVITIES = [f"bench{number}" for number in range(20)]
NUMBERS = (5, 10, 25, 50, 75, 100, 150, 200, 250, 290)  # ten rules per activity
ACTIVE = 50_000  # active members
HIGHEST = 300  # of a counter
CALL = 1_000  # events per call
CALLS = 10
COUNTS = """
INSERT INTO activity_counts (member_id, activity, amount)
SELECT id, '{activity}', (id * {prime}) % {highest} FROM members ORDER BY id LIMIT {active}
"""
EVENT = {
    "sqlite": "INSERT INTO activity_events (event_id, member_id, activity, amount, at) "
    "SELECT value->>0, value->>1, value->>2, 1, :now FROM json_each(:rows) WHERE true "
    "ON CONFLICT DO NOTHING",
    "postgresql": "INSERT INTO activity_events (event_id, member_id, activity, amount, at) "
    "SELECT r->>0, (r->>1)::bigint, r->>2, 1, now() FROM json_array_elements(%(rows)s::json) AS r "
    "ON CONFLICT DO NOTHING",
}
SUM = {
    "sqlite": "INSERT INTO activity_counts (member_id, activity, amount) "
    "SELECT value->>0, value->>1, value->>2 FROM json_each(:rows) WHERE true "
    "ON CONFLICT (member_id, activity) DO UPDATE SET amount = activity_counts.amount + excluded.amount",
    "postgresql": "INSERT INTO activity_counts (member_id, activity, amount) "
    "SELECT (r->>0)::bigint, r->>1, (r->>2)::bigint FROM json_array_elements(%(rows)s::json) AS r "
    "ON CONFLICT (member_id, activity) DO UPDATE SET amount = activity_counts.amount + excluded.amount",
}


def rows(bench: Bench, kind: str, rounds: int) -> Iterator[tuple[str, str, str]]:
    """Rows of the table: operation, value, goal."""
    with bench.console.app.app_context():
        members = _prepare(bench)
        pairs = []
        _round(bench, members), _floor(bench, kind, members)  # warm up
        for _ in range(rounds):
            pairs.append((_round(bench, members), _floor(bench, kind, members)))
    per_second = [CALL * CALLS / mine for mine, _ in pairs]
    ratio = statistics.median(mine / floor for mine, floor in pairs)
    low, middle, high = min(per_second), statistics.median(per_second), max(per_second)
    yield (
        f"Events a second, {len(ACTIVITIES) * len(NUMBERS)} rules",
        f"{middle:,.0f} ({low:,.0f}-{high:,.0f})",
        "1,000",
    )
    yield "The same rows without rules, times as fast", f"{ratio:.2f} x", ""
    with bench.console.app.app_context():
        taken = [_preview(bench) for _ in range(5)]
    yield "Preview of a rule, whole community", f"{1000 * statistics.median(taken):.0f} ms", ""


def _prepare(bench: Bench) -> list[int]:
    """Create counters for active members, and rules as if all members had been evaluated."""
    with db.engine.connect().execution_options(write=True) as connection:
        for place, name in enumerate(ACTIVITIES):
            asked = {"activity": name, "prime": 7919 + place, "highest": HIGHEST, "active": ACTIVE}
            connection.execute(text(COUNTS.format(**asked)))
        connection.commit()
        connection.execute(text("ANALYZE"))
        connection.commit()
    with transaction():
        for name in ACTIVITIES:
            badge = Badge(
                name=name, name_key=fold(name), automatic=True, created_at=bench.actor().at
            )
            badge.quests = [
                Quest(name=str(number), name_key=str(number), position=number) for number in NUMBERS
            ]
            db.session.add(badge)
            db.session.flush()
            for quest, number in zip(badge.quests, NUMBERS, strict=True):
                draft = RuleDraft((ConditionDraft(ConditionKind.ACTIVITY, number, name),))
                rules.save(badge.id, quest.id, draft, bench.actor())
        db.session.execute(update(Rule).values(ended_at=bench.actor().at))
    return list(db.session.scalars(select(Member.id).order_by(Member.id).limit(ACTIVE)))


def _calls(members: list[int]) -> list[list[tuple[str, int, str]]]:
    return [
        [(str(uuid4()), random.choice(members), random.choice(ACTIVITIES)) for _ in range(CALL)]
        for _ in range(CALLS)
    ]


def _round(bench: Bench, members: list[int]) -> float:
    """Seconds to count the events and to award what they earned, in one process."""
    calls, at = _calls(members), datetime.now(UTC)
    began = time.perf_counter()
    for call in calls:
        with transaction():
            counters.record_events([ActivityEventIn(*one, 1, at) for one in call], bench.actor())
        decided = 1
        while decided:
            with transaction():
                decided = evaluation.evaluate_candidates(500, at)
    return time.perf_counter() - began


def _floor(bench: Bench, kind: str, members: list[int]) -> float:
    """Seconds for the same events and sums by handwritten SQL, one transaction per call."""
    calls, connection = _calls(members), bench.floor.connection
    began = time.perf_counter()
    for call in calls:
        sums = Counter((member, name) for _, member, name in call)
        connection.execute("BEGIN IMMEDIATE" if kind == "sqlite" else "BEGIN")
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
        connection.execute(EVENT[kind], {"rows": json.dumps(call), "now": now})
        summed = json.dumps([[*key, number] for key, number in sorted(sums.items())])
        connection.execute(SUM[kind], {"rows": summed})
        connection.execute("COMMIT")
    return time.perf_counter() - began


def _preview(bench: Bench) -> float:
    """Seconds to count the members who meet a rule with two conditions."""
    number = bench.quest()
    db.session.rollback()
    quest = db.session.get_one(Quest, number)
    asked = (
        ConditionDraft(ConditionKind.ACTIVITY, 100, ACTIVITIES[0]),
        ConditionDraft(ConditionKind.DAYS, 30),
    )
    began = time.perf_counter()
    reach.reach(quest, RuleDraft(asked), bench.actor().at)
    return time.perf_counter() - began
