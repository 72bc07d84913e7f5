"""Automatic badges in a browser: build a rule, preview it, and members are evaluated and earn the badge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.browser.files import csv
from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.domain.activities import counters
from webapp.domain.activities.counters import ActivityEventIn
from webapp.models import Member, Quest, Role
from webapp.transaction import transaction


@pytest.fixture
def number(request: pytest.FixtureRequest) -> int:
    return next(Site.people)


def automatic(site: Site, number: int) -> Quest:
    badge = site.make.badge(f"Sage {number}", automatic=True, icon="lightbulb", colour="gold")
    return site.make.quest(f"Wrote {number}", badge)


def did(site: Site, member: Member, name: str, amount: int) -> None:
    """Count an event, as by the API."""
    event = ActivityEventIn(
        f"event-{next(site.people)}", member.id, name, amount, datetime.now(UTC)
    )
    with site.app.app_context(), transaction():
        counters.record_events([event], site.actor())


def build(page: Page, amount: int, name: str) -> None:
    """Build one condition on an activity that has no name yet."""
    page.get_by_label("at least").fill(str(amount))
    page.get_by_label("Condition 1", exact=True).select_option(label="Other activity…")
    page.get_by_label("Activity name").fill(name)


@pytest.mark.parametrize(
    ("each_site", "scripts"),
    [("sqlite", True), ("postgresql", False)],
    ids=["script", "plain"],
    indirect=["each_site"],
)
def test_a_rule_is_built_and_members_earn_the_badge(
    each_site: Site, visit: Callable[..., Visitor], number: int, scripts: bool
) -> None:
    """T-1, T-2, T-3: previewed before saving; members who qualify get it, and later ones within seconds."""
    site = each_site
    quest, name = automatic(site, number), f"posts{number}"
    anna = site.make.member(f"anna{number}", name="Anna Brandt")
    bea = site.make.member(f"bea{number}", name="Bea Costa")
    did(site, anna, name, 5)
    visitor = visit(site, java_script_enabled=scripts).sign_in(Role.MANAGER)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/badges/{quest.badge_id}")
    page.get_by_role("link", name="Add rule").click()
    page.get_by_role("button", name="Preview").last.click()
    expect(page.get_by_text("Add at least one condition.")).to_be_visible()
    page.get_by_label("at least").fill("3")
    page.get_by_label("Condition 1", exact=True).select_option(value=f"activity:{name}")
    page.get_by_role("button", name="Preview").last.click()
    expect(page.locator("#reach")).to_contain_text("1 member would receive it now")
    expect(page.locator("#reach")).to_contain_text(anna.username)
    page.get_by_role("button", name="Save rule").click()
    expect(page.get_by_role("status").first).to_contain_text("Rule saved. Checking")
    rule = page.locator(f"#rule-{quest.id}")
    expect(rule).to_contain_text(f"Earned by 3 {name}")
    if scripts:  # updates by itself, and stops by itself
        expect(rule).not_to_contain_text("In Progress", timeout=60_000)
    else:
        for _ in range(120):
            page.reload()
            if "In Progress" not in rule.inner_text():
                break
            page.wait_for_timeout(500)
    page.goto(f"/members/{anna.id}")
    expect(page.get_by_role("article")).to_contain_text(f"automatic: 3 {name}")

    did(site, bea, name, 2)
    page.goto(f"/members/{bea.id}")
    expect(page.locator("#next-badges")).to_contain_text(f"2 of 3 {name}")
    did(site, bea, name, 1)
    for _ in range(40):
        page.reload()
        if page.get_by_role("article").count():
            break
        page.wait_for_timeout(250)
    expect(page.get_by_role("article")).to_contain_text(f"automatic: 3 {name}")
    expect(page.locator("#next-badges")).to_have_count(0)


def test_a_rule_of_several_conditions_reads_like_a_sentence(
    quiet: Site, visit: Callable[..., Visitor], number: int
) -> None:
    """T-1, T-4, M-3: rows are added and removed without a reload, and circular rules are rejected.

    The rule is inactive with its badge, and removing it takes no badge away.
    """
    quest, other = automatic(quiet, number), automatic(quiet, next(quiet.people))
    visitor = visit(quiet).sign_in(Role.ADMIN)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/badges/{quest.badge_id}/quests/{quest.id}/rule")
    visitor.requests.clear()
    build(page, 50, f"answers{number}")
    page.get_by_role("button", name="Add condition").click()
    expect(page.locator(".condition")).to_have_count(2)
    page.get_by_label("at least").nth(1).fill("30")
    page.get_by_label("Condition 2", exact=True).select_option(label="days as a member")
    page.get_by_role("button", name="Add condition").click()
    page.get_by_label("Condition 3", exact=True).select_option(value=f"quest:{other.id}")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Preview").last.click()
    expect(page.locator("#reach")).to_contain_text("No one new qualifies yet")
    assert visitor.asked(f"GET /badges/{quest.badge_id}/quests/{quest.id}/rule") == 0
    page.get_by_role("button", name="Save rule").click()
    expect(page.locator(f"#rule-{quest.id}")).to_contain_text(
        f"Earned by 50 answers{number} and 30 days as a member and having Sage"
    )
    page.goto(f"/badges/{other.badge_id}/quests/{other.id}/rule")
    page.get_by_label("Condition 1", exact=True).select_option(value=f"quest:{quest.id}")
    page.get_by_role("button", name="Preview").last.click()
    expect(page.get_by_text("no one could earn either")).to_be_visible()

    visitor.discards = True
    page.goto(f"/badges/{quest.badge_id}/settings")
    page.get_by_role("radio", name="Manual").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(f"#rule-{quest.id}")).to_contain_text("Inactive: 50 answers")
    page.get_by_role("link", name="Change rule").click()
    page.get_by_role("button", name="Remove rule").click()
    expect(page.get_by_role("status").first).to_contain_text("keep it")


def test_the_pages_of_rules_are_accessible(
    quiet: Site, visit: Callable[..., Visitor], number: int
) -> None:
    """T-1, T-3: axe reports nothing, light or dark, wide or narrow: an error, a preview, progress, the question."""
    quest, name = automatic(quiet, number), f"replies{number}"
    anna, bea = (quiet.make.member(f"{who}{number}") for who in ("ann", "ben"))
    did(quiet, anna, name, 9)
    did(quiet, bea, name, 2)
    visitor = visit(quiet).sign_in(Role.ADMIN)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/badges/{quest.badge_id}/quests/{quest.id}/rule")
    build(page, 0, "no/good")
    page.get_by_role("button", name="Preview").last.click()
    expect(page.get_by_text("Enter a whole number from 1")).to_be_visible()
    judge(visitor)
    page.get_by_label("at least").fill("3")
    page.get_by_label("Condition 1", exact=True).select_option(value=f"activity:{name}")
    page.get_by_role("button", name="Preview").last.click()
    expect(page.locator("#reach")).to_contain_text("1 member would receive it now")
    judge(visitor)
    page.get_by_role("button", name="Save rule").click()
    expect(page.locator(f"#rule-{quest.id}")).to_contain_text("In Progress")
    judge(visitor)
    page.goto(f"/members/{bea.id}")
    expect(page.locator("#next-badges")).to_contain_text(f"2 of 3 {name}")
    judge(visitor)


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "plain"])
def test_switching_to_automatic_asks_with_the_reach_of_the_rules(
    quiet: Site, visit: Callable[..., Visitor], number: int, scripts: bool
) -> None:
    """T-3, M-3: Back keeps the input, and leaving asks; once confirmed, the rule is active."""
    quest, name = automatic(quiet, number), f"talks{number}"
    did(quiet, quiet.make.member(f"cleo{number}"), name, 9)
    visitor = visit(quiet, java_script_enabled=scripts).sign_in(Role.ADMIN)
    page = visitor.page
    page.goto(f"/badges/{quest.badge_id}/settings")
    page.get_by_role("radio", name="Manual").check()
    page.get_by_role("button", name="Save").click()
    page.goto(f"/badges/{quest.badge_id}/quests/{quest.id}/rule")
    build(page, 3, name)
    page.get_by_role("button", name="Preview").last.click()
    page.get_by_role("button", name="Save rule").click()
    expect(page.locator(f"#rule-{quest.id}")).to_contain_text("Inactive")

    page.goto(f"/badges/{quest.badge_id}/settings")
    page.get_by_role("radio", name="Automatic").check()
    page.get_by_label("Description").fill("Typed before")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#confirmation")).to_contain_text("1 member would receive it now")
    if scripts:
        judge(visitor)
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("Description")).to_have_value("Typed before")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Switch to Automatic").click()
    expect(page.locator(f"#rule-{quest.id}")).to_contain_text("In Progress")
    expect(page.locator("main")).to_contain_text("Typed before")


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "plain"])
def test_events_from_a_file_earn_a_badge(
    site: Site, visit: Callable[..., Visitor], number: int, scripts: bool
) -> None:
    """T-1, T-2: from the menu; the counts, the skipped rows and why; importing again counts nothing."""
    quest, name = automatic(site, number), f"talks{number}"
    anna = site.make.member(f"anna{number}")
    visitor = visit(site, java_script_enabled=scripts).sign_in(Role.MANAGER)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/badges/{quest.badge_id}/quests/{quest.id}/rule")
    build(page, 3, name)
    page.get_by_role("button", name="Preview").last.click()
    page.get_by_role("button", name="Save rule").click()
    expect(page.locator(f"#rule-{quest.id}")).to_contain_text(f"Earned by 3 {name}")
    page.get_by_role("link", name="Activities").click()
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text(f"Sage {number}")
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#file-error")).to_have_text("Choose a .csv file first.")
    rows = (f"a{number};anna{number};{name};2", f"b{number};anna{number};{name};1", "c;nobody;x;1")
    for counted, before in ((2, 0), (0, 2)):
        page.locator("input[type=file]").set_input_files(
            csv(*rows, name="events.csv", header="Event ID;Username;Activity;Amount")
        )
        page.get_by_role("button", name="Import").click()
        result = page.locator("#result")
        expect(result).to_contain_text(f"Counted{counted}Already counted{before}")
        expect(result.get_by_role("row").nth(1)).to_contain_text("was not found")
    if scripts:
        judge(visitor)
    page.goto(f"/members/{anna.id}")
    for _ in range(40):
        if page.get_by_role("article").count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(page.get_by_role("article")).to_contain_text(f"automatic: 3 {name}")
