"""R13: every migration goes up, down and up again on both databases, with a hundred thousand awards in the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from bench.community import AWARDS, MEMBERS, NUMBERS
from tests.conftest import settings_for
from webapp import package
from webapp.cli.database import alembic_config, upgrade
from webapp.config import Settings
from webapp.infrastructure.encryption import decrypt_with

SIZE = 100_000
# One of ten has a name: to write the words of names would take longer than all else.
FEW_NAMED = MEMBERS.replace(
    "'Member Number ' || n", "CASE n % 10 WHEN 0 THEN 'Member Number ' || n ELSE '' END"
)
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
    """Up to the newest, one by one, down to the first, and up again; tells each stop."""
    names = revisions()
    for name in names[1:]:
        command.upgrade(config, name)
        yield f"up to {name}"
    for name in names[-2::-1]:
        command.downgrade(config, name)
        yield f"down to {name}"
    command.upgrade(config, "head")
    yield "up again"


def test_there_is_one_way_through_the_migrations() -> None:
    """Each has one before it and one after it, but for the first and the last."""
    scripts = ScriptDirectory(package.folder("migrations"))
    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    assert len(revisions()) == len(list((package.folder("migrations") / "versions").glob("*.py")))


def test_up_down_and_up_leaves_what_the_models_say(settings: Settings, engine: Engine) -> None:
    """R13, I131: down to nothing, no table and no function left; up again, exactly the models' tables."""
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


@pytest.mark.timeout(240)
def test_a_hundred_thousand_awards_come_through_every_step(
    settings: Settings, engine: Engine
) -> None:
    """R13, I131: not one is lost or changed on the way, and what counts holders goes on counting."""
    config = alembic_config(settings)
    settings.data.mkdir(exist_ok=True)
    command.upgrade(config, revisions()[0])
    numbers = NUMBERS[engine.dialect.name].format(size=SIZE)
    with engine.begin() as connection:
        for statement in (*BADGE, FEW_NAMED.format(numbers=numbers), AWARDS.format(quest=1)):
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
    """R13, R-4: a session counts as confirmed when it began; a secret that nobody's session made is not kept."""
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
    """S9: those that are there already, too; on the way down they are readable again."""
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
    """R13: SQLite rebuilds the table for it, and an old tab must not come to act on another batch."""
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
