"""`laurel backup` and `laurel restore`: the restored data equals the original, between all databases (R12, I130)."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import create_engine, event, func, select, text, update

from tests.conftest import SECRET, settings_for
from tests.cpu_time import cpu_seconds
from tests.factories import NOW, Make
from webapp import create_app
from webapp.adapters.contract import Check
from webapp.auth import staff_sessions as sessions
from webapp.cli import main
from webapp.cli.backups.archive import MANIFEST, Writer
from webapp.cli.backups.column_types import type_name
from webapp.cli.backups.dump import EXCLUDED, tables
from webapp.cli.database import upgrade
from webapp.cli.files import open_output
from webapp.config import Settings
from webapp.database import Base, db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.batches import drafts
from webapp.domain.connections import settings as connections
from webapp.domain.connections.settings import ConnectionFields
from webapp.domain.credentials import issuer, sharing, signing
from webapp.domain.imports import erased_accounts
from webapp.domain.operations import heartbeats, maintenance
from webapp.domain.operations.heartbeats import ThisProcess
from webapp.domain.staff import password_links, two_factor
from webapp.domain.webhooks import event_feed
from webapp.domain.webhooks.event_feed import EventsExpiredError, FeedPage, Place
from webapp.models import (
    AuditEvent,
    Award,
    Badge,
    Batch,
    BatchRange,
    Connection,
    Origin,
    ProcessKind,
    Role,
    RuleCandidate,
    Upload,
)
from webapp.transaction import transaction

Rows = dict[str, list[tuple[Any, ...]]]
ACT = Actor(NOW, Origin.CONSOLE)
EARLIER = Path(__file__).with_name("revision-0017.backup")


def run(settings: Settings, *arguments: str) -> Result:
    """Run a command on the database of some settings."""
    environ = {
        "LAUREL_ENV": "test",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": settings.database_url,
        "LAUREL_DATA": str(settings.data),
    }
    return CliRunner(env=environ).invoke(main, arguments)


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def refused(result: Result) -> str:
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.output


def everything(settings: Settings) -> Rows:
    """All rows of all tables in a backup, read on a separate connection."""
    engine = create_engine(settings.database_url)
    with engine.connect() as connection:
        found = {
            table.name: [
                tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in tables()
        }
    engine.dispose()
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a database that doesn't exist yet, of either kind."""
    if request.param == "sqlite":
        yield settings_for("", tmp_path / "elsewhere")
        return
    server = request.getfixturevalue("postgres").replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE elsewhere"))
    head, mark, tail = server.partition("?")
    yield settings_for(head.rpartition("/")[0] + f"/elsewhere{mark}{tail}", tmp_path / "elsewhere")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE elsewhere WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def lived_in(app: Flask, make: Make, database: Settings) -> Settings:
    """A database with at least one row of everything, including names in many scripts."""
    quest = make.quest("Came by", make.badge("Gäste 🌍\u2028", description='";,\\N\t\n'))
    members = make.members(40)
    make.member("zoë", name="Zoë\\ \t\x1b", email=None)
    award = make.award(members[0], quest.id, reason="for\nlines")
    make.award(members[1], quest.id, revoked_at=NOW, revoke_source="profile")
    make.award(members[1], quest.id, restores_id=award.id + 1, restored_at=NOW)
    make.batch(members[:20], quest, "Running", published=True)
    gone = make.batch(members, quest, "Draft that is deleted")
    anna = make.staff(Role.ADMIN)
    with app.app_context():
        fields = ConnectionFields("wordpress", "https://club.example.org/", "laurel", "secret")
        with transaction():
            connection = connections.create(fields, Check("Club", "laurel", "6.8"), (), ACT)
            erased_accounts.among(connection, [])  # makes its key
            erased_accounts.keep([(connection.id, "7")])
        with transaction():
            drafts.delete_draft(gone.id, ACT)
        with transaction():
            password_links.create(anna.id, ACT)
        for person in (anna, make.staff()):  # one is confirmed, one pending
            by = Actor(NOW, Origin.CONSOLE, person)
            staff_session = sessions.find(sessions.start(person.id, NOW), NOW)
            assert staff_session is not None
            with transaction():
                two_factor.begin(staff_session.id, by)
            if person is anna:
                secret = two_factor.secret_to_scan(staff_session.id, NOW) or ""
                with transaction():
                    two_factor.confirm(staff_session.id, pyotp.TOTP(secret).at(NOW), by)
    return database


def test_a_restored_database_equals_the_original(
    lived_in: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    """R12, I130: every row of every table, between all kinds of databases; afterwards it works and counts correctly."""
    file = tmp_path / "laurel.backup"
    before = everything(lived_in)
    assert done(run(lived_in, "backup", str(file))).startswith("Backup written")
    assert everything(lived_in) == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "from the backup of" in done(run(elsewhere, "restore", str(file)))
    after = everything(elsewhere)
    (restored,) = (row for row in after["audit_events"] if row not in before["audit_events"])
    after["audit_events"].remove(restored)
    assert after == before
    assert sum(map(len, before.values())) > 70
    with create_app(elsewhere).app_context():
        assert (
            search.page(AuditFilters())
            .lines[0]
            .sentence.startswith("Laurel restored the database from the backup of")
        )
        for name in EXCLUDED:
            assert (
                db.session.scalar(select(func.count()).select_from(Base.metadata.tables[name])) == 0
            )
        deleted = max(
            row.subject_id or 0
            for row in db.session.scalars(select(AuditEvent))
            if row.subject_kind == "batch"
        )
        with transaction():
            assert drafts.create(drafts.Heading("New", None), ACT).id == deleted + 1
        with pytest.raises(Exception, match="append-only"), transaction():
            db.session.execute(update(AuditEvent).values(actor="Eve"))
        db.session.rollback()
        assert maintenance.differing(NOW) == []
        holders = select(Badge.holders).order_by(Badge.id)
        assert list(db.session.scalars(holders)) == [2]
        connection = db.session.scalars(select(Connection)).one()
        assert erased_accounts.among(connection, ["7", "8"]) == {"7"}
        db.session.remove()
        db.engine.dispose()


def test_followers_of_events_start_again_after_a_restore(
    lived_in: Settings, make: Make, tmp_path: Path
) -> None:
    """A-8: the feed isn't in the backup, and the positions given before it are never used for other events."""

    def follow(after: Place | None, app: Flask) -> FeedPage:
        with app.app_context():
            try:
                if event_feed.is_behind():
                    with transaction():
                        event_feed.place()
                return event_feed.read(after, 200)
            finally:
                db.session.remove()
                db.engine.dispose()

    file = tmp_path / "laurel.backup"
    done(run(lived_in, "backup", str(file)))
    before = follow(None, create_app(lived_in))
    assert before.events
    done(run(lived_in, "restore", "--replace", str(file)))
    restored = create_app(lived_in)
    assert follow(None, restored).events == []
    with pytest.raises(EventsExpiredError):
        follow(before.next, restored)


def test_triggers_count_on_after_a_restore(
    lived_in: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    """Holder counts are restored as they were, and another award increases them by one."""
    file = tmp_path / "laurel.backup"
    done(run(lived_in, "backup", str(file)))
    done(run(elsewhere, "restore", str(file)))
    app = create_app(elsewhere)
    make = Make(app)
    with app.app_context():
        quest_id = db.session.scalars(text("SELECT max(id) FROM quests")).one()
        member_id = db.session.scalars(text("SELECT max(id) FROM members")).one()
    make.award(member_id, quest_id)
    with app.app_context():
        assert db.session.scalars(select(Badge.holders)).all() == [3]
        db.session.remove()
        db.engine.dispose()


def test_it_sees_one_moment_while_others_write(
    lived_in: Settings, app: Flask, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R12: changes committed between the first and the last table are missing from all tables."""
    from webapp.cli.backups import dump

    file = tmp_path / "laurel.backup"
    rows = dump._rows

    def meanwhile(connection: Any, table: Any, note: Any) -> Iterator[list[Any]]:
        if table.name in ("badges", "awards"):
            quest = make.quest("Written meanwhile", make.badge(f"Written meanwhile {table.name}"))
            make.award(make.member().id, quest.id)
        return rows(connection, table, note)

    before = everything(lived_in)
    monkeypatch.setattr(dump, "_rows", meanwhile)
    done(run(lived_in, "backup", str(file)))
    with zipfile.ZipFile(file) as opened:
        counts = {one["name"]: one["rows"] for one in json.loads(opened.read(MANIFEST))["tables"]}
    assert counts == {name: len(rows) for name, rows in before.items()}
    assert len(everything(lived_in)["awards"]) == counts["awards"] + 2


def test_a_database_that_holds_something_is_not_replaced_unasked(
    lived_in: Settings, make: Make, tmp_path: Path
) -> None:
    """Without confirmation, nothing is changed; afterwards the data equals the backup."""
    file = tmp_path / "laurel.backup"
    done(run(lived_in, "backup", str(file)))
    before = everything(lived_in)
    make.member("later")
    changed = everything(lived_in)
    assert "isn't empty (" in refused(run(lived_in, "restore", str(file)))
    assert everything(lived_in) == changed
    done(run(lived_in, "restore", str(file), "--replace"))
    after = everything(lived_in)
    assert after["members"] == before["members"]
    assert after["awards"] == before["awards"]


def test_a_database_that_is_worked_on_is_left_alone(
    lived_in: Settings, app: Flask, tmp_path: Path
) -> None:
    file = tmp_path / "laurel.backup"
    done(run(lived_in, "backup", str(file)))
    with app.app_context(), transaction():
        heartbeats.heartbeat(ThisProcess("x", ProcessKind.WORKER, "earth", 1, "0"))
    assert "The database is in use (1 worker)" in refused(
        run(lived_in, "restore", str(file), "--replace")
    )


def test_a_restore_that_breaks_off_changes_nothing(
    lived_in: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All or nothing, even if the old database had already been dropped."""
    from webapp.cli.backups import restore

    file = tmp_path / "laurel.backup"
    done(run(lived_in, "backup", str(file)))
    before = everything(lived_in)

    def break_off(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(restore, "_finish", break_off)
    assert "No space left on device" in refused(run(lived_in, "restore", str(file), "--replace"))
    assert everything(lived_in) == before


def test_restored_batches_are_unleased(
    lived_in: Settings, app: Flask, elsewhere: Settings, tmp_path: Path
) -> None:
    """R12: a batch leased at the time of the backup can be claimed at once."""
    file = tmp_path / "laurel.backup"
    with app.app_context(), transaction():
        until = datetime(2099, 1, 1, tzinfo=UTC)
        db.session.execute(update(BatchRange).values(lease_owner="x", lease_until=until))
    done(run(lived_in, "backup", str(file)))
    done(run(elsewhere, "restore", str(file)))
    columns = [column.name for column in Base.metadata.tables["batch_ranges"].columns]
    place = columns.index("lease_owner")
    assert [row[place] for row in everything(elsewhere)["batch_ranges"]] == [None]


def damage_bytes(file: Path) -> None:
    data = bytearray(file.read_bytes())
    place = data.index(b"members.jsonl") + 200
    data[place] ^= 0x55
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def rewrite(file: Path, change: Callable[[dict[str, Any]], None], **members: bytes) -> None:
    """The same file with another table of contents and recomputed checksums."""
    with zipfile.ZipFile(file) as opened:
        parts = {name: opened.read(name) for name in opened.namelist()}
    told = json.loads(parts[MANIFEST])
    change(told)
    parts |= {MANIFEST: json.dumps(told).encode(), **members}
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in parts.items():
            opened.writestr(name, content)


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a flipped bit": (damage_bytes, "is damaged: members.jsonl"),
    "cut off": (cut, "isn't a Laurel backup, or it's incomplete"),
    "empty": (lambda file: file.write_bytes(b""), "isn't a Laurel backup"),
    "something else": (
        lambda file: file.write_text("ID;Username\n" * 100),
        "isn't a Laurel backup",
    ),
    "a row less": (
        lambda file: rewrite(file, lambda _: None, **{"awards.jsonl": b""}),
        "is damaged: awards.jsonl",
    ),
    "of a later format": (
        lambda file: rewrite(file, lambda told: told.update(format=2)),
        "a later version of Laurel",
    ),
    "of a later structure": (
        lambda file: rewrite(file, lambda told: told.update(revision="9999")),
        "written by a later version of Laurel",
    ),
    "no table of contents": (
        lambda file: rewrite(file, lambda told: told.pop("tables")),
        "isn't a Laurel backup",
    ),
}


def swapped(**changes: Any) -> Callable[[Path], None]:
    """Change what the table of contents says about its first table."""
    return lambda file: rewrite(file, lambda told: told["tables"][0].update(changes))


def replaced(line: bytes) -> Callable[[Path], None]:
    """Replace all rows of `staff`, with a correct table of contents."""

    def change(told: dict[str, Any]) -> None:
        (table,) = [one for one in told["tables"] if one["name"] == "staff"]
        table.update(rows=1, sha256=hashlib.sha256(line).hexdigest())

    return lambda file: rewrite(file, change, **{"staff.jsonl": line})


def added(name: str, columns: list[list[str]]) -> Callable[[Path], None]:
    """Add a table with one row."""
    line = json.dumps(["x"] * len(columns)).encode()
    table = {"name": name, "columns": columns, "rows": 1}
    table["sha256"] = hashlib.sha256(line).hexdigest()
    return lambda file: rewrite(
        file, lambda told: told["tables"].append(table), **{f"{name}.jsonl": line}
    )


def packed(method: int) -> Callable[[Path], None]:
    """Compress the table of contents differently."""

    def spoil(file: Path) -> None:
        with zipfile.ZipFile(file) as opened:
            parts = {name: opened.read(name) for name in opened.namelist()}
        with zipfile.ZipFile(file, "w") as opened:
            for name, content in parts.items():
                opened.writestr(name, content, compress_type=method)

    return spoil


DAMAGES |= {
    "an unknown table": (added("secrets", [["name", "text"]]), "doesn't know: secrets"),
    "a table that is left out": (added("staff_sessions", [["key", "text"]]), "doesn't know"),
    "alembic's own": (added("alembic_version", [["version_num", "text"]]), "doesn't know"),
    "an unknown column": (swapped(columns=[["nobody", "text"]]), "doesn't have: nobody"),
    "a table that is SQL": (
        swapped(name='x" (y) VALUES (1); DROP TABLE staff; --'),
        "is not a valid table",
    ),
    "a table that is a path": (swapped(name="../../etc/passwd"), "is not a valid table"),
    "a table that writes on the terminal": (
        swapped(name="\x1b[2J"),
        r"\x1b[2J is not a valid table",
    ),
    "a column that is SQL": (
        swapped(columns=[['id") VALUES (1) --', "text"]]),
        "is not a valid column",
    ),
    "a kind nobody knows": (swapped(columns=[["id", "pickle"]]), "no column type 'pickle'"),
    "a negative number of rows": (swapped(rows=-1), "is not a number of rows or an id"),
    "a number that is a text": (swapped(rows="1"), "is not a number of rows or an id"),
    "an id beyond all": (swapped(last_id=2**70), "is not a number of rows or an id"),
    "a table twice": (
        lambda file: rewrite(file, lambda told: told["tables"].append(told["tables"][0])),
        "too many tables, or duplicates",
    ),
    "a revision that is a word": (
        lambda file: rewrite(file, lambda told: told.update(revision="base")),
        "base is not a valid revision",
    ),
    "contents that are a list": (
        lambda file: rewrite(file, lambda _: None, **{MANIFEST: b"[]"}),
        "isn't a Laurel backup",
    ),
    "contents nested deep": (
        lambda file: rewrite(file, lambda _: None, **{MANIFEST: b"[" * 200_000}),
        "isn't a Laurel backup",
    ),
    "contents packed as LZMA": (packed(zipfile.ZIP_LZMA), "uses an unknown compression method"),
    "a row that is no JSON": (replaced(b"{"), "row 1 of staff can't be read"),
    "a row that is no list": (replaced(b'{"id": 1}'), "row 1 of staff can't be read"),
    "a row nested deep": (replaced(b"[" * 200_000), "row 1 of staff can't be read"),
    "a row that is too short": (replaced(b"[1]"), "row 1 of staff can't be read"),
}


def test_a_bad_file_is_refused_before_anything_is_touched(
    lived_in: Settings, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    whole, file = tmp_path / "whole.backup", tmp_path / "laurel.backup"
    done(run(lived_in, "backup", str(whole)))
    before = everything(lived_in)
    for damage, (spoil, sentence) in DAMAGES.items():
        with subtests.test(damage):
            shutil.copy(whole, file)
            spoil(file)
            assert sentence in refused(run(lived_in, "restore", str(file), "--replace"))
            assert everything(lived_in) == before


def test_a_value_of_another_kind_is_refused(lived_in: Settings, tmp_path: Path) -> None:
    """A hostile file may have a list instead of a text, or an invalid date."""
    file = tmp_path / "laurel.backup"
    done(run(lived_in, "backup", str(file)))
    with zipfile.ZipFile(file) as opened:
        told = json.loads(opened.read(MANIFEST))
    columns = next(one["columns"] for one in told["tables"] if one["name"] == "staff")
    replaced(json.dumps(["x"] * len(columns)).encode())(file)
    before = everything(lived_in)
    assert "a row of staff doesn't fit" in refused(run(lived_in, "restore", str(file), "--replace"))
    assert everything(lived_in) == before


def test_an_endless_row_and_endless_rows_cost_little(lived_in: Settings, tmp_path: Path) -> None:
    """A bomb of 1 MB that unpacks to a gigabyte: one line, or millions more than the contents list."""
    file = tmp_path / "laurel.backup"
    done(run(lived_in, "backup", str(file)))
    for piece, sentence in ((b"x" * 2**20, "a row has more than"), (b"[]\n" * 2**18, "damaged")):
        with zipfile.ZipFile(file) as opened:
            parts = {name: opened.read(name) for name in opened.namelist()}
        bomb = tmp_path / "bomb.backup"
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
            for name, content in parts.items():
                if name != "staff.jsonl":
                    opened.writestr(name, content)
            with opened.open("staff.jsonl", "w") as out:
                for _ in range(300):
                    out.write(piece)
        answers: list[str] = []
        tracemalloc.start()
        try:
            spent = cpu_seconds(
                lambda to=answers, file=bomb: to.append(
                    refused(run(lived_in, "restore", str(file), "--replace"))
                )
            )
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert sentence in answers[0]
        assert peak < 300_000_000
        assert spent < 10


def test_a_backup_writes_over_nothing_and_leaves_nothing_half(
    lived_in: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webapp.cli.backups import dump

    file = tmp_path / "laurel.backup"
    file.write_text("kept")
    assert "already exists" in refused(run(lived_in, "backup", str(file)))
    assert file.read_text() == "kept"
    missing = tmp_path / "nowhere" / "laurel.backup"
    assert "No such file or directory" in refused(run(lived_in, "backup", str(missing)))

    def fail(*_: object) -> list[object]:
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(dump, "_rows", fail)
    other = tmp_path / "other.backup"
    assert "No space left on device" in refused(run(lived_in, "backup", str(other)))
    assert sorted(path.name for path in tmp_path.iterdir() if "backup" in path.name) == [
        "laurel.backup"
    ]


def test_a_database_of_another_structure_is_not_backed_up(tmp_path: Path) -> None:
    settings = settings_for("", tmp_path / "none")
    assert "There is no database at" in refused(run(settings, "backup", str(tmp_path / "b")))
    assert not (tmp_path / "none" / "laurel.sqlite").exists()
    upgrade(settings)
    engine = create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()
    assert "laurel db upgrade" in refused(run(settings, "backup", str(tmp_path / "b")))


def test_a_database_that_cannot_be_reached_gets_a_sentence(tmp_path: Path) -> None:
    settings = settings_for("postgresql://nobody@127.0.0.1:1/none", tmp_path)
    assert "Database error:" in refused(run(settings, "backup", str(tmp_path / "b")))


def test_every_table_is_backed_up_or_left_out_for_a_reason() -> None:
    """A new table is in every backup; a new type of value must be added here."""
    names = {table.name for table in tables()}
    assert names | EXCLUDED.keys() == set(Base.metadata.tables)
    for table in tables():
        for column in table.columns:
            assert type_name(column.type)


FIRST_TABLES: dict[str, tuple[str, list[list[Any]]]] = {
    "badges": ("id:whole name:text created_at:moment holders:whole", [[1, "Veteran", "{at}", 10]]),
    "quests": ("id:whole badge_id:whole name:text holders:whole", [[1, 1, "Joined us", 10]]),
    "members": (
        "id:whole external_id:text username:text username_key:text joined_at:moment updated_at:moment",
        [[n, f"ID{n}", f"Member{n}", f"member{n}", "{at}", "{at}"] for n in range(1, 11)],
    ),
    "awards": (
        "id:whole member_id:whole quest_id:whole way:text awarded_at:moment",
        [[n, n, 1, "group", "{at}"] for n in range(1, 11)],
    ),
}


def test_an_earlier_structure_is_brought_up_to_date(elsewhere: Settings, tmp_path: Path) -> None:
    """A backup written at the first migration, with fewer tables and columns, can be restored by this version."""
    file = tmp_path / "laurel.backup"
    with open_output(file) as out, Writer(out) as writer:
        for table, (columns, rows) in FIRST_TABLES.items():
            dated = [[NOW.isoformat() if cell == "{at}" else cell for cell in row] for row in rows]
            writer.add(table, [column.split(":") for column in columns.split()], dated)
        writer.finish(NOW, "0.0.1", "0001", {"members": 10, "awards": 10})
    done(run(elsewhere, "restore", str(file)))
    after = everything(elsewhere)
    assert (len(after["members"]), len(after["awards"]), after["second_factors"]) == (10, 10, [])
    with create_app(elsewhere).app_context():
        assert list(db.session.scalars(select(Badge.holders))) == [10]
        db.session.remove()
        db.engine.dispose()


def test_a_backup_written_at_revision_0017_restores_at_every_later_one(
    elsewhere: Settings,
) -> None:
    """The file was written by the command itself. It has rows in every table and every kind of unfinished work."""
    with zipfile.ZipFile(EARLIER) as opened:
        content = json.loads(opened.read(MANIFEST))
    done(run(elsewhere, "restore", str(EARLIER)))
    restored = sum(map(len, everything(elsewhere).values()))
    # One row of the audit log, a webhook's subscription to restored awards, and the range of the running batch.
    assert restored == sum(table["rows"] for table in content["tables"]) + 3
    with create_app(elsewhere).app_context():
        batch = db.session.scalars(select(Batch)).one()
        part = db.session.scalars(select(BatchRange)).one()
        assert (part.failed_claims, part.single_step_left, part.last_error) == (
            2,
            3,
            "OperationalError: it was locked",
        )
        assert (part.lease_owner, batch.entry_count, batch.published, batch.errors) == (
            None,
            20,
            1,
            1,
        )
        awards = select(Award.source, Award.revoke_source).order_by(Award.id)
        assert [tuple(row) for row in db.session.execute(awards)] == [
            ("profile", ""),
            ("profile", "profile"),
            ("profile", ""),
            ("batch", ""),
            ("group", "group"),
        ]
        assert db.session.scalars(select(RuleCandidate.member_id)).all() == [5]
        upload = db.session.scalars(select(Upload)).one()
        assert (upload.content, upload.choices) == (b"ID\r\n1\r\n", {"3": 1})
        assert maintenance.differing(NOW) == []
        db.session.remove()
        db.engine.dispose()


def test_statements_do_not_grow_with_rows(lived_in: Settings, make: Make, tmp_path: Path) -> None:
    """A backup reads each table once, whatever its size."""
    from sqlalchemy import Engine

    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        done(run(lived_in, "backup", str(tmp_path / "one")))
        few = len(sent)
        make.members(5_000, prefix="many")
        sent.clear()
        done(run(lived_in, "backup", str(tmp_path / "other")))
        written = [one for one in sent if one.lstrip().upper().startswith(("INSERT", "UPDATE"))]
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(sent) == few
    assert written == []


def test_keys_of_open_badges_are_in_a_backup_but_encrypted(
    app: Flask, make: Make, database: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    """OB-1: restored with the same SECRET_KEY, an award gets the same credential; with another one, a warning."""
    award = make.award(make.member().id, make.quest().id)
    with app.app_context():
        with transaction():
            issuer.turn_on(ACT)
        before = signing.sign(signing.open_award(award.id), "https://x.example").document
        pem = issuer.signing_key().pem
    file = tmp_path / "x.backup"
    done(run(database, "backup", str(file)))
    with zipfile.ZipFile(file) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"issuer_keys" in everything
    for secret in ("PRIVATE KEY", *pem.splitlines()[1:-1]):
        assert secret.encode() not in everything

    assert "SECRET_KEY" not in done(run(elsewhere, "restore", str(file)))
    restored = create_app(elsewhere)
    with restored.app_context():
        signed = signing.sign(signing.open_award(award.id), "https://x.example")
        assert signed.document == before
        db.session.remove()
        db.engine.dispose()


def test_a_restore_with_another_secret_key_says_what_happens_to_open_badges(
    app: Flask, make: Make, database: Settings, tmp_path: Path
) -> None:
    """OB-1: nothing else fails; with the earlier secret as a fallback, everything works again."""
    member = make.member().id
    award = make.award(member, make.quest().id)
    with app.app_context():
        with transaction():
            issuer.turn_on(ACT)
        page = sharing.PageUrls("").of([member])[member]
        with transaction():
            signing.keep(signing.sign(signing.open_award(award.id), "https://x.example"), NOW)
    file = tmp_path / "x.backup"
    done(run(database, "backup", str(file)))
    other = settings_for("", tmp_path / "other")
    environ = {
        "LAUREL_ENV": "test",
        "SECRET_KEY": SECRET[::-1],
        "DATABASE_URL": other.database_url,
        "LAUREL_DATA": str(other.data),
    }
    said = done(CliRunner(env=environ).invoke(main, ["restore", str(file)]))
    assert "add that one to SECRET_KEY_FALLBACKS" in " ".join(said.split())

    without = create_app(replace(other, secret_key=SECRET[::-1]))
    client = without.test_client()
    for path in (page, "/credentials/status/0"):
        assert client.get(path).status_code == 503
    assert client.get("/.well-known/did.json").status_code == 200
    with without.app_context():
        assert sharing.page_urls("https://x.example") is None
        assert signing.stored(award.id)
        assert not issuer.are_secrets_readable()
    fallback = create_app(replace(other, secret_key=SECRET[::-1], secret_key_fallbacks=(SECRET,)))
    with fallback.app_context():
        assert sharing.PageUrls("").of([member])[member] == page
        with transaction():
            issuer.reencrypt_secrets()
    with without.app_context():
        assert issuer.are_secrets_readable()
    assert client.get(page).status_code == 200
    for console in (without, fallback):
        with console.app_context():
            db.session.remove()
            db.engine.dispose()
