"""Where a role lacks an action, the page says in words who has it (E-11)."""

from __future__ import annotations

from flask import Flask

from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient
from webapp.models import Role

MANAGERS = "Only admins, developers and community managers can"
AWARD = f"{MANAGERS} award badges."
BATCH = "Only admins and developers can create batches."
IMPORT = f"{MANAGERS} import and export members."
SAID = {
    "/badges": {Role.SUPPORT: AWARD},
    "/badges/{badge}": {Role.SUPPORT: AWARD},
    "/members/{member}": {Role.SUPPORT: AWARD},
    "/members": {Role.SUPPORT: f"{IMPORT} {BATCH}", Role.MANAGER: BATCH},
    "/batches": {Role.SUPPORT: BATCH, Role.MANAGER: BATCH},
    "/batches/{batch}": {Role.SUPPORT: BATCH, Role.MANAGER: BATCH},
}


def test_a_missing_permission_is_explained(app: Flask, make: Make) -> None:
    """One sentence per page, and none for people who lack nothing there."""
    quest = make.quest()
    (member,) = make.members(1)
    ids = {"badge": quest.badge_id, "member": member, "batch": make.batch([member], quest).id}
    for role in Role:
        browser = ReviewingClient(app, None, use_cookies=True).sign_in(make.staff(role))
        for path, said in SAID.items():
            page = browser.get(path.format(**ids)).page
            shown = [" ".join(one.get_text(" ").split()) for one in page.select(".reason")]
            assert shown == ([said[role]] if role in said else []), (role, path)


def test_a_badge_whose_quests_are_all_archived_says_so(
    as_manager: ReviewingClient, make: Make
) -> None:
    quest = make.quest(archived_at=NOW)
    words = as_manager.get(f"/badges/{quest.badge_id}").words("main")
    assert "All quests of this badge are archived, so it can't be awarded." in words
