"""Create, change and archive badges; add, rename, reorder and archive their quests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.awards import manual
from webapp.domain.badges import catalogue, quests, settings
from webapp.domain.badges.settings import BadgeSettings
from webapp.domain.batches import forecasts
from webapp.domain.errors import ConflictError, DomainError, NotFoundError
from webapp.models import AuditEvent, Award, Badge, Member, Origin, Quest, Staff
from webapp.transaction import transaction

HELPER = BadgeSettings("Helper", "For answering.", False, "shield", "blue", "life-buoy")


@pytest.fixture
def ivo(make: Make) -> Staff:
    return make.staff(name="Ivo")


@pytest.fixture
def actor(ivo: Staff) -> Actor:
    return Actor(NOW, Origin.CONSOLE, ivo)


@pytest.fixture
def helper(actor: Actor) -> Badge:
    with transaction():
        return settings.create(HELPER, "Answered 50 questions", actor)


def said() -> list[str]:
    """All sentences of the audit log, oldest first."""
    return [line.sentence for lines in search.all_of(search.AuditFilters()) for line in lines][::-1]


def names(badge: Badge) -> list[str]:
    db.session.expire_all()
    return [quest.name for quest in catalogue.get(badge.id).quests]


def test_a_badge_is_made_with_its_first_quest(helper: Badge) -> None:
    """M-15: it can be awarded immediately; one entry in the audit log."""
    badge = catalogue.get(helper.id)
    assert settings.settings_of(badge) == HELPER
    assert names(badge) == ["Answered 50 questions"]
    assert said() == ["Ivo created the badge “Helper”"]
    assert [badge.name for badge, _ in quests.choices()] == ["Helper"]


def test_without_a_quest_it_is_named_like_the_badge(actor: Actor) -> None:
    """M-15: spaces around names and line breaks in them are removed; a description keeps its lines."""
    wanted = replace(HELPER, name="  Speaker\n 2026 ", description=" One.\r\nTwo. ")
    with transaction():
        badge = settings.create(wanted, "  ", actor)
    assert (badge.name, names(badge)) == ("Speaker 2026", ["Speaker 2026"])
    assert badge.description == "One.\nTwo."


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"name": " \t"}, "name", "Enter a name."),
        ({"name": "x" * 121}, "name", "The name is 121 characters long; the limit is 120."),
        ({"name": "a\x00b"}, "name", "NUL"),
        ({"name": "HELPER"}, "name", "A badge named “HELPER” already exists."),
        (
            {"description": "x" * 501},
            "description",
            "The description is 501 characters long; the limit is 500.",
        ),
        ({"description": "\x00"}, "description", "NUL"),
        ({"shape": "blob"}, "shape", "Choose one of the shapes."),
        ({"colour": ""}, "colour", "Choose one of the colours."),
        ({"icon": "<script>"}, "icon", "Choose one of the icons."),
    ],
)
def test_invalid_settings_are_rejected_at_their_field(
    helper: Badge, actor: Actor, wrong: dict[str, str], field: str, sentence: str
) -> None:
    """M-15: when creating and when changing a badge; nothing is written."""
    wanted = replace(HELPER, **{"name": "Speaker", **wrong})  # type: ignore[arg-type]
    with pytest.raises(DomainError) as made, transaction():
        settings.create(wanted, "", actor)
    assert (made.value.field, sentence in made.value.message) == (field, True)
    with transaction():
        other = settings.create(replace(HELPER, name="Other"), "", actor)
    with pytest.raises(DomainError, match=sentence.replace(".", r"\.")), transaction():
        settings.change(other.id, wanted, actor)
    assert [badge.badge.name for badge in catalogue.overview()] == ["Helper", "Other"]


def test_changes_are_recorded_and_repeating_them_is_not(helper: Badge, actor: Actor) -> None:
    """M-15, L-1: the audit log has what changed."""
    wanted = replace(HELPER, name="Aid", colour="gold", icon="")
    for _ in range(2):
        with transaction():
            badge = settings.change(helper.id, wanted, actor)
    assert settings.settings_of(badge) == wanted
    assert said()[1:] == [
        "Ivo changed the badge “Aid”: renamed from “Helper” to “Aid”, new colour, new icon"
    ]


def test_a_badge_is_switched_and_awards_stay(make: Make, helper: Badge, actor: Actor) -> None:
    """M-1, M-2, M-3: at any time, both ways; an Automatic badge can be awarded by hand like a Manual one."""
    anna, bea = make.member("anna"), make.member("bea")
    quest = helper.quests[0].id
    for automatic, member in ((True, anna), (False, bea)):
        with transaction():
            badge = settings.change(helper.id, replace(HELPER, automatic=automatic), actor)
        assert badge.received == ("Automatic" if automatic else "Manual")
        with transaction():
            assert manual.award(member.id, quest, "", actor).changed
    db.session.expire_all()
    assert catalogue.get(helper.id).holders == 2
    assert "changed the badge “Helper”: switched to Automatic" in said()[1]


def test_concurrent_changes_are_reported(make: Make, helper: Badge, actor: Actor) -> None:
    """X29: no one overwrites changes they did not see; saving equal values is no conflict."""
    seen = helper.version
    with transaction():
        settings.change(helper.id, replace(HELPER, name="Aid"), actor, seen)
    other = Actor(NOW, Origin.CONSOLE, make.staff(name="Ada"))
    with (
        pytest.raises(ConflictError, match="Ivo has changed this badge in the meantime"),
        transaction(),
    ):
        settings.change(helper.id, replace(HELPER, name="Mate"), other, seen)
    with transaction():
        settings.change(helper.id, replace(HELPER, name="Aid"), other, seen)
    assert catalogue.get(helper.id).name == "Aid"


def test_an_archived_badge_stays_and_is_not_awarded(
    make: Make, helper: Badge, actor: Actor
) -> None:
    """M-15: archiving twice changes nothing more; restored, it can be awarded again."""
    anna, bea, quest = make.member("anna"), make.member("bea"), helper.quests[0].id
    make.award(anna.id, quest)
    with transaction():
        assert settings.archive(helper.id, actor)
        assert not settings.archive(helper.id, actor)
    with pytest.raises(DomainError, match="Helper is archived"), transaction():
        manual.award(bea.id, quest, "", actor)
    assert catalogue.get(helper.id).holders == 1
    with transaction():
        assert settings.unarchive(helper.id, actor)
        assert not settings.unarchive(helper.id, actor)
    with transaction():
        assert manual.award(bea.id, quest, "", actor).changed
    assert said()[1:3] == [
        "Ivo archived the badge “Helper”",
        "Ivo restored the badge “Helper” from the archive",
    ]


def test_the_name_of_an_archived_badge_is_free(helper: Badge, actor: Actor) -> None:
    """M-15: then it can't be restored with that name; it can be renamed while archived."""
    with transaction():
        settings.archive(helper.id, actor)
        settings.create(HELPER, "", actor)
    with pytest.raises(DomainError, match="A badge named “Helper” already exists"), transaction():
        settings.unarchive(helper.id, actor)
    with transaction():
        settings.change(helper.id, replace(HELPER, name="Helper 2025"), actor)
        assert settings.unarchive(helper.id, actor)


def test_twenty_people_creating_the_same_badge_create_one(app: Flask, actor: Actor) -> None:
    """M-15: the unique index decides; the others get an error."""
    together = Barrier(20)

    def make_one(_: int) -> str:
        with app.app_context():
            together.wait()
            try:
                with transaction():
                    settings.create(HELPER, "", actor)
            except DomainError as refusal:
                return refusal.message
            return "made"

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(make_one, range(20)))
    assert sorted(set(answers)) == ["A badge named “Helper” already exists.", "made"]
    assert answers.count("made") == len(db.session.scalars(select(Badge)).all()) == 1


def test_quests_are_added_renamed_and_put_in_order(helper: Badge, actor: Actor) -> None:
    """M-15: each action is one entry in the audit log; without a change there is none."""
    (first,) = helper.quests
    with transaction():
        second = quests.add(helper.id, "Answered 500 questions", actor)
        third = quests.add(helper.id, " Best\nof 2026 ", actor)
    assert names(helper) == ["Answered 50 questions", "Answered 500 questions", "Best of 2026"]
    with transaction():
        assert quests.move(helper.id, third.id, "up", actor)
        assert not quests.move(helper.id, first.id, "up", actor)
        assert not quests.move(helper.id, third.id, "sideways", actor)
        quests.rename(helper.id, second.id, "Answered 1,000 questions", actor)
        quests.rename(helper.id, second.id, "Answered 1,000 questions", actor)
    assert names(helper) == ["Answered 50 questions", "Best of 2026", "Answered 1,000 questions"]
    assert said()[1:] == [
        "Ivo added the quest “Helper (Answered 1,000 questions)”",
        "Ivo added the quest “Helper (Best of 2026)”",
        "Ivo moved the quest “Helper (Best of 2026)” up",
        "Ivo renamed the quest “Helper (Answered 1,000 questions)”"
        " from “Answered 500 questions” to “Answered 1,000 questions”",
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Enter a name."),
        ("x" * 121, "The name is 121 characters long"),
        ("\x00", "NUL"),
        ("answered 50 QUESTIONS", "This badge already has a quest named"),
    ],
)
def test_bad_names_of_quests_are_refused(
    helper: Badge, actor: Actor, name: str, sentence: str
) -> None:
    """M-15: when adding and when renaming; another badge may have a quest with the same name."""
    with pytest.raises(DomainError, match=sentence), transaction():
        quests.add(helper.id, name, actor)
    with transaction():
        second = quests.add(helper.id, "Second", actor)
    with pytest.raises(DomainError, match=sentence), transaction():
        quests.rename(helper.id, second.id, name, actor)
    with transaction():
        settings.create(replace(HELPER, name="Other"), "Answered 50 questions", actor)


def test_an_archived_quest_stays_and_is_not_awarded(
    make: Make, helper: Badge, actor: Actor
) -> None:
    """M-15: the badge's other quests can still be awarded; its name is free."""
    anna, bea, (first,) = make.member("anna"), make.member("bea"), helper.quests
    make.award(anna.id, first.id)
    with transaction():
        quests.add(helper.id, "Second", actor)
        assert quests.archive(helper.id, first.id, actor)
        assert not quests.archive(helper.id, first.id, actor)
    with pytest.raises(DomainError, match="archived"), transaction():
        manual.award(bea.id, first.id, "", actor)
    assert [quest.name for _, found in quests.choices() for quest in found] == ["Second"]
    with transaction():
        quests.add(helper.id, first.name, actor)
    with pytest.raises(DomainError, match="already has a quest named"), transaction():
        quests.unarchive(helper.id, first.id, actor)
    db.session.expire_all()
    assert catalogue.get(helper.id).holders == 1


def test_a_quest_of_another_badge_is_not_found(make: Make, helper: Badge, actor: Actor) -> None:
    """W86: like one that doesn't exist, however large its id."""
    other = make.quest()
    verbs: list[Callable[[int], object]] = [
        lambda number: quests.rename(helper.id, number, "New", actor),
        lambda number: quests.move(helper.id, number, "up", actor),
        lambda number: quests.archive(helper.id, number, actor),
        lambda number: quests.unarchive(helper.id, number, actor),
        lambda number: settings.archive(number + 10**6, actor),
        lambda number: quests.add(number + 10**6, "New", actor),
    ]
    for verb in verbs:
        for number in (other.id, 0, 10**30):
            with pytest.raises(NotFoundError), transaction():
                verb(number)


def test_the_forecast_of_archiving_counts_unfinished_batches(
    make: Make, helper: Badge, actor: Actor
) -> None:
    """M-15: drafts and running ones, for the badge or for a quest; finished ones don't count."""
    (first,) = helper.quests
    with transaction():
        second = quests.add(helper.id, "Second", actor)
    members = make.members(2)
    make.batch(members, first)
    make.batch(members, first, published=True)
    make.batch(None, second, published=True)
    make.batch(members, second)
    make.batch(members)
    db.session.rollback()
    assert forecasts.archiving([first.id, second.id]) == forecasts.Archiving(1, 2)
    assert forecasts.archiving([second.id]) == forecasts.Archiving(0, 1)
    assert forecasts.archiving([]) == forecasts.Archiving(0, 0)


def test_concurrent_awards_and_archivings_have_an_order(
    app: Flask, make: Make, helper: Badge, actor: Actor
) -> None:
    """M-15, X27: ten award, ten archive and restore; each confirmed award exists, and only once."""
    members: list[Member] = [make.member() for _ in range(10)]
    quest, together = helper.quests[0].id, Barrier(20)

    def one(number: int) -> bool:
        with app.app_context():
            together.wait()
            try:
                with transaction():
                    if number % 2:
                        return manual.award(members[number // 2].id, quest, "", actor).changed
                    verb = settings.archive if number % 4 else settings.unarchive
                    verb(helper.id, actor)
            except DomainError:
                pass
            return False

    with ThreadPoolExecutor(20) as threads:
        made = list(threads.map(one, range(20))).count(True)
    db.session.rollback()
    assert len(db.session.scalars(select(Award)).all()) == made
    record = select(AuditEvent).where(AuditEvent.verb == "award.made")
    assert len(db.session.scalars(record).all()) == made
    assert db.session.scalars(select(Quest.holders).where(Quest.id == quest)).one() == made
