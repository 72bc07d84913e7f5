"""R13: every migration upgrades, downgrades and upgrades again on both databases, with 100,000 awards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from bench.community import AWARDS, MEMBERS, NUMBERS
from tests.conftest import settings_for
from webapp import package
from webapp.cli.database import alembic_config, upgrade
from webapp.config import Settings
from webapp.database.version import newest_revision
from webapp.domain.audit_log import events
from webapp.infrastructure.encryption import decrypt_with

SIZE = 100_000
# One in ten has a name: writing the words of names would take longer than everything else.
FEW_NAMED = MEMBERS.replace(
    "'Member Number ' || n", "CASE n % 10 WHEN 0 THEN 'Member Number ' || n ELSE '' END"
)
FIRST_AWARDS = AWARDS.replace("source", "way")  # the column's original name
WORDS = "SELECT count(*), count(DISTINCT member_id) FROM member_words"
BADGE = (
    "INSERT INTO badges (id, name, created_at) VALUES (1, 'Veteran', '2026-01-01 00:00:00')",
    "INSERT INTO quests (id, badge_id, name) VALUES (1, 1, 'Joined us')",
)
SUMS = (
    "SELECT count(*), sum(member_id), count(revoked_at) FROM awards",
    "SELECT count(*), count(DISTINCT username_key), min(email_key), max(email_key) FROM members",
    "SELECT holders FROM badges",
    "SELECT holders FROM quests",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of an empty database."""
    if request.param == "sqlite":
        yield settings_for("", tmp_path)
        return
    server = request.getfixturevalue("postgres").replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"migrated_{uuid4().hex}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    head, mark, tail = server.partition("?")
    yield settings_for(head.rpartition("/")[0] + f"/{name}{mark}{tail}", tmp_path)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    made = create_engine(settings.database_url)
    yield made
    made.dispose()


def revisions() -> list[str]:
    """Every revision, the first one first."""
    scripts = ScriptDirectory(package.folder("migrations"))
    return [script.revision for script in scripts.walk_revisions()][::-1]


def there_and_back(config: Config) -> Iterator[str]:
    """Upgrade one by one to the latest, downgrade to the first, and upgrade again; yields each revision."""
    names = revisions()
    for name in names[1:]:
        command.upgrade(config, name)
        yield f"up to {name}"
    for name in names[-2::-1]:
        command.downgrade(config, name)
        yield f"down to {name}"
    command.upgrade(config, "head")
    yield "up again"


def test_migrations_form_a_single_line() -> None:
    """Each revision has one predecessor and one successor, except for the first and the last."""
    scripts = ScriptDirectory(package.folder("migrations"))
    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    assert len(revisions()) == len(list((package.folder("migrations") / "versions").glob("*.py")))
    assert newest_revision() == scripts.get_current_head()


def test_up_down_and_up_matches_the_models(settings: Settings, engine: Engine) -> None:
    """R13, I131: after a downgrade no table or function is left; after an upgrade, exactly the models' tables exist."""
    settings.data.mkdir(exist_ok=True)
    config = alembic_config(settings)
    upgrade(settings)
    command.check(config)
    command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    if not settings.sqlite:
        left = "SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
        with engine.connect() as connection:
            assert connection.scalars(text(left)).all() == []
    upgrade(settings)
    command.check(config)


COLUMNS = """SELECT table_name, column_name, data_type, character_maximum_length, collation_name, is_nullable,
    column_default, is_identity FROM information_schema.columns WHERE table_schema = current_schema()"""
CONSTRAINTS = """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = current_schema()::regnamespace AND contype <> 'n'"""  # NOT NULL: in the columns
FUNCTIONS = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
TRIGGERS = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()"
SEQUENCES = "SELECT sequencename, data_type, start_value FROM pg_sequences"


def schema_of(engine: Engine) -> set[tuple[str, ...]]:
    """What the database's schema consists of, without the order of columns, spaces and quotation marks."""
    with engine.connect() as connection:

        def rows(query: str) -> set[tuple[str, ...]]:
            found = connection.execute(text(query)).all()
            return {tuple(re.sub(r'[\s"]', "", str(value)) for value in row) for row in found}

        if engine.dialect.name == "postgresql":
            return set().union(
                *map(rows, (COLUMNS, CONSTRAINTS, FUNCTIONS, TRIGGERS, INDEXES, SEQUENCES))
            )
        # SQLite stores the statements. Those of tables list columns and constraints, in the order they were added.
        found = rows("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type <> 'table'")
        for name in inspect(connection).get_table_names():
            autoincrement = f"SELECT '{name}', sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = '{name}'"
            found |= rows(autoincrement)
            found |= rows(
                f"SELECT '{name}', name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{name}')"
            )
            found |= {(name, str(one)) for one in inspect(connection).get_check_constraints(name)}
            # Not their names, which a renamed column doesn't change.
            found |= {
                (name, str({**one, "name": ""}))
                for one in inspect(connection).get_foreign_keys(name)
            }
            found |= {(name, str(one)) for one in inspect(connection).get_unique_constraints(name)}
        return found


def test_a_new_database_has_the_schema_that_all_migrations_produce(
    settings: Settings, engine: Engine
) -> None:
    """R13: tables, columns, constraints, indexes, triggers and functions are the same, and no migration adds rows."""
    settings.data.mkdir(exist_ok=True)
    config = alembic_config(settings)
    command.upgrade(config, "head")
    migrated = schema_of(engine)
    with engine.connect() as connection:
        for name in {*inspect(connection).get_table_names()} - {"alembic_version"}:
            assert connection.scalar(text(f"SELECT count(*) FROM {name}")) == 0, name
    command.downgrade(config, "base")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    upgrade(settings)
    assert len(migrated) > 500
    assert schema_of(engine) == migrated


@pytest.mark.timeout(1200)
def test_a_hundred_thousand_awards_come_through_every_step(
    settings: Settings, engine: Engine
) -> None:
    """R13, I131: no award is lost or changed, and triggers keep counting holders."""
    config = alembic_config(settings)
    settings.data.mkdir(exist_ok=True)
    command.upgrade(config, revisions()[0])
    numbers = NUMBERS[engine.dialect.name].format(size=SIZE)
    with engine.begin() as connection:
        for statement in (*BADGE, FEW_NAMED.format(numbers=numbers), FIRST_AWARDS.format(quest=1)):
            connection.execute(text(statement))

    def sums() -> list[tuple[object, ...]]:
        with engine.connect() as connection:
            return [tuple(connection.execute(text(query)).one()) for query in SUMS]

    before = sums()
    assert (before[0][0], before[2]) == (SIZE, (SIZE,))
    for stop in there_and_back(config):
        assert sums() == before, stop
    with engine.begin() as connection:
        named = SIZE // 10
        assert connection.execute(text(WORDS)).one() == (3 * named, named)  # Member Number N
        revoke = "UPDATE awards SET revoked_at = '2026-03-01 00:00:00' WHERE member_id <= 10"
        assert connection.execute(text(revoke)).rowcount == 10
        assert connection.scalar(text("SELECT holders FROM badges")) == SIZE - 10


PEOPLE = (
    "INSERT INTO staff (id, email, name, role, active, fs_uniquifier, created_at)"
    " VALUES (1, 'a@example.org', 'A', 'admin', {yes}, 'one', '2026-01-01 00:00:00'),"
    " (2, 'b@example.org', 'B', 'dev', {yes}, 'two', '2026-01-01 00:00:00')",
    "INSERT INTO staff_sessions (id, staff_id, key_hash, created_at, seen_at)"
    " VALUES (7, 1, 'k', '2026-01-02 00:00:00', '2026-01-03 00:00:00')",
    "INSERT INTO staff_links (staff_id, key_hash, made_at) VALUES (2, 'l', '2026-01-02 00:00:00')",
    "INSERT INTO second_factors (staff_id, secret, made_at, confirmed_at)"
    " VALUES (1, 'on', '2026-01-02 00:00:00', '2026-01-02 00:00:00'),"
    " (2, 'pending', '2026-01-02 00:00:00', NULL)",
)


def test_sessions_stay_and_pending_secrets_go(settings: Settings, engine: Engine) -> None:
    """R13, R-4: a session counts as confirmed when it began; pending secrets without a session are deleted."""
    config = alembic_config(settings)
    settings.data.mkdir(exist_ok=True)
    command.upgrade(config, "0013")
    with engine.begin() as connection:
        for statement in PEOPLE:
            yes = "1" if settings.sqlite else "true"
            connection.execute(text(statement.format(yes=yes)))
    for _ in range(2):
        command.upgrade(config, "0014")
        with engine.connect() as connection:
            session = "SELECT id, confirmed_at = created_at FROM staff_sessions"
            assert [tuple(row) for row in connection.execute(text(session))] == [(7, 1)]
            links = "SELECT staff_id, made_by FROM staff_links"
            assert [tuple(row) for row in connection.execute(text(links))] == [(2, None)]
            secrets = "SELECT secret FROM second_factors"
            assert connection.scalars(text(secrets)).all() == ["on"]
        command.downgrade(config, "0013")


def test_addresses_of_webhooks_are_encrypted_and_decrypted(
    settings: Settings, engine: Engine
) -> None:
    """S9: existing ones too; after a downgrade they are readable again."""
    settings.data.mkdir(exist_ok=True)
    config = alembic_config(settings)
    command.upgrade(config, "0016")
    url = "https://hooks.example.org/T0/s3cret?key=s3cret"
    made = "INSERT INTO endpoints (url, secret, created_at) VALUES (:url, 'x', '2026-01-01')"
    with engine.begin() as connection:
        connection.execute(text(made), {"url": url})
    for _ in range(2):
        command.upgrade(config, "0017")
        with engine.connect() as connection:
            row = connection.execute(text("SELECT * FROM endpoints")).mappings().one()
        assert row["host"] == "https://hooks.example.org/…"
        assert "s3cret" not in str(dict(row))
        assert decrypt_with([settings.secret_key], row["sealed_url"]) == url
        if settings.sqlite:
            with engine.connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            assert b"s3cret" not in (settings.data / "laurel.sqlite").read_bytes()
        command.downgrade(config, "0016")
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT url FROM endpoints")) == url


def test_dropping_a_column_does_not_free_the_ids_of_deleted_rows(
    settings: Settings, engine: Engine
) -> None:
    """R13: SQLite rebuilds the table, and an old browser tab must not act on another batch."""
    settings.data.mkdir(exist_ok=True)
    config = alembic_config(settings)
    command.upgrade(config, "0018")
    insert = "INSERT INTO batches (status, created_at, updated_at) VALUES ('draft', :at, :at)"
    for revision, expected in (("0019", 1), ("0018", 2)):
        with engine.begin() as connection:
            connection.execute(text(insert), {"at": "2026-01-01 00:00:00"})
            connection.execute(text("DELETE FROM batches"))
        (command.upgrade if revision == "0019" else command.downgrade)(config, revision)
        with engine.begin() as connection:
            connection.execute(text(insert), {"at": "2026-01-01 00:00:00"})
            assert connection.scalar(text("SELECT max(id) FROM batches")) == 2 * expected
            connection.execute(text("DELETE FROM batches"))


MOMENT = "'2026-01-02 00:00:00'"
OLD_ROWS = (
    *BADGE,
    "INSERT INTO members (id, external_id, username, username_key, joined_at, updated_at)"
    f" VALUES (1, 'a', 'a', 'a', {MOMENT}, {MOMENT}), (2, 'b', 'b', 'b', {MOMENT}, {MOMENT})",
    "INSERT INTO batches (id, status, created_at, updated_at, users, run_through, fruitless, careful, trouble)"
    f" VALUES (1, 'published', {MOMENT}, {MOMENT}, 2, 9, 3, 4, 'locked')",
    "INSERT INTO entries (id, batch_id, member_id, outcome, cause)"
    " VALUES (8, 1, 1, 'taken_back', ''), (9, 1, 2, 'kept', '(awarded again since)')",
    "INSERT INTO awards (id, member_id, quest_id, way, revoke_way, awarded_at, revoked_at)"
    f" VALUES (1, 1, 1, 'batch', 'group', {MOMENT}, {MOMENT})",
    "INSERT INTO member_imports (id, sha256, status, created_at, fruitless, trouble)"
    f" VALUES (1, 'x', 'broken', {MOMENT}, 5, 'TimeoutError')",
    "INSERT INTO rules (id, quest_id, looked_at, through, days_at, fruitless, trouble)"
    f" VALUES (1, 1, 6, 7, {MOMENT}, 2, 'locked')",
    f"INSERT INTO checks (id, rule_id, member_id, since) VALUES (3, 1, 2, {MOMENT})",
    "INSERT INTO endpoints (id, sealed_url, secret, former_secret, former_until, created_at, disabled_why, rests_until)"
    f" VALUES (1, 'u', 's', 'p', {MOMENT}, {MOMENT}, 'gone', {MOMENT})",
    "INSERT INTO deliveries (id, endpoint_id, kind, subject_id, occasion, at, next_at, answered, trouble)"
    f" VALUES (1, 1, 'webhook.test', 0, 77, {MOMENT}, {MOMENT}, 500, 'It answered 500.')",
    "INSERT INTO uploads (id, batch_id, filename, sha256, created_at, said)"
    f" VALUES (1, 1, 'f', 'x', {MOMENT}, '{{\"line\": 2}}')",
    "INSERT INTO group_awards (id, quest_id, made_at, awarded, held)"
    f" VALUES (1, 1, {MOMENT}, 2, 5)",
    "INSERT INTO records (id, at, actor, origin, verb, subject_kind, detail)"
    f" VALUES (1, {MOMENT}, 'A', 'console', 'batch.created', 'batch', '{{}}')",
    f"INSERT INTO factor_roles (role, since) VALUES ('admin', {MOMENT})",
    f"INSERT INTO sign_in_failures (id, account, address, at) VALUES (1, 'x', 'y', {MOMENT})",
)
NEW_ROWS = {
    "SELECT entry_count, run_up_to_entry_id, failed_claims, single_step_left, last_error FROM batches": [
        (2, 9, 3, 4, "locked")
    ],
    "SELECT id, outcome, reason_detail FROM entries ORDER BY id": [
        (8, "revoked_by_undo", ""),
        (9, "kept", "(awarded again since)"),
    ],
    "SELECT source, revoke_source FROM awards": [("batch", "group")],
    "SELECT failed_claims, last_error FROM member_imports": [(5, "TimeoutError")],
    "SELECT evaluated, up_to_member_id, failed_claims, last_error FROM rules": [
        (6, 7, 2, "locked")
    ],
    "SELECT id, rule_id, member_id FROM rule_candidates": [(3, 1, 2)],
    "SELECT encrypted_url, previous_secret, disabled_reason FROM endpoints"
    " WHERE backoff_until = previous_secret_until": [("u", "p", "gone")],
    "SELECT occurrence, response_status, last_error FROM deliveries": [
        (77, 500, "It answered 500.")
    ],
    "SELECT CAST(header_choice AS text) FROM uploads": [('{"line": 2}',)],
    "SELECT already_held FROM group_awards WHERE created_at IS NOT NULL": [(5,)],
    "SELECT actor, verb FROM audit_events": [("A", "batch.created")],
    "SELECT role FROM two_factor_required_roles": [("admin",)],
    "SELECT account FROM login_attempts": [("x",)],
}
OLD_NAMES = (
    "records",
    "checks",
    "sign_in_failures",
    "factor_roles",
    "stored_answers",
    "_way_",
    "made_",
    "_users",
    "trouble",
    "fruitless",
    "looked_at",
    "occasion",
    "rests_until",
)
OBJECTS = {
    "sqlite": "SELECT name FROM sqlite_master",
    "postgresql": "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " UNION ALL SELECT conname FROM pg_constraint"
    " WHERE connamespace = current_schema()::regnamespace UNION ALL SELECT tgname FROM pg_trigger"
    " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace",
}


def test_running_batches_get_a_range_and_keep_their_failures(
    settings: Settings, engine: Engine
) -> None:
    """0032: in both directions; the lease itself may be lost, and finished batches have nothing to keep."""
    settings.data.mkdir(exist_ok=True)
    config = alembic_config(settings)
    command.upgrade(config, "0031")
    columns = "id, status, created_at, updated_at, run_up_to_entry_id, failed_claims, last_error"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO batches ({columns}, single_step_left, lease_owner) VALUES"
            f" (1, 'in_progress', {MOMENT}, {MOMENT}, 40, 2, 'DiskFull', 7, 'x'),"
            f" (2, 'published', {MOMENT}, {MOMENT}, 50, 0, '', 0, NULL)"
        )
    for _ in range(2):
        command.upgrade(config, "0032")
        with engine.connect() as connection:
            rows = "SELECT batch_id, last_entry_id, failed_claims, last_error, single_step_left, lease_owner"
            found = connection.execute(text(f"{rows} FROM batch_ranges")).all()
        assert [tuple(row) for row in found] == [(1, 40, 2, "DiskFull", 7, None)]
        command.downgrade(config, "0031")
        with engine.connect() as connection:
            rows = "SELECT failed_claims, last_error, single_step_left, lease_owner FROM batches"
            found = connection.execute(text(f"{rows} ORDER BY id")).all()
        assert [tuple(row) for row in found] == [(2, "DiskFull", 7, None), (0, "", 0, None)]


def test_renaming_keeps_rows_and_converts_values(settings: Settings, engine: Engine) -> None:
    """R13: every renamed column keeps its values, and the old outcome is converted, in both directions."""
    settings.data.mkdir(exist_ok=True)
    config = alembic_config(settings)
    command.upgrade(config, "0020")
    with engine.begin() as connection:
        for statement in OLD_ROWS:
            connection.exec_driver_sql(statement)
    for _ in range(2):
        command.upgrade(config, "0021")
        with engine.connect() as connection:
            for query, expected in NEW_ROWS.items():
                assert [tuple(row) for row in connection.execute(text(query))] == expected, query
            names = connection.scalars(text(OBJECTS[engine.dialect.name])).all()
        assert [name for name in names if any(old in name for old in OLD_NAMES)] == []
        for statement in ("UPDATE audit_events SET actor = 'x'", "DELETE FROM audit_events"):
            with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
                connection.execute(text(statement))
        command.downgrade(config, "0020")
        with engine.connect() as connection:
            outcomes = "SELECT outcome, cause FROM entries ORDER BY id"
            assert [tuple(row) for row in connection.execute(text(outcomes))] == [
                ("taken_back", ""),
                ("kept", "(awarded again since)"),
            ]
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text("DELETE FROM records"))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM entries WHERE id = 9"))
    command.upgrade(config, "0021")
    with engine.begin() as connection:
        insert = "INSERT INTO entries (batch_id, member_id) VALUES (1, 2) RETURNING id"
        if settings.sqlite:  # PostgreSQL's sequence doesn't know the ids above
            assert connection.scalar(text(insert)) == 10


STORED_SENTENCES = (
    *BADGE,
    "INSERT INTO members (id, external_id, username, username_key, joined_at, updated_at)"
    f" VALUES (1, 'a', 'a', 'a', {MOMENT}, {MOMENT}), (2, 'b', 'b', 'b', {MOMENT}, {MOMENT}),"
    f" (3, 'c', 'c', 'c', {MOMENT}, {MOMENT})",
    "INSERT INTO batches (id, status, created_at, updated_at)"
    f" VALUES (1, 'published', {MOMENT}, {MOMENT})",
    "INSERT INTO entries (id, batch_id, member_id, outcome, reason_detail) VALUES"
    " (1, 1, 1, 'kept', '(awarded again since)'), (2, 1, 2, 'not_held', '(revoked since)'),"
    " (3, 1, 3, 'stopped', '(revoked since)')",
    "INSERT INTO awards (id, member_id, quest_id, source, awarded_at, reason) VALUES"
    f" (1, 1, 1, 'rule', {MOMENT}, '1,095 days since joining and holding Helper'),"
    f" (2, 2, 1, 'rule', {MOMENT}, '50 likes received'), (3, 3, 1, 'profile', {MOMENT}, '50 likes received')",
    "INSERT INTO member_imports (id, sha256, status, created_at)"
    f" VALUES (1, 'x', 'done', {MOMENT})",
    "INSERT INTO member_import_rows (id, import_id, line, kind, cells, before, message) VALUES"
    " (1, 1, 2, 'bad', '[]', '[]', 'The ID is missing. “x” is not an email address.'),"
    " (2, 1, 3, 'bad', '[]', '[]', 'Something else.'), (3, 1, 4, 'created', '[]', '[]', '')",
    "INSERT INTO endpoints (id, encrypted_url, secret, created_at, disabled_reason)"
    f" VALUES (1, 'u', 's', {MOMENT}, 'it answered 410 Gone')",
    "INSERT INTO deliveries (id, endpoint_id, kind, subject_id, at, next_at, response_status, last_error) VALUES"
    f" (1, 1, 'webhook.test', 0, {MOMENT}, {MOMENT}, 500, 'It answered 500.'),"
    f" (2, 1, 'webhook.test', 1, {MOMENT}, {MOMENT}, NULL, 'It did not answer in time.')",
)
DETAILS = {
    "member.saved": {"what": "added"},
    "member.status_changed": {"was": "Active", "now": "Left"},
    "rule.saved": {"what": "50 likes received or 30 days since joining"},
    "badge.changed": {"what": "name from “A, b” to “C”, Automatic from now on, colour"},
    "endpoint.disabled": {"why": "it answered 410 Gone"},
}
CONVERTED = {
    "SELECT reason_detail FROM entries ORDER BY id": ["again", "revoked", "(revoked since)"],
    "SELECT reason FROM awards ORDER BY id": [
        '{"all": [["days", 1095], ["quest", "Helper"]]}',
        '{"all": [["activity", 50, "likes received"]]}',
        "50 likes received",
    ],
    "SELECT CAST(messages AS text) FROM member_import_rows ORDER BY id": [
        '[["imports.id_missing", {}], ["imports.not_an_email", {"value": "x"}]]',
        '[["common.text", {"text": "Something else."}]]',
        "[]",
    ],
    "SELECT disabled_reason FROM endpoints": ["webhooks.gone"],
    "SELECT last_error FROM deliveries ORDER BY id": ["webhooks.status", "webhooks.timed_out"],
    "SELECT verb FROM audit_events ORDER BY id": [
        "member.created",
        "member.status_changed",
        "rule.saved",
        "badge.changed",
        "endpoint.disabled",
    ],
}
ORIGINAL = (
    "SELECT reason_detail FROM entries ORDER BY id",
    "SELECT reason FROM awards ORDER BY id",
    "SELECT message FROM member_import_rows ORDER BY id",
    "SELECT disabled_reason FROM endpoints",
    "SELECT last_error FROM deliveries ORDER BY id",
    "SELECT verb FROM audit_events ORDER BY id",
)


def test_stored_sentences_become_codes_and_sentences_again(
    settings: Settings, engine: Engine
) -> None:
    settings.data.mkdir(exist_ok=True)
    config = alembic_config(settings)
    command.upgrade(config, "0021")
    event = text(
        "INSERT INTO audit_events (at, actor, origin, verb, subject_kind, detail)"
        f" VALUES ({MOMENT}, 'A', 'console', :verb, 'badge', :detail)"
    )
    with engine.begin() as connection:
        for statement in STORED_SENTENCES:
            connection.exec_driver_sql(statement)
        for verb, detail in DETAILS.items():
            connection.execute(event, {"verb": verb, "detail": json.dumps(detail)})

    def column(query: str) -> list[object]:
        with engine.connect() as connection:
            return list(connection.scalars(text(query)))

    def details() -> list[dict[str, object]]:
        stored = column("SELECT CAST(detail AS text) FROM audit_events ORDER BY id")
        return [json.loads(str(one)) for one in stored]

    before = [column(query) for query in ORIGINAL]
    for _ in range(2):
        command.upgrade(config, "0022")
        for query, expected in CONVERTED.items():
            assert column(query) == expected, query
        shown = [
            events.sentence(str(verb), detail)
            for verb, detail in zip(column(ORIGINAL[-1]), details(), strict=True)
        ]
        assert [after for _, after, _ in shown] == [
            "",
            " from Active to Left",
            ": 50 likes received or 30 days as a member",
            ": renamed from “A, b” to “C”, switched to Automatic, new colour",
            ": The receiver responded with 410 Gone",
        ]
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text("UPDATE audit_events SET actor = 'x'"))
        command.downgrade(config, "0021")
        assert [column(query) for query in ORIGINAL] == before
        assert details() == list(DETAILS.values())
