"""The directory in use: search, filter, export, create a batch, import, change a status (D-1 to D-6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.files import csv
from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from tests.faults.console import await_
from webapp.models import Role


def rows(page: Page) -> list[str]:
    return page.locator("#members tbody a.strong").all_inner_texts()


def count(page: Page, words: str) -> None:
    expect(page.locator("#members h2")).to_have_text(words)


def test_an_export_can_be_uploaded_to_a_batch(
    each_site: Site, visit: Callable[..., Visitor]
) -> None:
    """D-1, D-2, D-3, B-12: searched while typing, filtered, sorted, paginated; exported, and uploaded unchanged."""
    site = each_site
    number = next(site.people)
    quest = site.make.quest("Was there", site.make.badge(f"Gathering {number}"))
    for member in range(50_001, 50_041):
        site.make.award(member, quest.id)
    visitor = visit(site).sign_in(Role.ADMIN)
    page = visitor.page
    page.goto("/")
    page.get_by_role("link", name="Members").first.click()
    count(page, "20,000+ members")
    page.get_by_role("link", name="Show exact count").click()
    expect(page.locator("#members h2")).to_contain_text("100,")
    page.locator("#q").fill("member5000")  # at once: each pause in typing is a search to go back to
    count(page, "11 members")
    assert rows(page)[0] == "Member5000"
    assert "q=member5000" in page.url
    page.go_back()
    expect(page.locator("#members h2")).to_contain_text("100,")
    page.go_forward()
    count(page, "11 members")
    expect(page.locator("#q")).to_have_value("member5000")
    page.locator("#q").fill("number 77")
    expect(page.locator("#members tbody a.strong").first).to_have_text("Member77")

    page.goto("/members")
    page.get_by_label("Has badge", exact=True).select_option(label=f"Gathering {number}")
    count(page, "40 members")
    page.get_by_role("link", name="ID", exact=True).click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("ID")
    first = rows(page)
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#members tbody tr")).to_have_count(15)
    assert not set(rows(page)) & set(first)
    page.reload()
    expect(page.locator("#members tbody tr")).to_have_count(15)
    page.get_by_role("link", name="Previous").click()
    expect(page.locator("#members tbody tr")).to_have_count(25)
    assert rows(page) == first
    judge(visitor)

    with page.expect_download() as told:
        page.get_by_role("link", name="Export").click()
    exported = Path(told.value.path()).read_bytes()
    assert exported.decode("utf-8-sig").count("\r\n") == 41
    page.get_by_role("button", name="Create batch from these 40 members").click()
    page.wait_for_url("**/batches/*")
    expect(page.get_by_role("status").first).to_contain_text("Draft created with the members")
    expect(page.locator("#members header + .tabs .count").first).to_have_text("40")

    page.goto("/batches/new")
    page.get_by_role("button", name="Upload", exact=True).click()
    window = page.get_by_role("dialog", name="Upload members")
    window.locator("input[type=file]").set_input_files(
        {"name": "members.csv", "mimeType": "text/csv", "buffer": exported}
    )
    expect(page.locator("#preview .figures")).to_contain_text("Members to be added40")
    expect(page.locator("#preview .figures")).to_contain_text("Rows with errors0")

    page.goto("/members?q=member")
    page.get_by_role("button", name="Create batch from these members").click()
    expect(page.get_by_role("heading", name="Create batches")).to_be_visible()
    expect(page.locator("main")).to_contain_text("20 drafts")


def test_members_are_imported_from_a_file(each_site: Site, visit: Callable[..., Visitor]) -> None:
    """D-4: columns guessed and changed, a dry run, the import by a worker, the invalid rows as a file."""
    site = each_site
    mark = f"w{next(site.people)}"
    visitor = visit(site).sign_in(Role.MANAGER)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto("/members")
    page.get_by_role("link", name="Import members", exact=True).click()
    judge(visitor)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_have_text("Choose a .csv file first.")
    good = [f"{mark}-{n};{mark}user{n};;Wanda Walk{n}" for n in range(1, 400)]
    data = csv(*good, f"{mark}-x;{mark}USER1;;", ";nobody;;", header="Key;Login;Email;Called")
    page.locator("input[type=file]").set_input_files(data)
    expect(page.get_by_label("Username")).to_have_value("1")
    judge(visitor)
    page.get_by_role("button", name="Preview changes").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose which column is the ID")
    page.get_by_label("ID", exact=True).select_option(label="Key")
    page.locator("#name").select_option(label="Called")
    page.get_by_role("button", name="Preview changes").click()
    figures = page.locator("#result .figures")
    expect(figures).to_contain_text("To be created399", timeout=30_000)
    expect(figures).to_contain_text("Skipped (errors)2")
    expect(page.locator("#result tbody")).to_contain_text("The ID is missing.")
    judge(visitor)
    page.get_by_role("link", name="To be created").click()
    expect(page.locator("#result tbody tr").first).to_contain_text("Wanda Walk1")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Import finished. 2 rows skipped.")).to_be_visible(timeout=30_000)
    judge(visitor)
    with page.expect_download() as told:
        page.get_by_role("link", name="Download rows with errors").click()
    assert "The ID is missing." in Path(told.value.path()).read_text(encoding="utf-8-sig")
    page.get_by_role("link", name="Members", exact=True).last.click()
    page.wait_for_load_state()
    page.locator("#q").fill(f"{mark}user39")
    count(page, "11 members")


def again(page: Page) -> None:
    """Reload the page, after letting other processes run."""
    page.wait_for_timeout(100)
    page.reload()


def test_the_same_without_javascript(each_site: Site, visit: Callable[..., Visitor]) -> None:
    """D-1, D-3, D-4: only forms and links; the import's page is reloaded to see the progress."""
    site = each_site
    mark = f"plain{next(site.people)}"
    page = visit(site, java_script_enabled=False).sign_in(Role.ADMIN).page
    page.goto("/members/imports")
    page.locator("input[type=file]").set_input_files(
        csv(*(f"{mark}-{n};{mark}{n}" for n in range(30)), header="ID;Username")
    )
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Preview changes").click()
    done = page.get_by_text("Import finished.")
    for button in ("Import", ""):
        wanted = page.get_by_role("button", name=button, exact=True) if button else done
        await_(lambda wanted=wanted: wanted.count() or again(page), 60, "the worker has done it")
        if button:
            wanted.click()
    expect(done).to_be_visible()
    page.get_by_role("link", name="Members", exact=True).last.click()
    page.get_by_role("searchbox", name="Search").first.fill(mark)
    page.get_by_text("More filters").click()
    page.get_by_label("Status").select_option(label="Active")
    page.get_by_role("button", name="Search").click()
    count(page, "30 members")
    expect(page.locator(".chip")).to_have_count(2)
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#members tbody tr")).to_have_count(5)
    page.get_by_role("link", name="Remove filter Status: Active").click()
    count(page, "30 members")
    page.get_by_role("button", name="Create batch from these 30 members").click()
    page.wait_for_url("**/batches/*")


def test_an_admin_suspends_and_erases(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """D-5: a dialog asks for confirmation, with and without JavaScript; afterwards no one has that name."""
    quest = quiet.make.quest()
    for name, script in (("willow", True), ("wendel", False)):
        member = quiet.make.member(name, name=f"{name.title()} Away")
        quiet.make.award(member.id, quest.id)
        visitor = visit(quiet, java_script_enabled=script).sign_in(Role.ADMIN)
        visitor.expected = ["404"]
        page = visitor.page
        page.goto(f"/members/{member.id}")
        page.get_by_role("button", name="More actions").click()
        page.get_by_role("link", name="Change status").click()
        window = page.get_by_role("dialog", name="Change status")
        expect(window).to_be_visible()
        if script:
            judge(visitor)
        window.get_by_label("Suspended").check()
        window.get_by_role("button", name="Change status").click()
        expect(page.locator(".head .pill")).to_have_text("Suspended")
        page.get_by_role("button", name="More actions").click()
        page.get_by_role("link", name="Erase member").click()
        window = page.get_by_role("dialog", name="Erase member")
        expect(window).to_contain_text("Their 1 badge stays")
        if script:
            judge(visitor)
        window.get_by_role("button", name="Erase member").click()
        page.wait_for_url("**/members")
        expect(page.get_by_role("status").first).to_contain_text("Member erased.")
        page.goto(f"/members?q={name}")
        expect(page.locator("#members")).to_contain_text("No members found")


def test_insights(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """D-6: the period is chosen, the tables open, in the viewer's days; the page has no style or script."""
    quest = quiet.make.quest("Once", quiet.make.badge("Insightful"))
    quiet.make.award(quiet.make.member().id, quest.id, awarded_at=quiet.actor().at, source="rule")
    visitor = visit(quiet).sign_in(Role.SUPPORT)
    page = visitor.page
    page.goto("/")
    page.get_by_role("link", name="Insights", exact=True).click()
    page.wait_for_load_state()  # the script says which zone this is
    page.get_by_label("Period", exact=True).select_option("7")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("times in Europe/Berlin")).to_be_visible()
    assert "zone=Europe%2FBerlin" in page.url or "zone=Europe/Berlin" in page.url
    expect(page.locator("svg.chart rect.way-rule").last).to_be_visible()
    page.locator("svg.chart a").last.focus()
    expect(page.locator("svg.chart .value").last).to_be_visible()
    for table in page.locator("details > summary").all():
        table.click()
    expect(page.get_by_role("table").nth(1)).to_contain_text("Insightful")
    judge(visitor)
    for number in page.locator(".bars .num a").all():  # axe allows less if there is space around
        box = number.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 24
