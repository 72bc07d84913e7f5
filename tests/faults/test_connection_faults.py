"""Connections with real processes: whichever dies, members are imported once, and badges end up there as here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from subprocess import Popen

import pytest
from sqlalchemy import func, select

from tests.adapters.fakes import LOOPBACK, Answer, FakeWordPress, Request
from tests.faults.conftest import QUICK
from tests.faults.console import Console, await_
from webapp.adapters.contract import Check, RemoteBadge
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import group
from webapp.domain.connections import mappings, pulls, settings
from webapp.domain.connections.settings import ConnectionFields
from webapp.models import BadgeSync, ImportStatus, Member, MemberAccount, MemberImport, Origin
from webapp.transaction import transaction

MEMBERS = 450


@pytest.fixture
def console(consoles: Callable[..., Console]) -> Console:
    """An installation with short leases and quick ticks, its queue and its clock; it may connect to loopback."""
    made = consoles(**QUICK, LAUREL_WEBHOOK_NETWORKS=LOOPBACK[0])
    made.start_queue()
    made.start_clock()
    return made


@pytest.fixture
def site() -> Iterator[FakeWordPress]:
    fake = FakeWordPress()
    yield fake
    fake.close()


def actor() -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE)


def connect(console: Console, site: FakeWordPress) -> int:
    address = f"http://127.0.0.1:{site.to.port}/community/"
    account, secret = site.credentials.account, site.credentials.secret
    fields = ConnectionFields("wordpress", address, account, secret, rate=6000)
    with console.app.app_context(), transaction():
        return settings.create(fields, Check("Site", account, "6.8"), LOOPBACK, actor()).id


def kill_at(
    console: Console, site: FakeWordPress, numbers: set[int], workers: list[Popen[bytes]]
) -> list[int]:
    """Kill and restart the delivery worker while it waits for certain requests; return those reached."""
    reached: list[int] = []
    count = 0

    def fault(request: Request) -> Answer | None:
        nonlocal count
        count += 1
        if count in numbers:
            reached.append(count)
            workers[-1].kill()
            workers[-1].wait()
            workers.append(console.start_deliveries())
        return None

    site.fault = fault
    return reached


def pull(console: Console, connection_id: int) -> None:
    with console.app.app_context(), transaction():
        import_id = pulls.start(connection_id, actor(), unattended=True).id
    status = select(MemberImport.status).where(MemberImport.id == import_id)
    await_(
        lambda: console.read(lambda: db.session.scalar(status)) == ImportStatus.DONE,
        60,
        console.log,
    )


def test_members_are_imported_once_though_the_worker_is_killed_between_pages(
    console: Console, site: FakeWordPress
) -> None:
    site.add_users(MEMBERS)
    connection_id = connect(console, site)
    console.start_worker()
    reached = kill_at(console, site, {2, 4}, [console.start_deliveries()])
    pull(console, connection_id)
    assert len(reached) == 2
    counted = select(func.count(), func.count(Member.external_id.distinct()))
    number, distinct = console.read(lambda: db.session.execute(counted).one())
    assert number == distinct == len(site.users)
    linked = select(func.count()).select_from(MemberAccount)
    assert console.read(lambda: db.session.scalar(linked)) == len(site.users)


def test_badges_end_up_there_though_the_worker_is_killed_while_it_sends(
    console: Console, site: FakeWordPress
) -> None:
    site.add_users(MEMBERS)
    connection_id = connect(console, site)
    console.start_worker()
    workers = [console.start_deliveries()]
    pull(console, connection_id)
    quest = console.make.quest()
    badge = RemoteBadge(site.add_badge("Helper"), "Helper")
    with console.app.app_context(), transaction():
        mappings.create(connection_id, quest.id, badge, actor())
    reached = kill_at(console, site, {1, 3}, workers)
    for start in range(0, 400, 50):
        names = ", ".join(f"member{number}" for number in range(start, start + 50))
        with console.app.app_context(), transaction():
            group.award_group(names, quest.id, "", actor())
    left = select(func.count()).select_from(BadgeSync)
    await_(lambda: console.read(lambda: db.session.scalar(left)) == 0, 90, console.log)
    assert len(site.holders(badge.id)) == 400
    assert len(reached) == 2
