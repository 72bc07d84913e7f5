"""The second factor: codes once each, recovery codes, sealed secrets, and roles that ask for it (R-4, S7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pyotp
import pytest
from flask import Flask
from sqlalchemy import select, text

from tests.factories import NOW, Make
from webapp import sessions
from webapp.database import db
from webapp.domain import record_list, recovery_codes, second_factor
from webapp.domain.act import Act
from webapp.domain.record_list import Filters
from webapp.domain.refusals import Refused
from webapp.models import RecoveryCode, Role, SecondFactor, Staff
from webapp.transaction import transaction

STEP = timedelta(seconds=second_factor.STEP)
OTHER = "another-secret-0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def act(staff: Staff | None = None, at: datetime = NOW) -> Act:
    return Act(at, "console", staff)


def begin(staff: Staff) -> str:
    """Begins, and returns the secret that the app scans."""
    with transaction():
        second_factor.begin(staff.id, act(staff))
    secret = second_factor.secret_to_scan(staff.id)
    assert secret is not None
    return secret


def set_up(staff: Staff, at: datetime = NOW) -> tuple[pyotp.TOTP, list[str]]:
    """Sets a second factor up; returns the app and the recovery codes."""
    app = pyotp.TOTP(begin(staff))
    with transaction():
        codes = second_factor.confirm(staff.id, app.at(at), act(staff, at))
    return app, codes


def wrong_for(app: pyotp.TOTP, at: datetime) -> str:
    """Six digits that the app shows neither then nor in a neighbouring step."""
    shown = {app.at(at + place * STEP) for place in (-1, 0, 1)}
    return min({"000000", "000001", "000002", "000003"} - shown)


def opens(staff: Staff, code: str, at: datetime) -> bool:
    with transaction():
        return second_factor.accept(staff.id, code, act(staff, at))


def test_it_counts_from_its_first_right_code_on(make: Make) -> None:
    """R-4: begun is not on; a wrong code changes nothing; a right one gives ten recovery codes."""
    anna = make.staff()
    app = pyotp.TOTP(begin(anna))
    assert second_factor.state(anna).begun
    assert not second_factor.is_on(anna.id)
    assert not opens(anna, app.at(NOW), NOW)
    for wrong in (wrong_for(app, NOW), "", "x" * 3000, "\ud800", "١٢٣٤٥٦"):
        with pytest.raises(Refused) as refused, transaction():
            second_factor.confirm(anna.id, wrong, act(anna))
        assert refused.value.field == "code"
    with transaction():
        codes = second_factor.confirm(anna.id, f" {app.at(NOW)[:3]} {app.at(NOW)[3:]} ", act(anna))
    assert len(set(codes)) == 10
    assert second_factor.is_on(anna.id)
    state = second_factor.state(anna)
    assert (state.on_since, state.begun, state.codes) == (NOW, False, 10)
    with pytest.raises(Refused), transaction():
        second_factor.begin(anna.id, act(anna))
    with pytest.raises(Refused), transaction():
        second_factor.confirm(anna.id, app.at(NOW), act(anna))
    assert second_factor.secret_to_scan(anna.id) is None


def test_begun_again_it_is_another_secret(make: Make) -> None:
    anna = make.staff()
    assert begin(anna) != begin(anna)


def test_a_code_is_good_once_and_never_an_earlier_one(make: Make) -> None:
    """R-4: no replay in the same step, nor of one that went before; a neighbour's clock is forgiven."""
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
    """R-4: single use, also under concurrency."""
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
    """R-4: hashed and single use; however they are typed; nobody else's."""
    anna, eve = make.staff(), make.staff()
    _, codes = set_up(anna)
    set_up(eve)
    kept = {row.code_hash for row in db.session.scalars(select(RecoveryCode))}
    assert not any(code in hashed for code in codes for hashed in kept)
    assert not opens(eve, codes[0], NOW)
    assert opens(anna, codes[0].upper().replace("-", " "), NOW)
    assert not opens(anna, codes[0], NOW)
    assert recovery_codes.left(anna.id) == 9
    with transaction():
        renewed = second_factor.renew_codes(anna.id, act(anna))
    assert not set(renewed) & set(codes)
    assert not opens(anna, codes[1], NOW)
    assert opens(anna, renewed[1], NOW)


def test_turned_off_it_is_gone(make: Make) -> None:
    """R-4: with its codes; said twice it is harmless; the record names both people."""
    mara, anna = make.staff(name="Mara"), make.staff(name="Anna")
    app, codes = set_up(anna)
    with transaction():
        assert second_factor.remove(anna.id, act(mara))
    with transaction():
        assert not second_factor.remove(anna.id, act(mara))
    assert not second_factor.is_on(anna.id)
    assert not opens(anna, codes[0], NOW)
    assert not opens(anna, app.at(NOW + STEP * 9), NOW + STEP * 9)
    assert [line.sentence for line in record_list.page(Filters()).lines] == [
        "Mara turned off the second factor of Anna",
        "Anna set up a second factor",
    ]
    with pytest.raises(Refused), transaction():
        second_factor.renew_codes(anna.id, act(anna))


def test_the_secret_is_sealed_and_outlives_a_new_secret_key(
    app: Flask, make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-4: encrypted at rest; SECRET_KEY_FALLBACKS open it, the clock seals it anew, and then they may go."""
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
    assert f"account {anna.id}: its second factor was sealed under a SECRET_KEY" in caplog.text
    with transaction():
        assert second_factor.renew_seals() == 0  # what can't be opened stays
    secrets_are(OTHER, former)
    with transaction():
        assert second_factor.renew_seals() == 1
    with transaction():
        assert second_factor.renew_seals() == 0
    secrets_are(OTHER)
    assert opens(anna, phone.at(three), three)
    secrets_are(former)
    assert not opens(anna, phone.at(three + STEP), three)
    assert opens(anna, codes[0], three)  # recovery codes need no secret


def test_a_role_asks_from_the_next_sign_in_on(make: Make) -> None:
    """R-4: who is signed in stays; who signs in then must set it up; who has it, or has another role, need not."""
    dev, other, support = make.staff(Role.DEV), make.staff(Role.DEV), make.staff(Role.SUPPORT)
    set_up(other)
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
    set_up(dev)
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


def test_it_goes_with_the_account(make: Make) -> None:
    anna = make.staff()
    set_up(anna)
    with transaction():
        db.session.delete(db.session.get_one(Staff, anna.id))
    assert db.session.scalars(select(SecondFactor)).all() == []
    assert db.session.scalars(select(RecoveryCode)).all() == []
