"""Two-factor authentication: single-use codes, recovery codes, encrypted secrets, required roles (R-4, S7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pyotp
import pytest
from flask import Flask
from sqlalchemy import select, text

from tests.factories import NOW, Make
from webapp.auth import staff_sessions as sessions
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.operations import maintenance
from webapp.domain.staff import accounts, administration, password_links, recovery_codes, two_factor
from webapp.domain.staff import sessions as staff_sessions
from webapp.models import Origin, PendingFactor, RecoveryCode, Role, SecondFactor, Staff
from webapp.transaction import transaction

STEP = timedelta(seconds=two_factor.STEP)
OTHER = "another-secret-0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def actor(person: Staff | None = None, at: datetime = NOW) -> Actor:
    return Actor(at, Origin.CONSOLE, person)


def session_of(person: Staff, at: datetime = NOW) -> int:
    """Sign in, and return the session's id."""
    key = sessions.start(person.id, at)
    db.session.rollback()  # otherwise this reads the state before
    staff_session = sessions.find(key, at)
    assert staff_session is not None
    return staff_session.id


def begin(person: Staff, session_id: int, at: datetime = NOW) -> str:
    """Start the set-up, and return the secret that the app scans."""
    with transaction():
        two_factor.begin(session_id, actor(person, at))
    secret = two_factor.secret_to_scan(session_id, at)
    assert secret is not None
    return secret


def set_up(person: Staff, at: datetime = NOW) -> tuple[pyotp.TOTP, list[str]]:
    """Set up two-factor authentication; return the app and the recovery codes."""
    session_id = session_of(person, at)
    app = pyotp.TOTP(begin(person, session_id, at))
    with transaction():
        codes = two_factor.confirm(session_id, app.at(at), actor(person, at))
    return app, codes


def wrong_for(app: pyotp.TOTP, at: datetime) -> str:
    """Six digits that the app shows neither now nor in an adjacent time step."""
    shown = {app.at(at + place * STEP) for place in (-1, 0, 1)}
    return min({"000000", "000001", "000002", "000003"} - shown)


def opens(person: Staff, code: str, at: datetime) -> bool:
    with transaction():
        return two_factor.verify(person.id, code, actor(person, at))


def test_it_is_active_from_the_first_correct_code(make: Make) -> None:
    """R-4: not before; a wrong code changes nothing; a right one gives ten recovery codes."""
    anna = make.staff()
    here = session_of(anna)
    app = pyotp.TOTP(begin(anna, here))
    assert not two_factor.is_on(anna.id)
    assert not opens(anna, app.at(NOW), NOW)
    for wrong in (wrong_for(app, NOW), "", "x" * 3000, "\ud800", "١٢٣٤٥٦"):
        with pytest.raises(DomainError) as refused, transaction():
            two_factor.confirm(here, wrong, actor(anna))
        assert refused.value.field == "code"
    with transaction():
        codes = two_factor.confirm(here, f" {app.at(NOW)[:3]} {app.at(NOW)[3:]} ", actor(anna))
    assert len(set(codes)) == 10
    assert two_factor.is_on(anna.id)
    state = two_factor.state(anna)
    assert (state.on_since, state.codes) == (NOW, 10)
    with pytest.raises(DomainError), transaction():
        two_factor.begin(here, actor(anna))
    with pytest.raises(DomainError), transaction():
        two_factor.confirm(here, app.at(NOW), actor(anna))
    assert two_factor.secret_to_scan(here, NOW) is None


def test_begun_again_it_is_another_secret(make: Make) -> None:
    anna = make.staff()
    here = session_of(anna)
    assert begin(anna, here) != begin(anna, here)


def test_a_code_works_once_and_an_earlier_one_never(make: Make) -> None:
    """R-4: not in the same time step, nor an earlier one; adjacent steps are accepted."""
    anna = make.staff()
    app, _ = set_up(anna)
    assert not opens(anna, app.at(NOW), NOW)  # the one that confirmed it
    later = NOW + 10 * STEP
    assert opens(anna, app.at(later + STEP), later)  # a phone that is half a minute ahead
    for used in (later - STEP, later, later + STEP):
        assert not opens(anna, app.at(used), later)
    after = later + 5 * STEP
    assert opens(anna, app.at(after - STEP), after)  # one that is behind
    assert opens(anna, app.at(after), after)
    far = after + 10 * STEP
    assert not opens(anna, app.at(far - 2 * STEP), far)
    assert not opens(anna, app.at(far + 2 * STEP), far)


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_that_is_typed_twice_at_the_same_moment_opens_once(
    make: Make, app: Flask, kind: str
) -> None:
    """R-4: single use, also concurrently."""
    anna = make.staff()
    phone, codes = set_up(anna)
    at = NOW + 10 * STEP
    code = phone.at(at) if kind == "app" else codes[0]
    opened: list[bool] = []
    barrier = Barrier(4)

    def press() -> None:
        with app.app_context():
            barrier.wait()
            opened.append(opens(anna, code, at))
            db.session.remove()

    threads = [Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == [False, False, False, True]


def test_recovery_codes_are_used_up_and_kept_as_hashes(make: Make) -> None:
    """R-4: hashed and single use; however they are typed; only the account's own."""
    anna, eve = make.staff(), make.staff()
    _, codes = set_up(anna)
    set_up(eve)
    kept = {row.code_hash for row in db.session.scalars(select(RecoveryCode))}
    assert not any(code in hashed for code in codes for hashed in kept)
    assert not opens(eve, codes[0], NOW)
    assert opens(anna, codes[0].upper().replace("-", " "), NOW)
    assert not opens(anna, codes[0], NOW)
    assert recovery_codes.remaining(anna.id) == 9
    with transaction():
        renewed = two_factor.renew_codes(anna.id, actor(anna))
    assert not set(renewed) & set(codes)
    assert not opens(anna, codes[1], NOW)
    assert opens(anna, renewed[1], NOW)


def test_turning_it_off_deletes_it(make: Make) -> None:
    """R-4: with its codes; repeating it is harmless; the audit log names both people."""
    mara, anna = make.staff(name="Mara"), make.staff(name="Anna")
    app, codes = set_up(anna)
    with transaction():
        assert two_factor.remove(anna.id, actor(mara))
    with transaction():
        assert not two_factor.remove(anna.id, actor(mara))
    assert not two_factor.is_on(anna.id)
    assert not opens(anna, codes[0], NOW)
    assert not opens(anna, app.at(NOW + STEP * 9), NOW + STEP * 9)
    assert [line.sentence for line in search.page(AuditFilters()).lines] == [
        "Mara turned off two-factor authentication for Anna",
        "Anna turned on two-factor authentication",
    ]
    with pytest.raises(DomainError), transaction():
        two_factor.renew_codes(anna.id, actor(anna))


def test_the_secret_is_encrypted_and_survives_a_new_secret_key(
    app: Flask, make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-4: encrypted at rest; SECRET_KEY_FALLBACKS decrypt it until the clock has re-encrypted it."""
    anna = make.staff()
    phone, codes = set_up(anna)
    row = db.session.execute(text("SELECT secret FROM second_factors")).scalar_one()
    assert phone.secret not in row
    former = app.config["SECRET_KEY"]
    one, two, three = (NOW + STEP * place for place in (10, 20, 30))

    def secrets_are(present: str, *fallbacks: str) -> None:
        monkeypatch.setitem(app.config, "SECRET_KEY", present)
        monkeypatch.setitem(app.config, "SECRET_KEY_FALLBACKS", list(fallbacks))

    secrets_are(OTHER, former)
    assert opens(anna, phone.at(one), one)
    secrets_are(OTHER)
    assert not opens(anna, phone.at(two), two)  # too early: the old secret is still needed
    assert f"account {anna.id}: its two-factor secret was encrypted with" in caplog.text
    with transaction():
        assert two_factor.reencrypt_secrets() == 0  # what can't be decrypted stays
    secrets_are(OTHER, former)
    with transaction():
        assert two_factor.reencrypt_secrets() == 1
    with transaction():
        assert two_factor.reencrypt_secrets() == 0
    secrets_are(OTHER)
    assert opens(anna, phone.at(three), three)
    secrets_are(former)
    assert not opens(anna, phone.at(three + STEP), three)
    assert opens(anna, codes[0], three)  # recovery codes need no secret


def test_a_role_requires_it_from_the_next_sign_in(make: Make) -> None:
    """R-4: current sessions continue; from the next sign-in it must be set up, except by other roles."""
    dev, other, support = make.staff(Role.DEV), make.staff(Role.DEV), make.staff(Role.SUPPORT)
    set_up(other)
    minute = timedelta(minutes=1)

    def must(person: Staff, at: datetime) -> bool:
        key = sessions.start(person.id, at)
        db.session.rollback()  # otherwise this reads the state before
        staff_session = sessions.find(key, at)
        assert staff_session is not None
        return staff_session.must_set_up

    before = sessions.start(dev.id, NOW)
    with transaction():
        assert two_factor.require_for_roles([Role.DEV, Role.ADMIN], actor(at=NOW + minute))
    with transaction():
        assert not two_factor.require_for_roles([Role.ADMIN, Role.DEV], actor(at=NOW + minute))
    staff_session = sessions.find(before, NOW + 2 * minute)
    assert staff_session is not None
    assert not staff_session.must_set_up
    assert must(dev, NOW + minute)
    assert not must(other, NOW + minute)
    assert not must(support, NOW + minute)
    assert two_factor.state(dev).demanded
    set_up(dev)
    assert not must(dev, NOW + minute)
    with transaction():
        assert two_factor.require_for_roles([Role.ADMIN], actor(at=NOW + 2 * minute))
    assert two_factor.required_roles() == {Role.ADMIN}
    with transaction():
        assert two_factor.require_for_roles([], actor(at=NOW + 2 * minute))
    said = [
        line.sentence for line in search.page(AuditFilters(verbs=("staff.factor_demanded",))).lines
    ]
    assert said == [
        "Laurel required two-factor authentication for no one",
        "Laurel required two-factor authentication for Admin",
        "Laurel required two-factor authentication for Admin, Dev",
    ]


def test_the_same_roles_required_twice_concurrently_change_once(make: Make, app: Flask) -> None:
    new: list[bool] = []
    barrier = Barrier(3)

    def ask() -> None:
        with app.app_context():
            barrier.wait()
            with transaction():
                new.append(two_factor.require_for_roles([Role.ADMIN, Role.DEV], actor()))
            db.session.remove()

    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [False, False, True]


def test_it_goes_with_the_account(make: Make) -> None:
    anna = make.staff()
    set_up(anna)
    with transaction():
        db.session.delete(db.session.get_one(Staff, anna.id))
    assert db.session.scalars(select(SecondFactor)).all() == []
    assert db.session.scalars(select(RecoveryCode)).all() == []


def test_a_pending_secret_belongs_to_its_session(make: Make) -> None:
    """R-4: if someone with the password starts a set-up and waits, the owner sees and confirms another secret."""
    anna = make.staff()
    thief, owner = session_of(anna), session_of(anna)
    planted = pyotp.TOTP(begin(anna, thief))
    assert two_factor.secret_to_scan(owner, NOW) is None
    with pytest.raises(DomainError), transaction():
        two_factor.confirm(owner, planted.at(NOW), actor(anna))
    app = pyotp.TOTP(begin(anna, owner))
    assert app.secret != planted.secret
    with pytest.raises(DomainError), transaction():
        two_factor.confirm(owner, planted.at(NOW), actor(anna))
    with transaction():
        two_factor.confirm(owner, app.at(NOW), actor(anna))
    assert db.session.scalars(select(PendingFactor)).all() == []
    with pytest.raises(DomainError), transaction():
        two_factor.confirm(thief, planted.at(NOW), actor(anna))
    later = NOW + 10 * STEP
    assert not opens(anna, planted.at(later), later)


def test_a_pending_secret_expires_after_ten_minutes(make: Make) -> None:
    anna = make.staff()
    here = session_of(anna)
    app = pyotp.TOTP(begin(anna, here))
    last, over = NOW + timedelta(minutes=10, seconds=-1), NOW + timedelta(minutes=10)
    assert two_factor.secret_to_scan(here, last) == app.secret
    assert two_factor.secret_to_scan(here, over) is None
    with pytest.raises(DomainError, match="expired"), transaction():
        two_factor.confirm(here, app.at(over), actor(anna, over))
    with transaction():
        maintenance.purge_expired(over + timedelta(seconds=1))
    assert db.session.scalars(select(PendingFactor)).all() == []


@pytest.mark.parametrize(
    "end", ["signed out", "password", "own password", "link", "ended", "all ended", "disabled"]
)
def test_a_pending_secret_goes_with_its_session(make: Make, end: str) -> None:
    """R-4: signing out, a new password, a one-time link, ending sessions, a disabled account."""
    make.staff(password="another admin's hash")
    anna = make.staff(Role.DEV, email="anna@example.org", password="a hash")
    key = sessions.start(anna.id, NOW)
    db.session.rollback()
    staff_session = sessions.find(key, NOW)
    assert staff_session is not None
    begin(anna, staff_session.id)
    good = "kettle onion tramway 42"
    with transaction():
        link = password_links.create(anna.id, actor())
    db.session.rollback()
    if end == "signed out":
        sessions.end(key)
    elif end == "link":
        choice = password_links.prepare(link, "Anna", good, NOW)
        with transaction():
            password_links.redeem(choice, actor())
    else:
        verbs = {
            "password": lambda: accounts.change_password("anna@example.org", good, actor()),
            "own password": lambda: accounts.change_own_password("another hash", actor(anna)),
            "ended": lambda: staff_sessions.end(staff_session.id, actor(anna)),
            "all ended": lambda: staff_sessions.end_all(actor(anna)),
            "disabled": lambda: administration.disable(anna.id, actor()),
        }
        with transaction():
            verbs[end]()
    db.session.rollback()
    assert db.session.scalars(select(PendingFactor)).all() == []


def test_nothing_is_begun_or_confirmed_in_a_session_of_someone_else(make: Make) -> None:
    anna, eve = make.staff(), make.staff()
    hers = session_of(anna)
    app = pyotp.TOTP(begin(anna, hers))
    with pytest.raises(NotFoundError), transaction():
        two_factor.begin(hers, actor(eve))
    with pytest.raises(NotFoundError), transaction():
        two_factor.begin(999_999, actor(eve))
    with pytest.raises(DomainError), transaction():
        two_factor.confirm(hers, app.at(NOW), actor(eve))
    assert not two_factor.is_on(eve.id)


def test_staff_actions_cannot_turn_off_ones_own(make: Make) -> None:
    """R-4: the account page has its own form, which requires password and code."""
    anna = make.staff()
    set_up(anna)
    with pytest.raises(DomainError, match="Your account"), transaction():
        two_factor.remove(anna.id, actor(anna))
    assert two_factor.is_on(anna.id)
    with transaction():
        assert two_factor.remove_own(actor(anna))
    assert not two_factor.is_on(anna.id)
