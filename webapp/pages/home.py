"""`Home`: what needs attention, what is running, and the way to what people do most (E-1)."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, render_template
from htmx_flask import request

from webapp.domain.audit_log import search
from webapp.domain.badges import insights
from webapp.domain.home import first_steps, work
from webapp.domain.home.work import Work
from webapp.domain.permissions import Permission
from webapp.pages import award_chart
from webapp.pages.batches import SOON, polling
from webapp.pages.http.authorization import current_staff, permit
from webapp.pages.http.viewer_zone import viewer_zone

blueprint = Blueprint("home", __name__)

ACTIONS = 10  # of the audit log
DAYS = 14  # in the chart


@blueprint.get("/")
@permit(Permission.VIEW)
def index() -> str:
    """The page, or for htmx the part of it that changes while work runs."""
    shown = work.load(current_staff)
    if request.htmx:
        return render_template("home/_work.html", work=shown, every=_every(shown))
    zone = viewer_zone()
    days = insights.awards_per_day(datetime.now(zone or UTC).date(), DAYS, zone)
    return render_template(
        "home/index.html",
        work=shown,
        every=_every(shown),
        steps=first_steps.load(current_staff),
        lines=search.recent(ACTIONS),
        days=days,
        chart=award_chart.draw(days),
        zone=zone,
    )


def _every(shown: Work) -> str:
    """The polling interval: the shortest of what runs; "" when nothing does."""
    if shown.imports.rows:
        return SOON
    return min(filter(None, map(polling, shown.batches.rows)), default="")
