"""The reliability goals, at full size and with default settings; each prints its figure (`make soak`)."""

from __future__ import annotations

import http.client
import signal
import time
from collections.abc import Callable
from statistics import median, quantiles

import pytest
from sqlalchemy import text

from tests.faults.console import Console, await_, free_port, horse, kill
from tests.faults.test_unlock_faults import finished, in_the_middle, published
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, entries, runs
from webapp.domain.batches.drafts import Heading
from webapp.domain.operations import maintenance
from webapp.models import Origin
from webapp.transaction import transaction

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

SIZE = 5_000
OUTAGE = 60.0  # seconds


def kind(console: Console) -> str:
    return "SQLite" if console.settings.sqlite else "PostgreSQL"


@pytest.fixture
def plain(consoles: Callable[..., Console]) -> Console:
    """An installation with default settings."""
    console = consoles()
    console.start_queue()
    return console


@pytest.mark.parametrize("whom", ["child", "worker", "worker and child", "clock", "queue", "all"])
def test_a_batch_resumes_within_30_seconds_of_any_kill(plain: Console, whom: str) -> None:
    """R2: the lease of 20 s, the tick of 5 s and a process start; killed processes are restarted."""
    console = plain
    worker, clock = console.start_worker(), console.start_clock()
    batch = published(console, SIZE)
    in_the_middle(console, batch)
    child = horse(worker)
    if whom in ("child", "worker and child", "all") and child:
        kill(child)
    if whom in ("worker", "worker and child", "all"):
        worker.kill()
        worker.wait()
    if whom in ("clock", "all"):
        clock.kill()
        clock.wait()
    if whom in ("queue", "all"):
        console.kill_queue()
        console.start_queue()
    killed, before = time.monotonic(), console.batch(batch.id).run_processed
    if whom in ("worker", "worker and child", "all"):
        console.start_worker()
    if whom in ("clock", "all"):
        console.start_clock()

    def gets_on() -> bool:
        now = console.batch(batch.id)
        return now.run_processed > before or not now.running

    await_(gets_on, 45, console.log)
    took = time.monotonic() - killed
    print(f"R2 {kind(console)}, {whom} killed: on again after {took:.1f} s")
    assert took <= 30
    finished(console, batch, 60)


def test_a_batch_published_while_the_queue_is_away_ends_soon_after_its_return(
    plain: Console,
) -> None:
    """R3: publishing responds within a second; the batch ends within 15 s of the queue's return."""
    console = plain
    worker = console.start_worker()
    console.start_clock()
    await_(lambda: console.redis().smembers("rq:workers"), 20, "the worker serves")
    batch = console.make.batch(console.make.members(SIZE))
    console.kill_queue()
    began = time.monotonic()
    with console.app.app_context(), transaction():
        runs.publish(batch.id, Actor(batch.created_at, Origin.CONSOLE))
    answered = time.monotonic() - began
    assert console.batch(batch.id).status_label == "Unpublished"
    console.start_queue()
    began = time.monotonic()
    finished(console, batch, 45)
    took = time.monotonic() - began
    print(
        f"R3 {kind(console)}: published in {answered:.2f} s, ended {took:.1f} s after the queue was back"
    )
    assert answered <= 1
    assert took <= 15
    assert worker.poll() is None


def test_web_writes_are_quick_while_a_batch_of_5000_runs(plain: Console) -> None:
    """R5: p95 of at most 250 ms, none above a second, and no `database is locked`."""
    console = plain
    console.start_worker()
    batch = published(console, SIZE)
    await_(lambda: console.batch(batch.id).run_processed, 20, "it runs")
    took = []
    while console.batch(batch.id).running:
        began = time.monotonic()
        with console.app.app_context(), transaction():
            actor = Actor(batch.created_at, Origin.CONSOLE)
            drafts.create(Heading(f"Written meanwhile {len(took)}", None), actor)
        took.append((time.monotonic() - began) * 1000)
    slowest = quantiles(took, n=20)[-1]
    print(
        f"R5 {kind(console)}: {len(took)} writes, median {median(took):.0f} ms, p95 {slowest:.0f} ms, "
        f"slowest {max(took):.0f} ms"
    )
    assert len(took) >= 20
    assert "locked" not in console.log()
    assert slowest <= 250
    assert max(took) <= 1000
    finished(console, batch)


def test_three_entries_that_fail_do_not_stop_the_other_4997(plain: Console) -> None:
    """R6: the others have the badge without waiting, each of the three has its reason after three attempts."""
    console = plain
    ids = console.make.members(SIZE)
    poison = [ids[2], ids[SIZE // 2], ids[-1]]
    refuse(console, poison)
    batch = console.make.batch(ids, published=True)
    began = time.monotonic()
    console.start_worker()
    console.start_clock()
    await_(lambda: not console.batch(batch.id).running, 120, console.log)
    done = console.batch(batch.id)
    failed = console.read(lambda: entries.page(done, 1, "Error").items)
    print(
        f"R6 {kind(console)}: {done.published} done, {done.errors} failed, {time.monotonic() - began:.1f} s"
    )
    assert (done.status_label, done.published, done.errors) == ("Partially published", SIZE - 3, 3)
    assert {entry.member_id for entry in failed} == set(poison)
    assert {entry.reason for entry in failed} == {"Failed three times and was skipped."}
    assert console.read(lambda: maintenance.differing(since=done.created_at)) == []


def refuse(console: Console, ids: list[int]) -> None:
    """Make the database reject awards to these members."""
    listed = ", ".join(map(str, ids))
    if console.settings.sqlite:
        made = [
            f"CREATE TRIGGER poison BEFORE INSERT ON awards WHEN NEW.member_id IN ({listed}) "
            "BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
        ]
    else:
        made = [
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NEW.member_id IN ({listed}) THEN RAISE integrity_constraint_violation; END IF; "
            "RETURN NEW; END $$",
            "CREATE TRIGGER poison BEFORE INSERT ON awards FOR EACH ROW EXECUTE FUNCTION poison()",
        ]
    with console.app.app_context(), transaction():
        for statement in made:
            db.session.execute(text(statement))


def test_a_worker_hands_its_batch_back_on_sigterm(plain: Console) -> None:
    """R7: exit code 0 within 12 s, and the next worker continues with the next entry at once."""
    console = plain
    worker = console.start_worker()
    batch = published(console, SIZE)
    in_the_middle(console, batch)
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    took = time.monotonic() - began
    stopped = console.batch(batch.id)
    print(
        f"R7 {kind(console)}: ended {took:.1f} s after SIGTERM, {stopped.run_processed} of {SIZE} processed"
    )
    assert took <= 12
    assert console.owners(batch.id) == [None]
    console.start_worker()
    finished(console, batch)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_another_worker_takes_over_from_a_frozen_one(plain: Console) -> None:
    """R8: within 30 s on PostgreSQL; resumed, it changes nothing. On SQLite a suspended writer blocks all others."""
    console = plain
    worker = console.start_worker()
    console.start_clock()
    batch = published(console, SIZE)
    in_the_middle(console, batch)
    child = await_(lambda: horse(worker), 5)
    kill(child, signal.SIGSTOP)
    frozen, before = time.monotonic(), console.batch(batch.id).run_processed
    try:
        console.start_worker()
        await_(lambda: console.batch(batch.id).run_processed > before, 60, console.log)
        took = time.monotonic() - frozen
        finished(console, batch, 60)
    finally:
        kill(child, signal.SIGCONT)
    print(f"R8 {kind(console)}: overtaken after {took:.1f} s")
    assert took <= 30
    finished(console, batch)


def test_processes_survive_a_minute_without_the_queue(consoles: Callable[..., Console]) -> None:
    """R11, J8: worker and clock keep running; pages respond, sign-in is limited, /readyz reports the outage."""
    console = consoles()
    console.start_queue()
    clock, worker = console.start_clock(), console.start_worker()
    port = free_port()
    web = console.start("webapp.cli", "web", PORT=str(port))
    await_(lambda: asked(port, "/readyz")[0] == 200, 30, "the web process answers")
    console.kill_queue()
    batch = published(console, SIZE)
    end, looks = time.monotonic() + OUTAGE, 0
    while time.monotonic() < end:
        assert asked(port, "/sign-in")[0] == 200
        status, words = asked(port, "/readyz")
        assert (status, "queue: away" in words) == (200, True)
        looks += 1
        time.sleep(1)  # the outage takes this long
    console.start_queue()
    began = time.monotonic()
    finished(console, batch, 60)
    print(
        f"R11 {kind(console)}: {OUTAGE:.0f} s without the queue, {looks} pages answered meanwhile, "
        f"ended {time.monotonic() - began:.1f} s after it was back"
    )
    assert [process.poll() for process in (clock, worker, web)] == [None, None, None]


def test_processes_survive_a_minute_without_the_database(plain: Console) -> None:
    """R11: worker and clock keep running, and pending work is done once the database is back.

    On PostgreSQL connecting is forbidden and every connection is cut; on SQLite the write lock is held throughout.
    """
    console = plain
    clock, worker = console.start_clock(), console.start_worker()
    batch = published(console, SIZE)
    in_the_middle(console, batch)
    if console.settings.sqlite:
        with console.app.app_context(), db.engine.connect() as connection:
            connection.execution_options(write=True)
            connection.execute(text("SELECT 1"))
            time.sleep(OUTAGE)  # the outage takes this long
    else:
        outage(console)
    began = time.monotonic()
    finished(console, batch, 60)
    print(
        f"R11 {kind(console)}: {OUTAGE:.0f} s without the database, ended {time.monotonic() - began:.1f} s after"
    )
    assert [process.poll() for process in (clock, worker)] == [None, None]


def outage(console: Console) -> None:
    """A minute without access to the database, except for ours through the server's other database."""
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url

    url = make_url(console.settings.database_url)
    with console.app.app_context():
        db.session.remove()
        db.engine.dispose()
    server = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        name = url.database
        connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"))
        cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        connection.execute(cut, {"name": name})
        time.sleep(OUTAGE)  # the outage takes this long
        connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"))
    server.dispose()


def asked(port: int, path: str) -> tuple[int, str]:
    """The status and text of a response; 0 if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()
