"""Award by hand in a browser: on a profile and to a group; revoke, and undo that."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.domain.badges import catalogue
from webapp.models import Badge, Member, Quest, Role


@pytest.fixture
def badge(quiet: Site) -> Badge:
    """A badge with two quests, only for this test."""
    number = next(quiet.people)
    badge = quiet.make.badge(f"Helper {number}", icon="life-buoy", shape="shield")
    quiet.make.quest("Answered 50 questions", badge, position=1)
    quiet.make.quest("Answered 500 questions", badge, position=2)
    return badge


@pytest.fixture
def alone(quiet: Site) -> Quest:
    """A badge with one quest."""
    number = next(quiet.people)
    return quiet.make.quest(
        "Came to the fair", quiet.make.badge(f"Guest {number}", icon="ticket", colour="violet")
    )


@pytest.fixture
def anna(quiet: Site) -> Member:
    return quiet.make.member(f"anna{next(quiet.people)}", name="Anna Brandt")


def test_award_revoke_and_undo_on_a_profile(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, alone: Quest, anna: Member
) -> None:
    """M-4, M-5, M-6, M-13: all without a reload, and focus is never lost."""
    visitor = visit(quiet).sign_in(Role.MANAGER)
    page = visitor.page
    page.goto(f"/members/{anna.id}")
    visitor.requests.clear()
    page.get_by_label("Badge", exact=True).select_option(value=str(alone.id))
    page.get_by_label("Reason").fill("For the fair")
    page.get_by_role("button", name="Award", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text(re.compile(r"Guest.* awarded to Anna Brandt\."))
    card = page.get_by_role("article")
    expect(card).to_contain_text("Came to the fair")
    expect(page.locator("#history")).to_contain_text("For the fair")
    assert page.locator(f'#quest option[value="{alone.id}"]').count() == 0
    expect(page.locator("#give-button")).to_be_focused()

    card.get_by_role("link", name="Revoke Badge").click()
    window = page.get_by_role("dialog", name="Revoke Badge")
    expect(window.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Escape")
    expect(window).to_have_count(0)
    expect(card.get_by_role("link", name="Revoke Badge")).to_be_focused()
    page.keyboard.press("Enter")
    window.get_by_label("Reason").fill("By mistake")
    window.get_by_role("button", name="Revoke Badge").click()
    expect(card).to_have_count(0)
    expect(window).to_have_count(0)
    expect(page.locator("main")).to_be_focused()
    expect(page.locator("#toasts")).to_contain_text("revoked.")
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(card).to_have_count(1)
    expect(page.locator("#toasts .toast")).to_have_count(1)
    expect(page.locator("#toasts")).to_contain_text(
        re.compile(r"Guest.* restored for Anna Brandt\.")
    )
    expect(page.locator("#history tbody tr")).to_have_count(3)
    assert visitor.asked(f"GET /members/{anna.id}") == 0


def test_award_revoke_and_undo_without_javascript(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, anna: Member
) -> None:
    """M-4, M-5, M-6: with plain forms; Support gives a reason."""
    quests = quiet.make.quest("Third way", badge)
    page = visit(quiet, java_script_enabled=False).sign_in(Role.MANAGER).page
    page.goto(f"/members/{anna.id}")
    page.get_by_label("Badge", exact=True).select_option(value=str(quests.id))
    page.get_by_role("button", name="Award", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("(Third way)")
    visitor = visit(quiet, java_script_enabled=False).sign_in(Role.SUPPORT)
    visitor.expected = ["422"]
    support = visitor.page
    support.goto(f"/members/{anna.id}")
    assert support.locator("#give").count() == 0
    support.get_by_role("link", name="Revoke Badge").click()
    support.get_by_role("button", name="Revoke Badge").click()
    expect(support.get_by_text("Enter a reason.")).to_be_visible()
    support.get_by_label("Reason").fill("Asked for it")
    support.get_by_role("button", name="Revoke Badge").click()
    expect(support.get_by_role("article")).to_have_count(0)
    support.get_by_role("status").first.get_by_role("button", name="Undo").click()
    expect(support.get_by_role("article")).to_have_count(1)
    expect(support.locator("#history")).to_contain_text("Restored")


def test_a_group_is_awarded_in_a_window(
    quiet: Site, visit: Callable[..., Visitor], alone: Quest
) -> None:
    """M-7, M-8, M-9, M-11: the count updates while typing; a similar member is chosen; the result is shown."""
    number = next(quiet.people)
    for name in ("marta", "joao", "lena"):
        quiet.make.member(f"{name}.{number}")
    visitor = visit(quiet).sign_in(Role.MANAGER)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto("/badges")
    page.get_by_role("link", name="Award Badge").click()
    window = page.get_by_role("dialog", name="Award Badge")
    choose(window, alone)
    window.get_by_label("To", exact=True).fill(f"@marta.{number}\njoao.{number}; lna.{number}")
    expect(window.locator("#to-count")).to_have_text("3 / 50")
    window.get_by_role("button", name="Award", exact=True).click()
    expect(window.locator("#to-error")).to_contain_text("1 username wasn't found.")
    window.get_by_role("radio", name=f"lena.{number}").check()
    window.get_by_role("button", name="Award", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text(
        re.compile("Guest.* awarded to 3 members")
    )
    expect(page).to_have_url(re.compile(r"/badges\?awarded=\d+$"))


def choose(place: Page | Locator, quest: Quest) -> None:
    """Choose a quest in the picker."""
    place.locator("#quest-picker > summary").click()
    place.locator(f'input[name=quest][value="{quest.id}"]').check()


def test_more_than_fifty_become_a_batch(
    quiet: Site, visit: Callable[..., Visitor], alone: Quest
) -> None:
    """M-10: nothing has to be typed again."""
    prefix = f"many{next(quiet.people)}-"
    quiet.make.members(60, prefix=prefix)
    visitor = visit(quiet).sign_in(Role.DEV)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto("/badges")
    page.get_by_role("link", name="Award Badge").click()
    window = page.get_by_role("dialog", name="Award Badge")
    choose(window, alone)
    window.get_by_label("To", exact=True).fill("\n".join(f"{prefix}{n}" for n in range(1, 61)))
    expect(window.locator("#to-count")).to_have_text("60 / 50")
    window.get_by_role("button", name="Award", exact=True).click()
    window.get_by_role("button", name="Continue as a batch").click()
    expect(page).to_have_url(re.compile(r"/batches/\d+$"))
    expect(page.locator("#members .foot")).to_contain_text("of 60")


def test_a_group_is_awarded_without_javascript(
    quiet: Site, visit: Callable[..., Visitor], alone: Quest
) -> None:
    """M-7 to M-9, M-11: the page with the form; the members found are awarded."""
    number = next(quiet.people)
    quiet.make.member(f"plain.{number}")
    visitor = visit(quiet, java_script_enabled=False).sign_in(Role.MANAGER)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto("/badges")
    page.get_by_role("link", name="Award Badge").click()
    expect(page).to_have_url(re.compile(r"/badges/award$"))
    choose(page, alone)
    page.get_by_label("To", exact=True).fill(f"plain.{number}, nobody.at.all")
    page.get_by_role("button", name="Award", exact=True).click()
    page.get_by_role("button", name="Award the 1 found").click()
    expect(page.get_by_role("status").first).to_contain_text(
        re.compile("Guest.* awarded to 1 member")
    )


def test_the_windows_are_accessible(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, alone: Quest, anna: Member
) -> None:
    """M-4, M-5, M-7, M-9: axe reports nothing, light or dark, wide or narrow."""
    quiet.make.award(anna.id, alone.id)
    visitor = visit(quiet).sign_in(Role.ADMIN)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/members/{anna.id}")
    page.get_by_role("button", name="Award", exact=True).click()
    expect(page.locator("#quest-error")).to_have_text("Choose a badge.")
    judge(visitor)
    page.get_by_role("link", name="Revoke Badge").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    judge(visitor)
    page.get_by_role("dialog").get_by_role("button", name="Revoke Badge").click()
    expect(page.locator("#toasts").get_by_role("button", name="Undo")).to_be_visible()
    judge(visitor)
    page.goto("/badges")
    page.get_by_role("link", name="Award Badge").click()
    window = page.get_by_role("dialog", name="Award Badge")
    expect(window).to_be_visible()
    judge(visitor)
    choose(window, alone)
    window.get_by_label("To", exact=True).fill(f"{anna.username}, x{anna.username}, nobodyatall")
    window.get_by_role("button", name="Award", exact=True).click()
    expect(window.locator("#unknown")).to_be_visible()
    judge(visitor)


@pytest.mark.parametrize("scripts", [True, False], ids=["JavaScript", "without"])
def test_a_quest_is_revoked_from_a_stack(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, anna: Member, scripts: bool
) -> None:
    """E-7, M-5: the highest quest is in front; the others open below it, each with its button."""
    with quiet.app.app_context():
        quests = [quest.id for quest in catalogue.get(badge.id).quests]
    for quest_id in quests:
        quiet.make.award(anna.id, quest_id)
    visitor = visit(quiet, java_script_enabled=scripts).sign_in(Role.MANAGER)
    page = visitor.page
    page.goto(f"/members/{anna.id}")
    cards = page.get_by_role("article")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("Answered 500 questions")
    page.get_by_text("Also: Answered 50 questions").click()
    expect(cards).to_have_count(2)
    if scripts:
        judge(visitor)
    cards.last.get_by_role("link", name="Revoke Badge").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke Badge").click()
    expect(cards).to_have_count(1)
    expect(page.locator(".badge-stack")).to_have_count(0)
    expect(cards).to_contain_text("Answered 500 questions")
