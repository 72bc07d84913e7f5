"""Create a badge and change its settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request

from webapp.domain.badges import catalogue
from webapp.domain.badges import settings as badge_settings
from webapp.domain.badges.art import COLOURS, ICONS, NO_ICON, SHAPES
from webapp.domain.badges.settings import BadgeSettings
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.permissions import Permission
from webapp.domain.rules import UnconfirmedError
from webapp.models import Badge
from webapp.pages.badges import blueprint, confirmation
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.form import Form
from webapp.transaction import transaction


@dataclass(kw_only=True)
class SettingsForm(Form):
    settings: BadgeSettings = field(default_factory=BadgeSettings)
    quest: str = ""

    @classmethod
    def of(cls, badge: Badge) -> SettingsForm:
        return cls(settings=badge_settings.settings_of(badge), version=badge.version)

    @classmethod
    def sent(cls) -> Self:
        sent, plain, form = request.values, BadgeSettings(), super().sent()
        form.settings = BadgeSettings(
            name=sent.get("name", ""),
            description=sent.get("description", ""),
            automatic=sent.get("received") == "automatic",
            shape=sent.get("shape", plain.shape),
            colour=sent.get("colour", plain.colour),
            icon=sent.get("icon", plain.icon),
        )
        return form


@blueprint.get("/new")
@permit(Permission.EDIT_BADGES)
def new() -> ResponseReturnValue:
    return settings_page(None, SettingsForm())


@blueprint.post("")
@permit(Permission.EDIT_BADGES)
def create() -> ResponseReturnValue:
    """Create a badge with its first quest (M-15)."""
    form = SettingsForm.sent()
    try:
        with transaction():
            badge_id = badge_settings.create(form.settings, form.quest, current_actor()).id
    except DomainError as refusal:
        form.refuse(refusal)
        return settings_page(None, form, 422)
    flash("Badge created.", "success")
    return redirect(url_for(".show", badge_id=badge_id), 303)


@blueprint.get("/<int:badge_id>/settings")
@permit(Permission.EDIT_BADGES)
def settings(badge_id: int) -> ResponseReturnValue:
    badge = catalogue.get(badge_id)
    return settings_page(badge, SettingsForm.of(badge))


@blueprint.post("/<int:badge_id>/settings")
@permit(Permission.EDIT_BADGES)
def change(badge_id: int) -> ResponseReturnValue:
    """Save the settings (M-1, M-3). Before rules take effect, confirm the number of members reached (T-3)."""
    form = SettingsForm.sent()
    if request.form.get("then") == "back":
        return settings_page(catalogue.get(badge_id), form)
    try:
        with transaction():
            badge_settings.change(
                badge_id, form.settings, current_actor(), form.version, request.form.get("seen", "")
            )
    except UnconfirmedError:
        return _confirmation(badge_id, form)
    except ConflictError as conflict:
        badge = catalogue.get(badge_id)
        form.show_conflict(conflict, badge.version)
        return settings_page(badge, form, 409)
    except DomainError as refusal:
        form.refuse(refusal)
        return settings_page(catalogue.get(badge_id), form, 422)
    flash("Saved.", "success")
    return redirect(url_for(".show", badge_id=badge_id), 303)


@blueprint.get("/art")
@permit(Permission.EDIT_BADGES)
def art() -> ResponseReturnValue:
    if not request.htmx:
        return redirect(url_for(".new"), 303)
    return render_template("badges/_art.html", art=SettingsForm.sent().settings)


def _confirmation(badge_id: int, form: SettingsForm) -> ResponseReturnValue:
    names = ("name", "description", "shape", "colour", "icon")
    kept = {name: getattr(form.settings, name) for name in names}
    version = "" if form.version is None else str(form.version)
    kept |= {"received": "automatic", "version": version}
    return confirmation.page(
        catalogue.get(badge_id), url_for(".change", badge_id=badge_id), "Switch to Automatic", kept
    )


def settings_page(
    badge: Badge | None, form: SettingsForm, code: int = 200, **more: Any
) -> ResponseReturnValue:
    """Render the form of a badge, or of a new one. `image_errors` in `more` are errors of the image field."""
    kept = badge.icon if badge else NO_ICON  # keep a value that is no longer offered
    icons = ICONS if kept in (*ICONS, NO_ICON) else (*ICONS, kept)
    offered = {"shapes": SHAPES, "colours": COLOURS, "icons": (NO_ICON, *icons)}
    words = {"badge": badge, "form": form, "art": form.settings, **offered, **more}
    return render_template("badges/settings.html", **words), code
