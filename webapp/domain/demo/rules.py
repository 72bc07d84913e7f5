"""Rules of the demo community, and counters that match its awards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.demo.catalogue import DAYS, LADDERS, RULES
from webapp.models import Activity, Condition, ConditionKind, Rule

if TYPE_CHECKING:
    from webapp.domain.demo.history import History

OLDEST = timedelta(days=360)


def make_rules(quests: dict[str, int], actor: Actor) -> None:
    """Create the rules of the Automatic badges, as if their backfill were complete."""
    names = sorted({what for what, _ in RULES.values()} - {DAYS})
    db.session.add_all(Activity(name=name, first_at=actor.at - OLDEST) for name in names)
    for quest, (what, number) in RULES.items():
        kind = ConditionKind.DAYS if what == DAYS else ConditionKind.ACTIVITY
        activity = None if what == DAYS else what
        rule = Rule(quest_id=quests[quest], version=1, begun_at=actor.at, ended_at=actor.at)
        rule.days_evaluated_at = actor.at
        rule.conditions = [Condition(place=0, kind=kind, amount=number, activity=activity)]
        db.session.add(rule)


def complete(history: History) -> None:
    when = {
        (award["quest_id"], award["member_id"]): award["awarded_at"] for award in history.awards
    }
    joined = {person.id: person.joined_at for person in history.people}
    for ladder in LADDERS.values():
        quests = [quest for _, quest in ladder]
        for easier, harder in zip(quests[-2::-1], quests[:0:-1], strict=True):
            for member_id in sorted(history.holders[harder] - history.holders[easier]):
                at = when[history.quests[harder], member_id]
                first = max(joined[member_id], history.now - OLDEST)
                at -= (at - first) * history.random.random() * 0.9
                history.add(easier, member_id, "rule", at)
                when[history.quests[easier], member_id] = at


def counters(history: History) -> list[dict[str, Any]]:
    """Return activity counts that are enough for the awards by rules and too low for the next ones."""
    made = []
    for activity, ladder in LADDERS.items():
        numbers = [number for number, _ in ladder]
        for person in history.people:
            held = sum(person.id in history.holders[quest] for _, quest in ladder)
            least = numbers[held - 1] if held else 0
            most = numbers[held] - 1 if held < len(numbers) else 2 * numbers[-1]
            amount = least + int((most - least) * history.random.random() ** 2)
            if amount:
                made.append({"member_id": person.id, "activity": activity, "amount": amount})
    return made
