"""The door: how often somebody may try, and what a right try leaves behind (S6)."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import ColumnElement, delete, func, select

from webapp.database import db
from webapp.database.locks import Lock, hold
from webapp.domain import record, second_factor
from webapp.domain.act import Act
from webapp.domain.keys import fold
from webapp.domain.refusals import Refused
from webapp.domain.staff import Proof
from webapp.models import SecondFactor, SignInFailure, Staff

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 5
PER_ADDRESS = 20
CODE = "code "  # tries at the second factor are counted apart: a right password takes none of them back


class TooMany(Refused):
    """Too many failed tries; `wait` is how many seconds until the next one is looked at."""

    def __init__(self, wait: int) -> None:
        super().__init__("Too many tries. Wait a few minutes, then try again.")
        self.wait = wait


def attempt(email: str, address: str, at: datetime, door: str = "") -> int:
    """Counts a try as failed before its password is looked at, and returns the number to take it back by.

    `address` is the caller's network address, `door` is `CODE` for tries at the second factor. Raises `TooMany`, for
    accounts that exist and others alike.
    """
    hold(Lock.SIGN_IN_ATTEMPTS)
    address = _network(address)
    account = hashlib.sha256((door + fold(email)).encode()).hexdigest()
    _look(SignInFailure.account == account, PER_ACCOUNT, at)
    _look(SignInFailure.address == address, PER_ADDRESS, at)
    failure = SignInFailure(account=account, address=address, at=at)
    db.session.add(failure)
    db.session.flush()
    return failure.id


def succeeded(attempt_id: int, proof: Proof, act: Act) -> tuple[Staff | None, bool]:
    """Takes the counted failure back and keeps a password hashed anew; earlier failures stay.

    Returns the person and whether a code is asked of them now; else the sign-in is recorded. Nobody, and the failure
    stays, where the password was changed or the account disabled while it was looked at.
    """
    staff = _locked(proof.staff_id)
    if not staff.active or staff.password != proof.password:
        return None, False
    take_back(attempt_id)
    if proof.rehashed:
        staff.password = proof.rehashed
    waits = second_factor.is_on(staff.id)
    if not waits:
        record.write(act.by(staff), "staff.signed_in", "staff", staff.id)
    return staff, waits


def halfway(name: str) -> Staff | None:
    """Who gave a right password and owes a code, by what a session would name them by.

    None if they were disabled since, have another password, or owe none any more.
    """
    owing = select(Staff).join(SecondFactor, SecondFactor.staff_id == Staff.id)
    on = SecondFactor.confirmed_at.is_not(None)
    return db.session.scalar(owing.where(Staff.fs_uniquifier == name, Staff.active, on))


def with_code(attempt_id: int, staff_id: int, name: str, typed: str, act: Act) -> bool:
    """Whether the code is right: then takes the counted failure back and records the sign-in, else as `failed`.

    `name` is the `halfway` person's: it is another once their password is changed, and then no code is right.
    """
    staff = _locked(staff_id)
    by = act.by(staff)
    still = staff.active and staff.fs_uniquifier == name
    if not still or not second_factor.accept(staff_id, typed, by):
        failed(attempt_id, staff.email, act)
        return False
    take_back(attempt_id)
    record.write(by, "staff.signed_in", "staff", staff_id)
    return True


def _locked(staff_id: int) -> Staff:
    return db.session.get_one(Staff, staff_id, with_for_update={"key_share": True})


def take_back(attempt_id: int) -> None:
    """Takes a counted failure back: it was none."""
    db.session.execute(delete(SignInFailure).where(SignInFailure.id == attempt_id))


def failed(attempt_id: int, email: str, act: Act) -> None:
    """Records that a limit is reached, once: by the try that reached it. The failed tries themselves are no acts."""
    failure = db.session.get(SignInFailure, attempt_id)
    if failure is None:  # cleared since
        return
    if _place(SignInFailure.account == failure.account, failure) == PER_ACCOUNT:
        found = select(Staff.id).where(Staff.email == fold(email).replace("\0", ""))
        record.write(act, "staff.limited", "staff", db.session.scalar(found), tries=PER_ACCOUNT)
    if _place(SignInFailure.address == failure.address, failure) == PER_ADDRESS:
        where = failure.address
        record.write(act, "address.limited", "address", tries=PER_ADDRESS, address=where)


def signed_out(act: Act) -> None:
    """Records that the person of this act signed out."""
    record.write(act, "staff.signed_out", "staff", act.staff_id)


def _place(which: ColumnElement[bool], failure: SignInFailure) -> int:
    """The how-manieth of the failures that count at its moment this one is."""
    counted = (
        select(func.count())
        .select_from(SignInFailure)
        .where(which, SignInFailure.at > failure.at - WINDOW, SignInFailure.id <= failure.id)
    )
    return db.session.scalar(counted) or 0


def _network(address: str) -> str:
    """An IPv6 caller has a whole /64 to try from: it counts as one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if ip.version == 4:
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))


def _look(which: object, most: int, at: datetime) -> None:
    oldest_that_counts = db.session.scalar(
        select(SignInFailure.at)
        .where(which, SignInFailure.at > at - WINDOW)  # type: ignore[arg-type]
        .order_by(SignInFailure.at.desc())
        .offset(most - 1)
        .limit(1)
    )
    if oldest_that_counts is not None:
        raise TooMany(max(1, ceil((oldest_that_counts + WINDOW - at).total_seconds())))
