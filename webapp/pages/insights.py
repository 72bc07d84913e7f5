"""`Insights`: statistics of the community's badges, as server-drawn charts, each with its table (D-6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, render_template, request, url_for

from webapp.domain import dates
from webapp.domain.badges import award_totals, insights
from webapp.domain.badges.insights import PERIODS
from webapp.domain.csv_files import writer
from webapp.domain.permissions import Permission
from webapp.models import AwardSource
from webapp.pages import award_chart
from webapp.pages.http.authorization import permit
from webapp.pages.http.downloads import csv_file
from webapp.pages.http.list_query import QueryReader, require_readable
from webapp.pages.http.viewer_zone import viewer_zone

blueprint = Blueprint("insights", __name__, url_prefix="/insights")

SHOWN = 15  # quests and badges in a chart; its table lists all


@blueprint.get("")
@permit(Permission.VIEW)
def index() -> str:
    """The figures of the requested period, in days of its time zone."""
    reader = QueryReader(request.args)
    zone, number, last, today = _requested(reader)
    figures = insights.load(last, number, zone)
    earlier = last - timedelta(days=number)
    later = min(last + timedelta(days=number), today)
    return render_template(
        "insights/index.html",
        figures=figures,
        period=award_totals.load(last, number, zone),
        warnings=reader.warnings,
        number=number,
        periods=PERIODS,
        first=last - timedelta(days=number - 1),
        last=last,
        zone=zone,
        chart=award_chart.draw(figures.days),
        sources=list(AwardSource),
        totals={
            source: sum(day.by_source.get(source, 0) for day in figures.days)
            for source in AwardSource
        },
        shown=SHOWN,
        export=url_for(".export", **_parameters(number, last, zone)),
        earlier=_address(number, earlier, zone) if earlier.year in dates.YEARS else "",
        later=_address(number, None if later == today else later, zone) if last < today else "",
    )


@blueprint.get("/export.csv")
@permit(Permission.VIEW)
def export() -> Response:
    """The awards of each day by source, as the table below the chart."""
    reader = QueryReader(request.args)
    zone, number, last, _ = _requested(reader)
    require_readable(reader.warnings, ".index")
    rows = [
        [
            day.day.isoformat(),
            *(str(day.by_source.get(source, 0)) for source in AwardSource),
            str(day.total),
        ]
        for day in insights.awards_per_day(last, number, zone)
    ]
    head = ["Day", *(source.label for source in AwardSource), "Total"]
    return csv_file(writer.write_csv([head, *rows]), f"awards-{number}-days-to-{last}.csv")


def _requested(reader: QueryReader) -> tuple[ZoneInfo | None, int, date, date]:
    """The time zone, the number of days, the last of them, and today."""
    zone = reader.zone() if "zone" in request.args else viewer_zone()
    today = datetime.now(zone or UTC).date()
    return zone, _period(reader), min(reader.day("to") or today, today), today


def _address(number: int, last: date | None, zone: ZoneInfo | None) -> str:
    return url_for(".index", **_parameters(number, last, zone))


def _parameters(number: int, last: date | None, zone: ZoneInfo | None) -> dict[str, Any]:
    return {"days": number, "to": last, "zone": zone.key if zone else "UTC"}


def _period(reader: QueryReader) -> int:
    text = reader.get("days")
    if text and text not in map(str, PERIODS):
        reader.warnings.append(
            f"Choose a period of {', '.join(map(str, PERIODS[:-1]))} or {PERIODS[-1]} days; "
            f"showing {PERIODS[1]}."
        )
        return PERIODS[1]
    return int(text) if text else PERIODS[1]
