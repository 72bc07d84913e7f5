"""Archive and restore badges."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain.badges import catalogue, settings
from webapp.domain.batches import forecasts
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.domain.rules import UnconfirmedError
from webapp.pages.badges import blueprint, confirmation
from webapp.pages.badges.overview import page
from webapp.pages.http.authorization import current_actor, permit
from webapp.transaction import transaction


@blueprint.get("/<int:badge_id>/archiving")
@permit(Permission.EDIT_BADGES)
def archiving_window(badge_id: int) -> ResponseReturnValue:
    badge = catalogue.get(badge_id)
    forecast = forecasts.archiving([quest.id for quest in badge.quests])
    if request.htmx:
        return render_template("badges/_archiving.html", badge=badge, forecast=forecast)
    return page(badge_id, window="archiving", forecast=forecast)


@blueprint.post("/<int:badge_id>/archiving")
@permit(Permission.EDIT_BADGES)
def archive(badge_id: int) -> ResponseReturnValue:
    """Archive the badge. Current holders keep it (M-15)."""
    with transaction():
        done = settings.archive(badge_id, current_actor())
    flash(
        "Badge archived. It can no longer be awarded."
        if done
        else "This badge is already archived.",
        "success" if done else "info",
    )
    return redirect(url_for(".show", badge_id=badge_id), 303)


@blueprint.get("/<int:badge_id>/unarchiving")
@permit(Permission.EDIT_BADGES)
def unarchiving(badge_id: int) -> ResponseReturnValue:
    badge = catalogue.get(badge_id)
    if badge.archived_at is None:
        return redirect(url_for(".show", badge_id=badge_id), 303)
    return confirmation.page(badge, url_for(".unarchive", badge_id=badge_id), "Restore")


@blueprint.post("/<int:badge_id>/unarchiving")
@permit(Permission.EDIT_BADGES)
def unarchive(badge_id: int) -> ResponseReturnValue:
    try:
        with transaction():
            done = settings.unarchive(badge_id, current_actor(), request.form.get("seen", ""))
    except UnconfirmedError:
        return redirect(url_for(".unarchiving", badge_id=badge_id), 303)
    except DomainError as refusal:
        flash(f"{refusal.message} Rename one of them first.", "error")
    else:
        message = (
            "Badge restored. It can be awarded again." if done else "This badge isn't archived."
        )
        flash(message, "success" if done else "info")
    return redirect(url_for(".show", badge_id=badge_id), 303)
