"""Upload, remove and serve the image of a badge."""

from __future__ import annotations

from flask import Response, abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue

from webapp.domain.badges import catalogue, image_processing, images
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.pages.badges import blueprint
from webapp.pages.badges.settings import SettingsForm, settings_page
from webapp.pages.http.authorization import current_actor, permit
from webapp.pages.http.request_args import uploaded_file
from webapp.transaction import transaction

YEAR = 31_536_000  # seconds


@blueprint.post("/<int:badge_id>/image")
@permit(Permission.EDIT_BADGES)
def put_image(badge_id: int) -> ResponseReturnValue:
    try:
        _, data = uploaded_file("image", image_processing.MISSING)
        picture = image_processing.reencode(data)  # outside the transaction because it is slow
        with transaction():
            images.put(badge_id, picture, current_actor())
    except DomainError as refusal:
        badge = catalogue.get(badge_id)
        return settings_page(badge, SettingsForm.of(badge), 422, image_errors=[refusal.message])
    flash("Image updated.", "success")
    return redirect(url_for(".settings", badge_id=badge_id), 303)


@blueprint.post("/<int:badge_id>/image/removal")
@permit(Permission.EDIT_BADGES)
def remove_image(badge_id: int) -> ResponseReturnValue:
    with transaction():
        removed = images.remove(badge_id, current_actor())
    if removed:
        flash("Image removed.", "success")
    return redirect(url_for(".settings", badge_id=badge_id), 303)


@blueprint.get("/<int:badge_id>/images/<name>.webp")
@permit(Permission.VIEW)
def image(badge_id: int, name: str) -> ResponseReturnValue:
    """Serve the image `HASH` or `HASH-small`, strictly as an image. Its content never changes."""
    stem = name.removesuffix("-small")
    content = images.find(badge_id, stem, small=name != stem)
    if content is None:
        abort(404)
    kept = {"Cache-Control": f"private, max-age={YEAR}, immutable"}
    return Response(content, mimetype=image_processing.MIMETYPE, headers=kept)
