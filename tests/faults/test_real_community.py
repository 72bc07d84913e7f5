"""A console and a real WordPress: members are pulled, badges appear and disappear, whatever is killed (CN-1 to CN-4).

`make connections` runs it, and prints what it measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.adapters.fakes import LOOPBACK
from tests.adapters.real_wordpress import RealWordPress
from tests.faults.conftest import QUICK
from tests.faults.console import Console, await_
from webapp.adapters.contract import RemoteBadge
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, runs
from webapp.domain.batches.drafts import Heading
from webapp.domain.connections import mappings, pulls, pushes, settings
from webapp.domain.connections.settings import ConnectionFields
from webapp.models import ImportStatus, Member, MemberAccount, MemberImport, Origin, PulledMember
from webapp.transaction import transaction

pytestmark = [pytest.mark.connections, pytest.mark.timeout(1_800)]
MEMBERS = 5_000
BATCH = 500


@pytest.fixture
def site() -> Iterator[RealWordPress]:
    made = RealWordPress()
    yield made
    made.close()


class Community:
    """A console connected to a WordPress, and the processes that tests kill."""

    def __init__(self, console: Console, site: RealWordPress) -> None:
        self.console, self.site = console, site
        console.start_queue()
        console.start_clock()
        self.worker, self.deliveries = console.start_worker(), console.start_deliveries()
        self.connection_id = self._connect()

    @property
    def app(self) -> Flask:
        return self.console.app

    def _connect(self) -> int:
        credentials = self.site.credentials
        fields = ConnectionFields(
            "wordpress", self.site.address, credentials.account, credentials.secret, rate=6_000
        )
        with self.app.app_context():
            check = settings.check_fields(fields, LOOPBACK)
            with transaction():
                return settings.create(fields, check, LOOPBACK, actor()).id

    def start_pull(self) -> int:
        with self.app.app_context(), transaction():
            return pulls.start(self.connection_id, actor(), unattended=True).id

    def pulled(self) -> int:
        return (
            self.console.read(lambda: db.session.scalar(select(func.count(PulledMember.line)))) or 0
        )

    def accounts(self) -> int:
        counted = select(func.count(MemberAccount.id))
        return self.console.read(lambda: db.session.scalar(counted)) or 0

    def await_pull(self, import_id: int) -> None:
        def ended() -> bool:
            query = select(MemberImport.status).where(MemberImport.id == import_id)
            status = self.console.read(lambda: db.session.scalar(query))
            assert status != ImportStatus.BROKEN, self.console.log()
            return status == ImportStatus.DONE

        await_(ended, 150, self.console.log)

    def map_quest(self) -> tuple[int, str]:
        """Create a badge there for a new quest; return the quest's ID and the badge's."""
        quest = self.console.make.quest()
        with self.app.app_context():
            connection = settings.get(self.connection_id)
            badge: RemoteBadge = settings.fetch(
                connection, LOOPBACK, lambda adapter: adapter.create_badge("Good helper", "")
            )
            with transaction():
                mappings.create(self.connection_id, quest.id, badge, actor())
        return quest.id, badge.id

    def draft(self, quest_id: int, number: int) -> int:
        with self.app.app_context():
            query = select(Member.id).order_by(Member.id.desc()).limit(number)
            members = list(db.session.scalars(query))
            with transaction():
                batch_id = drafts.create(Heading("Spring meetup", quest_id), actor()).id
            with transaction():
                drafts.add_members(batch_id, members, 1_000_000, actor())
        return batch_id

    def do(self, action: Callable[[int, Actor], object], batch_id: int) -> None:
        with self.app.app_context(), transaction():
            action(batch_id, actor())

    def waiting(self) -> int:
        return self.console.read(lambda: pushes.figures(settings.get(self.connection_id)).waiting)

    def await_holders(self, badge_id: str, reached: Callable[[int], bool]) -> None:
        await_(lambda: reached(len(self.site.holders(badge_id))), 150, self.console.log)

    def kill_everything(self) -> None:
        """Kill the worker, the delivery worker and WordPress, and start them again."""
        for process in (self.worker, self.deliveries):
            process.kill()
            process.wait()
        self.site.kill()
        self.worker, self.deliveries = (
            self.console.start_worker(),
            self.console.start_deliveries(),
        )
        self.site.start()


@pytest.fixture
def community(consoles: Callable[..., Console], site: RealWordPress) -> Community:
    return Community(consoles(**QUICK, LAUREL_WEBHOOK_NETWORKS=LOOPBACK[0]), site)


def actor() -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE)


def report(what: str, began: float, number: int = 0) -> None:
    seconds = time.monotonic() - began
    rate = f", {number / seconds:,.0f} a second" if number else ""
    print(f"\n  {what}: {seconds:.1f} s{rate}", end="", flush=True)


def test_badges_appear_and_disappear_whatever_is_killed(
    community: Community, site: RealWordPress
) -> None:
    """5,000 members are pulled; a batch of 500 appears, all of it, and once it's undone, none of it."""
    site.add_users(MEMBERS)
    began = time.monotonic()
    import_id = community.start_pull()
    community.await_pull(import_id)
    report(f"{MEMBERS + 1:,} members pulled and imported", began, MEMBERS + 1)
    assert community.accounts() == MEMBERS + 1

    began = time.monotonic()
    import_id = community.start_pull()
    await_(lambda: community.pulled() > 0, 60, community.console.log)
    community.kill_everything()
    community.await_pull(import_id)
    report("again, with the workers and WordPress killed", began)
    assert community.accounts() == MEMBERS + 1

    quest_id, badge_id = community.map_quest()
    batch_id = community.draft(quest_id, BATCH)
    began = time.monotonic()
    community.do(runs.publish, batch_id)
    community.await_holders(badge_id, lambda number: number > 0)
    community.kill_everything()
    community.await_holders(badge_id, lambda number: number == BATCH)
    report(f"{BATCH} badges visible, with the workers and WordPress killed", began)
    await_(lambda: community.waiting() == 0, 60, community.console.log)

    began = time.monotonic()
    community.do(runs.undo, batch_id)
    community.await_holders(badge_id, lambda number: number < BATCH)
    community.kill_everything()
    community.await_holders(badge_id, lambda number: number == 0)
    report("none visible after the undo, with the workers and WordPress killed", began)
    await_(lambda: community.waiting() == 0, 60, community.console.log)

    batch_id = community.draft(quest_id, MEMBERS)
    began = time.monotonic()
    community.do(runs.publish, batch_id)
    community.await_holders(badge_id, lambda number: number == MEMBERS)
    report(f"{MEMBERS:,} badges visible, undisturbed", began, MEMBERS)
    print()
    assert site.problems() == []
