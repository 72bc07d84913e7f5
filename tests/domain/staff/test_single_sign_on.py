"""Accounts, roles and sessions of people who sign in through a provider, also at the same moment (SSO-1 to SSO-4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TypeVar

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import NOW, Make
from webapp.auth import staff_sessions
from webapp.auth.staff_sessions import ProviderSession
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.staff import provider_sessions, single_sign_on
from webapp.domain.staff.single_sign_on import Claims, SignIn
from webapp.models import Origin, Role, SsoSession, Staff, StaffIdentity, StaffSession
from webapp.transaction import transaction

T = TypeVar("T")
G = TypeVar("G")

ACTOR = Actor(at=NOW, origin=Origin.CONSOLE)
ISSUER = "https://login.example.org"
ANNA = Claims(ISSUER, "subject-1", "anna@example.org", True, "Anna Berg", Role.MANAGER)
THREADS = 6


def at_once(app: Flask, call: Callable[[G], T], given: Sequence[G]) -> list[T]:
    """Call a function in as many threads and connections, all at the same moment; return what each returned."""
    together = Barrier(len(given))

    def one(value: G) -> T:
        with app.app_context():
            together.wait()
            return call(value)

    with ThreadPoolExecutor(len(given)) as threads:
        returned = list(threads.map(one, given))
    db.session.rollback()  # see what they have committed
    return returned


def sign_in(claims: Claims, *, create: bool = True) -> SignIn:
    with transaction():
        return single_sign_on.sign_in(claims, create, ACTOR)


def number(model: type[Staff] | type[StaffIdentity] | type[StaffSession]) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


@pytest.mark.parametrize("invited", [True, False])
def test_one_person_signs_in_for_the_first_time_in_several_browsers(
    app: Flask, make: Make, invited: bool
) -> None:
    """SSO-1: all come in, with one account and one link."""
    if invited:
        make.staff(Role.SUPPORT, email=ANNA.email)
    found = at_once(app, sign_in, [ANNA] * THREADS)
    assert {one.refusal for one in found} == {""}
    assert len({one.identity_id for one in found}) == 1
    assert (number(Staff), number(StaffIdentity)) == (1, 1)
    verb = "staff.linked" if invited else "staff.provisioned"
    assert [line.event.verb for line in search.recent(99)].count(verb) == 1


@pytest.mark.parametrize("invited", [True, False])
def test_of_several_people_with_one_email_one_is_linked(
    app: Flask, make: Make, invited: bool
) -> None:
    """SSO-1."""
    if invited:
        make.staff(Role.SUPPORT, email=ANNA.email)
    people = [replace(ANNA, subject=f"subject-{place}") for place in range(THREADS)]
    found = at_once(app, sign_in, people)
    assert sorted(one.refusal for one in found) == ["", *["sso.linked_otherwise"] * (THREADS - 1)]
    assert (number(Staff), number(StaffIdentity)) == (1, 1)


def test_people_with_one_name_all_get_an_account(app: Flask) -> None:
    people = [
        replace(ANNA, subject=f"subject-{place}", email=f"p{place}@example.org")
        for place in range(THREADS)
    ]
    assert {one.refusal for one in at_once(app, sign_in, people)} == {""}
    assert number(Staff) == THREADS


def start(identity_id: int, staff_id: int, refresh_token: str = "first") -> int:
    """Start a session whose tokens have expired; return its id."""
    staff_sessions.start(
        staff_id, NOW, provider=ProviderSession(identity_id, "s", "id", refresh_token, NOW, NOW)
    )
    db.session.rollback()
    return db.session.scalars(select(SsoSession.session_id)).one()


def test_of_several_requests_one_renews_the_session(app: Flask) -> None:
    """SSO-4: a refresh token that was used twice would end the session at many providers."""
    found = sign_in(ANNA)
    assert found.person
    session_id = start(found.identity_id, found.person.id)

    def claim(_: int) -> str | None:
        with transaction():
            return provider_sessions.claim_check(session_id, NOW, NOW + timedelta(minutes=1))

    taken = at_once(app, claim, range(THREADS))
    assert sorted(token for token in taken if token is not None) == ["first"]

    due = NOW + timedelta(minutes=5)
    with transaction():
        provider_sessions.keep_token(session_id, "second")
        provider_sessions.postpone_check(session_id, due)
        assert provider_sessions.claim_check(session_id, NOW, due) is None
        assert provider_sessions.claim_check(session_id, due, due) == "second"


def test_a_logout_during_a_renewal_wins(app: Flask) -> None:
    """SSO-4: the session isn't back when the provider's answer arrives."""
    found = sign_in(ANNA)
    assert found.person
    session_id = start(found.identity_id, found.person.id)
    with transaction():
        assert provider_sessions.claim_check(session_id, NOW, NOW + timedelta(minutes=1))
    with transaction():
        assert provider_sessions.end(ISSUER, ANNA.subject, "", ACTOR) == 1
    with transaction():
        provider_sessions.keep_token(session_id, "second")
        provider_sessions.postpone_check(session_id, datetime.now(UTC))
        assert provider_sessions.reread_role(session_id, ANNA, ACTOR) == "sso.state_unknown"
    assert number(StaffSession) == 0


def test_roles_follow_the_claim_on_every_database(app: Flask, make: Make) -> None:
    """SSO-2, SSO-3: rises, falls, and keeps the last admin with a password."""
    admin = make.staff(Role.ADMIN, email="boss@example.org", password="a hash")
    boss = replace(ANNA, subject="boss", email=admin.email)
    for claimed, given in (
        (Role.SUPPORT, Role.SUPPORT),
        (Role.ADMIN, Role.ADMIN),
        (Role.DEV, Role.DEV),
    ):
        person = sign_in(replace(ANNA, role=claimed)).person
        assert person
        assert person.role == given
    kept = sign_in(boss).person
    assert kept
    assert kept.role == Role.ADMIN
    assert sign_in(replace(ANNA, role=None)).refusal == "sso.no_role"


def test_the_first_failure_of_an_outage_stays(app: Flask) -> None:
    """SSO-3."""
    for hours, problem in ((0, "sso.unreachable"), (1, "sso.provider_wrong")):
        with transaction():
            single_sign_on.note_outage(ISSUER, problem, NOW + timedelta(hours=hours))
    outage = single_sign_on.outage(ISSUER)
    assert outage
    assert (outage.since, outage.problem) == (NOW, "sso.provider_wrong")
    with transaction():
        single_sign_on.end_outage(ISSUER)
    assert single_sign_on.outage(ISSUER) is None


def test_of_admins_who_lose_the_role_at_once_one_keeps_it(app: Flask, make: Make) -> None:
    """SSO-3: they don't wait for each other, and an admin with a password remains."""
    people = [
        replace(ANNA, subject=f"subject-{place}", email=f"p{place}@example.org", role=Role.ADMIN)
        for place in range(THREADS)
    ]
    for one in people:
        make.staff(Role.ADMIN, email=one.email, password="a hash")
        sign_in(one)
    lower = [replace(one, role=Role.MANAGER) for one in people]
    assert {one.refusal for one in at_once(app, sign_in, lower)} == {""}
    roles = db.session.scalars(select(Staff.role))
    assert sorted(roles) == [Role.ADMIN, *[Role.MANAGER] * (THREADS - 1)]
