"""The import job: slices, kills at any chunk, rows rejected by the database; nothing lost or duplicated (D-4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import DataError, OperationalError

from jobs import imports, periodic
from tests.factories import Make
from tests.infrastructure.test_job_queue import rings
from tests.jobs.conftest import set_
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.imports import import_rows as row_import
from webapp.domain.imports import imports as member_imports
from webapp.domain.imports import processing as import_processing
from webapp.domain.operations import maintenance
from webapp.models import AuditEvent, ImportStatus, Member, MemberImport, MemberImportRow, Origin
from webapp.transaction import transaction

ROWS = 120


def a_file(number: int = ROWS) -> bytes:
    """Valid rows, of which one in ten conflicts with the row before."""
    rows = [f"{n};user{n - 1 if n % 10 == 9 else n};;Name {n}" for n in range(number)]
    return "\n".join(["ID;Username;Registered email;Name", *rows]).encode()


def actor() -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE)


@pytest.fixture
def waiting(process: Flask, make: Make) -> int:
    """An import that awaits its dry run."""
    set_(process, chunk_size=10)
    import_id = make.member_import(a_file())
    with process.app_context(), transaction():
        columns = member_imports.get(import_id).columns
        member_imports.dry_run(import_id, columns, actor())
    return import_id


def found(app: Flask, import_id: int) -> MemberImport:
    with app.app_context():
        one = member_imports.get(import_id, content=True)
        db.session.expunge(one)
        return one


def carry_out(app: Flask, import_id: int) -> None:
    with app.app_context(), transaction():
        member_imports.carry_out(import_id, actor())


def done_once(app: Flask, import_id: int) -> None:
    """The import is finished, with the result of its dry run."""
    one = found(app, import_id)
    assert (one.status, one.content, one.lease_owner) == (ImportStatus.DONE, None, None)
    assert (one.created, one.changed, one.unchanged, one.bad) == (108, 0, 0, 12)
    with app.app_context():
        assert db.session.scalar(select(func.count(Member.id))) == 108
        bad = select(MemberImportRow.line).order_by(MemberImportRow.line)
        assert db.session.scalars(bad).all() == [n + 2 for n in range(ROWS) if n % 10 == 9]
        assert db.session.scalars(select(AuditEvent.verb)).all() == ["members.imported"]


def test_a_dry_run_and_the_import(process: Flask, waiting: int) -> None:
    """D-4: the dry run writes no member; both have the same counts; another job changes nothing."""
    imports.import_members(waiting)
    tried = found(process, waiting)
    assert (tried.status, tried.created, tried.bad) == (ImportStatus.TRIED, 108, 12)
    with process.app_context():
        assert db.session.scalar(select(func.count(Member.id))) == 0
    imports.import_members(waiting)
    carry_out(process, waiting)
    imports.import_members(waiting)
    done_once(process, waiting)
    imports.import_members(waiting)
    imports.import_members(987_654_321)
    done_once(process, waiting)


def test_a_slice_ends_and_enqueues_the_rest(
    process: Flask,
    waiting: int,
    queue: redis.Redis,
) -> None:
    """B-28: an import makes way for other jobs, and continues where it was."""
    imports.import_members(waiting)
    carry_out(process, waiting)
    queue.flushall()
    set_(process, slice_seconds=0.0)
    runs = 0
    while found(process, waiting).status == ImportStatus.RUNNING:
        imports.import_members(waiting)
        runs += 1
    assert runs == ROWS // 10 + 1
    assert rings(queue)
    done_once(process, waiting)


class Killed(BaseException):
    """Simulates a killed process."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("chunk", [0, 1, 5, 11])
def test_an_import_survives_a_kill_at_any_chunk(
    process: Flask,
    waiting: int,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
    chunk: int,
) -> None:
    """D-4, J1: in the dry run and in the import, with a chunk uncommitted or committed."""
    take = import_processing.take
    count = iter(range(10**6))

    def dies(*args: Any, **more: Any) -> Any:
        place = next(count)
        if place == chunk and when == "after":
            take(*args, **more)
            db.session.flush()
        if place == chunk:
            raise Killed
        return take(*args, **more)

    set_(process, lease_seconds=0.0)
    for step in ("trial", "import"):
        count = iter(range(10**6))
        if step == "import":
            carry_out(process, waiting)
        with monkeypatch.context() as patch:
            patch.setattr(import_processing, "take", dies)
            with pytest.raises(Killed):
                imports.import_members(waiting)
        imports.import_members(waiting)
        one = found(process, waiting)
        assert (one.created, one.bad, one.processed) == (108, 12, ROWS), step
    done_once(process, waiting)


def test_unfinished_imports_are_enqueued(
    process: Flask,
    waiting: int,
    queue: redis.Redis,
) -> None:
    """J5, J9: the clock enqueues an unleased import, once."""
    queue.flushall()
    with process.app_context():
        assert import_processing.waiting() == [waiting]
        periodic.requeue_pending()
        periodic.requeue_pending()
    assert len(queue.lrange("rq:queue:laurel", 0, -1)) == 1
    with process.app_context():
        with transaction():
            assert import_processing.claim(waiting, "me", 60, actor().at)
            assert not import_processing.claim(waiting, "you", 60, actor().at)
        assert import_processing.waiting() == []


def test_a_row_that_the_database_refuses_is_left_out(
    process: Flask,
    waiting: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """J15: other rows are imported, and the row is reported; the log contains nothing of it."""
    imports.import_members(waiting)
    carry_out(process, waiting)
    import_rows = row_import.import_rows

    def refuses(rows: Iterator[Any], *rest: Any) -> Any:
        rows = list(rows)
        if any(row.external_id == "44" for row in rows):
            raise DataError("INSERT", None, ValueError("44"))
        return import_rows(rows, *rest)

    monkeypatch.setattr(row_import, "import_rows", refuses)
    imports.import_members(waiting)
    one = found(process, waiting)
    assert (one.status, one.created, one.bad) == (ImportStatus.DONE, 107, 13)
    with process.app_context():
        refused = select(MemberImportRow.messages).where(MemberImportRow.line == 46)
        assert db.session.scalars(refused).all() == [[["imports.row_refused", {}]]]


def test_an_import_that_never_gets_further_ends(
    process: Flask,
    waiting: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B-40, J16: after five attempts, with the cause; it can be retried."""

    def breaks(*args: Any, **more: Any) -> Any:
        raise OperationalError("SELECT", None, TimeoutError("gone"))

    set_(process, lease_seconds=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(import_processing, "take", breaks)
        for _ in range(import_processing.CLAIMS + 1):
            imports.import_members(waiting)
    one = found(process, waiting)
    assert (one.status_label, one.last_error) == ("Stopped", "TimeoutError")
    with process.app_context(), transaction():
        member_imports.dry_run(waiting, one.columns, actor())
    imports.import_members(waiting)
    assert found(process, waiting).status == ImportStatus.TRIED


def test_old_imports_are_purged(process: Flask, waiting: int) -> None:
    """B-41: unused files are deleted after seven days, and so are the skipped rows of imported ones."""
    imports.import_members(waiting)
    carry_out(process, waiting)
    imports.import_members(waiting)
    with process.app_context():
        with transaction():
            member_imports.receive("never.csv", a_file(), actor())
        for days, kept in ((6, (12, 2)), (8, (0, 1))):
            with transaction():
                maintenance.purge_expired(datetime.now(UTC) + timedelta(days=days))
            rows = db.session.scalar(select(func.count(MemberImportRow.id)))
            files = db.session.scalar(select(func.count(MemberImport.id)))
            assert (rows, files) == kept
        assert db.session.get(MemberImport, waiting) is not None


def swapping(number: int) -> bytes:
    """Members who rotate their usernames, the first taking that of the last."""
    rows = [f"{n};user{(n - 1) % number};;" for n in range(number)]
    return "\n".join(["ID;Username;Registered email;Name", *rows]).encode()


@pytest.mark.parametrize("chunk", [0, 3, 8, 9, 10])
def test_usernames_are_passed_on_across_chunks_and_kills(
    process: Flask, make: Make, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """D-4, J1: rows that depend on later ones are kept, whenever the worker dies."""
    set_(process, chunk_size=10, lease_seconds=0.0)
    for number in range(90):
        make.member(f"user{number}", external_id=str(number), email=None)
    import_id = make.member_import(swapping(90))
    with process.app_context(), transaction():
        member_imports.dry_run(import_id, member_imports.get(import_id).columns, actor())
    imports.import_members(import_id)
    tried = found(process, import_id)
    assert (tried.status, tried.changed, tried.bad) == (ImportStatus.TRIED, 90, 0)
    carry_out(process, import_id)
    take, count = import_processing.take, iter(range(10**6))

    def dies(*args: Any, **more: Any) -> Any:
        if next(count) == chunk:
            take(*args, **more)
            raise Killed
        return take(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(import_processing, "take", dies)
        with pytest.raises(Killed):
            imports.import_members(import_id)
    imports.import_members(import_id)
    one = found(process, import_id)
    assert (one.status, one.changed, one.unchanged, one.bad) == (ImportStatus.DONE, 90, 0, 0)
    with process.app_context():
        names = dict(db.session.execute(select(Member.external_id, Member.username)).all())
        assert names == {str(n): f"user{(n - 1) % 90}" for n in range(90)}
        waiting = select(func.count(MemberImportRow.id)).where(MemberImportRow.kind == "later")
        assert db.session.scalar(waiting) == 0
