"""The pages of badges: the overview, a badge, its settings, image and quests, and `Award Badge`."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("badges", __name__, url_prefix="/badges")


from webapp.pages.badges import (  # noqa: E402
    archive,  # noqa: F401
    group_awards,  # noqa: F401
    holders,  # noqa: F401
    images,  # noqa: F401
    overview,  # noqa: F401
    quests,  # noqa: F401
    rules,  # noqa: F401
    settings,  # noqa: F401
)
