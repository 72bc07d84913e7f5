"""The community's name and logo, which pages show in place of Laurel's (E-11)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import select

from webapp.database import db, upsert
from webapp.domain import labels
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.badges.image_processing import Picture
from webapp.models import Community

ROW = 1
PRODUCT = "Laurel"


@dataclass(frozen=True)
class Brand:
    """What pages show: the name, and the hash of the logo, or "" for Laurel's."""

    name: str = PRODUCT
    logo: str = ""

    @classmethod
    def of(cls, name: str | None, logo_hash: str | None) -> Brand:
        """Return the brand for the values of a row, or for None if there is none."""
        return cls(name or PRODUCT, logo_hash or "")


def brand() -> Brand:
    row = db.session.execute(select(Community.name, Community.logo_hash)).one_or_none()
    return Brand.of(*row) if row else Brand()


def rename(name: str, actor: Actor) -> bool:
    """Set the community's name, or with a blank one remove it; return whether it changed. Raises DomainError."""
    name = labels.validate(name)
    community = _lock()
    if community.name == name:
        return False
    before, after = community.name or PRODUCT, name or PRODUCT
    audit_log.write(actor, "community.renamed", "community", before=before, after=after)
    community.name = name
    return True


def set_logo(picture: Picture, actor: Actor) -> bool:
    """Set the community's logo; False if it is already this one."""
    digest = hashlib.sha256(picture.content).hexdigest()[:32]
    community = _lock()
    if community.logo_hash == digest:
        return False
    community.logo_hash, community.logo = digest, picture.content
    audit_log.write(actor, "community.logo_changed", "community")
    return True


def remove_logo(actor: Actor) -> bool:
    """Remove the community's logo, so that Laurel's is shown; False if there is none."""
    community = _lock()
    if not community.logo_hash:
        return False
    community.logo_hash, community.logo = "", None
    audit_log.write(actor, "community.logo_removed", "community")
    return True


def logo(digest: str) -> bytes | None:
    """Return the logo with this hash as WebP; None if there is none or a different one."""
    return db.session.scalar(select(Community.logo).where(Community.logo_hash == digest))


def _lock() -> Community:
    db.session.execute(upsert(Community).values(id=ROW).on_conflict_do_nothing())
    return db.session.get_one(Community, ROW, with_for_update=True, populate_existing=True)
