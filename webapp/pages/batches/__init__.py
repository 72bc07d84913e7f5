"""The pages of `Batch unlock`: the list, a batch and its members, the upload window, publishing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, request

from webapp.models import Batch

blueprint = Blueprint("batches", __name__, url_prefix="/batches")

SOON, LATER = "every 1s", "every 3s"
SOON_FOR = 60  # seconds after the run began


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {"polling": polling, "member_url": member_url}


def member_url(member_id: int) -> str:
    """Build the URL of a member's profile without `url_for`, which is slow in large tables."""
    return f"{request.script_root}/members/{member_id}"


def polling(batch: Batch) -> str:
    """The polling interval of a running batch: 1 s in the first minute, then longer; "" once it is finished."""
    if not batch.running or batch.run_at is None:
        return ""
    since = (datetime.now(UTC) - batch.run_at).total_seconds()
    return SOON if since < SOON_FOR else LATER


from webapp.pages.batches import (  # noqa: E402
    downloads,  # noqa: F401
    drafts,  # noqa: F401
    listing,  # noqa: F401
    members,  # noqa: F401
    notifications,  # noqa: F401
    publication,  # noqa: F401
    runs,  # noqa: F401
    single,  # noqa: F401
    uploads,  # noqa: F401
    visibility,  # noqa: F401
)
