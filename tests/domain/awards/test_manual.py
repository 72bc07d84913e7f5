"""Manual awards: made, revoked, restored; for one member or a group."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import group as group_awards
from webapp.domain.awards import manual, member_profile
from webapp.domain.awards.group import Result, TooManyRecipientsError, UnknownUsernamesError
from webapp.domain.awards.manual import AwardResult
from webapp.domain.badges import quests as badge_quests
from webapp.domain.batches import from_group_award
from webapp.domain.errors import DomainError, NotFoundError
from webapp.models import AuditEvent, Award, Batch, Entry, Member, Origin, Quest, Role, Staff
from webapp.transaction import transaction


def actor(staff: Staff | None = None, at: datetime = NOW) -> Actor:
    return Actor(at=at, origin=Origin.CONSOLE, staff=staff)


def award(
    member_id: int, quest_id: int | None, reason: str = "", by: Actor | None = None
) -> AwardResult:
    with transaction():
        done = manual.award(member_id, quest_id, reason, by or actor())
    return done


def revoke(member_id: int, award_id: int, reason: str = "", by: Actor | None = None) -> AwardResult:
    with transaction():
        return manual.revoke(member_id, award_id, reason, by or actor())


def restore(member_id: int, award_id: int, by: Actor) -> AwardResult:
    with transaction():
        return manual.restore(member_id, award_id, by)


def group(text: str, quest_id: int | None, reason: str = "", **more: Any) -> Result:
    with transaction():
        return group_awards.award_group(text, quest_id, reason, actor(), **more)


def history(member_id: int) -> list[str]:
    """The types of the member's events, newest first."""
    return [event.kind for event in member_profile.load(member_id).history.items]


def verbs() -> list[str]:
    return list(db.session.scalars(select(AuditEvent.verb).order_by(AuditEvent.id)))


@pytest.fixture
def anna(make: Make) -> Member:
    return make.member("anna", name="Anna Brandt")


@pytest.fixture
def quest(make: Make) -> Quest:
    return make.quest("Answered 50 questions", make.badge("Helper"))


def test_an_award_has_person_time_source_and_reason(make: Make, anna: Member, quest: Quest) -> None:
    """M-4, M-6: and is one entry in the audit log."""
    mara = make.staff()
    done = award(anna.id, quest.id, "  for the fair ", actor(mara))
    assert done.changed
    made = done.award
    assert (made.source, made.awarded_at, made.awarded_by, made.reason) == (
        "profile",
        NOW,
        mara.id,
        "for the fair",
    )
    row = db.session.scalars(select(AuditEvent)).one()
    assert (row.verb, row.subject_kind, row.subject_id) == ("award.made", "award", made.id)
    assert row.detail == {"quest": quest.id}


def test_awarding_to_a_holder_changes_nothing(make: Make, anna: Member, quest: Quest) -> None:
    """M-13: the existing award is returned, and nothing is recorded."""
    first = award(anna.id, quest.id, "first").award.id
    again = award(anna.id, quest.id, "second")
    assert (again.changed, again.award.id, again.award.reason) == (False, first, "first")
    assert verbs() == ["award.made"]


@pytest.mark.parametrize(
    ("status", "why"), [("left", "has left the community"), ("suspended", "is suspended")]
)
def test_only_active_members_receive(make: Make, quest: Quest, status: str, why: str) -> None:
    """D-5: the error has the reason."""
    member = make.member("bo", status=status)
    with pytest.raises(
        DomainError, match=rf"^bo {why}\. Only active members can receive badges\.$"
    ):
        award(member.id, quest.id)
    assert db.session.scalars(select(Award)).all() == []


def test_archived_quests_cannot_be_awarded(make: Make, anna: Member, quest: Quest) -> None:
    """M-4, M-15: a quest or its badge, with the badge's name; nor a missing or unknown one."""
    gone = make.quest("Old way", make.badge("Antique"), archived_at=NOW)
    of_gone = make.quest("Way", make.badge("Relic", archived_at=NOW))
    for quest_id, why in (
        (gone.id, "Antique is archived and can't be awarded."),
        (of_gone.id, "Relic is archived and can't be awarded."),
        (999, "This badge doesn't exist."),
        (10**30, "This badge doesn't exist."),
        (None, "Choose a badge."),
    ):
        with pytest.raises(DomainError, match=why) as refused:
            award(anna.id, quest_id)
        assert refused.value.field == "quest"


def test_a_reason_has_a_maximum_length(anna: Member, quest: Quest) -> None:
    """M-4: 500 characters; a NUL can't be stored."""
    award(anna.id, quest.id, "é" * 500)
    for reason in ("é" * 501, "a\x00b"):
        with pytest.raises(DomainError) as refused:
            award(anna.id, quest.id, reason)
        assert refused.value.field == "reason"


def test_unknown_ids_raise_not_found(anna: Member, quest: Quest, make: Make) -> None:
    """M-4, M-5: no such member, no such award, another member's award."""
    mine = award(anna.id, quest.id).award.id
    other = make.member("bo")
    for member_id, award_id in ((other.id, mine), (anna.id, 999), (999, mine), (10**30, 10**30)):
        with pytest.raises(NotFoundError):
            revoke(member_id, award_id)
        with pytest.raises(NotFoundError):
            restore(member_id, award_id, actor())
    with pytest.raises(NotFoundError):
        award(999, quest.id)


def test_a_revoked_award_stays_in_the_history(make: Make, anna: Member, quest: Quest) -> None:
    """M-5, M-14: revoking twice changes nothing more; awarding again creates a new award."""
    ivo = make.staff()
    first = award(anna.id, quest.id).award.id
    later = actor(ivo, NOW + timedelta(minutes=1))
    done = revoke(anna.id, first, "by mistake", later)
    taken = done.award
    assert done.changed
    assert (taken.revoked_at, taken.revoked_by, taken.revoke_source, taken.revoke_reason) == (
        later.at,
        ivo.id,
        "profile",
        "by mistake",
    )
    assert not revoke(anna.id, first, "again", later).changed
    assert db.session.get(Award, first).revoke_reason == "by mistake"
    again = award(anna.id, quest.id, by=later)
    assert again.changed
    assert again.award.id != first
    assert history(anna.id) == ["Awarded", "Revoked", "Awarded"]
    assert verbs() == ["award.made", "award.revoked", "award.made"]


def test_support_revokes_with_a_reason(make: Make, anna: Member, quest: Quest) -> None:
    """M-5, R-1: whitespace is not a reason."""
    support = actor(make.staff(Role.SUPPORT))
    made = award(anna.id, quest.id).award.id
    for reason in ("", " \n"):
        with pytest.raises(DomainError, match="Enter a reason") as refused:
            revoke(anna.id, made, reason, support)
        assert refused.value.field == "reason"
    assert revoke(anna.id, made, "asked for it", support).changed


def test_undo_brings_the_award_back_as_it_was(make: Make, anna: Member, quest: Quest) -> None:
    """M-5: with its time, source, batch and reason; the history has all three events."""
    mara, ivo = make.staff(), make.staff()
    batch = make.batch([anna.id], quest)
    old = make.award(
        anna.id,
        quest.id,
        source="batch",
        batch_id=batch.id,
        awarded_at=NOW - timedelta(days=900),
        awarded_by=mara.id,
        reason="long ago",
    )
    revoke(anna.id, old.id, "oops", actor(ivo))
    assert restore(anna.id, old.id, actor(ivo, NOW + timedelta(minutes=1))).changed
    held = member_profile.load(anna.id).held
    (back,) = held
    assert back.award.restores_id == old.id
    assert (back.at, back.award.batch_id, back.award.source, back.reason) == (
        old.awarded_at,
        batch.id,
        "batch",
        "long ago",
    )
    assert back.by == mara.display_name
    assert history(anna.id) == ["Restored", "Revoked", "Awarded"]
    assert verbs()[-2:] == ["award.revoked", "award.restored"]


def test_a_repeated_undo_has_one_effect(make: Make, anna: Member, quest: Quest) -> None:
    """M-5: and an old `Undo` does not undo a later revocation."""
    ivo = actor(make.staff())
    first = award(anna.id, quest.id).award.id
    revoke(anna.id, first, by=ivo)
    assert restore(anna.id, first, ivo).changed
    assert not restore(anna.id, first, ivo).changed
    back = member_profile.load(anna.id).held[0].award.id
    revoke(anna.id, back, by=ivo)
    assert not restore(anna.id, first, ivo).changed
    assert member_profile.load(anna.id).held == []
    assert restore(anna.id, back, ivo).changed
    assert len(member_profile.load(anna.id).held) == 1


def test_undo_is_for_the_revoking_person_and_ten_minutes(
    make: Make, anna: Member, quest: Quest
) -> None:
    """M-5: exactly; not by others, and not a revocation by a batch's undo."""
    ivo, mara = make.staff(), make.staff()
    first = award(anna.id, quest.id).award.id
    assert not restore(anna.id, first, actor(ivo)).changed  # not undone
    revoked = revoke(anna.id, first, by=actor(ivo)).award
    end = NOW + timedelta(minutes=10)
    assert manual.can_restore(revoked, actor(ivo, end))
    assert not manual.can_restore(revoked, actor(mara))
    with pytest.raises(DomainError, match="Only the person who revoked it"):
        restore(anna.id, first, actor(mara))
    with pytest.raises(DomainError, match="only within 10 minutes"):
        restore(anna.id, first, actor(ivo, end + timedelta(seconds=1)))
    assert restore(anna.id, first, actor(ivo, end)).changed
    undone = make.award(
        anna.id, make.quest().id, revoked_at=NOW, revoked_by=ivo.id, revoke_source="batch"
    )
    with pytest.raises(DomainError, match="Only the person who revoked it"):
        restore(anna.id, undone.id, actor(ivo))


def test_undo_after_a_new_award_changes_nothing(make: Make, anna: Member, quest: Quest) -> None:
    """M-5, M-13: the member has one award, not two."""
    ivo = actor(make.staff())
    first = award(anna.id, quest.id).award.id
    revoke(anna.id, first, by=ivo)
    award(anna.id, quest.id)
    assert not restore(anna.id, first, ivo).changed
    assert len(member_profile.load(anna.id).held) == 1


def test_undo_works_for_archived_badges_and_suspended_members(
    app: Flask, make: Make, anna: Member, quest: Quest
) -> None:
    """M-5: although the badge was archived and the member suspended in between."""
    ivo = actor(make.staff())
    first = award(anna.id, quest.id).award.id
    revoke(anna.id, first, by=ivo)
    with transaction():
        db.session.get(Quest, quest.id).archived_at = NOW
        db.session.get(Member, anna.id).status = "suspended"
    assert restore(anna.id, first, ivo).changed


def test_a_slow_clock_does_not_reorder_the_history(make: Make, anna: Member, quest: Quest) -> None:
    """M-6: a later action is shown as later, even if its clock is behind."""
    behind = actor(at=NOW - timedelta(seconds=3))
    first = award(anna.id, quest.id).award.id
    assert revoke(anna.id, first, by=behind).award.revoked_at == NOW
    assert award(anna.id, quest.id, by=behind).award.awarded_at == NOW
    assert history(anna.id) == ["Awarded", "Revoked", "Awarded"]
    assert [row.at for row in db.session.scalars(select(AuditEvent))] == [NOW] * 3


def test_the_history_says_how(make: Make, anna: Member) -> None:
    """M-6: profile, group, batch, API, rule, each in words; a batch's undo as such."""
    badge = make.badge()
    batch = make.batch([anna.id])
    for way in ("profile", "group", "api", "rule"):
        make.award(anna.id, make.quest(badge=badge).id, source=way)
    make.award(
        anna.id,
        make.quest(badge=badge).id,
        source="batch",
        batch_id=batch.id,
        revoked_at=NOW,
        revoke_source="batch",
    )
    told = [
        (event.kind, str(event.how), event.batch)
        for event in member_profile.load(anna.id).history.items
    ]
    assert told == [
        ("Revoked", "by undoing the batch", "Spring meetup"),
        ("Awarded", "in the batch", "Spring meetup"),
        ("Awarded", "automatic", None),
        ("Awarded", "through the API", None),
        ("Awarded", "group award", None),
        ("Awarded", "from profile", None),
    ]


def test_choices_leave_out_held_and_archived_quests(make: Make, app: Flask) -> None:
    """M-4: by badge, and a badge is omitted only if all its quests are held."""
    one = make.quest("Only way", make.badge("Alone"))
    two = make.badge("Both")
    first, second = make.quest("First", two, position=1), make.quest("Second", two, position=2)
    held = make.quest("Held", make.badge("Held"))
    make.quest("Old", make.badge("Old", archived_at=NOW))
    with statements() as seen:
        found = badge_quests.choices(held={held.id, first.id})
    assert len(seen) == 1
    ids = [(badge.name, [quest.id for quest in quests]) for badge, quests in found]
    assert ids == [("Alone", [one.id]), ("Both", [first.id, second.id])]


def test_a_group_is_awarded_and_counted(make: Make, quest: Quest) -> None:
    """M-8, M-11: awarded, already had it, inactive; one entry in the audit log."""
    ids = make.members(4, "g")
    make.award(ids[0], quest.id)
    bo = make.member("bo", status="left")
    result = group("@G1; g2,g3\ng4\nG4\tbo", quest.id, "for all")
    assert (result.awarded, result.held, [one.id for one in result.unable]) == (3, 1, [bo.id])
    awards = db.session.scalars(select(Award).where(Award.source == "group")).all()
    assert {one.member_id for one in awards} == set(ids[1:])
    assert {one.reason for one in awards} == {"for all"}
    row = db.session.scalars(select(AuditEvent)).one()
    assert (row.verb, row.subject_kind, row.subject_id) == ("group.awarded", "quest", quest.id)
    assert row.detail == {"awarded": 3, "held": 1, "left_out": 1}
    assert group("g1,g2,g3,g4", quest.id) == Result(0, 4)
    assert verbs() == ["group.awarded"]


def test_an_unknown_name_stops_the_group(make: Make, quest: Quest) -> None:
    """M-9: all unknown names are listed; on request, only the others are awarded."""
    make.members(3, "g")
    with pytest.raises(UnknownUsernamesError) as unknown:
        group("g1, nobody, g2, “no-one”", quest.id)
    assert (unknown.value.names, unknown.value.found) == (["nobody", "no-one"], 2)
    assert "2 usernames weren't found." in unknown.value.message
    assert db.session.scalars(select(Award)).all() == []
    assert group("g1, nobody, g2", quest.id, found_only=True).awarded == 2
    with pytest.raises(UnknownUsernamesError, match="1 username wasn't found"):
        group("nobody", quest.id, found_only=True)


def test_fifty_are_awarded_and_one_more_is_not(make: Make, quest: Quest) -> None:
    """M-8, M-10: 50 in a fixed number of statements; repeated names count once."""
    make.members(51, "g")
    names = [f"g{number}" for number in range(1, 52)]
    with pytest.raises(
        TooManyRecipientsError, match="You've entered 51 usernames; the limit is 50"
    ):
        group("\n".join(names), quest.id)
    with statements() as few:
        group("g51", quest.id)
    with statements() as many:
        assert group(", ".join(names[:50] + names[:50]), quest.id).awarded == 50
    assert len(many) == len(few)


def test_hostile_names_are_names(make: Make, quest: Quest) -> None:
    """M-8: quotes, angle brackets, right-to-left, combining characters, look-alikes."""
    names = ["<b>x</b>", "O'Brien", "مريم", "e\u0301va", "аnna", "nul\ufffd"]
    for name in names:
        make.member(name)
    make.member("anna")
    result = group("\n".join(names[:-1]) + "\nÉVA\nnul\x00", quest.id)
    assert result.awarded == len(names)
    with pytest.raises(UnknownUsernamesError):
        group("nul\ufffd, \ud7ff, " + "x" * 5000, quest.id)


@pytest.mark.parametrize(("text", "field"), [("", "to"), (" ,;\n", "to"), ("a" * 200_000, "to")])
def test_no_names_or_too_many_characters_are_refused(quest: Quest, text: str, field: str) -> None:
    """M-8: with a sentence."""
    with pytest.raises(DomainError) as refused:
        group(text, quest.id)
    assert refused.value.field == field


def test_too_many_usernames_continue_as_a_batch(make: Make, quest: Quest) -> None:
    """M-10: a draft with these members and this quest; unknown names are reported, the reason becomes its name."""
    make.members(60, "g")
    text = "\n".join([f"@G{number}" for number in range(1, 61)] + ["nobody"])
    with transaction():
        batch_id, unknown = from_group_award.continue_as_batch(
            text, quest.id, " For the\nfair ", 60 + 1, actor()
        )
    batch = db.session.get(Batch, batch_id)
    assert (batch.draft, batch.entry_count, batch.quest_id, batch.name) == (
        True,
        60,
        quest.id,
        "For the fair",
    )
    assert len(db.session.scalars(select(Entry)).all()) == 60
    assert unknown == ["nobody"]
    for limit, names, why in ((59, text, "up to 59 members"), (99, "nobody", "None of these")):
        with pytest.raises(DomainError, match=why), transaction():
            from_group_award.continue_as_batch(names, quest.id, "", limit, actor())
    assert len(db.session.scalars(select(Batch)).all()) == 1
