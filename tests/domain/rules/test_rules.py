"""Rules: how a quest is earned, when, and what rules never do (T-1 to T-4, M-1 to M-3, M-14)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from tests.counting import statements
from tests.domain.batches.test_processing import run
from tests.domain.rules.world import World, activity_of, days_ago, days_since_joining, holding
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain import leases, rules
from webapp.domain.activities import counters
from webapp.domain.activities.counters import ActivityEventIn
from webapp.domain.audit_log import search
from webapp.domain.awards import manual as manual_awards
from webapp.domain.awards import member_profile
from webapp.domain.badges import quests as badge_quests
from webapp.domain.badges import settings
from webapp.domain.batches import processing, runs
from webapp.domain.errors import ConflictError, DomainError, NotFoundError
from webapp.domain.imports import import_rows
from webapp.domain.imports.plan import ImportRow
from webapp.domain.members import status as member_status
from webapp.domain.rules import (
    ConditionDraft,
    RuleDraft,
    activity_names,
    backfill,
    candidates,
    evaluation,
    reach,
)
from webapp.domain.rules import progress as rule_progress
from webapp.models import ActivityCount, Award, Member, Quest, Rule
from webapp.models.rule import ConditionKind, RuleCandidate
from webapp.transaction import transaction


@pytest.fixture
def world(make: Make) -> World:
    return World(make)


def checks() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(RuleCandidate)) or 0


def why(quest: Quest) -> list[str]:
    db.session.rollback()
    awards = db.session.scalars(select(Award).where(Award.quest_id == quest.id))
    return [award.reason_text for award in awards]


def test_a_counter_that_reaches_its_threshold_earns_the_quest(world: World, make: Make) -> None:
    """T-1, T-2: only the member concerned, only at the threshold, and the award has the reason."""
    quest, anna, bea = world.quest(), make.member("anna"), make.member("bea")
    world.rule(quest, activity_of(3, "answers"))
    world.work()
    for _ in range(2):
        world.count(anna, "answers")
        world.count(bea, "posts", 5)
    assert checks() == 0
    world.count(anna, "answers", 2)
    assert checks() == 1
    world.work()
    assert world.holds(quest) == {anna.id}
    assert why(quest) == ["3 answers"]
    world.count(anna, "answers", 10)
    assert checks() == 0


def test_the_profile_says_why(world: World, make: Make) -> None:
    """T-1, M-6: the condition and the time."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, activity_of(50, "accepted_answers"))
    world.count(anna, "accepted_answers", 50)
    world.work()
    (event,) = member_profile.load(anna.id).held
    assert (str(event.how), event.reason) == ("automatic: 50 accepted answers", "")


def test_all_or_any_of_the_conditions(world: World, make: Make) -> None:
    """T-1: all of them, or one; among alternatives, the award names the one that was true."""
    both, either = world.quest(), world.quest()
    anna, bea = make.member("anna"), make.member("bea")
    world.rule(both, activity_of(2, "posts"), activity_of(1, "likes"))
    world.rule(either, activity_of(2, "posts"), activity_of(1, "likes"), any_of=True)
    world.count(anna, "posts", 2)
    world.count(bea, "likes")
    world.work()
    assert (world.holds(both), world.holds(either)) == (set(), {anna.id, bea.id})
    world.count(bea, "posts", 5)
    world.work()
    assert world.holds(both) == {bea.id}
    assert why(both) == ["2 posts and 1 like"]
    assert sorted(why(either)) == ["1 like", "2 posts"]


def test_each_event_counts_once(world: World, make: Make) -> None:
    """T-2: sent again, in another order, twice in one call; late ones count like any other."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, activity_of(3, "posts"))
    events = [
        ActivityEventIn(f"e{n}", anna.id, "posts", 1, NOW - timedelta(days=n)) for n in range(3)
    ]
    for some in (events[:2], events[1::-1], [events[2], events[2]], events):
        with transaction():
            counters.record_events(some, world.actor())
        world.work()
        if some is not events:
            assert world.holds(quest) == (set() if some[0] is not events[2] else {anna.id})
    amount = select(ActivityCount.amount).where(ActivityCount.member_id == anna.id)
    assert db.session.scalar(amount) == 3


def test_activities_are_compared_without_case(world: World, make: Make) -> None:
    """T-1: names are registered on first use, by events or rules."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, activity_of(2, "Accepted Answers"))
    world.count(anna, "ACCEPTED_ANSWERS", 2)
    world.count(anna, "Logins")
    world.work()
    assert world.holds(quest) == {anna.id}
    assert rules.list_activities() == ["accepted_answers", "logins"]


def test_lowering_a_counter_takes_nothing_away(world: World, make: Make) -> None:
    """T-4: nor awards again what was awarded; passing the threshold again gives no second award."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, activity_of(3, "posts"))
    world.count(anna, "posts", 3)
    world.work()
    world.count(anna, "posts", -3)
    world.work()
    assert world.holds(quest) == {anna.id}
    world.count(anna, "posts", 3)
    world.work()
    assert len(why(quest)) == 1


def test_a_counter_lowered_before_its_evaluation_earns_nothing(world: World, make: Make) -> None:
    """T-2: the state at the time of evaluation counts."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, activity_of(3, "posts"))
    world.work()
    world.count(anna, "posts", 3)
    world.count(anna, "posts", -1)
    world.work()
    assert world.holds(quest) == set()


def test_changing_a_rule_takes_nothing_away(world: World, make: Make) -> None:
    """T-3, T-4: if it gets easier, existing members are evaluated; if it gets harder or is removed, no one loses it."""
    quest, anna, bea = world.quest(), make.member("anna"), make.member("bea")
    world.rule(quest, activity_of(10, "posts"))
    world.count(anna, "posts", 10)
    world.count(bea, "posts", 5)
    world.work()
    world.rule(quest, activity_of(5, "posts"))
    world.work()
    assert world.holds(quest) == {anna.id, bea.id}
    world.rule(quest, activity_of(500, "posts"))
    world.work()
    with transaction():
        assert rules.remove(quest.badge_id, quest.id, world.actor())
        assert not rules.remove(quest.badge_id, quest.id, world.actor())
    assert world.holds(quest) == {anna.id, bea.id}


def test_no_rule_restores_a_manual_revocation(world: World, make: Make) -> None:
    """M-14: neither more activity nor a changed rule; a person can; an undone revocation doesn't count."""
    quest, anna, bea = world.quest(), make.member("anna"), make.member("bea")
    world.rule(quest, activity_of(1, "posts"))
    for member in (anna, bea):
        world.count(member, "posts")
    world.work()
    for member in (anna, bea):
        award = next(event.award.id for event in member_profile.load(member.id).held)
        with transaction():
            manual_awards.revoke(member.id, award, "", world.actor())
    with transaction():
        manual_awards.restore(bea.id, award, world.actor())
    world.count(anna, "posts")
    world.rule(quest, activity_of(2, "posts"))
    world.work()
    assert world.holds(quest) == {bea.id}
    with transaction():
        assert manual_awards.award(anna.id, quest.id, "", world.actor()).changed


def test_awards_revoked_by_an_undo_can_be_earned_again(world: World, make: Make) -> None:
    """M-14: undoing a batch is not a decision about the member."""
    quest, anna = world.quest(), make.member("anna")
    make.award(anna.id, quest.id, source="batch", revoked_at=NOW, revoke_source="batch")
    world.rule(quest, activity_of(1, "posts"))
    world.count(anna, "posts")
    world.work()
    assert world.holds(quest) == {anna.id}


def test_a_member_who_qualified_during_a_batch_earns_it_after_the_undo(
    world: World, make: Make
) -> None:
    """M-14, T-2: no later event would trigger an evaluation, so the undo does."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, activity_of(1, "posts"))
    world.work()
    batch = make.batch([anna.id], quest, published=True)
    run(batch.id)
    world.count(anna, "posts")
    world.work()
    with transaction():
        runs.undo(batch.id, world.actor())
    run(batch.id)
    world.work()
    held = [(one.award.source, one.award.revoked_at) for one in member_profile.load(anna.id).held]
    assert held == [("rule", None)]


def test_an_interrupted_evaluation_starts_over(world: World, make: Make) -> None:
    """T-3: the failure is shown, whatever the cause; saving the rule unchanged continues, and clears it."""
    quest, anna = world.quest(), make.member("anna")
    make.members(5)
    world.count(anna, "posts")
    rule = world.rule(quest, activity_of(1, "posts"))
    for _ in range(backfill.CLAIMS):
        with transaction():
            assert backfill.claim(rule.id, "killed", -1, world.at)
    with transaction():
        assert not backfill.claim(rule.id, "killed", -1, world.at)
    given_up = rules.get(quest.badge_id, quest.id)[1]
    assert given_up is not None
    assert (given_up.evaluating, given_up.error) == (False, "the worker stopped each time")
    world.rule(quest, activity_of(1, "posts"))
    world.work()
    assert world.holds(quest) == {anna.id}
    mended = rules.get(quest.badge_id, quest.id)[1]
    assert mended is not None
    assert (mended.evaluating, mended.last_error) == (False, "")


def test_days_count_for_members_from_a_long_transaction(world: World, make: Make) -> None:
    """T-2: even if the clock ran before the commit, and after their day."""
    quest = world.quest()
    world.rule(quest, days_since_joining(30))
    world.work()
    world.later(timedelta(minutes=10))
    with transaction():
        candidates.note_days_reached(world.at)
    anna = make.member("anna", joined_at=world.at - timedelta(days=30, minutes=5))
    world.later(timedelta(minutes=10))
    with transaction():
        candidates.note_days_reached(world.at)
    world.work()
    assert world.holds(quest) == {anna.id}


def test_only_active_members_receive(world: World, make: Make) -> None:
    """D-5: members who return are evaluated again."""
    quest, anna = world.quest(), make.member("anna", status="suspended")
    world.rule(quest, activity_of(1, "posts"))
    world.count(anna, "posts")
    world.work()
    assert world.holds(quest) == set()
    with transaction():
        assert member_status.change(anna.id, "active", world.actor())
    world.work()
    assert world.holds(quest) == {anna.id}


def test_a_held_quest_is_a_condition_by_every_way(world: World, make: Make) -> None:
    """T-1: by hand, by a group, by a batch, by another rule, restored: each triggers an evaluation."""
    first, second = make.quest(), world.quest()
    third = world.quest()
    hand, batch, back = (make.member(name) for name in ("hand", "batch", "back"))
    make.award(back.id, first.id)
    world.rule(second, holding(first))
    world.rule(third, holding(second), activity_of(1, "posts"), any_of=True)
    world.work()
    assert world.holds(third) == {back.id}
    with transaction():
        manual_awards.award(hand.id, first.id, "", world.actor())
    made = make.batch([batch.id], first, published=True)
    with transaction():
        claimed = processing.claim(made.id, "tests", 60, 500, world.at)
    with transaction():
        processing.process_chunk(claimed, 500, world.at)
    world.work()
    assert world.holds(second) == world.holds(third) == {hand.id, batch.id, back.id}


def test_the_clock_evaluates_days_since_joining(world: World, make: Make) -> None:
    """T-2: at least hourly; exactly the members who reached the days since the last run."""
    quest = world.quest()
    anna = make.member("anna", joined_at=days_ago(30))
    make.member("bea", joined_at=days_ago(29))
    world.rule(quest, days_since_joining(30))
    world.work()
    assert world.holds(quest) == {anna.id}
    for hours, names in ((23, 1), (1, 2), (24, 2)):
        world.later(timedelta(hours=hours))
        with transaction():
            candidates.note_days_reached(world.at)
        assert checks() <= 1
        world.work()
        assert len(world.holds(quest)) == names


def test_imported_members_are_evaluated(world: World, make: Make) -> None:
    """T-2: a member who joined long ago, and is imported today."""
    quest = world.quest()
    world.rule(quest, days_since_joining(365))
    world.work()
    rows = [
        ImportRow(2, "old", "old", joined=f"{days_ago(400):%Y-%m-%d}"),
        ImportRow(3, "new", "new"),
    ]
    with transaction():
        assert import_rows.import_rows(rows, world.actor()).created == 2
    old = db.session.scalar(select(Member.id).where(Member.external_id == "old"))
    world.work()
    assert world.holds(quest) == {old}
    late = [ImportRow(2, "new", joined=f"{days_ago(366):%Y-%m-%d}")]
    with transaction():
        assert import_rows.import_rows(late, world.actor()).updated == 1
    world.work()
    assert len(world.holds(quest)) == 2


def test_an_inactive_rule_is_kept(world: World, make: Make) -> None:
    """M-1, M-3: Manual badge, archived badge, archived quest; once active again, all members are evaluated."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, activity_of(1, "posts"))
    world.work()
    manual = settings.BadgeSettings("B", "", False, "circle", "green", "award")

    def archive(on: bool) -> None:
        verb = settings.archive if on else settings.unarchive
        verb(quest.badge_id, world.actor())

    def archive_quest(on: bool) -> None:
        (badge_quests.archive if on else badge_quests.unarchive)(
            quest.badge_id, quest.id, world.actor()
        )

    def switch(on: bool) -> None:
        settings.change(quest.badge_id, replace(manual, automatic=not on), world.actor())

    for place, off in enumerate((switch, archive, archive_quest), start=1):
        with transaction():
            off(True)
        member = anna if place == 1 else make.member()
        world.count(member, "posts")
        assert checks() == 0
        world.work()
        assert member.id not in world.holds(quest)
        assert rules.of_badge(quest.badge_id)[quest.id].in_force is False
        db.session.rollback()
        with transaction():
            off(False)
        world.work()
        assert member.id in world.holds(quest)


@pytest.mark.parametrize(
    ("asked", "field", "sentence"),
    [
        ((), "what-0", "Add at least one condition."),
        ((activity_of(0, "posts"),), "amount-0", "Enter a whole number from 1 to 1,000,000,000."),
        (
            (ConditionDraft(ConditionKind.ACTIVITY, None, "posts"),),
            "amount-0",
            "Enter a whole number",
        ),
        ((activity_of(10**9 + 1, "posts"),), "amount-0", "Enter a whole number"),
        ((activity_of(1, ""),), "name-0", "Use up to 60 characters"),
        ((activity_of(1, "posts; --"),), "name-0", "Use up to 60 characters"),
        ((activity_of(1, "x" * 61),), "name-0", "Use up to 60 characters"),
        ((activity_of(1, "пост"),), "name-0", "Use up to 60 characters"),
        ((days_since_joining(36_501),), "amount-0", "Enter a whole number from 1 to 36,500."),
        ((activity_of(1, "posts"), activity_of(9, "Posts")), "what-1", "“posts” is listed twice"),
        (
            (days_since_joining(1), days_since_joining(2)),
            "what-1",
            "“days as a member” is listed twice",
        ),
        (
            (ConditionDraft(ConditionKind.QUEST, required_id=10**30),),
            "what-0",
            "Choose an existing badge.",
        ),
        ((ConditionDraft(ConditionKind.QUEST),), "what-0", "Choose an existing badge."),
        (tuple(activity_of(1, f"a{n}") for n in range(11)), "what-10", "up to 10 conditions"),
    ],
)
def test_invalid_conditions_are_rejected_at_their_field(
    world: World, asked: tuple[ConditionDraft, ...], field: str, sentence: str
) -> None:
    """T-1: with a sentence, and nothing is stored."""
    quest = world.quest()
    with pytest.raises(DomainError) as refusal:
        world.rule(quest, *asked)
    assert (refusal.value.field, sentence in refusal.value.message) == (field, True), refusal.value
    assert rules.of_badge(quest.badge_id) == {}


def test_unsatisfiable_rules_are_rejected(world: World, make: Make) -> None:
    """T-1: a quest that depends on itself, two that depend on each other, one that can't be awarded any more."""
    first, second, third = world.quest(), world.quest(), world.quest()
    with pytest.raises(DomainError, match="can't depend on itself"):
        world.rule(first, holding(first))
    world.rule(first, holding(second))
    with pytest.raises(DomainError, match="no one could earn either"):
        world.rule(second, activity_of(1, "posts"), holding(first))
    with pytest.raises(DomainError, match="no one could earn either"):
        world.rule(second, holding(first), any_of=True)
    world.rule(second, activity_of(1, "posts"), holding(first), any_of=True)
    world.rule(third, holding(first), holding(second))
    gone = make.quest("Gone", archived_at=NOW)
    with pytest.raises(DomainError, match="so no one can qualify"):
        world.rule(third, holding(gone))
    make.award(make.member().id, gone.id)
    world.rule(third, holding(gone))


def test_concurrent_changes_of_a_rule_are_not_overwritten(world: World, make: Make) -> None:
    """X29: the second is told who; equal values are no conflict; another badge's quest is not found."""
    quest = world.quest()
    rule = world.rule(quest, activity_of(1, "posts"))
    ada = replace(world.actor(), staff=make.staff(name="Ada"))
    draft = RuleDraft((activity_of(2, "posts"),))
    with pytest.raises(ConflictError, match="Ivo has changed this rule"), transaction():
        rules.save(quest.badge_id, quest.id, draft, ada, version=0)
    with transaction():
        rules.save(quest.badge_id, quest.id, draft, ada, version=rule.version)
        rules.save(quest.badge_id, quest.id, draft, ada, version=0)
    with pytest.raises(NotFoundError), transaction():
        rules.save(quest.badge_id + 1, quest.id, draft, ada)
    lines = [line for some in search.all_of(search.AuditFilters()) for line in some]
    assert [line.sentence.partition(" a ")[0] for line in lines][:2] == ["Ada saved", "Ivo saved"]


def test_a_rule_changed_during_its_evaluation_starts_over(world: World, make: Make) -> None:
    """T-3: the worker loses its lease; awards by the old rule stay, the new one decides the rest."""
    quest, ids = world.quest(), make.members(10)
    with transaction():
        counters.record_events(
            [ActivityEventIn(f"e{n}", one, "posts", 1 + n, NOW) for n, one in enumerate(ids)],
            world.actor(),
        )
    rule = world.rule(quest, activity_of(1, "posts"))
    with transaction():
        assert backfill.claim(rule.id, "one", 60, world.at)
        assert not backfill.claim(rule.id, "two", 60, world.at)
    with transaction():
        assert backfill.evaluate_some(rule.id, "one", 60, 4, world.at)
    assert rules.of_badge(quest.badge_id)[quest.id].percent == 40
    assert world.holds(quest) == set(ids[:4])
    world.rule(quest, activity_of(9, "posts"))
    with transaction(), pytest.raises(leases.LeaseLostError):
        backfill.evaluate_some(rule.id, "one", 60, 4, world.at)
    world.work()
    assert world.holds(quest) == {*ids[:4], *ids[8:]}
    kept = rules.of_badge(quest.badge_id)[quest.id]
    assert (kept.evaluating, kept.percent, kept.awarded, kept.evaluated) == (False, 100, 2, 10)


def test_an_activity_beyond_those_offered_is_asked_for_like_any(world: World, make: Make) -> None:
    """T-1: the form lists the first names; a rule may use a later one, one twice, and a new one."""
    with transaction():
        activity_names.name({f"act{number:04}" for number in range(activity_names.MOST + 1)}, NOW)
    assert len(rules.list_activities()) == activity_names.MOST
    last, quest = f"act{activity_names.MOST:04}", world.quest()
    assert last not in rules.list_activities()
    for _ in range(2):
        world.rule(quest, activity_of(2, last), activity_of(1, "zzz"))
    assert rules.usage(999).items[-1].name == "zzz"
    anna = make.member("anna")
    for name in (last, last, "zzz"):
        world.count(anna, name)
    world.work()
    assert world.holds(quest) == {anna.id}


@pytest.mark.databases("postgresql")
def test_a_chunk_takes_no_longer_the_more_were_awarded(world: World, make: Make) -> None:
    """T-3: even with outdated statistics, PostgreSQL doesn't scan all awards of the quest for each member."""
    quest, members = world.quest(), make.members(5_000)
    make.award(members[0], make.quest().id)
    # Without what earlier tests left in the table's pages and statistics.
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM FULL ANALYZE awards"))
    with transaction():
        events = [
            ActivityEventIn(f"one-{member}", member, "posts", 1, world.at) for member in members
        ]
        counters.record_events(events, world.actor())
    rule = world.rule(quest, activity_of(1, "posts"))
    with transaction():
        assert backfill.claim(rule.id, "tests", 60, world.at)
    read = text(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
        "WHERE relid = 'awards'::regclass"
    )
    for _ in range(10):
        with transaction():
            assert backfill.evaluate_some(rule.id, "tests", 60, 500, world.at)
            rows = db.session.scalar(read)
    assert (
        rows < 1_000_000
    )  # a small table is scanned for each member; scanning all awards of the quest would take 2,255,000 rows
    assert world.holds(quest) == set(members)


def test_an_evaluation_without_progress_ends(world: World) -> None:
    """B-40's limit, for rules: five claims without progress, and the cause is stored."""
    rule = world.rule(world.quest(), activity_of(1, "posts"))
    for number in range(backfill.CLAIMS + 1):
        with transaction():
            claimed = backfill.claim(rule.id, str(number), 60, world.at)
            if claimed:
                leases.record_error(Rule, rule.id, str(number), "OperationalError")
                leases.release(Rule, rule.id, str(number))
    assert not claimed
    assert backfill.waiting() == []
    db.session.rollback()
    kept = db.session.get_one(Rule, rule.id)
    assert (kept.evaluating, kept.last_error) == (False, "OperationalError")


def test_the_preview_says_whom_it_reaches(world: World, make: Make) -> None:
    """T-3: counts, examples, holders, members it was revoked from, inactive ones; nothing is written."""
    quest = world.quest()
    members = [make.member(name) for name in ("ann", "ben", "cleo", "dan", "eve")]
    members.append(make.member("fay", status="left"))
    for member in members[1:]:
        world.count(member, "posts", 3)
    make.award(members[3].id, quest.id)
    make.award(members[4].id, quest.id, revoked_at=NOW, revoke_source="profile")
    draft = rules.validate(quest, RuleDraft((activity_of(3, "posts"),)))
    with statements() as seen:
        found = reach.reach(quest, draft, world.at)
    assert len(seen) == 2
    assert (found.receive, found.hold, found.revoked, found.inactive) == (2, 1, 1, 1)
    assert [member.username for member in found.examples] == ["ben", "cleo"]
    world.rule(quest, activity_of(3, "posts"))
    world.work()
    assert len(world.holds(quest)) == found.receive + found.hold


def test_only_rules_that_name_an_activity_are_considered(world: World, make: Make) -> None:
    """T-2: with a dozen more rules, an event takes as many statements as with one."""
    anna = make.member("anna")
    world.rule(world.quest(), activity_of(5, "posts"))
    world.work()
    counts = []
    for number in (0, 12):
        for n in range(number):
            world.rule(world.quest(), activity_of(1, f"other{n}"))
        world.work()
        with statements() as seen:
            world.count(anna, "posts")
        counts.append(len(seen))
        assert checks() == 0
    assert counts[0] == counts[1]


def test_a_member_sees_their_next_quests(world: World, make: Make) -> None:
    """T-1: the next quest of each badge, the nearest first; without those not started or already held."""
    badge = make.badge("Helper", automatic=True)
    ten, fifty = (make.quest(f"{n} answers", badge, position=n) for n in (10, 50))
    other, far = world.quest(), world.quest()
    anna = make.member("anna", joined_at=days_ago(15))
    for quest, asked in ((ten, activity_of(10, "answers")), (fifty, activity_of(50, "answers"))):
        world.rule(quest, asked)
    world.rule(other, days_since_joining(30), activity_of(10, "answers"))
    world.rule(far, activity_of(10, "nothing"))
    world.count(anna, "answers", 12)
    world.work()
    held = member_profile.load(anna.id).quests
    assert held == {ten.id}
    with statements() as seen:
        steps = rule_progress.ahead(anna, held, world.at)
    assert len(seen) <= 4
    assert [(step.quest.id, step.percent) for step in steps] == [(other.id, 75), (fifty.id, 24)]
    assert [(part.words, part.done, part.required) for part in steps[0].parts] == [
        ("30 days as a member", 15, 30),
        ("10 answers", 12, 10),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_incremental_and_full_evaluation_agree(app: Flask, make: Make, seed: int) -> None:
    """T-2, T-3: random rules and events in random order, with workers at random moments.

    In a second community the same happened before any rule existed: the same members get the same quests.
    """
    random = Random(seed)
    here, there = World(make), World(make)
    names = ("posts", "likes", "logins")
    plans = []
    for place in range(8):
        asked: list[tuple[str, int]] = [
            (name, random.randint(1, 12)) for name in random.sample(names, random.randint(1, 2))
        ]
        if random.random() < 0.3:
            asked.append(("days", random.randint(1, 40)))
        if place and random.random() < 0.5:
            asked.append(("quest", random.randrange(place)))
        plans.append((asked, random.random() < 0.5))
    joined = [days_ago(random.randint(0, 30)) for _ in range(6)]
    events = [
        (f"e{n}", random.randrange(6), random.choice(names), random.randint(1, 3))
        for n in range(60)
    ]
    taken = [(random.randrange(6), random.randrange(8)) for _ in range(3)]

    def build(world: World) -> tuple[list[Quest], list[Member]]:
        quests = [world.quest() for _ in plans]
        members = [make.member(joined_at=at) for at in joined]
        for member, quest in taken:
            make.award(
                members[member].id, quests[quest].id, revoked_at=NOW, revoke_source="profile"
            )
        return quests, members

    def write(world: World, quests: list[Quest], place: int) -> None:
        asked, any_of = plans[place]
        conditions = [
            days_since_joining(amount)
            if name == "days"
            else holding(quests[amount])
            if name == "quest"
            else activity_of(amount, name)
            for name, amount in asked
        ]
        world.rule(quests[place], *conditions, any_of=any_of)

    def all_at_once(world: World, members: list[Member], prefix: str) -> int:
        with transaction():
            happened = [
                ActivityEventIn(f"{prefix}-{event}", members[member].id, name, amount, world.at)
                for event, member, name, amount in events
            ]
            return len(counters.record_events(happened, world.actor()))

    mine, my_members = build(here)
    steps: list[tuple[str, int]] = [("rule", n) for n in range(len(plans))]
    steps += [("event", n) for n in range(len(events))] + [("again", n) for n in range(10)]
    steps += [("work", 0)] * 8 + [("hour", 0)] * 6
    random.shuffle(steps)
    for what, number in steps:
        if what == "rule":
            write(here, mine, number)
        elif what == "work":
            here.work()
        elif what == "hour":
            here.later(timedelta(hours=20))
            with transaction():
                candidates.note_days_reached(here.at)
        else:
            event, member, name, amount = events[number]
            here.count(my_members[member], name, amount, f"here-{event}")
    assert all_at_once(here, my_members, "here") == 0
    here.work()

    there.at = here.at
    theirs, their_members = build(there)
    random.shuffle(events)
    assert all_at_once(there, their_members, "there") == len(events)
    for place in range(len(plans)):
        write(there, theirs, place)
    there.work()

    def result(world: World, quests: list[Quest], members: list[Member]) -> list[list[bool]]:
        held = [world.holds(quest) for quest in quests]
        return [[member.id in some for some in held] for member in members]

    assert result(here, mine, my_members) == result(there, theirs, their_members)
    assert checks() == 0


def test_candidates_are_shared_and_none_is_lost(world: World, make: Make) -> None:
    """T-2: candidates stay until they are decided; a failed step keeps all of them."""
    quest, ids = world.quest(), make.members(30)
    world.rule(quest, activity_of(1, "posts"))
    world.work()
    with transaction():
        counters.record_events(
            [ActivityEventIn(f"e{n}", n, "posts", 1, NOW) for n in ids], world.actor()
        )
    with pytest.raises(ZeroDivisionError), transaction():
        assert evaluation.evaluate_candidates(20, world.at) == 20
        raise ZeroDivisionError
    assert (checks(), world.holds(quest)) == (30, set())
    with transaction():
        assert evaluation.evaluate_candidates(20, world.at) == 20
    assert (checks(), len(world.holds(quest))) == (10, 20)
    world.work()
    assert world.holds(quest) == set(ids)
    said = [line.sentence for some in search.all_of(search.AuditFilters()) for line in some]
    assert [one for one in said if "by its rule" in one][-1].endswith("to 20 members by its rule")
