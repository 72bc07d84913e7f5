"""The audit log says what was done, to whom, and the previous value (L-1)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.badges import quests
from webapp.domain.badges import settings as badge_settings
from webapp.domain.batches import add_member, drafts
from webapp.domain.batches.drafts import Heading
from webapp.domain.erasure import erase
from webapp.domain.imports import imports
from webapp.domain.imports import processing as import_processing
from webapp.domain.lookup import require_quest
from webapp.domain.webhooks import endpoints
from webapp.models import Entry, ImportStatus, Origin, WebhookEvent
from webapp.models.webhook import DEFAULT_EVENTS
from webapp.transaction import transaction

ACT = Actor(NOW, Origin.CONSOLE)


@pytest.fixture(autouse=True)
def _context(app: Flask):  # type: ignore[no-untyped-def]
    with app.app_context():
        yield


def said() -> list[str]:
    """All sentences, oldest first."""
    return [line.sentence for line in search.page(AuditFilters()).lines][::-1]


def test_adding_and_removing_one_member_are_recorded_with_the_member(make: Make) -> None:
    """B-18: not as a file; removing twice adds one entry."""
    anna = make.member("anna")
    batch = make.batch(name="Spring")
    with transaction():
        add_member.add(batch.id, add_member.By.USERNAME, "anna", 100, ACT)
    entry_id = db.session.query(Entry.id).scalar()
    for _ in range(2):
        with transaction():
            drafts.remove_member(batch.id, entry_id, ACT)
    assert said()[1:] == [
        "Laurel added anna to the batch “Spring”",
        "Laurel removed anna from the batch “Spring”",
    ]
    with transaction():
        erase.erase(anna.id, ACT)
    assert "Laurel added a member who was erased to the batch “Spring”" in said()


def test_an_older_entry_of_a_single_addition_says_so_too(make: Make) -> None:
    """Entries can't be changed, but their sentences can."""
    anna = make.member("anna")
    batch = make.batch(name="Spring")
    with transaction():
        audit_log.write(ACT, "batch.filled", "batch", batch.id, added=1, left_out=0, member=anna.id)
    assert said()[-1] == "Laurel added anna to the batch “Spring”"


def test_switching_how_a_badge_is_received_records_the_new_mode(make: Make) -> None:  # M-1
    badge = make.badge("Helper")
    settings = badge_settings.settings_of(badge)
    for automatic in (True, False):
        with transaction():
            badge_settings.change(badge.id, replace(settings, automatic=automatic), ACT)
    assert said() == [
        "Laurel changed the badge “Helper”: switched to Automatic",
        "Laurel changed the badge “Helper”: switched to Manual",
    ]


def test_renaming_anything_records_the_name_before_and_after(make: Make) -> None:
    """L-1: of a badge, a quest, a batch, and the URL of a webhook without its secret part."""
    badge = make.badge("Helper")
    quest = make.quest("Answered 50 questions", badge)
    other = make.quest("Answered 500 questions", badge)
    batch = make.batch(quest=quest, name="")
    events = [str(WebhookEvent.AWARD_CREATED)]
    with transaction():
        hook = endpoints.create("https://one.example.org/key", events, (), ACT).endpoint.id
    settings = badge_settings.settings_of(badge)
    with transaction():
        badge_settings.change(badge.id, replace(settings, name="Aid"), ACT)
        quests.rename(badge.id, quest.id, "Answered 100 questions", ACT)
        drafts.save(batch.id, Heading("Spring", quest.id), ACT)
        drafts.save(batch.id, Heading("Spring", other.id), ACT)
        endpoints.change(hook, "https://two.example.org/secret", events, (), ACT)
    assert said()[2:] == [
        "Laurel changed the badge “Aid”: renamed from “Helper” to “Aid”",
        "Laurel renamed the quest “Aid (Answered 100 questions)”"
        " from “Answered 50 questions” to “Answered 100 questions”",
        "Laurel changed the batch “Spring”: renamed from “Untitled draft” to “Spring”",
        "Laurel changed the batch “Spring”; badge “Aid (Answered 500 questions)”"
        " instead of “Aid (Answered 100 questions)”",
        "Laurel changed the webhook to https://two.example.org/…,"
        " moving it from https://one.example.org/… to https://two.example.org/…: award.created",
    ]


def test_a_quest_is_named_with_its_badge_if_that_has_several(make: Make) -> None:
    """In messages and in the log: an archived quest counts, because members still have it."""
    badge = make.badge("Helper")
    quest = make.quest("Answered 50 questions", badge)
    with transaction():
        audit_log.write(ACT, "quest.archived", "quest", quest.id)
    assert said() == ["Laurel archived the quest “Helper”"]
    assert require_quest(badge.id, quest.id).title == "Helper"
    db.session.rollback()
    with transaction():
        quests.archive(badge.id, quests.add(badge.id, "Other", ACT).id, ACT)
    assert said()[0] == "Laurel archived the quest “Helper (Answered 50 questions)”"
    assert require_quest(badge.id, quest.id).title == "Helper (Answered 50 questions)"


def test_an_import_stopped_by_an_error_is_recorded(make: Make) -> None:
    """L-1: its rows took effect chunk by chunk; the entry has the person who started it and their address."""
    mara = make.staff(name="Mara")
    number = make.member_import()
    with transaction():
        found = imports.get(number)
        found.status, found.columns = ImportStatus.RUNNING, {"external_id": 0, "username": 1}
        found.rows, found.created, found.bad, found.failed_claims = (
            9,
            3,
            1,
            import_processing.CLAIMS,
        )
        found.run_by, found.run_address = mara.id, "192.0.2.7"
    for _ in range(2):
        with transaction():
            assert not import_processing.claim(number, "worker", 30, NOW)
    (line,) = search.page(AuditFilters()).lines
    assert line.sentence == (
        "Mara imported members until an error stopped the import: 3 new, 0 changed, 0 unchanged, 1 row skipped"
    )
    assert (line.event.actor_id, line.event.address) == (f"staff {mara.id}", "192.0.2.7")


def test_a_test_message_to_a_webhook_is_recorded() -> None:
    """L-1: it leaves the console in someone's name."""
    with transaction():
        hook = endpoints.create("https://one.example.org/", DEFAULT_EVENTS, (), ACT).endpoint.id
    with transaction():
        endpoints.test(hook, ACT)
    assert said()[1:] == ["Laurel sent a test message to https://one.example.org/"]


def test_the_names_in_entries_cost_no_statement_for_each(make: Make) -> None:
    """L-1: a page or a search with many entries takes as many as with one."""

    def count(text: str) -> int:
        with statements() as sent:
            search.page(AuditFilters(text=text))
        return len(sent)

    batch = make.batch(name="Spring")
    before = count(""), count("spring")
    for member_id in make.members(20):
        with transaction():
            audit_log.write(ACT, "batch.member_added", "batch", batch.id, member=member_id)
    assert (count(""), count("spring")) == before
