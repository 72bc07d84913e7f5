"""Create rows for tests: each call commits, and returns the row detached with all columns loaded."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import TypeVar
from uuid import uuid4

from flask import Flask
from sqlalchemy import insert, select

from webapp.database import Base, db
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, runs
from webapp.domain.batches.drafts import Heading
from webapp.domain.imports import imports
from webapp.domain.imports.upsert import insert_words
from webapp.domain.normalization import fold
from webapp.models import Award, Badge, Batch, Member, Origin, Quest, Role, Staff
from webapp.transaction import transaction

T = TypeVar("T", bound=Base)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Make:
    """Creates rows in an app's database."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.numbers = count(1)

    def _keep(self, row: T) -> T:
        with self.app.app_context():
            with transaction():
                db.session.add(row)
            db.session.refresh(row)
            db.session.expunge(row)
        return row

    def member(self, username: str = "", **given: object) -> Member:
        """A member; unique in every column that must be."""
        number = next(self.numbers)
        username = username or f"member{number}"
        email = given.pop("email", f"{number}@example.org")
        values = {
            "external_id": f"id-{number}",
            "username": username,
            "username_key": fold(username),
            "email": email,
            "email_key": fold(str(email)) if email else None,
            "joined_at": NOW,
            "updated_at": NOW,
            **given,
        }
        made = self._keep(Member(**values))
        with self.app.app_context(), transaction():
            insert_words([(made.id, made.name)])
        return made

    def members(self, number: int, prefix: str = "user") -> list[int]:
        """Many members at once, `prefix1`, `prefix2` …, IDs `PREFIX1` …; return their ids in that order."""
        rows = [
            {
                "external_id": f"{prefix.upper()}{place}",
                "username": f"{prefix}{place}",
                "username_key": fold(f"{prefix}{place}"),
                "email": f"{prefix}{place}@example.org",
                "email_key": fold(f"{prefix}{place}@example.org"),
                "name": "",
                "status": "active",
                "joined_at": NOW,
                "updated_at": NOW,
            }
            for place in range(1, number + 1)
        ]
        with self.app.app_context():
            with transaction():
                db.session.execute(insert(Member), rows)
            found = select(Member.external_id, Member.id).where(
                Member.external_id.in_(
                    [f"{prefix.upper()}{place}" for place in range(1, number + 1)]
                )
            )
            ids = dict(db.session.execute(found).all())
        return [ids[row["external_id"]] for row in rows]

    def badge(self, name: str = "Helper", **given: object) -> Badge:
        """A badge without quests."""
        return self._keep(Badge(name=name, name_key=fold(name), created_at=NOW, **given))

    def quest(self, name: str = "", badge: Badge | None = None, **given: object) -> Quest:
        """A quest, of a new badge unless one is given; without a name, it gets a unique one."""
        number = next(self.numbers)
        name = name or f"Answered {number if badge else 50} questions"
        badge = badge or self.badge(f"Badge {number}")
        return self._keep(Quest(name=name, name_key=fold(name), badge_id=badge.id, **given))

    def staff(self, role: Role | str = Role.ADMIN, **given: object) -> Staff:
        """A member of staff without a password: tests sign in by session."""
        number = next(self.numbers)
        values = {
            "email": f"staff{number}@example.org",
            "name": f"Staff {number}",
            "role": Role(role),
            "active": True,
            "security_stamp": uuid4().hex,
            "created_at": NOW,
            **given,
        }
        return self._keep(Staff(**values))

    def award(self, member_id: int, quest_id: int, **given: object) -> Award:
        """An award made by hand."""
        values = {"source": "profile", "awarded_at": NOW, **given}
        return self._keep(Award(member_id=member_id, quest_id=quest_id, **values))

    def member_import(self, data: bytes = b"ID;Username\r\n1;one\r\n") -> int:
        """A member file chosen on the page; return its id."""
        with self.app.app_context(), transaction():
            made = imports.receive("members.csv", data, Actor(at=NOW, origin=Origin.CONSOLE))
            return made.id

    def batch(
        self,
        member_ids: list[int] | None = None,
        quest: Quest | None = None,
        name: str = "Spring meetup",
        *,
        published: bool = False,
    ) -> Batch:
        """A draft with members, created by the domain's own functions; published on request."""
        actor = Actor(at=NOW, origin=Origin.CONSOLE)
        quest = quest or self.quest()
        with self.app.app_context():
            with transaction():
                batch = drafts.create(Heading(name, quest.id), actor)
            batch_id = batch.id
            if member_ids:
                with transaction():
                    drafts.add_members(batch_id, member_ids, 1_000_000, actor)
            if published:
                with transaction():
                    runs.publish(batch_id, actor)
            batch = drafts.get(batch_id)
            db.session.expunge_all()
            return batch
