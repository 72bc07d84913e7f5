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
    """The address of a member's profile; made by hand, for tables of many."""
    return f"{request.script_root}/members/{member_id}"


def polling(batch: Batch) -> str:
    """How often a running batch is asked after: each second in the first minute, then less; "" once it is finished."""
    if not batch.running or batch.run_at is None:
        return ""
    since = (datetime.now(UTC) - batch.run_at).total_seconds()
    return SOON if since < SOON_FOR else LATER


from webapp.pages.batches import (  # noqa: E402
    downloads,  # noqa: F401
    drafts,  # noqa: F401
    listing,  # noqa: F401
    members,  # noqa: F401
    publication,  # noqa: F401
    runs,  # noqa: F401
    single,  # noqa: F401
    uploads,  # noqa: F401
)
