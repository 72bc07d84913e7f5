"""`Insights`: statistics of the community's badges, as server-drawn charts, each with its table (D-6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request, url_for

from webapp.domain import dates
from webapp.domain.badges import insights
from webapp.domain.badges.insights import PERIODS, Day
from webapp.domain.permissions import Permission
from webapp.models import AwardSource
from webapp.pages.http.authorization import permit
from webapp.pages.http.list_query import QueryReader

blueprint = Blueprint("insights", __name__, url_prefix="/insights")

SHOWN = 15  # quests and badges in a chart; its table lists all
WIDTH, HEIGHT, FOOT, LEFT = 720, 200, 22, 46  # of the drawing


@dataclass(frozen=True)
class Bar:
    """A segment of a day's bar: its geometry, and the source it represents."""

    source: AwardSource
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Drawing:
    """The days as bars, with grid lines and date labels."""

    bars: list[Bar]
    lines: list[tuple[float, int]]
    marks: list[tuple[float, date]]
    width: int = WIDTH
    height: int = HEIGHT


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> str:
    """The figures of the requested period, in days of its time zone."""
    reader = QueryReader(request.args)
    zone, number = reader.zone(), _period(reader)
    today = datetime.now(zone or UTC).date()
    last = min(reader.day("to") or today, today)
    figures = insights.load(last, number, zone)
    earlier = last - timedelta(days=number)
    later = min(last + timedelta(days=number), today)
    return render_template(
        "insights/index.html",
        figures=figures,
        warnings=reader.warnings,
        number=number,
        periods=PERIODS,
        first=last - timedelta(days=number - 1),
        last=last,
        zone=zone,
        drawing=draw(figures.days),
        sources=list(AwardSource),
        totals={
            source: sum(day.by_source.get(source, 0) for day in figures.days)
            for source in AwardSource
        },
        shown=SHOWN,
        earlier=_address(number, earlier, zone) if earlier.year in dates.YEARS else "",
        later=_address(number, None if later == today else later, zone) if last < today else "",
    )


def draw(days: list[Day]) -> Drawing:
    """Draw a stacked bar for each day, on a scale that ends at a round number."""
    top = round_up(max((day.total for day in days), default=0))
    step = (WIDTH - LEFT) / max(1, len(days))
    tall = HEIGHT - FOOT - 8
    bars = []
    for place, day in enumerate(days):
        floor = float(HEIGHT - FOOT)
        for source in AwardSource:
            height = tall * day.by_source.get(source, 0) / top
            if height:
                floor -= height
                width = max(step - (2 if step > 6 else 0.4), 0.8)
                bars.append(
                    Bar(
                        source,
                        _short(LEFT + place * step),
                        _short(floor),
                        _short(width),
                        _short(height),
                    )
                )
    lines = [(_short(HEIGHT - FOOT - tall * part / 2), top * part // 2) for part in range(3)]
    every = max(1, len(days) // 6)
    marks = [
        (_short(LEFT + (place + 0.5) * step), day.day)
        for place, day in enumerate(days)
        if place % every == 0
    ]
    return Drawing(bars, lines, marks)


def round_up(number: int) -> int:
    """Round up to 2, 4, 10, 20, 40, 100 …, so that half of the scale is a whole number too."""
    top = 2
    while top < number:
        top = top * 5 // 2 if str(top)[0] == "4" else top * 2
    return top


def _short(value: float) -> float:
    return round(value, 2)


def _address(number: int, last: date | None, zone: ZoneInfo | None) -> str:
    return url_for(".index", days=number, to=last, zone=zone.key if zone else None)


def _period(reader: QueryReader) -> int:
    text = reader.get("days")
    if text and text not in map(str, PERIODS):
        reader.warnings.append(
            f"Choose a period of {', '.join(map(str, PERIODS[:-1]))} or {PERIODS[-1]} days; "
            f"showing {PERIODS[1]}."
        )
        return PERIODS[1]
    return int(text) if text else PERIODS[1]
