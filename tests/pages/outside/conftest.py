"""A member with an award, and their page, on a console with Open Badges turned on."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient
from webapp.domain.actor import Actor
from webapp.domain.credentials import issuer, sharing
from webapp.models import Award, Member, Origin
from webapp.transaction import transaction

ACTOR = Actor(NOW, Origin.CONSOLE)


@pytest.fixture
def member(make: Make) -> Member:
    return make.member("anna.secret", name="Anna Hidden", email="anna@example.org")


@pytest.fixture
def award(app: Flask, make: Make, member: Member) -> Award:
    with app.app_context(), transaction():
        issuer.turn_on(ACTOR)
    return make.award(member.id, make.quest().id)


@pytest.fixture
def page(app: Flask, award: Award, member: Member) -> str:
    with app.app_context():
        return path_of(member.id)


def path_of(member_id: int) -> str:
    """Return the path of a member's page, in an app context."""
    return sharing.PageUrls("").of([member_id])[member_id]


def credential_of(client: ReviewingClient, page: str, award: Award) -> str:
    return client.post(f"{page}/awards/{award.id}/credential", review=False).text


def shared(client: ReviewingClient, page: str, award: Award, shown_as: str = "anonymous") -> str:
    """Share the award; return the path of its public page."""
    client.post(f"{page}/awards/{award.id}/sharing", {"shown_as": shown_as})
    link = re.search(r"/badges/\d+/awards/[\w-]+", client.get(page).text)
    assert link
    return link[0]
