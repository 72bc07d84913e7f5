"""Names with markup (W95, W96) are shown as text on every page, and break no layout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.files import csv
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from webapp.domain import labels

PHONE = {"width": 390, "height": 844}
TEXTS = [
    '<img src=x onerror="alert(1)">',
    '"><script>alert(1)</script>',
    "'; alert(1); '{{7*7}}${7*7}<%= 7*7 %>",
    "</textarea></title></style><svg onload=alert(1)>",
    "javascript:alert(1)",
    "\u202egnp.exe\u202c \u2066abc",
    "Wort" * 27,
    "עברית العربية 日本語 👩‍👩‍👧‍👦 Z̸̢̛a̷l̵g̶o̷",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_names_and_files_are_shown_as_text(
    quiet: Site, visit: Callable[..., Visitor], text: str
) -> None:
    """W95, W96: of badges, quests, members, batches, files and cells; each page fits 390 px."""
    make = quiet.make
    badge = make.badge(text, description=text)
    quest = make.quest(text, badge)
    number = next(quiet.people)
    member = make.member(f"{text}{number}", name=text, external_id=f"{text}{number}"[:100])
    make.award(member.id, quest.id, reason=text)
    # Staff can't enter such a name; a badge and a member may have it from elsewhere.
    batch = make.batch([member.id], quest, labels.REORDERING.sub("", text))
    visitor = visit(quiet, viewport=PHONE).sign_in()
    page = visitor.page

    quoted = '"' + text.replace('"', '""') + '"'
    page.goto(f"/batches/{batch.id}/upload")
    page.locator("#file").set_input_files(
        csv(
            f"{quoted};{quoted};{quoted};{quoted}",
            f"{quoted};;;",
            header=f"ID;Username;Email;{quoted}",
            name=f"{text[:60]}.csv".replace("/", "_"),
        )
    )
    expect(page.locator("#preview")).to_be_visible()
    assert text in page.locator("#preview .read").inner_text() or len(text) > 40
    assert text[:79] in page.locator("#preview .rows tbody").inner_text()
    assert visitor.overflow() <= 0

    shown_on = {
        "/badges": text,
        f"/badges/{badge.id}": text,
        "/batches?tab=drafts": text,
        "/batches/new": text,
        f"/batches/{batch.id}": text,
        f"/batches/{batch.id}/upload": text[:60].replace("/", "_"),
        f"/members/{member.id}": text,
    }
    for path, shown in shown_on.items():
        page.goto(path)
        if path == "/batches/new":
            page.locator("details.picker > summary").click()
            choice = page.locator("details.picker label").filter(has_text=text).first
            choice.scroll_into_view_if_needed()  # it is drawn a moment after it scrolled into view
            expect(choice).to_contain_text(text, use_inner_text=True)
        assert shown in page.locator("body").inner_text(), path
        assert visitor.overflow() <= 0, f"{path} is too wide by {visitor.overflow()} px"
        assert page.locator("img[src=x], svg[onload], body script").count() == 0
    page.goto("/members")
    page.locator("details.fold > summary").click()
    with page.expect_response("**/members?*q=*") as found:
        page.get_by_role("searchbox", name="Search").fill(f"{text}{number}")
    found.value.finished()
    expect(page.locator("#members tbody tr")).to_have_count(1)
    assert text in page.locator("#members").inner_text()
    assert visitor.overflow() <= 0
    with page.expect_response("**/members?*q=*"):
        page.get_by_role("searchbox", name="Search").fill(f"{text} nobody")
    expect(page.locator("#members")).to_contain_text("No members found")
    assert visitor.overflow() <= 0
