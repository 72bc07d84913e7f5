"""The second factor: codes once each, recovery codes, sealed secrets, and roles that ask for it (R-4, S7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pyotp
import pytest
from flask import Flask
from sqlalchemy import select, text

from tests.factories import NOW, Make
from webapp import sessions
from webapp.config import Settings
from webapp.database import db
from webapp.domain import record_list, recovery_codes, second_factor
from webapp.domain.act import Act
from webapp.domain.record_list import Filters
from webapp.domain.refusals import Refused
from webapp.domain.sealing import Broken, Seal
from webapp.models import RecoveryCode, Role, SecondFactor, Staff
from webapp.transaction import transaction

STEP = timedelta(seconds=second_factor.STEP)
OTHER = "another-secret-0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def seal(database: Settings) -> Seal:
    return Seal(database, second_factor.PURPOSE)


def act(staff: Staff | None = None, at: datetime = NOW) -> Act:
    return Act(at, "console", staff)


def begin(staff: Staff, seal: Seal) -> str:
    """Begins, and returns the secret that the app scans."""
    with transaction():
        second_factor.begin(staff.id, seal, act(staff))
    secret = second_factor.secret_to_scan(staff.id, seal)
    assert secret is not None
    return secret


def set_up(staff: Staff, seal: Seal, at: datetime = NOW) -> tuple[pyotp.TOTP, list[str]]:
    """Sets a second factor up; returns the app and the recovery codes."""
    app = pyotp.TOTP(begin(staff, seal))
    with transaction():
        codes = second_factor.confirm(staff.id, app.at(at), seal, act(staff, at))
    return app, codes


def opens(staff: Staff, code: str, seal: Seal, at: datetime) -> bool:
    with transaction():
        return second_factor.accept(staff.id, code, seal, act(staff, at))


def test_it_counts_from_its_first_right_code_on(make: Make, seal: Seal) -> None:
    """R-4: begun is not on; a wrong code changes nothing; a right one gives ten recovery codes."""
    anna = make.staff()
    app = pyotp.TOTP(begin(anna, seal))
    assert second_factor.state(anna).begun
    assert not second_factor.is_on(anna.id)
    assert not opens(anna, app.at(NOW), seal, NOW)
    for wrong in ("000000", "", "x" * 3000, "\ud800", "١٢٣٤٥٦"):
        with pytest.raises(Refused) as refused, transaction():
            second_factor.confirm(anna.id, wrong, seal, act(anna))
        assert refused.value.field == "code"
    with transaction():
        codes = second_factor.confirm(
            anna.id, f" {app.at(NOW)[:3]} {app.at(NOW)[3:]} ", seal, act(anna)
        )
    assert len(set(codes)) == 10
    assert second_factor.is_on(anna.id)
    state = second_factor.state(anna)
    assert (state.on_since, state.begun, state.codes) == (NOW, False, 10)
    with pytest.raises(Refused), transaction():
        second_factor.begin(anna.id, seal, act(anna))
    with pytest.raises(Refused), transaction():
        second_factor.confirm(anna.id, app.at(NOW), seal, act(anna))
    assert second_factor.secret_to_scan(anna.id, seal) is None


def test_begun_again_it_is_another_secret(make: Make, seal: Seal) -> None:
    anna = make.staff()
    assert begin(anna, seal) != begin(anna, seal)


def test_a_code_is_good_once_and_never_an_earlier_one(make: Make, seal: Seal) -> None:
    """R-4: no replay in the same step, nor of one that went before; a neighbour's clock is forgiven."""
    anna = make.staff()
    app, _ = set_up(anna, seal)
    assert not opens(anna, app.at(NOW), seal, NOW)  # the one that confirmed it
    later = NOW + 10 * STEP
    assert opens(anna, app.at(later + STEP), seal, later)  # a phone that is half a minute ahead
    for used in (later - STEP, later, later + STEP):
        assert not opens(anna, app.at(used), seal, later)
    after = later + 5 * STEP
    assert opens(anna, app.at(after - STEP), seal, after)  # one that is behind
    assert opens(anna, app.at(after), seal, after)
    far = after + 10 * STEP
    assert not opens(anna, app.at(far - 2 * STEP), seal, far)
    assert not opens(anna, app.at(far + 2 * STEP), seal, far)


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_that_is_typed_twice_at_the_same_moment_opens_once(
    make: Make, seal: Seal, app: Flask, kind: str
) -> None:
    """R-4: single use, also under concurrency."""
    anna = make.staff()
    phone, codes = set_up(anna, seal)
    at = NOW + 10 * STEP
    code = phone.at(at) if kind == "app" else codes[0]
    opened: list[bool] = []
    barrier = Barrier(4)

    def press() -> None:
        with app.app_context():
            barrier.wait()
            opened.append(opens(anna, code, seal, at))
            db.session.remove()

    threads = [Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == [False, False, False, True]


def test_recovery_codes_are_used_up_and_kept_as_hashes(make: Make, seal: Seal) -> None:
    """R-4: hashed and single use; however they are typed; nobody else's."""
    anna, eve = make.staff(), make.staff()
    _, codes = set_up(anna, seal)
    set_up(eve, seal)
    kept = {row.code_hash for row in db.session.scalars(select(RecoveryCode))}
    assert not any(code in hashed for code in codes for hashed in kept)
    assert not opens(eve, codes[0], seal, NOW)
    assert opens(anna, codes[0].upper().replace("-", " "), seal, NOW)
    assert not opens(anna, codes[0], seal, NOW)
    assert recovery_codes.left(anna.id) == 9
    with transaction():
        renewed = second_factor.renew_codes(anna.id, act(anna))
    assert not set(renewed) & set(codes)
    assert not opens(anna, codes[1], seal, NOW)
    assert opens(anna, renewed[1], seal, NOW)


def test_turned_off_it_is_gone(make: Make, seal: Seal) -> None:
    """R-4: with its codes; said twice it is harmless; the record names both people."""
    mara, anna = make.staff(name="Mara"), make.staff(name="Anna")
    app, codes = set_up(anna, seal)
    with transaction():
        assert second_factor.remove(anna.id, act(mara))
    with transaction():
        assert not second_factor.remove(anna.id, act(mara))
    assert not second_factor.is_on(anna.id)
    assert not opens(anna, codes[0], seal, NOW)
    assert not opens(anna, app.at(NOW + STEP * 9), seal, NOW + STEP * 9)
    assert [line.sentence for line in record_list.page(Filters()).lines] == [
        "Mara turned off the second factor of Anna",
        "Anna set up a second factor",
    ]
    with pytest.raises(Refused), transaction():
        second_factor.renew_codes(anna.id, act(anna))


def test_the_secret_is_sealed_and_outlives_a_new_secret_key(
    make: Make, seal: Seal, database: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """R-4: encrypted at rest; SECRET_KEY_FALLBACKS open it, the clock seals it anew, and then they may go."""
    anna = make.staff()
    app, codes = set_up(anna, seal)
    row = db.session.execute(text("SELECT secret FROM second_factors")).scalar_one()
    assert app.secret not in row
    rotated = Seal(
        replace(database, secret_key=OTHER, secret_key_fallbacks=(database.secret_key,)),
        second_factor.PURPOSE,
    )
    new = Seal(replace(database, secret_key=OTHER), second_factor.PURPOSE)
    one, two, three = (NOW + STEP * place for place in (10, 20, 30))
    assert opens(anna, app.at(one), rotated, one)
    assert not opens(anna, app.at(two), new, two)  # too early: the old secret is still needed
    assert f"account {anna.id}: its second factor was sealed under a SECRET_KEY" in caplog.text
    with transaction():
        assert second_factor.renew_seals(rotated) == 1
    with transaction():
        assert second_factor.renew_seals(rotated) == 0
    assert opens(anna, app.at(three), new, three)
    with transaction():
        assert second_factor.renew_seals(seal) == 0  # what can't be opened stays
    assert opens(anna, codes[0], seal, three)  # recovery codes need no secret


def test_a_seal_is_for_one_purpose(database: Settings) -> None:
    one, other = Seal(database, "one"), Seal(database, "other")
    assert one.open(one.close("Zoë")) == "Zoë"
    assert one.close("Zoë") != one.close("Zoë")
    for broken in (one.close("Zoë"), "", "x", "\u20ac"):
        with pytest.raises(Broken):
            other.open(broken)


def test_a_role_asks_from_the_next_sign_in_on(make: Make, seal: Seal) -> None:
    """R-4: who is signed in stays; who signs in then must set it up; who has it, or has another role, need not."""
    dev, other, support = make.staff(Role.DEV), make.staff(Role.DEV), make.staff(Role.SUPPORT)
    set_up(other, seal)
    minute = timedelta(minutes=1)

    def must(staff: Staff, at: datetime) -> bool:
        key = sessions.start(staff.id, at)
        db.session.rollback()  # or this reads the moment before
        seat = sessions.find(key, at)
        assert seat is not None
        return seat.must_set_up

    before = sessions.start(dev.id, NOW)
    with transaction():
        assert second_factor.demand([Role.DEV, Role.ADMIN], act(at=NOW + minute))
    with transaction():
        assert not second_factor.demand([Role.ADMIN, Role.DEV], act(at=NOW + minute))
    seat = sessions.find(before, NOW + 2 * minute)
    assert seat is not None
    assert not seat.must_set_up
    assert must(dev, NOW + minute)
    assert not must(other, NOW + minute)
    assert not must(support, NOW + minute)
    assert second_factor.state(dev).demanded
    set_up(dev, seal)
    assert not must(dev, NOW + minute)
    with transaction():
        assert second_factor.demand([Role.ADMIN], act(at=NOW + 2 * minute))
    assert second_factor.roles_that_need_one() == {Role.ADMIN}
    with transaction():
        assert second_factor.demand([], act(at=NOW + 2 * minute))
    said = [
        line.sentence for line in record_list.page(Filters(verbs=("staff.factor_demanded",))).lines
    ]
    assert said == [
        "Laurel asked nobody for a second factor",
        "Laurel asked Admin for a second factor",
        "Laurel asked Admin, Dev for a second factor",
    ]


def test_two_who_ask_the_same_roles_at_once_ask_once(make: Make, app: Flask) -> None:
    new: list[bool] = []
    barrier = Barrier(3)

    def ask() -> None:
        with app.app_context():
            barrier.wait()
            with transaction():
                new.append(second_factor.demand([Role.ADMIN, Role.DEV], act()))
            db.session.remove()

    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [False, False, True]


def test_it_goes_with_the_account(make: Make, seal: Seal) -> None:
    anna = make.staff()
    set_up(anna, seal)
    with transaction():
        db.session.delete(db.session.get_one(Staff, anna.id))
    assert db.session.scalars(select(SecondFactor)).all() == []
    assert db.session.scalars(select(RecoveryCode)).all() == []
