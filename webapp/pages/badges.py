"""Badges: the overview, and a page for each."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from webapp.domain import badges
from webapp.domain.permissions import Permission
from webapp.domain.profile import WAYS
from webapp.pages.access import permit

blueprint = Blueprint("badges", __name__, url_prefix="/badges")


@blueprint.get("")
@permit(Permission.SEE)
def index() -> ResponseReturnValue:
    """All badges (B-1)."""
    return render_template("badges/index.html", rows=badges.overview())


@blueprint.get("/<int:badge_id>")
@permit(Permission.SEE)
def show(badge_id: int) -> ResponseReturnValue:
    """A badge: its quests with their holders, and who got it lately."""
    return render_template("badges/show.html", shown=badges.detail(badge_id), ways=WAYS)
