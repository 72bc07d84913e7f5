"""Pages of members: which of their badges they share, and under what name (OB-2).

The unguessable link is all that its owner needs to act as the member. What they share is their own decision, so the
audit log only records when staff replace a link.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload

from webapp.database import db, execute_rowcount, upsert
from webapp.database.arrays import in_array
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.credentials import issuer, signing
from webapp.domain.credentials.issuer import SecretsUnreadableError
from webapp.domain.credentials.links import Links, number_in
from webapp.domain.errors import NotFoundError
from webapp.domain.lookup import require
from webapp.models import (
    Award,
    Credential,
    Issuer,
    Member,
    MemberPage,
    MemberStatus,
    Quest,
    SharedAward,
    ShownAs,
)

PAGE = "page"  # the purpose of a token of a member's page


@dataclass(frozen=True)
class OwnAward:
    """An award on its member's page, and how it is shared, if it is."""

    award: Award
    share: SharedAward | None


@dataclass(frozen=True)
class PublicAward:
    """A shared award, and the name that its member chose to show, or ""."""

    award: Award
    name: str


class PageUrls:
    """The links to members' pages, for exports and other systems. Raises NotFoundError while Open Badges are off."""

    def __init__(self, address: str, found: Issuer | None = None) -> None:
        self._links, self._address = Links(found), address

    def of(self, member_ids: Sequence[int]) -> dict[int, str]:
        """Return each member's link; takes one statement."""
        replaced = select(MemberPage.member_id, MemberPage.version).where(
            in_array(MemberPage.member_id, list(member_ids))
        )
        versions = {row.member_id: row.version for row in db.session.execute(replaced)}
        return {number: self._url(number, versions.get(number, 0)) for number in member_ids}

    def _url(self, member_id: int, version: int) -> str:
        return f"{self._address}/m/{self._links.token(PAGE, member_id, version)}"


def page_urls(address: str) -> PageUrls | None:
    """Return what makes links; None while Open Badges are turned off, or their secrets can't be read."""
    found = issuer.find()
    try:
        return PageUrls(address, found) if found else None
    except SecretsUnreadableError:
        return None


def replace_link(member_id: int, actor: Actor) -> None:
    """Give a member a new link; the old one stops working. Raises NotFoundError."""
    issuer.require()
    member = require(Member, member_id, lock=True)
    version = _version(member.id) + 1
    db.session.execute(
        upsert(MemberPage)
        .values(member_id=member.id, version=version)
        .on_conflict_do_update(index_elements=["member_id"], set_={"version": version})
    )
    audit_log.write(actor, "member.link_replaced", "member", member.id)


def member_of(token: str) -> Member:
    """Return the member whose page this is. Raises NotFoundError."""
    number = number_in(token)
    if number is None or issuer.find() is None:
        raise NotFoundError("credentials.page_not_found")
    right = Links().matches(token, PAGE, number, _version(number))
    member = db.session.get(Member, number, populate_existing=True) if right else None
    if member is None or member.status == MemberStatus.ERASED:
        raise NotFoundError("credentials.page_not_found")
    return member


def own_awards(member: Member) -> list[OwnAward]:
    """Return a member's active awards, newest first."""
    rows = db.session.execute(
        select(Award, SharedAward)
        .outerjoin(SharedAward, SharedAward.award_id == Award.id)
        .where(Award.member_id == member.id, Award.revoked_at.is_(None))
        .options(joinedload(Award.quest).joinedload(Quest.badge))
        .order_by(Award.awarded_at.desc(), Award.id.desc())
    )
    return [OwnAward(award, share) for award, share in rows]


def own_award(member: Member, award_id: int) -> Award:
    """Return an active award of this member. Raises NotFoundError."""
    award = signing.open_award(award_id)
    if award.member_id != member.id:
        raise NotFoundError("common.award_not_found")
    return award


def share(token: str, new: Credential, shown_as: str, at: datetime) -> None:
    """Make an award with its credential public, or change how its member is shown. Raises NotFoundError."""
    award = own_award(member_of(token), new.award_id)
    signing.keep(new, at)
    shown = ShownAs(shown_as) if shown_as in set(ShownAs) else ShownAs.ANONYMOUS
    values = {"shown_as": shown}
    db.session.execute(
        upsert(SharedAward)
        .values(award_id=award.id, token=secrets.token_urlsafe(18), shared_at=at, **values)
        .on_conflict_do_update(index_elements=["award_id"], set_=values)
    )


def unshare(token: str, award_id: int) -> bool:
    """Make an award private: its page and links are gone, also if it is shared again. Raises NotFoundError."""
    award = own_award(member_of(token), award_id)
    return bool(execute_rowcount(delete(SharedAward).where(SharedAward.award_id == award.id)))


def public_award(badge_id: int, token: str) -> PublicAward:
    """Return the award of a public page. Raises NotFoundError for private, revoked and erased ones."""
    shared = db.session.scalar(select(SharedAward).where(SharedAward.token == token))
    if shared is None:
        raise NotFoundError("credentials.badge_not_shared")
    award = signing.open_award(shared.award_id)
    if award.quest.badge_id != badge_id:
        raise NotFoundError("credentials.badge_not_shared")
    names = {ShownAs.NAME: award.member.display_name, ShownAs.USERNAME: award.member.username}
    return PublicAward(award, names.get(ShownAs(shared.shown_as), ""))


def award_of_credential(token: str) -> Award:
    """Return the active award with this token in its credential's URL, shared or not. Raises NotFoundError."""
    number = number_in(token)
    if number is None or not Links().matches(token, signing.CREDENTIAL, number):
        raise NotFoundError("credentials.badge_not_shared")
    return signing.open_award(number)


def shared_by_credential(token: str) -> Award:
    """Return the shared award with this token in its credential's URL. Raises NotFoundError."""
    award = award_of_credential(token)
    if db.session.get(SharedAward, award.id) is None:
        raise NotFoundError("credentials.badge_not_shared")
    return award


def credential_at(path: str) -> str:
    """Return the stored credential of a URL of ours: a credential's, or a public page's. Raises NotFoundError."""
    match path.strip("/").split("/"):
        case ["credentials", token]:
            award = shared_by_credential(token)
        case ["badges", badge, "awards", token] if badge.isascii() and badge.isdigit():
            award = public_award(int(badge[:18]), token).award
        case _:
            raise NotFoundError("credentials.badge_not_shared")
    found = signing.stored(award.id)
    if found is None:
        raise NotFoundError("credentials.badge_not_shared")
    return found


def _version(member_id: int) -> int:
    found = db.session.scalar(select(MemberPage.version).where(MemberPage.member_id == member_id))
    return found or 0
