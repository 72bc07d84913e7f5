"""The public page of a shared badge, with its files and pictures (OB-2)."""

from __future__ import annotations

from flask import abort, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import community
from webapp.domain.credentials import sharing, signing
from webapp.pages.credentials import address
from webapp.pages.http.authorization import public
from webapp.pages.outside import blueprint, credential_files, pictures
from webapp.pages.outside.pictures import Look


@blueprint.get("/badges/<int:badge_id>/awards/<share_token>")
@public
def badge(badge_id: int, share_token: str) -> ResponseReturnValue:
    """The public page of a shared badge."""
    found = sharing.public_award(badge_id, share_token)
    # Not the address of the request, which a proxy may change: `/verify` only knows the public one.
    url = address() + url_for(".badge", badge_id=badge_id, share_token=share_token)
    image_url = url_for(".image", badge_id=badge_id, share_token=share_token)
    preview_url = url_for(".preview", badge_id=badge_id, share_token=share_token)
    files = {
        kind: url_for(".credential_file", badge_id=badge_id, share_token=share_token, kind=kind)
        for kind in credential_files.KINDS
    }
    return render_template(
        "outside/badge.html",
        found=found,
        url=url,
        image_url=image_url,
        preview_url=address() + preview_url,
        files=files,
        issuer=community.brand().name,
    )


@blueprint.get("/badges/<int:badge_id>/awards/<share_token>/credential.<kind>")
@public
def credential_file(badge_id: int, share_token: str, kind: str) -> ResponseReturnValue:
    """The credential as a file; it was signed when it was shared."""
    award = sharing.public_award(badge_id, share_token).award
    text = signing.stored(award.id)
    if text is None or kind not in credential_files.KINDS:
        abort(404)
    return credential_files.respond(kind, award.quest, text, name="badge")


@blueprint.get("/badges/<int:badge_id>/awards/<share_token>/preview.png")
@public
def preview(badge_id: int, share_token: str) -> ResponseReturnValue:
    """What other sites show next to a link to the badge."""
    quest = sharing.public_award(badge_id, share_token).award.quest
    return pictures.respond(pictures.preview_of(quest), pictures.preview)


@blueprint.get("/badges/<int:badge_id>/awards/<share_token>/image.webp")
@public
def image(badge_id: int, share_token: str) -> ResponseReturnValue:
    return pictures.uploaded(sharing.public_award(badge_id, share_token).award.quest.badge)


@blueprint.get("/credentials/<credential_token>/image.png")
@public
def credential_image(credential_token: str) -> ResponseReturnValue:
    """The image that a credential names. Anyone who has the credential may see it: it shows only the badge."""
    look = Look.of(sharing.award_of_credential(credential_token).quest)
    return pictures.respond(look, pictures.png)
