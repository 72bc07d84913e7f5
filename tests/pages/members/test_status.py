"""Status and erasure on the profile: only for admins, with a confirmation (D-5)."""

from __future__ import annotations

import logging

import pytest
from flask import Flask

from tests.domain.erasure.test_erase import NEEDLES, WHO, everywhere
from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp.domain.permissions import Permission
from webapp.models import Member
from webapp.pages.http.authorization import permission_of


def test_a_status_is_changed_and_recorded(as_admin: ReviewingClient, make: Make) -> None:
    """D-5: in a dialog, with and without htmx; repeating it changes nothing."""
    member = make.member("anna")
    address = f"/members/{member.id}/standing"
    page = as_admin.get(address)
    assert page.page.select_one("dialog#standing[open]") is not None
    assert as_admin.htmx(address).page.select_one("main") is None
    done = as_admin.post(address, {"status": "suspended"})
    assert done.status_code == 303
    page = as_admin.get(done.location)
    assert "anna is now Suspended." in page.words("main")
    assert "Suspended" in page.words(".head")
    assert "is suspended" in page.words("#awards")
    again = as_admin.post(address, {"status": "suspended"})
    assert "anna is already Suspended." in as_admin.get(again.location).words("main")
    record = as_admin.get("/audit-log").words("#audit-log")
    assert record.count("changed the status of anna from Active to Suspended") == 1


@pytest.mark.parametrize("status", ["", "erased", "ACTIVE", "nonsense", "active\x00"])
def test_no_other_status_can_be_given(as_admin: ReviewingClient, make: Make, status: str) -> None:
    """D-5: the only statuses are active, suspended and left."""
    member = make.member("anna")
    answer = as_admin.post(f"/members/{member.id}/standing", {"status": status})
    assert answer.status_code == 422
    assert "Choose Active, Suspended or Left." in answer.words("dialog")


def test_only_an_admin_rules(
    app: Flask, as_dev: ReviewingClient, as_manager: ReviewingClient, make: Make
) -> None:
    """R-1, R-2: others see neither the menu nor the dialogs."""
    member = make.member("anna")
    for browser in (as_dev, as_manager):
        assert "Erase member" not in browser.get(f"/members/{member.id}").words("main")
        for actor in ("standing", "erasure"):
            assert browser.get(f"/members/{member.id}/{actor}").status_code == 403
            assert browser.post(f"/members/{member.id}/{actor}").status_code == 403
    for endpoint in ("standing_window", "change_standing", "erasure_window", "erase"):
        assert permission_of(app, f"members.{endpoint}") == Permission.MANAGE_MEMBER_STATUS


def test_nothing_names_an_erased_member(
    app: Flask, as_admin: ReviewingClient, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """S13, I127: no page, export or log line; the profile no longer exists."""
    caplog.set_level(logging.INFO)
    member: Member = make.member("Zoltanka", **WHO)
    make.award(member.id, make.quest().id, reason="Zoltanka helped")
    done = make.batch([member.id, make.members(1)[0]], published=True)
    with app.app_context():
        made = everywhere(make, member)
    window = as_admin.get(f"/members/{member.id}/erasure")
    assert "Their 1 badge stays in totals anonymously." in window.words("dialog")
    assert "You can't undo this." in window.words("dialog")
    answer = as_admin.post(f"/members/{member.id}/erasure")
    assert answer.status_code == 303
    assert "Member erased. 1 badge stays in totals anonymously." in as_admin.get(
        answer.location
    ).words("main")
    for actor in ("", "/standing", "/erasure"):
        assert as_admin.get(f"/members/{member.id}{actor}").status_code == 404
    assert as_admin.post(f"/members/{member.id}/erasure").status_code == 404
    for path in (
        "/members",
        "/members/export.csv",
        "/members/imports",
        f"/members/imports/{made['waiting']}",
        f"/members/imports/{made['done']}",
        f"/members/imports/{made['done']}/errors.csv",
        f"/batches/{done.id}",
        f"/batches/{done.id}/results.csv",
        f"/batches/{made['draft']}/upload",
        f"/batches/{made['draft']}/upload/errors.csv",
        "/badges",
        "/audit-log",
        "/audit-log/export.csv",
        "/insights",
    ):
        shown = as_admin.get(path)
        assert shown.status_code == 200, path
        for needle in NEEDLES:
            assert needle.casefold() not in shown.text.casefold(), (path, needle)
    assert "Erased member" in as_admin.get(f"/batches/{done.id}").words("#members")
    for needle in NEEDLES:
        assert needle.casefold() not in caplog.text.casefold()
