"""The `Community` page: the name and logo that the console shows (E-11)."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import community
from webapp.domain.badges import image_processing
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.pages.badges.images import YEAR
from webapp.pages.http.authorization import current_actor, permit, public
from webapp.pages.http.request_args import uploaded_file
from webapp.transaction import transaction

blueprint = Blueprint("community", __name__, url_prefix="/settings/community")


@blueprint.get("")
@permit(Permission.MANAGE_COMMUNITY)
def index() -> ResponseReturnValue:
    return _page()


@blueprint.post("/name")
@permit(Permission.MANAGE_COMMUNITY)
def rename() -> ResponseReturnValue:
    try:
        with transaction():
            changed = community.rename(request.form.get("name", ""), current_actor())
    except DomainError as refusal:
        return _page(name_errors=[refusal.message]), 422
    return _saved("Name changed." if changed else "")


@blueprint.post("/logo")
@permit(Permission.MANAGE_COMMUNITY)
def put_logo() -> ResponseReturnValue:
    try:
        _, data = uploaded_file("image", image_processing.MISSING)
        picture = image_processing.reencode(data)  # outside the transaction because it is slow
    except DomainError as refusal:
        return _page(image_errors=[refusal.message]), 422
    with transaction():
        changed = community.set_logo(picture, current_actor())
    return _saved("Logo changed." if changed else "")


@blueprint.post("/logo/removal")
@permit(Permission.MANAGE_COMMUNITY)
def remove_logo() -> ResponseReturnValue:
    with transaction():
        removed = community.remove_logo(current_actor())
    return _saved("Logo removed." if removed else "")


@blueprint.get("/logo/<digest>.webp")
@public
def logo(digest: str) -> ResponseReturnValue:
    """Serve the logo, strictly as an image. The content of a URL never changes."""
    content = community.logo(digest)
    if content is None:
        abort(404)
    kept = {"Cache-Control": f"public, max-age={YEAR}, immutable"}
    return Response(content, mimetype=image_processing.MIMETYPE, headers=kept)


def _saved(text: str) -> ResponseReturnValue:
    if text:
        flash(text, "success")
    return redirect(url_for(".index"), 303)


def _page(**errors: list[str]) -> str:
    return render_template("community/index.html", product=community.PRODUCT, **errors)
