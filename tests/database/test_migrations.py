"""Migrations produce the tables of the models, and can be reversed."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from tests.conftest import settings_for
from webapp.cli.database import alembic_config, upgrade
from webapp.database import Base

LOADED = "INSERT INTO awards (member_id, quest_id, source, awarded_at) VALUES (1, 1, 'group', '2026-01-01')"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database for the test."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'up.sqlite'}"
    server = request.getfixturevalue("postgres")
    engine = create_engine(
        server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS migrated"))
        connection.execute(text("CREATE DATABASE migrated"))
    engine.dispose()
    head, mark, tail = server.partition("?")
    return head.rpartition("/")[0] + f"/migrated{mark}{tail}"


def test_up_down_and_up_again_with_data(url: str, tmp_path: Path) -> None:
    """R13: the latest revision is reversed and applied with awards in the tables; the result matches the models."""
    settings = settings_for(url, tmp_path)
    upgrade(settings)
    engine = create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO badges (id, name, created_at) VALUES (1, 'B', '2026-01-01')")
        )
        connection.execute(text("INSERT INTO quests (id, badge_id, name) VALUES (1, 1, 'Q')"))
        connection.execute(
            text(
                "INSERT INTO members (id, external_id, username, username_key, joined_at, updated_at)"
                " VALUES (1, 'a', 'a', 'a', '2026-01-01', '2026-01-01')"
            )
        )
        connection.execute(text(LOADED))
    command.downgrade(alembic_config(settings), "-1")
    upgrade(settings)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert connection.scalar(text("SELECT holders FROM badges")) == 1
        assert connection.scalar(text("SELECT count(*) FROM awards")) == 1
        assert "idempotent_requests" in inspect(connection).get_table_names()
    engine.dispose()


def test_stored_keys_are_renewed_and_those_of_two_members_stay_apart(
    url: str, tmp_path: Path
) -> None:
    """Only keys with invisible characters are rewritten; if two members collide, the second keeps the old key."""
    settings = settings_for(url, tmp_path)
    upgrade(settings)
    command.downgrade(alembic_config(settings), "0009")
    people = [(1, "heart\u2764\ufe0f"), (2, "zo\u00eb"), (3, "fox\ufe0f"), (4, "fox")]
    engine = create_engine(settings.database_url)
    with engine.begin() as connection:
        for number, key in people:
            connection.execute(
                text(
                    "INSERT INTO members (id, external_id, username, username_key, joined_at, updated_at)"
                    " VALUES (:id, :text, :key, :key, '2026-01-01', '2026-01-01')"
                ),
                {"id": number, "text": str(number), "key": key},
            )
    upgrade(settings)
    with engine.connect() as connection:
        keys = connection.execute(text("SELECT username_key FROM members ORDER BY id")).scalars()
        assert list(keys) == ["heart\u2764", "zo\u00eb", "fox\ufe0f", "fox"]
    engine.dispose()


def test_names_of_staff_become_unique_and_the_audit_log_says_how(url: str, tmp_path: Path) -> None:
    """L-1: the first keeps the name, others get their email added; a name of the console itself is removed."""
    settings = settings_for(url, tmp_path)
    upgrade(settings)
    command.downgrade(alembic_config(settings), "0012")
    people = [
        (1, "Anna", "anna@example.org"),
        (2, "ANNA", "anna2@example.org"),
        (3, "Аnna", "anna3@example.org"),  # a Cyrillic letter
        (4, "Laurel", "eve@example.org"),
        (5, "", "boris@example.org"),
        (6, "boris@example.org", "mallory@example.org"),
        (7, "Zo\u202eë", "zoe@example.org"),
        (8, "A" * 120, "long@example.org"),
        (9, "a" * 120, "longer@example.org"),
        (10, "", "clara@example.org"),
    ]
    engine = create_engine(settings.database_url)
    with engine.begin() as connection:
        for number, name, email in people:
            connection.execute(
                text(
                    "INSERT INTO staff (id, name, email, role, active, fs_uniquifier, created_at)"
                    " VALUES (:id, :name, :email, 'dev', true, :email, '2026-01-01')"
                ),
                {"id": number, "name": name, "email": email},
            )
    for _ in range(2):
        upgrade(settings)
        with engine.connect() as connection:
            names = connection.execute(text("SELECT name FROM staff ORDER BY id")).scalars().all()
            keys = connection.execute(
                text("SELECT count(name_key) FROM staff WHERE name <> ''")
            ).scalar()
        assert list(names) == [
            "Anna",
            "ANNA (anna2@example.org)",
            "Аnna (anna3@example.org)",
            "",
            "",
            "boris@example.org (mallory@example.org)",
            "Zoë",
            "A" * 120,
            "",
            "",
        ]
        assert keys == 6
        command.downgrade(alembic_config(settings), "0012")
    with engine.connect() as connection:
        told = connection.execute(
            text("SELECT subject_id, detail FROM records WHERE verb = 'staff.renamed' ORDER BY id")
        ).all()
        assert [row[0] for row in told] == [2, 3, 4, 6, 7, 9]
        assert "eve@example.org" in str(told[2][1])
    engine.dispose()
