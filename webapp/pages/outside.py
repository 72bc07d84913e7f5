"""Pages for people outside the console: a member's own page, public badges, and the check of credentials (OB-2, OB-3).

They use no session. The link of a member's page is unguessable, and needs no protection against forged requests.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import community
from webapp.domain.badges import image_processing, images
from webapp.domain.credentials import sharing, signing, verification
from webapp.domain.credentials.sharing import OwnAward
from webapp.domain.errors import DomainError
from webapp.models import Badge, ShownAs
from webapp.pages.credentials import address
from webapp.pages.http.authorization import public
from webapp.transaction import transaction

blueprint = Blueprint("outside", __name__)

HIDDEN = {"X-Robots-Tag": "noindex, nofollow"}


@blueprint.get("/m/<member_token>")
@public
def member_page(member_token: str) -> ResponseReturnValue:
    """A member's badges, and which of them they share."""
    member = sharing.member_of(member_token)
    page = render_template(
        "outside/member.html",
        member=member,
        awards=sharing.own_awards(member),
        token=member_token,
        shown_as=list(ShownAs),
        url_of=_public_url,
        linkedin=_linkedin,
    )
    return page, HIDDEN


@blueprint.post("/m/<member_token>/awards/<int:award_id>/sharing")
@public
def share(member_token: str, award_id: int) -> ResponseReturnValue:
    award = sharing.own_award(sharing.member_of(member_token), award_id)
    new = signing.sign(award, address())
    with transaction():
        sharing.share(member_token, new, request.form.get("shown_as", ""), datetime.now(UTC))
    return _back(member_token, award_id)


@blueprint.post("/m/<member_token>/awards/<int:award_id>/sharing/end")
@public
def unshare(member_token: str, award_id: int) -> ResponseReturnValue:
    with transaction():
        sharing.unshare(member_token, award_id)
    return _back(member_token, award_id)


@blueprint.post("/m/<member_token>/awards/<int:award_id>/credential")
@public
def download(member_token: str, award_id: int) -> ResponseReturnValue:
    """The credential as a file. Signed and stored when first opened, hence no GET."""
    award = sharing.own_award(sharing.member_of(member_token), award_id)
    text = signing.stored(award.id)
    if text is None:
        new = signing.sign(award, address())
        with transaction():
            text = signing.keep(new, datetime.now(UTC))
    headers = {"Content-Disposition": f'attachment; filename="badge-{award_id}.json"', **HIDDEN}
    return Response(text, mimetype="application/vc+ld+json", headers=headers)


@blueprint.get("/badges/<int:badge_id>/awards/<share_token>")
@public
def badge(badge_id: int, share_token: str) -> ResponseReturnValue:
    """The public page of a shared badge."""
    found = sharing.public_award(badge_id, share_token)
    # Not the address of the request, which a proxy may change: `/verify` only knows the public one.
    url = address() + url_for(".badge", badge_id=badge_id, share_token=share_token)
    image_url = url_for(".image", badge_id=badge_id, share_token=share_token)
    return render_template(
        "outside/badge.html",
        found=found,
        url=url,
        image_url=image_url,
        issuer=community.brand().name,
    )


@blueprint.get("/m/<member_token>/awards/<int:award_id>/image.webp")
@public
def own_image(member_token: str, award_id: int) -> ResponseReturnValue:
    award = sharing.own_award(sharing.member_of(member_token), award_id)
    return _image(award.quest.badge)


@blueprint.get("/badges/<int:badge_id>/awards/<share_token>/image.webp")
@public
def image(badge_id: int, share_token: str) -> ResponseReturnValue:
    return _image(sharing.public_award(badge_id, share_token).award.quest.badge)


@blueprint.get("/verify")
@public
def check() -> ResponseReturnValue:
    return render_template("outside/verify.html", typed=request.args.get("url", "")[:500])


@blueprint.post("/verify")
@public
def verify() -> ResponseReturnValue:
    """Check what was pasted or uploaded. Stores nothing."""
    file = request.files.get("file")
    typed = request.form.get("credential", "")
    data = typed.encode("utf-8", "replace")
    if file:
        with file.stream:  # a large one is in a temporary file
            data = file.stream.read() if file.filename else data
    try:
        text = verification.read(data, address())
        result = verification.verify(text, address())
    except DomainError as refusal:
        page = render_template("outside/verify.html", typed=typed, errors=[refusal.message])
        return page, 422
    return render_template("outside/verify.html", typed=typed, result=result)


def _image(badge: Badge) -> Response:
    """The badge's image, strictly as an image: other pages of a badge's images need an account (R-2)."""
    content = images.find(badge.id, badge.art_hash, small=False) if badge.art_hash else None
    if content is None:
        abort(404)
    return Response(content, mimetype=image_processing.MIMETYPE)


def _back(token: str, award_id: int) -> ResponseReturnValue:
    url = url_for(".member_page", member_token=token, _anchor=f"award-{award_id}")
    return redirect(url, 303)


def _public_url(own: OwnAward) -> str:
    token = own.share.token if own.share else ""
    path = url_for(".badge", badge_id=own.award.quest.badge_id, share_token=token)
    return address() + path


def _linkedin(own: OwnAward) -> str:
    at = own.award.awarded_at
    return "https://www.linkedin.com/profile/add?" + urlencode(
        {
            "startTask": "CERTIFICATION_NAME",
            "name": own.award.quest.title,
            "organizationName": community.brand().name,
            "issueYear": at.year,
            "issueMonth": at.month,
            "certId": own.award.id,
            "certUrl": _public_url(own),
        }
    )
