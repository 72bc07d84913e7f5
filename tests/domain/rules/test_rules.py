"""Rules: by what a quest is earned, when, and what never comes of them (T-1 to T-4, M-1 to M-3, M-14)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from tests.counting import statements
from tests.domain.batches.test_processing import run
from tests.domain.rules.world import World, ago, days, did, has
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
    return list(db.session.scalars(select(Award.reason).where(Award.quest_id == quest.id)))


def test_a_counter_that_passes_its_number_earns_the_quest(world: World, make: Make) -> None:
    """T-1, T-2: only the member who did it, only when it passes, and the award says by what."""
    quest, anna, bea = world.quest(), make.member("anna"), make.member("bea")
    world.rule(quest, did(3, "answers"))
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
    """T-1, M-6: earned by what, when."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, did(50, "accepted_answers"))
    world.count(anna, "accepted_answers", 50)
    world.work()
    (event,) = member_profile.load(anna.id).held
    assert (event.how, event.reason) == ("earned by 50 accepted answers", "")


def test_all_or_any_of_the_conditions(world: World, make: Make) -> None:
    """T-1: all of them, or one; of alternatives the award names the one that was true."""
    both, either = world.quest(), world.quest()
    anna, bea = make.member("anna"), make.member("bea")
    world.rule(both, did(2, "posts"), did(1, "likes"))
    world.rule(either, did(2, "posts"), did(1, "likes"), any_of=True)
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
    """T-2: sent again, in another order, twice in one call; late ones count as any other."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, did(3, "posts"))
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
    """T-1: and their names are known from then on, from events and from rules."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, did(2, "Accepted Answers"))
    world.count(anna, "ACCEPTED_ANSWERS", 2)
    world.count(anna, "Logins")
    world.work()
    assert world.holds(quest) == {anna.id}
    assert rules.list_activities() == ["accepted_answers", "logins"]


def test_lowering_a_counter_takes_nothing_away(world: World, make: Make) -> None:
    """T-4: nor gives again what was given; passing once more is no second award."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, did(3, "posts"))
    world.count(anna, "posts", 3)
    world.work()
    world.count(anna, "posts", -3)
    world.work()
    assert world.holds(quest) == {anna.id}
    world.count(anna, "posts", 3)
    world.work()
    assert len(why(quest)) == 1


def test_a_counter_lowered_before_it_was_looked_at_earns_nothing(world: World, make: Make) -> None:
    """T-2: what counts is what is true when it is looked at."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, did(3, "posts"))
    world.work()
    world.count(anna, "posts", 3)
    world.count(anna, "posts", -1)
    world.work()
    assert world.holds(quest) == set()


def test_changing_a_rule_takes_nothing_away(world: World, make: Make) -> None:
    """T-3, T-4: made easier, those there are looked at; made harder or removed, nobody loses the badge."""
    quest, anna, bea = world.quest(), make.member("anna"), make.member("bea")
    world.rule(quest, did(10, "posts"))
    world.count(anna, "posts", 10)
    world.count(bea, "posts", 5)
    world.work()
    world.rule(quest, did(5, "posts"))
    world.work()
    assert world.holds(quest) == {anna.id, bea.id}
    world.rule(quest, did(500, "posts"))
    world.work()
    with transaction():
        assert rules.remove(quest.badge_id, quest.id, world.actor())
        assert not rules.remove(quest.badge_id, quest.id, world.actor())
    assert world.holds(quest) == {anna.id, bea.id}


def test_what_a_person_took_no_rule_gives_again(world: World, make: Make) -> None:
    """M-14: neither by more activity nor by a rule changed; a person may; brought back, it was not taken."""
    quest, anna, bea = world.quest(), make.member("anna"), make.member("bea")
    world.rule(quest, did(1, "posts"))
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
    world.rule(quest, did(2, "posts"))
    world.work()
    assert world.holds(quest) == {bea.id}
    with transaction():
        assert manual_awards.award(anna.id, quest.id, "", world.actor()).changed


def test_what_the_undo_of_a_batch_took_is_earned_again(world: World, make: Make) -> None:
    """M-14: an undone batch is nobody's judgement of the member."""
    quest, anna = world.quest(), make.member("anna")
    make.award(anna.id, quest.id, source="batch", revoked_at=NOW, revoke_source="batch")
    world.rule(quest, did(1, "posts"))
    world.count(anna, "posts")
    world.work()
    assert world.holds(quest) == {anna.id}


def test_who_did_enough_while_a_batch_gave_it_earns_it_after_the_undo(
    world: World, make: Make
) -> None:
    """M-14, T-2: nothing happens any more that would have them looked at, but the undo itself."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, did(1, "posts"))
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


def test_an_evaluation_that_was_broken_off_begins_anew(world: World, make: Make) -> None:
    """T-3: it is said, whatever ended it; saving the rule as it is goes on, and nothing is said any more."""
    quest, anna = world.quest(), make.member("anna")
    make.members(5)
    world.count(anna, "posts")
    rule = world.rule(quest, did(1, "posts"))
    for _ in range(backfill.CLAIMS):
        with transaction():
            assert backfill.claim(rule.id, "killed", -1, world.at)
    with transaction():
        assert not backfill.claim(rule.id, "killed", -1, world.at)
    given_up = rules.get(quest.badge_id, quest.id)[1]
    assert given_up is not None
    assert (given_up.evaluating, given_up.last_error) == (False, "the worker was ended each time")
    world.rule(quest, did(1, "posts"))
    world.work()
    assert world.holds(quest) == {anna.id}
    mended = rules.get(quest.badge_id, quest.id)[1]
    assert mended is not None
    assert (mended.evaluating, mended.last_error) == (False, "")


def test_days_are_over_for_who_came_in_by_a_long_transaction(world: World, make: Make) -> None:
    """T-2: a clock that looked before their commit, and after their day, is no reason to miss them."""
    quest = world.quest()
    world.rule(quest, days(30))
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
    """D-5: who comes back is looked at again."""
    quest, anna = world.quest(), make.member("anna", status="suspended")
    world.rule(quest, did(1, "posts"))
    world.count(anna, "posts")
    world.work()
    assert world.holds(quest) == set()
    with transaction():
        assert member_status.change(anna.id, "active", world.actor())
    world.work()
    assert world.holds(quest) == {anna.id}


def test_a_held_quest_is_a_condition_by_every_way(world: World, make: Make) -> None:
    """T-1: awarded by hand, by a group, by a batch, by another rule, brought back: each is noticed at once."""
    first, second = make.quest(), world.quest()
    third = world.quest()
    hand, batch, back = (make.member(name) for name in ("hand", "batch", "back"))
    make.award(back.id, first.id)
    world.rule(second, has(first))
    world.rule(third, has(second), did(1, "posts"), any_of=True)
    world.work()
    assert world.holds(third) == {back.id}
    with transaction():
        manual_awards.award(hand.id, first.id, "", world.actor())
    made = make.batch([batch.id], first, published=True)
    with transaction():
        assert processing.claim(made.id, "tests", 60, 500, world.at) == 0
    with transaction():
        processing.process_chunk(made.id, "tests", 60, 500, world.at)
    world.work()
    assert world.holds(second) == world.holds(third) == {hand.id, batch.id, back.id}


def test_days_since_joining_are_looked_at_by_the_clock(world: World, make: Make) -> None:
    """T-2: at least hourly; exactly those whose days are over since the last look."""
    quest = world.quest()
    anna = make.member("anna", joined_at=ago(30))
    make.member("bea", joined_at=ago(29))
    world.rule(quest, days(30))
    world.work()
    assert world.holds(quest) == {anna.id}
    for hours, names in ((23, 1), (1, 2), (24, 2)):
        world.later(timedelta(hours=hours))
        with transaction():
            candidates.note_days_reached(world.at)
        assert checks() <= 1
        world.work()
        assert len(world.holds(quest)) == names


def test_who_came_in_is_looked_at(world: World, make: Make) -> None:
    """T-2: somebody who joined long ago, and is imported today."""
    quest = world.quest()
    world.rule(quest, days(365))
    world.work()
    rows = [
        ImportRow(2, "old", "old", joined=f"{ago(400):%Y-%m-%d}"),
        ImportRow(3, "new", "new"),
    ]
    with transaction():
        assert import_rows.import_rows(rows, world.actor()).created == 2
    old = db.session.scalar(select(Member.id).where(Member.external_id == "old"))
    world.work()
    assert world.holds(quest) == {old}
    late = [ImportRow(2, "new", joined=f"{ago(366):%Y-%m-%d}")]
    with transaction():
        assert import_rows.import_rows(late, world.actor()).updated == 1
    world.work()
    assert len(world.holds(quest)) == 2


def test_a_switched_off_rule_is_kept_and_sleeps(world: World, make: Make) -> None:
    """M-1, M-3: Manual, archived badge, archived quest; back in force, everybody is looked at."""
    quest, anna = world.quest(), make.member("anna")
    world.rule(quest, did(1, "posts"))
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
        ((did(0, "posts"),), "amount-0", "Give a whole number from 1 to 1,000,000,000."),
        (
            (ConditionDraft(ConditionKind.ACTIVITY, None, "posts"),),
            "amount-0",
            "Give a whole number",
        ),
        ((did(10**9 + 1, "posts"),), "amount-0", "Give a whole number"),
        ((did(1, ""),), "name-0", "Name an activity"),
        ((did(1, "posts; --"),), "name-0", "Name an activity"),
        ((did(1, "x" * 61),), "name-0", "Name an activity"),
        ((did(1, "пост"),), "name-0", "Name an activity"),
        ((days(36_501),), "amount-0", "Give a whole number from 1 to 36,500."),
        ((did(1, "posts"), did(9, "Posts")), "what-1", "“posts” is asked for twice"),
        ((days(1), days(2)), "what-1", "“days since joining” is asked for twice"),
        (
            (ConditionDraft(ConditionKind.QUEST, required_id=10**30),),
            "what-0",
            "Choose a badge that there is.",
        ),
        ((ConditionDraft(ConditionKind.QUEST),), "what-0", "Choose a badge that there is."),
        (tuple(did(1, f"a{n}") for n in range(11)), "what-10", "at most 10 conditions"),
    ],
)
def test_what_can_not_be_meant_is_refused_beside_its_field(
    world: World, asked: tuple[ConditionDraft, ...], field: str, sentence: str
) -> None:
    """T-1: with a sentence, and nothing is kept."""
    quest = world.quest()
    with pytest.raises(DomainError) as refusal:
        world.rule(quest, *asked)
    assert (refusal.value.field, sentence in refusal.value.message) == (field, True), refusal.value
    assert rules.of_badge(quest.badge_id) == {}


def test_what_can_never_be_true_is_refused(world: World, make: Make) -> None:
    """T-1: a quest that asks for itself, two that ask for each other, one that nobody can get any more."""
    first, second, third = world.quest(), world.quest(), world.quest()
    with pytest.raises(DomainError, match="can't ask for itself"):
        world.rule(first, has(first))
    world.rule(first, has(second))
    with pytest.raises(DomainError, match="neither could ever be earned"):
        world.rule(second, did(1, "posts"), has(first))
    with pytest.raises(DomainError, match="neither could ever be earned"):
        world.rule(second, has(first), any_of=True)
    world.rule(second, did(1, "posts"), has(first), any_of=True)
    world.rule(third, has(first), has(second))
    gone = make.quest("Gone", archived_at=NOW)
    with pytest.raises(DomainError, match="nobody ever will"):
        world.rule(third, has(gone))
    make.award(make.member().id, gone.id)
    world.rule(third, has(gone))


def test_a_rule_changed_meanwhile_is_not_written_over(world: World, make: Make) -> None:
    """X29: the second is told who; the same as is saved is no conflict; a quest elsewhere is nowhere."""
    quest = world.quest()
    rule = world.rule(quest, did(1, "posts"))
    ada = replace(world.actor(), staff=make.staff(name="Ada"))
    draft = RuleDraft((did(2, "posts"),))
    with pytest.raises(ConflictError, match="Ivo changed this rule"), transaction():
        rules.save(quest.badge_id, quest.id, draft, ada, version=0)
    with transaction():
        rules.save(quest.badge_id, quest.id, draft, ada, version=rule.version)
        rules.save(quest.badge_id, quest.id, draft, ada, version=0)
    with pytest.raises(NotFoundError), transaction():
        rules.save(quest.badge_id + 1, quest.id, draft, ada)
    lines = [line for some in search.all_of(search.AuditFilters()) for line in some]
    assert [line.sentence.partition(" the ")[0] for line in lines][:2] == ["Ada gave", "Ivo gave"]


def test_a_rule_changed_while_everybody_is_looked_at_begins_anew(world: World, make: Make) -> None:
    """T-3: the worker finds its lease gone; what the old rule gave stays, the new one decides the rest."""
    quest, ids = world.quest(), make.members(10)
    with transaction():
        counters.record_events(
            [ActivityEventIn(f"e{n}", one, "posts", 1 + n, NOW) for n, one in enumerate(ids)],
            world.actor(),
        )
    rule = world.rule(quest, did(1, "posts"))
    with transaction():
        assert backfill.claim(rule.id, "one", 60, world.at)
        assert not backfill.claim(rule.id, "two", 60, world.at)
    with transaction():
        assert backfill.evaluate_some(rule.id, "one", 60, 4, world.at)
    assert rules.of_badge(quest.badge_id)[quest.id].percent == 40
    assert world.holds(quest) == set(ids[:4])
    world.rule(quest, did(9, "posts"))
    with transaction(), pytest.raises(leases.LeaseLostError):
        backfill.evaluate_some(rule.id, "one", 60, 4, world.at)
    world.work()
    assert world.holds(quest) == {*ids[:4], *ids[8:]}
    kept = rules.of_badge(quest.badge_id)[quest.id]
    assert (kept.evaluating, kept.percent, kept.awarded, kept.evaluated) == (False, 100, 2, 10)


def test_an_activity_beyond_those_offered_is_asked_for_like_any(world: World, make: Make) -> None:
    """T-1: the form offers the first names; a rule may ask for a later one that is there, twice, and for a new one."""
    with transaction():
        activity_names.name({f"act{number:04}" for number in range(activity_names.MOST + 1)}, NOW)
    assert len(rules.list_activities()) == activity_names.MOST
    last, quest = f"act{activity_names.MOST:04}", world.quest()
    assert last not in rules.list_activities()
    for _ in range(2):
        world.rule(quest, did(2, last), did(1, "zzz"))
    assert rules.usage(999).items[-1].name == "zzz"
    anna = make.member("anna")
    for name in (last, last, "zzz"):
        world.count(anna, name)
    world.work()
    assert world.holds(quest) == {anna.id}


@pytest.mark.databases("postgresql")
def test_a_chunk_takes_no_longer_the_more_were_awarded(world: World, make: Make) -> None:
    """T-3: while the statistics still know of one award, no member has all awards of the quest looked through."""
    quest, members = world.quest(), make.members(5_000)
    make.award(members[0], make.quest().id)
    with transaction():
        db.session.execute(text("ANALYZE awards"))
        events = [
            ActivityEventIn(f"one-{member}", member, "posts", 1, world.at) for member in members
        ]
        counters.record_events(events, world.actor())
    rule = world.rule(quest, did(1, "posts"))
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
    )  # a small table is read whole for each; of a larger one, all of its quest would be 2,255,000
    assert world.holds(quest) == set(members)


def test_an_evaluation_that_gets_nowhere_is_given_up(world: World) -> None:
    """B-40's rule, for rules: five claims in a row without progress, and the cause is kept."""
    rule = world.rule(world.quest(), did(1, "posts"))
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
    """T-3: how many, examples, who holds it, from whom it was taken by hand, who is not active; nothing is written."""
    quest = world.quest()
    members = [make.member(name) for name in ("ann", "ben", "cleo", "dan", "eve")]
    members.append(make.member("fay", status="left"))
    for member in members[1:]:
        world.count(member, "posts", 3)
    make.award(members[3].id, quest.id)
    make.award(members[4].id, quest.id, revoked_at=NOW, revoke_source="profile")
    draft = rules.validate(quest, RuleDraft((did(3, "posts"),)))
    with statements() as seen:
        found = reach.reach(quest, draft, world.at)
    assert len(seen) == 2
    assert (found.receive, found.hold, found.revoked, found.inactive) == (2, 1, 1, 1)
    assert [member.username for member in found.examples] == ["ben", "cleo"]
    world.rule(quest, did(3, "posts"))
    world.work()
    assert len(world.holds(quest)) == found.receive + found.hold


def test_only_rules_that_name_an_activity_are_looked_at(world: World, make: Make) -> None:
    """T-2: with a dozen rules more an event costs as many statements as with one."""
    anna = make.member("anna")
    world.rule(world.quest(), did(5, "posts"))
    world.work()
    counts = []
    for number in (0, 12):
        for n in range(number):
            world.rule(world.quest(), did(1, f"other{n}"))
        world.work()
        with statements() as seen:
            world.count(anna, "posts")
        counts.append(len(seen))
        assert checks() == 0
    assert counts[0] == counts[1]


def test_what_is_ahead_of_a_member(world: World, make: Make) -> None:
    """T-1: of each badge the next quest, the nearest first; not begun ones, and ones held, are left out."""
    badge = make.badge("Helper", automatic=True)
    ten, fifty = (make.quest(f"{n} answers", badge, position=n) for n in (10, 50))
    other, far = world.quest(), world.quest()
    anna = make.member("anna", joined_at=ago(15))
    for quest, asked in ((ten, did(10, "answers")), (fifty, did(50, "answers"))):
        world.rule(quest, asked)
    world.rule(other, days(30), did(10, "answers"))
    world.rule(far, did(10, "nothing"))
    world.count(anna, "answers", 12)
    world.work()
    held = member_profile.load(anna.id).quests
    assert held == {ten.id}
    with statements() as seen:
        steps = rule_progress.ahead(anna, held, world.at)
    assert len(seen) <= 4
    assert [(step.quest.id, step.percent) for step in steps] == [(other.id, 75), (fifty.id, 24)]
    assert [(part.words, part.done, part.required) for part in steps[0].parts] == [
        ("30 days since joining", 15, 30),
        ("10 answers", 12, 10),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_little_by_little_comes_to_the_same_as_from_scratch(
    app: Flask, make: Make, seed: int
) -> None:
    """T-2, T-3: random rules and events in random order; workers at random moments, and a second community where the
    same happened before any rule was made: the same members hold the same quests."""
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
    joined = [ago(random.randint(0, 30)) for _ in range(6)]
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
            days(amount)
            if name == "days"
            else has(quests[amount])
            if name == "quest"
            else did(amount, name)
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


def test_the_noted_are_shared_and_nobody_is_lost(world: World, make: Make) -> None:
    """T-2: what is noted stands until it is decided; a step that fails leaves all of it."""
    quest, ids = world.quest(), make.members(30)
    world.rule(quest, did(1, "posts"))
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
