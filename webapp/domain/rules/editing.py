"""Create, change and remove a quest's rule (T-1, T-3); members keep the badges they earned (T-4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import delete, func, select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.lookup import NO_KEY_UPDATE, require, require_quest
from webapp.domain.rules import activity_names, wording
from webapp.domain.rules.locking import lock_exclusive
from webapp.domain.rules.validation import ConditionDraft, RuleDraft, validate, with_conditions
from webapp.domain.webhooks import outbox
from webapp.infrastructure import job_queue
from webapp.models import Badge, Member, Quest, Rule, WebhookEvent
from webapp.models.rule import Condition, ConditionKind, RuleCandidate


def get(badge_id: int, quest_id: int) -> tuple[Quest, Rule | None]:
    """Return a quest with its rule, if any. Raises NotFoundError."""
    quest = require_quest(badge_id, quest_id)
    return quest, db.session.scalar(with_conditions().where(Rule.quest_id == quest.id))


def of_badge(badge_id: int) -> dict[int, Rule]:
    """Return the rules of a badge's quests, by quest; at most three queries."""
    found = with_conditions().join(Rule.quest).where(Quest.badge_id == badge_id)
    return {rule.quest_id: rule for rule in db.session.scalars(found)}


def save(
    badge_id: int, quest_id: int, draft: RuleDraft, actor: Actor, version: int | None = None
) -> Rule:
    """Save a quest's rule; if it is active, evaluate everyone in the background.

    Saving the same rule does nothing, unless its backfill failed: then it starts over. Raises as `validate`, and
    ConflictError if `version` is outdated (0: no rule).
    """
    lock_exclusive()
    require(Badge, badge_id, lock=NO_KEY_UPDATE)
    quest, rule = get(badge_id, quest_id)
    draft = validate(quest, draft)
    if rule is not None and _draft_of(rule) == draft:
        if rule.last_error and not rule.evaluating:  # the backfill failed
            begin([rule], actor)
        return rule
    if version is not None and version != (rule.version if rule else 0):
        who = audit_log.last_actor("quest", quest.id, ("rule.saved", "rule.removed"))
        raise ConflictError("rules.changed", who=who)
    if rule is None:
        rule = Rule(quest_id=quest.id, quest=quest, version=0)
        db.session.add(rule)
    _write(rule, draft, actor)
    audit_log.write(
        actor,
        "rule.saved",
        "quest",
        quest.id,
        rule=wording.pack(draft.conditions, any_of=draft.any_of),
    )
    outbox.emit(WebhookEvent.RULE_CHANGED, [quest.id], actor.at)
    begin([rule], actor)
    return rule


def remove(badge_id: int, quest_id: int, actor: Actor) -> bool:
    """Remove a quest's rule; False if it has none. Members who earned the quest keep it (T-4)."""
    lock_exclusive()
    require(Badge, badge_id, lock=NO_KEY_UPDATE)
    quest, rule = get(badge_id, quest_id)
    if rule is None:
        return False
    db.session.execute(delete(RuleCandidate).where(RuleCandidate.rule_id == rule.id))
    db.session.delete(rule)
    audit_log.write(actor, "rule.removed", "quest", quest.id)
    outbox.emit(WebhookEvent.RULE_CHANGED, [quest.id], actor.at)
    return True


class UnconfirmedError(DomainError):
    """Rules would become active that the person hasn't seen in their current form (T-3)."""


def fingerprint(rules: Iterable[Rule]) -> str:
    """Identify the current state of rules; a form sends it back to show which ones the person has seen."""
    versions = sorted((rule.quest_id, rule.version) for rule in rules)
    return hashlib.sha256(repr(versions).encode()).hexdigest()[:16]


def came_into_force(
    badge_id: int, actor: Actor, quest_id: int | None = None, seen: str | None = None
) -> None:
    """Start evaluating all members after a badge was switched to Automatic, or it or a quest was restored.

    The caller must already hold the exclusive lock on rules. `seen` is the fingerprint of the rules that the person
    confirmed ("" if none); raises UnconfirmedError if it doesn't match. None skips the check.
    """
    db.session.flush()
    rules = [rule for rule in of_badge(badge_id).values() if quest_id in (None, rule.quest_id)]
    awake = [rule for rule in rules if rule.in_force]
    if awake and seen is not None and seen != fingerprint(awake):
        raise UnconfirmedError("rules.unconfirmed")
    begin(rules, actor)


def begin(rules: list[Rule], actor: Actor) -> None:
    """Start or restart the backfill of those rules that are active."""
    awake = [rule for rule in rules if rule.in_force]
    if not awake:
        return
    db.session.flush()
    total, last = db.session.execute(select(func.count(), func.max(Member.id))).one()
    for rule in awake:
        rule.begun_at, rule.ended_at, rule.days_evaluated_at = actor.at, None, actor.at
        rule.position, rule.up_to_member_id, rule.total = 0, last or 0, total
        rule.evaluated = rule.awarded = rule.failed_claims = 0
        rule.end_lease()
        rule.last_error = ""
        job_queue.enqueue_after_commit("evaluate", rule.id)


def _write(rule: Rule, draft: RuleDraft, actor: Actor) -> None:
    activity_names.name(
        {condition.activity for condition in draft.conditions if condition.activity}, actor.at
    )
    rule.any_of = draft.any_of
    rule.version += 1
    rule.conditions = [
        Condition(
            place=place,
            kind=condition.kind,
            amount=condition.amount or 0,
            activity=condition.activity,
            required_id=condition.required_id,
        )
        for place, condition in enumerate(draft.conditions)
    ]


def _draft_of(rule: Rule) -> RuleDraft:
    conditions = tuple(
        ConditionDraft(
            ConditionKind(condition.kind),
            condition.amount or None,
            condition.activity,
            condition.required_id,
        )
        for condition in rule.conditions
    )
    return RuleDraft(conditions, rule.any_of)
