"""The main task in a browser: a CSV file unlocks a badge for 5,000 members (B-1 to B-27)."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.files import EACH, csv, five_thousand, row
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from tests.faults.console import await_
from webapp.models import Role

RUN = 120_000  # milliseconds for a batch of 5,000 on a slow machine


def messages(page: Page) -> set[str]:
    return set(page.locator("#preview .message > span").all_inner_texts())


def expect_tabs(page: Page, *tabs: str) -> None:
    expect(page.locator("#preview .tabs a")).to_have_text(tabs, use_inner_text=True)


def test_a_csv_unlocks_a_badge_for_thousands(
    each_site: Site, visit: Callable[..., Visitor]
) -> None:
    """R-1, B-1 to B-4, B-8 to B-16, B-22 to B-27, B-35: from sign-in to the award on a member's page."""
    site = each_site
    badge = site.make.badge("Meetup 2026")
    quest = site.make.quest("Came to the spring meetup", badge)
    for number in range(4871, 4881):  # they already have it (B-27)
        site.make.award(number, quest.id)
    visitor = visit(site)
    page = visitor.page

    page.goto("/")
    expect(page).to_have_title("Sign in · Laurel")
    visitor.fill_sign_in(site.account(Role.ADMIN))
    page.get_by_role("link", name="Badges", exact=True).click()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("link", name="Batch unlock").last.click()
    expect(page).to_have_title("Batch unlock · Laurel")
    page.get_by_role("link", name="Create Batch").first.click()

    name = f"Spring meetup {next(site.people)}"
    page.get_by_label("Name", exact=True).fill(name)
    visitor.choose_badge("Meetup 2026")
    page.get_by_role("button", name="Upload", exact=True).click()
    window = page.get_by_role("dialog", name="Upload members")
    window.get_by_label("Choose a .csv file or drag it here").set_input_files(
        csv(*five_thousand(), name="attendance.csv")
    )
    expect(page.locator("#preview")).to_be_visible(timeout=30_000)
    figures = page.locator("#preview .figures")
    expect(figures).to_contain_text("Members to be added4,880")
    expect(figures).to_contain_text("Rows expected to upload4,920")
    expect(figures).to_contain_text("Rows with errors80")
    expect(page.locator("#preview")).to_contain_text(
        "Format: semicolon-separated, UTF-8, header in row 1."
    )
    expect_tabs(page, "All 5,000", "Expected to upload 4,920", "With errors 80", "Merged 40")
    _walk_the_preview(page)

    page.get_by_role("dialog").get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="added")).to_have_text(
        "4,880 members added. 40 rows merged, 80 rows with errors skipped."
    )
    page.locator("#open-publication").click()
    forecast = page.get_by_role("dialog", name="Publish").locator(".figures")
    expect(forecast).to_contain_text("Will receive the badge4,870")
    expect(forecast).to_contain_text("Already have it10")
    page.get_by_role("dialog", name="Publish").get_by_role("button", name="Publish").click()
    page.wait_for_url("**/batches")
    batch = page.get_by_role("row").filter(has_text=name)
    batch_id = int((batch.get_attribute("id") or "").removeprefix("batch-"))
    visitor.note_progress(within=f"#batch-{batch_id}")
    expect(batch.locator(".pill")).to_have_text("Published", timeout=RUN)
    percents = [int(percent) for percent in visitor.noted("percents")]
    assert percents == sorted(percents), "a percentage fell"
    assert percents[-1] == 100
    assert len({percent for percent in percents if 0 < percent < 100}) >= 2, percents
    assert visitor.noted("statuses")[-2:] == ["In Progress", "Published"]
    asked = visitor.asked(f"GET /batches/{batch_id}/row")
    assert asked >= len(percents) - 1
    page.wait_for_timeout(1500)  # any poll would hit this
    assert visitor.asked(f"GET /batches/{batch_id}/row") == asked

    batch.get_by_role("link", name=f"Edit {name}").click()
    members = page.get_by_role("region", name="Members").or_(page.locator("#members"))
    expect(members.get_by_role("link", name="All 4,880")).to_be_visible()
    expect(members.get_by_role("link", name="Published 4,880")).to_be_visible()
    members.get_by_role("link", name="Published 4,880").click()
    expect(page).to_have_url(f"{site.url}/batches/{batch_id}?status=Published")
    expect(members.get_by_text("Already had it")).to_have_count(10)
    person = members.locator("tbody tr").last.get_by_role("link").first
    username = person.inner_text()
    person.click()
    expect(page.get_by_text(username, exact=True).first).to_be_visible()
    expect(page.get_by_role("article").filter(has_text="Meetup 2026")).to_be_visible()
    expect(page.locator("#history")).to_contain_text("in the batch")


def _walk_the_preview(page: Page) -> None:
    """Check the filters and pages of the preview, and the exact messages (B-13, B-14)."""
    expect(page.get_by_role("link", name="With errors 80")).to_have_attribute(
        "aria-current", "page"
    )
    expect(page.locator("#preview .foot")).to_contain_text("1–25 of 80 rows")
    seen = messages(page)
    for first in (26, 51, 76):
        page.get_by_role("link", name="Next").click()
        expect(page.locator("#preview .foot")).to_contain_text(f"{first}–")
        seen |= messages(page)
    assert seen == {"Where Id, Username or Email was not found", "User was not found"}
    last = page.locator("#preview .rows tbody tr").last
    expect(last).to_contain_text(f"ID{EACH}")
    expect(last).to_contain_text(f"Username Member{EACH + 1} belongs to Member{EACH + 1}")

    page.get_by_role("link", name="Merged 40").click()
    expect(page.locator("#preview .foot")).to_contain_text("1–25 of 40 rows")
    assert messages(page) == {"With duplicated info, these rows will be automatically merged"}
    expect(page.locator("#preview .rows tbody tr").first.locator("td").first).to_have_text("4,962")


def test_the_main_task_without_javascript(each_site: Site, visit: Callable[..., Visitor]) -> None:
    """B-2 to B-4, B-8, B-13, B-16, B-22, B-23, B-35: plain forms are enough; one member has left since."""
    site = each_site
    number = next(site.people)
    badge = site.make.badge(f"Plain {number}")
    site.make.quest("Came along", badge)
    gone = site.make.member(f"gone{number}", external_id=f"GONE{number}", status="left")
    visitor = visit(site, java_script_enabled=False).sign_in(Role.DEV)
    page = visitor.page
    page.goto("/batches/new")
    page.get_by_label("Name", exact=True).fill(f"Plain {number}")
    visitor.choose_badge(f"Plain {number}")
    page.get_by_role("button", name="Upload", exact=True).click()
    page.locator("#file").set_input_files(
        csv(row(7), row(8), f"{gone.external_id};;", "NOBODY;;", row(7))
    )
    page.locator("#upload").get_by_role("button", name="Upload").click()
    expect_tabs(
        page, "All 5", "Expected to upload 4", "With errors 1", "Merged 1", "Can't receive badges 1"
    )
    expect(page.locator("#preview .message > span")).to_have_text(
        ["Where Id, Username or Email was not found"]
    )
    page.locator("#upload").get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("status").first).to_have_text(
        "3 members added. 1 row merged, 1 row with errors skipped."
    )
    visitor.publish()
    assert page.url == f"{site.url}/batches"

    batch = page.get_by_role("row").filter(has_text=f"Plain {number}").first

    def finished() -> bool:
        page.wait_for_timeout(100)
        page.reload()
        return batch.locator(".pill").inner_text() == "Partially published"

    await_(finished, 30, "the batch finishes")
    expect(batch).to_contain_text("1 error")
    batch.get_by_role("link", name=f"Edit Plain {number}").click()
    page.get_by_role("link", name="Error 1").click()
    expect(page.locator("#members tbody tr")).to_contain_text(gone.username)
    page.goto("/members?q=Member8")
    page.get_by_role("link", name="Member8", exact=True).click()
    expect(page.get_by_role("article").filter(has_text=f"Plain {number}")).to_be_visible()
