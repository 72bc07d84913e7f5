"""The holders of a badge on its page: links, filters, pages and the export (E-4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.domain.awards import holders
from webapp.models import Badge, MemberStatus, Quest

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def badge(make: Make) -> Badge:
    return make.badge("Helper")


@pytest.fixture
def quests(make: Make, badge: Badge) -> list[Quest]:
    return [make.quest(name, badge) for name in ("First", "Second")]


def usernames(answer: Answer) -> list[str]:
    return [cell.get_text(strip=True) for cell in answer.page.select("#holder-list td a.strong")]


def test_every_number_of_holders_leads_to_them(
    as_support: ReviewingClient, make: Make, badge: Badge, quests: list[Quest]
) -> None:
    """E-4: on the overview, the badge's page, its dialogs and Insights, for the badge and for each quest."""
    for member_id in make.members(2):
        make.award(member_id, quests[0].id)
    here, of_quest = (
        f"/badges/{badge.id}#holders",
        f"/badges/{badge.id}?quest={quests[0].id}#holders",
    )

    def links(path: str) -> set[tuple[str, str]]:
        page = as_support.get(path).page
        return {
            (" ".join(link.get_text().split()), str(link["href"]))
            for link in page.select('a[href$="#holders"]')
        }

    assert links("/badges") == {("2 holders", here)}
    assert links(f"/badges/{badge.id}") == {("2 holders", here), ("2", of_quest)}
    assert links("/insights") == {("2", here), ("2", of_quest)}


def test_dialogs_link_to_the_holders_who_keep_the_badge(
    as_admin: ReviewingClient, make: Make, badge: Badge, quests: list[Quest]
) -> None:
    """E-4: of a badge or a quest that is about to be archived."""
    make.award(make.member().id, quests[0].id)
    base = f"/badges/{badge.id}"
    window = as_admin.htmx(f"{base}/archiving").page
    assert window.select_one(f'a[href="{base}#holders"]') is not None
    window = as_admin.htmx(f"{base}/quests/{quests[0].id}").page
    assert window.select_one(f'a[href="{base}?quest={quests[0].id}#holders"]') is not None


def test_holders_are_filtered(
    as_support: ReviewingClient, make: Make, badge: Badge, quests: list[Quest]
) -> None:
    """E-4: by member, quest, source and period; a chip removes each, and the URL has only what is set."""
    anna, bea = make.member("anna"), make.member("bea", status=MemberStatus.LEFT)
    make.award(anna.id, quests[0].id, source="api", awarded_at=NOW - timedelta(days=3))
    make.award(bea.id, quests[1].id)
    base = f"/badges/{badge.id}"
    answer = as_support.get(base)
    assert usernames(answer) == ["bea", "anna"]
    assert answer.words("#holder-list [role=status]") == "2 awards"
    assert "Left" in answer.words("#holder-list tbody tr")
    for query, names in (
        ("q=ann", ["anna"]),
        (f"quest={quests[1].id}", ["bea"]),
        ("source=api", ["anna"]),
        ("from=2026-11-19", ["bea"]),
        ("to=2026-11-19", ["anna"]),
        ("q=nobody", []),
    ):
        answer = as_support.get(f"{base}?{query}")
        assert usernames(answer) == names, query
        assert len(answer.page.select("#holder-list .chip")) == 1, query
    answer = as_support.get(f"{base}?q=&quest={quests[0].id}&source=&from=&to=&zone=Europe%2FParis")
    assert (answer.status_code, answer.location) == (
        303,
        f"{base}?quest={quests[0].id}#holders",
    )
    answer = as_support.get(f"{base}?quest=999&source=luck")
    assert usernames(answer) == ["bea", "anna"]
    assert len(answer.page.select("#holder-list .note.warning")) == 2


def test_htmx_gets_the_holders_alone(
    as_support: ReviewingClient, make: Make, badge: Badge, quests: list[Quest]
) -> None:
    """E-4: while typing, with the URL of the same list."""
    make.award(make.member("anna").id, quests[0].id)
    answer = as_support.htmx(f"/badges/{badge.id}?q=an&quest=&source=")
    assert usernames(answer) == ["anna"]
    assert answer.page.select_one("main") is None
    assert answer.headers["HX-Push-Url"] == f"/badges/{badge.id}?q=an#holders"


def test_pages_keep_the_filters(
    as_support: ReviewingClient,
    make: Make,
    badge: Badge,
    quests: list[Quest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """E-4: Next and Previous."""
    monkeypatch.setattr(holders, "SIZE", 2)
    for member_id in make.members(3):
        make.award(member_id, quests[0].id)
    first = as_support.get(f"/badges/{badge.id}?q=user")
    onward = first.page.select_one("#holder-list a[rel=next]")
    assert onward is not None
    second = as_support.get(str(onward["href"]))
    assert usernames(first) + usernames(second) == ["user3", "user2", "user1"]
    back = second.page.select_one("#holder-list a[rel=prev]")
    assert back is not None
    assert usernames(as_support.get(str(back["href"]))) == usernames(first)


def test_the_export_has_the_filtered_holders(
    as_manager: ReviewingClient, make: Make, badge: Badge, quests: list[Quest]
) -> None:
    """E-4: as a CSV file that opens without formulas."""
    make.award(make.member("=anna").id, quests[0].id)
    make.award(make.member("bea").id, quests[1].id)
    answer = as_manager.get(f"/badges/{badge.id}/holders.csv?quest={quests[0].id}")
    assert answer.mimetype == "text/csv"
    lines = answer.data.decode("utf-8-sig").split("\r\n")
    assert lines[0] == ";".join(holders.HEADER)
    assert len(lines) == 3
    assert "'=anna" in lines[1]


def test_support_reads_holders_but_exports_none(
    as_support: ReviewingClient, make: Make, badge: Badge, quests: list[Quest]
) -> None:
    """R-1, R-2: the export is neither offered nor reachable."""
    make.award(make.member("anna").id, quests[0].id)
    answer = as_support.get(f"/badges/{badge.id}")
    assert answer.page.select_one('a[href*="holders.csv"]') is None
    assert as_support.get(f"/badges/{badge.id}/holders.csv").status_code == 403


def test_queries_do_not_grow(
    app: Flask, as_manager: ReviewingClient, make: Make, badge: Badge, quests: list[Quest]
) -> None:
    """E-4: the same number for few holders and many."""
    counts = []
    for number in (3, 60):
        for member_id in make.members(number, f"of{number}-"):
            make.award(member_id, quests[0].id, awarded_by=make.staff().id)
        with app.app_context(), statements() as seen:
            as_manager.get(f"/badges/{badge.id}?q=of&source=profile&to=2030-01-01")
        counts.append(len(seen))
    assert counts[1] <= counts[0] + 1  # the total of a list with several pages
