"""A quest's rule is written, changed and removed (T-1, T-3); nobody loses a badge by it (T-4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import joinedload, selectinload

from webapp import later
from webapp.database import LARGEST_ID, among, db
from webapp.domain import badges, record
from webapp.domain.act import Act
from webapp.domain.refusals import ChangedMeanwhile, Refused
from webapp.domain.rules import words
from webapp.domain.rules.gate import close
from webapp.models import Member, Quest, Rule
from webapp.models.rule import Activity, Check, Condition, Kind

MOST = 10  # conditions of a rule
LARGEST = 1_000_000_000
MOST_DAYS = 36_500
ACTIVITY = re.compile(r"[a-z0-9_.:\-]{1,60}")


@dataclass(frozen=True)
class Asked:
    """A condition as somebody asks for it; `required` is looked up by `check`."""

    kind: Kind
    amount: int | None = None
    activity: str | None = None
    required_id: int | None = None
    required: Quest | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Draft:
    """A rule as somebody asks for it."""

    conditions: tuple[Asked, ...] = ()
    any_of: bool = False


def get(badge_id: int, quest_id: int) -> tuple[Quest, Rule | None]:
    """A quest with its rule, if it has one. Raises NotFound."""
    quest = badges.quest(badge_id, quest_id)
    return quest, db.session.scalar(_with_conditions().where(Rule.quest_id == quest.id))


def of_badge(badge_id: int) -> dict[int, Rule]:
    """The rules of a badge's quests, by quest; three queries at most."""
    found = _with_conditions().join(Rule.quest).where(Quest.badge_id == badge_id)
    return {rule.quest_id: rule for rule in db.session.scalars(found)}


def check(quest: Quest, draft: Draft) -> Draft:
    """The rule as it would be kept; raises Refused, with the field, for one that is not whole or can never be true."""
    if not draft.conditions:
        raise Refused("Add at least one condition.", "what-0")
    if len(draft.conditions) > MOST:
        raise Refused(f"A rule has at most {MOST} conditions.", f"what-{MOST}")
    required = _quests([one.required_id for one in draft.conditions if one.required_id])
    kept: list[Asked] = []
    for place, one in enumerate(draft.conditions):
        sound = _sound(one, place, required)
        if any(_same(sound, other) for other in kept):
            raise Refused(f"“{_called(sound)}” is asked for twice; keep one.", f"what-{place}")
        if sound.required_id == quest.id:
            raise Refused("A quest can't ask for itself.", f"what-{place}")
        kept.append(sound)
    checked = Draft(tuple(kept), draft.any_of)
    _want_earnable(quest, checked)
    return checked


def save(badge_id: int, quest_id: int, draft: Draft, act: Act, version: int | None = None) -> Rule:
    """Keeps a quest's rule; if it is in force, everybody is looked at in the background. The same again does nothing.

    Raises as `check` does, and ChangedMeanwhile where it was written over another `version` than is saved (0: none).
    """
    close()
    badges.lock(badge_id)
    quest, rule = get(badge_id, quest_id)
    draft = check(quest, draft)
    if rule is not None and _draft_of(rule) == draft:
        return rule
    if version is not None and version != (rule.version if rule else 0):
        who = record.last_actor("quest", quest.id, ("rule.saved", "rule.removed"))
        raise ChangedMeanwhile(f"{who} changed this rule meanwhile.")
    if rule is None:
        rule = Rule(quest_id=quest.id, quest=quest, version=0)
        db.session.add(rule)
    _write(rule, draft, act)
    record.write(
        act, "rule.saved", "quest", quest.id, what=words.sentence(draft.conditions, draft.any_of)
    )
    begin([rule], act)
    return rule


def remove(badge_id: int, quest_id: int, act: Act) -> bool:
    """Removes a quest's rule; False where it has none. Who earned the quest by it keeps it (T-4)."""
    close()
    badges.lock(badge_id)
    quest, rule = get(badge_id, quest_id)
    if rule is None:
        return False
    db.session.execute(delete(Check).where(Check.rule_id == rule.id))
    db.session.delete(rule)
    record.write(act, "rule.removed", "quest", quest.id)
    return True


def came_into_force(badge_id: int, act: Act, quest_id: int | None = None) -> None:
    """After a badge was switched to Automatic, or it or a quest of it taken out of the archive: everybody is looked at.

    Whoever does that has closed the gate first of all.
    """
    db.session.flush()
    rules = of_badge(badge_id).values()
    begin([rule for rule in rules if quest_id in (None, rule.quest_id)], act)


def begin(rules: list[Rule], act: Act) -> None:
    """Begins, or begins anew, to look at everybody for those of the rules that are in force."""
    awake = [rule for rule in rules if rule.in_force]
    if not awake:
        return
    db.session.flush()
    total, last = db.session.execute(select(func.count(), func.max(Member.id))).one()
    for rule in awake:
        rule.begun_at, rule.ended_at, rule.days_at = act.at, None, act.at
        rule.position, rule.through, rule.total = 0, last or 0, total
        rule.looked_at = rule.awarded = rule.fruitless = 0
        rule.lease_owner = rule.lease_until = None
        rule.trouble = ""
        later.run_later("evaluate", rule.id)


def named() -> list[str]:
    """The activities that were named so far, by name."""
    return list(db.session.scalars(select(Activity.name).order_by(Activity.name)))


def _write(rule: Rule, draft: Draft, act: Act) -> None:
    rule.any_of = draft.any_of
    rule.version += 1
    rule.conditions = [
        Condition(
            place=place,
            kind=one.kind,
            amount=one.amount or 0,
            activity=one.activity,
            required_id=one.required_id,
        )
        for place, one in enumerate(draft.conditions)
    ]
    known = set(named())
    new = {one.activity for one in draft.conditions if one.activity} - known
    db.session.add_all(Activity(name=name, first_at=act.at) for name in sorted(new))


def _draft_of(rule: Rule) -> Draft:
    conditions = tuple(
        Asked(Kind(one.kind), one.amount or None, one.activity, one.required_id)
        for one in rule.conditions
    )
    return Draft(conditions, rule.any_of)


def _sound(asked: Asked, place: int, required: dict[int, Quest]) -> Asked:
    """A condition with its parts in order; Refused beside the part that is missing or can't be meant."""
    if asked.kind == Kind.QUEST:
        quest = required.get(asked.required_id or 0)
        if quest is None:
            raise Refused("Choose a badge that there is.", f"what-{place}")
        if not quest.open and not quest.holders:
            raise Refused(
                f"{words.title(quest)} is archived, and nobody holds it: nobody ever will.",
                f"what-{place}",
            )
        return Asked(Kind.QUEST, None, None, quest.id, quest)
    most = MOST_DAYS if asked.kind == Kind.DAYS else LARGEST
    if asked.amount is None or not 1 <= asked.amount <= most:
        raise Refused(f"Give a whole number from 1 to {most:,}.", f"amount-{place}")
    if asked.kind == Kind.DAYS:
        return Asked(Kind.DAYS, asked.amount)
    activity = (asked.activity or "").strip().lower().replace(" ", "_")
    if not ACTIVITY.fullmatch(activity):
        raise Refused(
            "Name an activity with letters a to z, digits and _ . : -, up to 60 characters.",
            f"name-{place}",
        )
    return Asked(Kind.ACTIVITY, asked.amount, activity)


def _same(one: Asked, other: Asked) -> bool:
    return (one.kind, one.activity, one.required_id) == (
        other.kind,
        other.activity,
        other.required_id,
    )


def _called(asked: Asked) -> str:
    if asked.kind == Kind.DAYS:
        return "days since joining"
    return words.title(asked.required) if asked.required else str(asked.activity)


def _want_earnable(quest: Quest, draft: Draft) -> None:
    """Refuses a rule that waits for a quest which in turn waits for this one: neither could ever be earned."""
    needs: dict[int, tuple[bool, list[int | None]]] = {
        rule.quest_id: (rule.any_of, [one.required_id for one in rule.conditions])
        for rule in db.session.scalars(_with_conditions())
    }
    needs[quest.id] = (draft.any_of, [one.required_id for one in draft.conditions])
    earnable: set[int] = set()
    while fresh := {
        one
        for one, (any_of, required) in needs.items()
        if one not in earnable
        and (any if any_of else all)(
            need is None or need not in needs or need in earnable for need in required
        )
    }:
        earnable |= fresh
    if quest.id not in earnable:
        blocking = next(one for one in draft.conditions if one.required_id in needs)
        place = draft.conditions.index(blocking)
        raise Refused(
            f"{_called(blocking)} can only be earned by who holds this quest already: "
            "neither could ever be earned.",
            f"what-{place}",
        )


def _quests(ids: list[int]) -> dict[int, Quest]:
    found = (
        select(Quest)
        .options(joinedload(Quest.badge))
        .where(among(Quest.id, [one for one in ids if one <= LARGEST_ID]))
    )
    return {quest.id: quest for quest in db.session.scalars(found)}


def _with_conditions() -> Any:
    conditions = selectinload(Rule.conditions).joinedload(Condition.required)
    return select(Rule).options(
        joinedload(Rule.quest).joinedload(Quest.badge), conditions.joinedload(Quest.badge)
    )
