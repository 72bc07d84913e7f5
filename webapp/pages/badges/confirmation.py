"""The page that asks for confirmation before rules take effect, with the members they would reach now (T-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import render_template

from webapp.domain import rules
from webapp.domain.rules import reach
from webapp.models import Badge
from webapp.pages.http.authorization import current_actor


def page(
    badge: Badge,
    action: str,
    label: str,
    kept: Mapping[str, Any] | None = None,
    *,
    quest_id: int | None = None,
) -> str:
    """Show the question. The button `label` posts `kept` and the fingerprint of the rules shown to `action`."""
    coming = reach.coming(badge.id, current_actor().at, quest_id)
    return render_template(
        "badges/confirmation.html",
        badge=badge,
        coming=coming,
        total=sum(change.reach.receive for change in coming),
        seen=rules.fingerprint(change.rule for change in coming),
        action=action,
        label=label,
        kept=kept or {},
    )
