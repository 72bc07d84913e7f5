"""A member's own page: their badges, as files, and which of them they share (OB-2)."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import community
from webapp.domain.credentials import sharing, signing
from webapp.domain.credentials.sharing import OwnAward
from webapp.models import ShownAs
from webapp.pages.credentials import address
from webapp.pages.http.authorization import public
from webapp.pages.outside import blueprint, credential_files, pictures
from webapp.transaction import transaction

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
        kinds=list(credential_files.KINDS),
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
    kind = request.form.get("kind", "json")
    if kind not in credential_files.KINDS:
        abort(404)
    text = signing.stored(award.id)
    if text is None:
        new = signing.sign(award, address())
        with transaction():
            text = signing.keep(new, datetime.now(UTC))
    file = credential_files.respond(kind, award.quest, text, name=f"badge-{award_id}")
    file.headers.update(HIDDEN)
    return file


@blueprint.get("/m/<member_token>/awards/<int:award_id>/image.webp")
@public
def own_image(member_token: str, award_id: int) -> ResponseReturnValue:
    award = sharing.own_award(sharing.member_of(member_token), award_id)
    return pictures.uploaded(award.quest.badge)


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
