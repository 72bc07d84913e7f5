"""`Insights`: the figures match the awards, in the viewer's days, each chart with its table (D-6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.domain.actor import Actor
from webapp.domain.badges import award_totals, insights
from webapp.domain.erasure import erase
from webapp.models import AwardSource, Origin, Role
from webapp.pages.award_chart import CUT, DAILY, ceiling, draw, round_up
from webapp.transaction import transaction

TODAY = NOW.date()


def rows(answer: Answer, table: int) -> list[list[str]]:
    found = answer.page.select("table")[table]
    return [
        [cell.get_text(strip=True) for cell in row.select("th, td")]
        for row in found.select("tbody tr")
    ]


@pytest.fixture
def community(app: Flask, make: Make) -> None:
    """Four members; awards from every source on several days, one revoked, one restored, one of an erased member."""
    members = [make.member(name) for name in ("anna", "bea", "carl", "dora")]
    helper = make.badge("Helper")
    first, second = make.quest("First", helper), make.quest("Second", helper)
    make.quest("Alone", make.badge("Veteran"))
    anna, bea, carl, dora = (member.id for member in members)
    make.award(anna, first.id, source="rule")
    make.award(bea, first.id, source="batch", awarded_at=NOW - timedelta(days=2))
    gone = make.award(
        carl, first.id, source="profile", awarded_at=NOW - timedelta(days=2), revoked_at=NOW
    )
    make.award(
        carl,
        first.id,
        source="profile",
        awarded_at=NOW - timedelta(days=2),
        restores_id=gone.id,
        restored_at=NOW,
    )
    make.award(carl, second.id, source="api", awarded_at=datetime(2026, 11, 18, 23, 30, tzinfo=UTC))
    make.award(dora, second.id, source="group", awarded_at=NOW - timedelta(days=40))
    with app.app_context(), transaction():
        erase.erase(dora, Actor(at=NOW, origin=Origin.CONSOLE))


def test_awards_a_day_by_way(as_support: ReviewingClient, community: None) -> None:
    """D-6: a revoked award still counts as made; restoring one doesn't count again."""
    answer = as_support.get("/insights?days=7&to=2026-11-20")
    assert rows(answer, 0)[:3] == [
        ["20 Nov 2026", "0", "0", "0", "0", "1", "0", "1"],
        ["19 Nov 2026", "0", "0", "0", "0", "0", "0", "0"],
        ["18 Nov 2026", "1", "0", "1", "1", "0", "0", "3"],
    ]
    assert len(rows(answer, 0)) == 7
    berlin = as_support.get("/insights?days=7&to=2026-11-20&zone=Europe/Berlin")
    assert rows(berlin, 0)[1][4] == "1"
    assert "times in Europe/Berlin" in berlin.words("main")
    assert answer.page.select_one("svg.chart > title") is not None
    assert len(answer.page.select("svg.chart rect[class^=way-]")) == 4
    before = as_support.get(str(answer.page.select_one("a[rel=prev]")["href"]))  # type: ignore[index]
    assert rows(before, 0)[0][0] == "13 Nov 2026"
    onward = before.page.select_one("a[rel=next]")
    assert onward is not None
    assert onward["href"] == "/insights?days=7&to=2026-11-20&zone=UTC"
    assert rows(as_support.get("/insights?days=90&to=2026-11-20"), 0)[40][2] == "1"


def test_holders_and_rarity(as_support: ReviewingClient, community: None) -> None:
    """D-6: relative to current members; an erased member's awards still count among the holders."""
    answer = as_support.get("/insights?to=2026-11-20")
    assert rows(answer, 1) == [
        ["Helper", "First", "3", "100%"],
        ["Helper", "Second", "2", "67%"],
        ["Veteran", "Alone", "0", "0%"],
    ]
    assert rows(answer, 2) == [
        ["Helper", "4", "100%", "Common"],
        ["Veteran", "0", "0%", "No holders"],
    ]
    assert "of 3 members" in answer.words("main")


def test_an_empty_console(as_support: ReviewingClient) -> None:
    """D-6: the page says what will appear there."""
    words = as_support.get("/insights").words("main")
    assert "No quests yet" in words
    assert "0 awards in 30 days" in words


@pytest.mark.parametrize(
    "query",
    [
        "days=8",
        "days=x",
        "to=yesterday",
        "zone=Nowhere",
        "to=%00",
        "to=1900-01-01",
        "to=2999-12-31",
    ],
)
def test_odd_addresses(as_support: ReviewingClient, query: str) -> None:
    """W110: invalid values are reported and ignored; a future date becomes today."""
    answer = as_support.get(f"/insights?{query}")
    assert answer.status_code == 200
    assert ("1900" in query or "2999" in query) or answer.page.select(".note.warning")


def test_six_queries(app: Flask, make: Make) -> None:
    """D-6: whatever the data, and however long the period."""
    with app.app_context():
        for number in insights.PERIODS:
            with statements() as sent:
                insights.load(TODAY, number, ZoneInfo("Australia/Lord_Howe"))
                award_totals.load(TODAY, number, ZoneInfo("Australia/Lord_Howe"))
            assert len(sent) == 6
        quest = make.quest()
        for member_id in make.members(30):
            make.award(member_id, quest.id)
        with statements() as sent:
            insights.load(TODAY, 365)
            award_totals.load(TODAY, 365)
        assert len(sent) == 6


def test_a_scale_ends_at_a_round_number() -> None:
    """D-6: half of it is a whole number; bars stay inside the drawing."""
    assert [round_up(n) for n in (0, 1, 2, 3, 5, 11, 21, 399, 401, 5000)] == [
        2,
        2,
        2,
        4,
        10,
        20,
        40,
        400,
        1000,
        10000,
    ]


def days(*totals: int) -> list[insights.Day]:
    return [
        insights.Day(
            date(2026, 1, 1) + timedelta(days=n), {AwardSource.BATCH: total, AwardSource.RULE: 3}
        )
        for n, total in enumerate(totals)
    ]


@pytest.mark.parametrize("number", insights.PERIODS)
def test_bars_stay_inside_the_chart(number: int) -> None:
    """D-6: a bar per day, or per week in a year, with the sum of its days."""
    chart = draw(days(*(n * 7 for n in range(number))))
    assert len(chart.bars) == (number if number <= DAILY else -(-number // 7))
    assert sum(bar.total for bar in chart.bars) == sum(n * 7 + 3 for n in range(number))
    assert all(0 <= bar.top <= chart.floor and bar.x + bar.width <= 100 for bar in chart.bars)
    assert all(
        abs(bar.segments[0].y + bar.segments[0].height - chart.floor) < 0.1 for bar in chart.bars
    )
    assert chart.bars[-1].last == date(2026, 1, 1) + timedelta(days=number - 1)


def test_one_large_batch_leaves_the_other_days_readable() -> None:
    """D-6: its bar is cut; two days alone, or days that grow steadily, aren't."""
    chart = draw(days(*[30] * 20, 5_000, *[40] * 9))
    assert [bar.cut for bar in chart.bars].count(True) == 1
    assert chart.bars[20].cut
    assert chart.bars[0].segments[0].height > chart.height / 10
    assert ceiling([1_400, 310, *[60] * 28]) == 100
    assert ceiling([5_000, 40]) == 10_000
    assert ceiling([2**n for n in range(14)]) == 10_000
    assert ceiling([1_000, 1_000, 1_000, 1_000, 5]) == 1_000
    assert ceiling([CUT * 10, 10, 10, 10, 10]) == 100
    assert ceiling([]) == 2


def test_totals_are_compared_with_the_period_before(
    app: Flask, as_support: ReviewingClient, community: None
) -> None:
    """D-6: awards and members who received one; restored awards don't count twice."""
    words = as_support.get("/insights?days=30&to=2026-11-20").words("main")
    assert "Badges awarded 4 up 300% from 1 in the 30 days before" in words
    assert "Members who received one 3 up 200% from 1 in the 30 days before" in words
    words = as_support.get("/insights?days=7&to=2026-10-11").words("main")
    assert "Badges awarded 1 up from none in the 7 days before" in words
    words = as_support.get("/insights?days=7&to=2025-10-11").words("main")
    assert "Badges awarded 0 the same as in the 7 days before" in words


def test_who_awarded_and_which_badges_most(
    app: Flask, make: Make, as_support: ReviewingClient
) -> None:
    """D-6: people by name, API keys, and rules; the largest first, with the share of all awards."""
    mara = make.staff(Role.ADMIN, name="Mara <b>")
    often, once = make.quest("Often", make.badge("Busy")), make.quest("Once", make.badge("Seldom"))
    for member_id in make.members(3):
        make.award(member_id, often.id, source="profile", awarded_by=mara.id)
    make.award(make.member().id, once.id, source="rule")
    page = as_support.get(f"/insights?days=7&to={TODAY}").page
    listed = [
        [" ".join(row.get_text(" ", strip=True).split()) for row in part.select("ol.bars li")]
        for part in page.select(".halves section")
    ]
    assert listed == [
        ["Busy 3 75%", "Seldom 1 25%"],
        ["Mara <b> 3 75%", "Automatic rules 1 25%"],
    ]


def test_a_bar_says_its_numbers_and_leads_to_its_days(
    as_support: ReviewingClient, community: None
) -> None:
    """D-6: on hover and focus, for screen readers too."""
    page = as_support.get("/insights?days=7&to=2026-11-20&zone=Europe/Berlin").page
    bar = page.select("svg.chart a")[-1]
    assert bar["aria-label"] == "20 Nov: 1 award (Rule 1)"
    assert bar["href"] == "/audit-log?from=2026-11-20&to=2026-11-20&zone=Europe/Berlin"
    assert as_support.get(str(bar["href"])).status_code == 200


def test_the_figures_as_a_file(as_support: ReviewingClient, community: None) -> None:
    """D-6: the days of the table, oldest first."""
    page = as_support.get("/insights?days=7&to=2026-11-20").page
    link = next(one for one in page.select("a") if one.get_text(strip=True) == "Export CSV")
    answer = as_support.get(str(link["href"]))
    lines = answer.get_data().decode("utf-8-sig").splitlines()
    assert lines[0] == "Day;Profile;Group;Batch;API;Rule;Import;Total"
    assert lines[-1] == "2026-11-20;0;0;0;0;1;0;1"
    assert len(lines) == 8
    assert "awards-7-days-to-2026-11-20.csv" in answer.headers["Content-Disposition"]


def test_the_zone_is_known_on_the_first_visit(as_support: ReviewingClient, community: None) -> None:
    """D-6: from a cookie that the script sets; a link's own zone comes first, and a wrong cookie is ignored."""
    as_support.set_cookie("zone", "Europe/Berlin")
    answer = as_support.get("/insights?days=7&to=2026-11-20")
    assert "times in Europe/Berlin" in answer.words("main")
    assert rows(answer, 0)[1][4] == "1"
    assert "times in UTC" in as_support.get("/insights?zone=UTC").words("main")
    as_support.set_cookie("zone", "../etc")
    answer = as_support.get("/insights")
    assert "times in UTC" in answer.words("main")
    assert not answer.page.select(".note.warning")
