"""The measures: each returns the seconds of one round, and leaves the database ready for the next."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from sqlalchemy import select

from bench.floors import Floor
from tests.counting import statements
from tests.faults.console import Console, await_
from tests.pages.client import ReviewingClient
from webapp import create_app
from webapp.database import db
from webapp.database.engine import relax_sync
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, processing, runs
from webapp.domain.batches.drafts import Heading
from webapp.domain.normalization import fold
from webapp.models import Badge, Batch, Member, Origin, Quest, Role
from webapp.transaction import transaction


class Bench:
    """One database with its community, its baseline, and new members for every round."""

    def __init__(self, console: Console, size: int, batch: int) -> None:
        self.console, self.size, self.batch_size = console, size, batch
        self.floor = Floor(console.settings)
        self.worker = create_app(console.settings, web=False)
        relax_sync(self.worker)
        self.serial = count(1)
        self.members: list[int] = []
        self.taken = 0

    def close(self) -> None:
        """Close the connections that `Console` does not know."""
        self.floor.close()
        with self.worker.app_context():
            db.engine.dispose()

    @contextmanager
    def another(self, name: str, **environ: str) -> Iterator[Console]:
        """A second console, with an empty database of the same kind."""
        url = ""
        if not self.floor.sqlite:
            self.floor.connection.execute(f"DROP DATABASE IF EXISTS {name}")
            self.floor.connection.execute(f"CREATE DATABASE {name}")
            head, mark, tail = self.console.settings.database_url.partition("?")
            url = f"{head.rpartition('/')[0]}/{name}{mark}{tail}"
        console = Console(url, Path(tempfile.mkdtemp(prefix="a-")), **environ)
        try:
            yield console
        finally:
            console.stop()

    def actor(self) -> Actor:
        return Actor(at=datetime.now(UTC), origin=Origin.CONSOLE)

    def quest(self) -> int:
        """A new quest without holders."""
        with self.console.app.app_context(), transaction():
            name = f"Bench {next(self.serial)}"
            badge = Badge(name=name, name_key=fold(name), created_at=self.actor().at)
            badge.quests = [Quest(name="Measured", name_key="measured")]
            db.session.add(badge)
            db.session.flush()
            return badge.quests[0].id

    def draft(self, quest_id: int, size: int | None = None) -> int:
        """A draft with the next `size` members of the community."""
        size = size or self.batch_size
        with self.console.app.app_context():
            if not self.members:
                self.members = list(db.session.scalars(select(Member.id)))
                random.Random(7).shuffle(
                    self.members
                )  # members of a real file are spread over the whole table
            ids = [self.members[(self.taken + place) % len(self.members)] for place in range(size)]
            self.taken += size
            with transaction():
                batch = drafts.create(Heading(f"Bench {next(self.serial)}", quest_id), self.actor())
                drafts.add_members(batch.id, ids, size, self.actor())
                return batch.id

    def published(self, quest_id: int, size: int | None = None) -> int:
        """A published batch; it waits, because no worker is running."""
        batch_id = self.draft(quest_id, size)
        with self.console.app.app_context(), transaction():
            runs.publish(batch_id, self.actor())
        return batch_id

    def floor_unlock(self) -> float:
        """Run the baseline on a draft, so that no worker takes it."""
        quest = self.quest()
        return self.floor.unlock(self.draft(quest), quest)

    def loop(self, chunk: int | None = None) -> float:
        """Run the unlock loop as a worker does, without SQLite's pause, which is idle time."""
        settings = self.console.settings
        batch_id = self.published(self.quest())
        with self.worker.app_context():
            began = time.perf_counter()
            with transaction():
                claimed = processing.claim(
                    batch_id, "bench", 60, settings.chunk_size, self.actor().at
                )
            more: bool | None = True
            while more:
                with transaction():
                    more = processing.process_chunk(
                        claimed, chunk or settings.chunk_size, self.actor().at
                    )
            taken = time.perf_counter() - began
            assert drafts.get(batch_id).published == self.batch_size
        return taken

    def statements_a_chunk(self, size: int) -> int:
        """Statements for one chunk that decides `size` entries."""
        batch_id = self.published(self.quest(), size)
        with self.console.app.app_context():
            with transaction():
                claimed = processing.claim(batch_id, "bench", 60, size, self.actor().at)
            with statements() as counted, transaction():
                processing.process_chunk(claimed, size, self.actor().at)
            with transaction():
                processing.process_chunk(claimed, size, self.actor().at)
        return len(counted)

    def publish_to_published(self) -> float:
        """From `Publish` to `Published` with one real worker and a real queue, with all features."""
        batch_id = self.draft(self.quest())
        began = time.perf_counter()
        with self.console.app.app_context(), transaction():
            runs.publish(batch_id, self.actor())
        await_(lambda: not self._running(batch_id), 60, self.console.log)
        return time.perf_counter() - began

    def publish_to_first(self) -> float:
        """From `Publish` to the first decided entry, with an idle worker."""
        batch_id = self.draft(self.quest(), 1)
        began = time.perf_counter()
        with self.console.app.app_context(), transaction():
            runs.publish(batch_id, self.actor())
        await_(lambda: not self._running(batch_id), 30, self.console.log)
        return time.perf_counter() - began

    def _running(self, batch_id: int) -> bool:
        with self.console.app.app_context():
            status = db.session.scalar(select(Batch.status).where(Batch.id == batch_id))
        return status in ("unpublished", "in_progress")

    def file(self, size: int) -> bytes:
        """A file with three columns whose rows all match a member."""
        lines = ["ID;Username;Registered email"]
        lines += [f"ID{n};member{n};MEMBER{n}@example.org" for n in range(1, size + 1)]
        return "\r\n".join(lines).encode()

    def floor_preview(self, data: bytes) -> float:
        return self.floor.preview(data)

    def preview(self, browser: ReviewingClient, data: bytes) -> float:
        """From the request with the file to the rendered page of the preview."""
        import io

        with self.console.app.app_context(), transaction():
            batch_id = drafts.create(Heading(f"Preview {next(self.serial)}"), self.actor()).id
        form = {"file": (io.BytesIO(data), "members.csv")}
        began = time.perf_counter()
        answer = browser.post(f"/batches/{batch_id}/upload", form, review=False)
        assert answer.status_code == 303, answer.text
        page = browser.get(answer.location, review=False)
        taken = time.perf_counter() - began
        assert "members will be added" in page.text
        return taken

    def browser(self) -> ReviewingClient:
        """A client signed in as an admin."""
        staff = self.console.make.staff(Role.ADMIN)
        return ReviewingClient(self.console.app, None, use_cookies=True).sign_in(staff)

    def web_writes_meanwhile(self) -> list[float]:
        """Seconds of each small web write while a batch runs."""
        batch_id = self.published(self.quest())
        taken = []
        while self._running(batch_id) or not taken:
            began = time.perf_counter()
            with self.console.app.app_context(), transaction():
                drafts.create(Heading(f"Meanwhile {next(self.serial)}"), self.actor())
            taken.append(time.perf_counter() - began)
        return taken


def quantile(values: list[float], part: float) -> float:
    """The value below which `part` of the values are."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(part * 100) - 1]
