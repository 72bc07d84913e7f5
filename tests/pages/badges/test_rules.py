"""Edit a quest's rule: build it row by row, preview, save, remove; with plain forms and htmx."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.counting import statements
from tests.domain.rules.world import World, activity_of, days_since_joining
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.domain import rules
from webapp.models import Quest, Rule


@pytest.fixture
def quest(make: Make) -> Quest:
    return make.quest("Fifty answers", make.badge("Helper", automatic=True))


def address(quest: Quest, more: str = "") -> str:
    return f"/badges/{quest.badge_id}/quests/{quest.id}/rule{more}"


def kept(make: Make, quest: Quest) -> Rule | None:
    with make.app.app_context():
        return rules.of_badge(quest.badge_id).get(quest.id)


def hidden(answer: Answer, name: str) -> str:
    found = answer.page.select_one(f"input[name={name}]")
    return str(found["value"]) if found else ""


def form(*rows: tuple[str, str, str], match: str = "all", **more: str) -> dict[str, str]:
    sent = {"match": match, **more}
    for place, parts in enumerate(rows):
        for name, part in zip(("what", "amount", "name"), parts, strict=True):
            sent[f"{name}-{place}"] = part
    return sent


POSTS = ("new", "3", "Posts")


def save(browser: ReviewingClient, quest: Quest, sent: dict[str, str]) -> Answer:
    """Preview the rule, and save it as shown."""
    shown = browser.post(address(quest), sent | {"then": "preview"})
    assert shown.status_code == 200, shown.words("main")
    return browser.post(address(quest), sent | {"then": "save", "seen": hidden(shown, "seen")})


@pytest.mark.databases("sqlite", "postgresql")
def test_a_rule_is_previewed_and_saved(
    as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """T-1, T-3: the badge's page links to it; the rule is saved as previewed, and shown in words."""
    page = as_manager.get(f"/badges/{quest.badge_id}")
    link = page.page.select_one(f"#rule-{quest.id} a")
    assert link is not None
    assert link["href"] == address(quest)
    assert "condition 1" in as_manager.get(address(quest)).text
    make.member("anna", joined_at=NOW.replace(year=2020))
    sent = form(("days", "1,000", ""), version="0")
    shown = as_manager.post(address(quest), sent | {"then": "preview"})
    assert "1 member would receive it now" in shown.words("#reach")
    assert "anna" in shown.words("#reach")
    assert kept(make, quest) is None
    answer = as_manager.post(address(quest), sent | {"then": "save", "seen": hidden(shown, "seen")})
    page = as_manager.get(answer.headers["Location"])
    assert "Rule saved. Checking 1 member…" in page.words("main")
    assert "Earned by 1,000 days as a member" in page.words(f"#rule-{quest.id}")
    assert "In Progress" in page.words(f"#rule-{quest.id}")
    polled = as_manager.htmx(address(quest, "/progress"))
    assert "0%" in polled.words(f"#rule-{quest.id}")


def test_only_previewed_rules_are_saved(
    as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """T-3: a rule that was changed after its preview, or not previewed, is shown again."""
    shown = as_manager.post(address(quest), form(POSTS, version="0", then="preview"))
    changed = form(("new", "4", "Posts"), version="0", then="save", seen=hidden(shown, "seen"))
    for sent in (changed, form(POSTS, version="0", then="save")):
        answer = as_manager.post(address(quest), sent)
        assert answer.status_code == 200
        assert "would receive it" in answer.words("#reach")
    assert kept(make, quest) is None


def test_rows_are_added_and_removed(as_manager: ReviewingClient, quest: Quest) -> None:
    """T-1: without JavaScript; the input is kept."""
    sent = form(POSTS, ("days", "30", ""))
    more = as_manager.post(address(quest), sent | {"then": "add"})
    assert len(more.page.select(".condition")) == 3
    typed = more.page.select_one("#amount-1")
    assert typed is not None
    assert typed["value"] == "30"
    less = as_manager.post(address(quest), sent | {"then": "less-0"})
    assert len(less.page.select(".condition")) == 1
    assert less.page.select_one("#what-0 option[value=days][selected]") is not None
    for odd in ("less-9", "less-x", "less-"):
        assert as_manager.post(address(quest), sent | {"then": odd}).status_code in (200, 422)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("new", "", "posts"), "Enter a whole number from 1"),
        (("new", "-4", "posts"), "Enter a whole number from 1"),
        (("new", "1e3", "posts"), "Enter a whole number from 1"),
        (("new", "3", "no/good"), "Use up to 60 characters"),
        (("", "3", ""), "Choose a condition."),
        (("quest:999", "", ""), "Choose an existing badge."),
        (("quest:x", "", ""), "Choose an existing badge."),
    ],
)
def test_errors_are_shown_in_their_row(
    as_manager: ReviewingClient, quest: Quest, row: tuple[str, str, str], said: str
) -> None:
    """T-1: 422, and the field is marked."""
    answer = as_manager.post(address(quest), form(row, then="preview"))
    assert answer.status_code == 422
    assert said in answer.words("#row-0-error")
    assert answer.page.select_one('.condition [aria-invalid="true"]') is not None
    fragment = as_manager.htmx(address(quest), form(row, then="preview"))
    assert said in fragment.words("#row-0-error")


def test_an_empty_form_is_refused(as_manager: ReviewingClient, quest: Quest) -> None:  # T-1
    answer = as_manager.post(address(quest), {"then": "preview"})
    assert "Add at least one condition." in answer.words("main")


@pytest.mark.databases("sqlite", "postgresql")
def test_two_quests_that_depend_on_each_other_are_rejected(
    as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """T-1: the second is rejected with the reason."""
    other = make.quest("Other", make.badge("Other", automatic=True))
    save(as_manager, quest, form((f"quest:{other.id}", "", ""), version="0"))
    sent = form((f"quest:{quest.id}", "", ""), version="0", then="preview")
    answer = as_manager.post(address(other), sent)
    assert "no one could earn either" in answer.words("#row-0-error")


def test_a_conflicting_change_of_a_rule_is_reported(
    as_manager: ReviewingClient, as_admin: ReviewingClient, make: Make, quest: Quest
) -> None:
    """X29: 409 with the input; saving again overwrites the other version."""
    save(as_admin, quest, form(POSTS, version="0"))
    mine = form(("new", "9", "posts"), version="0")
    answer = save(as_manager, quest, mine)
    assert answer.status_code == 409
    assert "has changed this rule in the meantime" in answer.words("main")
    mine["version"] = hidden(answer, "version")
    assert save(as_manager, quest, mine).status_code == 303
    rule = kept(make, quest)
    assert rule is not None
    assert [one.amount for one in rule.conditions] == [9]


def test_a_rule_is_inactive_with_its_badge(
    as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-3: the rule of a Manual badge is kept and shown as inactive."""
    manual = make.quest("By hand", make.badge("Manual one"))
    page = as_manager.get(address(manual))
    assert "To use them, switch it to Automatic" in page.words("main")
    answer = save(as_manager, manual, form(POSTS, version="0"))
    page = as_manager.get(answer.headers["Location"])
    assert "Inactive: 3 posts" in page.words(f"#rule-{manual.id}")
    assert "Rule saved." in page.words("main")


def test_a_rule_is_removed(as_manager: ReviewingClient, make: Make, quest: Quest) -> None:
    """T-4: the page says that members keep their badges."""
    save(as_manager, quest, form(POSTS, version="0"))
    answer = as_manager.post(address(quest, "/removal"))
    assert "Members who already earned the badge keep it." in as_manager.get(
        answer.headers["Location"]
    ).words(".flashes")
    assert kept(make, quest) is None
    assert as_manager.post(address(quest, "/removal")).status_code == 303


def test_support_reads_rules(as_support: ReviewingClient, make: Make, quest: Quest) -> None:
    """R-1, R-2: the page shows the sentence, and no link to change it."""
    with make.app.app_context():
        World(make).rule(quest, activity_of(50, "answers"), days_since_joining(30))
    page = as_support.get(f"/badges/{quest.badge_id}")
    assert "Earned by 50 answers and 30 days as a member" in page.words(f"#rule-{quest.id}")
    assert page.page.select(f"#rule-{quest.id} a") == []
    assert as_support.get(address(quest)).status_code == 403
    assert as_support.htmx(address(quest, "/progress")).status_code == 200


def test_the_profile_shows_reasons_and_next_quests(
    as_support: ReviewingClient, make: Make, quest: Quest
) -> None:
    """T-1: why a badge was earned, and the progress of the next quest."""
    anna = make.member("anna")
    other = make.quest("Five hundred", make.badge("Sage", automatic=True))
    with make.app.app_context():
        world = World(make)
        world.rule(quest, activity_of(50, "answers"))
        world.rule(other, activity_of(500, "answers"))
        world.count(anna, "answers", 125)
        world.work()
    page = as_support.get(f"/members/{anna.id}")
    assert "automatic: 50 answers" in page.words("#current-badges")
    assert "Sage Five hundred 25%" in page.words("#next-badges")
    assert "125 of 500 answers" in page.words("#next-badges")


def test_hostile_names_of_activities_are_text(as_manager: ReviewingClient, quest: Quest) -> None:
    """W95: a name that can't be stored is shown as it was typed."""
    name = '"><script>alert(1)</script>\x00'
    answer = as_manager.post(address(quest), form(("new", "1", name), then="preview"))
    typed = answer.page.select_one("#name-0")
    assert typed is not None
    assert str(typed["value"]).startswith('"><script>')


@pytest.mark.databases("sqlite", "postgresql")
def test_queries_do_not_grow(app: Flask, as_manager: ReviewingClient, make: Make) -> None:
    """T-1: the badge's page, the form and a profile need the same with one rule and with many."""
    counts = []
    for number in (1, 9):
        badge = make.badge(f"With {number}", automatic=True)
        quests = [make.quest(f"Quest {place}", badge, position=place) for place in range(number)]
        anna = make.member()
        with app.app_context():
            world = World(make)
            for place, one in enumerate(quests):
                world.rule(one, activity_of(place + 5, "answers"), days_since_joining(1))
            world.count(anna, "answers", 2)
            world.work()
        seen = []
        for path in (f"/badges/{badge.id}", address(quests[0]), f"/members/{anna.id}"):
            with app.app_context(), statements() as run:
                assert as_manager.get(path).status_code == 200
            seen.append(len(run))
        counts.append(seen)
    assert counts[0] == counts[1]
