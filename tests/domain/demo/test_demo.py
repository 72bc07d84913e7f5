"""The demo community: complete, plausible, and always the same except for its passwords."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from tests.factories import NOW, Make
from webapp.database import db, dialect_name
from webapp.domain import csv_files, demo, rules
from webapp.domain.actor import Actor
from webapp.domain.badges import catalogue
from webapp.domain.batches import drafts, preview
from webapp.domain.demo.people import people
from webapp.domain.normalization import fold
from webapp.domain.operations import maintenance
from webapp.domain.rules import backfill
from webapp.domain.staff import accounts
from webapp.messages import rules as stored_rules
from webapp.models import Award, Badge, Batch, Entry, Member, Origin, Role, Rule, Staff
from webapp.transaction import transaction

ACT = Actor(at=NOW, origin=Origin.COMMAND_LINE)
PASSWORDS = {role: f"{role}-9f3k-77xq-mm2p" for role in Role}
EVER = datetime(2000, 1, 1, tzinfo=UTC)


def count(*where: object, of: object = Award.id) -> int:
    return db.session.scalar(select(func.count(of)).where(*where)) or 0


def test_the_community_is_complete_and_consistent(make: Make) -> None:
    """One community for all the checks, because creating it takes seconds."""
    with transaction():
        demo.make(PASSWORDS, ACT)
        if dialect_name() == "postgresql":
            # As autovacuum does within a minute: until then PostgreSQL plans for almost empty tables.
            db.session.execute(text("ANALYZE"))
    check_numbers()
    check_batches()
    check_badges()
    check_accounts()
    check_example_file()
    check_made_again()
    check_rules()


def check_numbers() -> None:
    """12,000 members, 12 badges, awards of the past year, batches with correct counts."""
    assert count(of=Member.id) == 12_000
    assert count(of=Badge.id) == 12
    assert 20_000 <= count() <= 30_000
    assert count(Award.awarded_at > NOW) == count(Award.awarded_at < NOW - timedelta(days=366)) == 0
    assert count(Award.revoked_at.is_not(None)) > 50
    assert set(db.session.scalars(select(Award.source).distinct())) == {
        "profile",
        "group",
        "batch",
        "api",
        "rule",
    }
    early = select(Award.id).join(Member).where(Award.awarded_at < Member.joined_at)
    assert db.session.scalars(early).all() == []
    assert maintenance.differing(EVER) == []


def check_batches() -> None:
    """B-23, B-25: finished ones and a draft; every successful entry has its award."""
    statuses = list(db.session.scalars(select(Batch.status)))
    assert set(statuses) == {"draft", "published", "partially_published"}
    assert statuses.count("draft") == 1
    for batch in db.session.scalars(select(Batch)):
        made = count(Award.batch_id == batch.id)
        assert made == batch.published - batch.already_held
        assert batch.undecided == (batch.entry_count if batch.draft else 0)
    award = select(Award.id).where(
        Award.batch_id == Entry.batch_id, Award.member_id == Entry.member_id
    )
    lacking = select(Entry.id).where(Entry.outcome == "awarded", ~award.exists())
    assert db.session.scalars(lacking).all() == []


def check_badges() -> None:
    """M-1, M-15: manual and automatic, several quests, one archived, all different."""
    rows = catalogue.overview()
    looks = {(row.badge.shape, row.badge.colour, row.badge.icon) for row in rows}
    assert len(looks) == 12
    assert {row.badge.automatic for row in rows} == {True, False}
    assert [row.badge.name for row in rows if row.badge.archived_at] == ["Launch crew"]
    assert all(row.badge.holders for row in rows)


def check_accounts() -> None:
    """R-1: with the printed password, stored only as a hash."""
    for role, (email, _) in demo.ACCOUNTS.items():
        account = db.session.scalars(select(Staff).where(Staff.email == email)).one()
        assert account.role == role
        assert account.password is not None
        assert account.password.startswith("$argon2id$")
        assert PASSWORDS[role] not in account.password
        assert accounts.authenticate(email, PASSWORDS[role]) is not None


def check_example_file() -> None:
    """B-13, B-14: it can be uploaded as it is, and shows each message."""
    data = demo.example_file()
    assert data == demo.example_file()
    sheet = csv_files.read(data, max_rows=20_000)
    draft = db.session.scalars(select(Batch.id).where(Batch.status == "draft")).one()
    seen = preview.resolve(sheet, draft)
    codes = {line.message.code if line.message else "" for line in seen.lines}
    assert codes == {"rows.not_found", "rows.no_match", "rows.merged", "csv_files.row_width", ""}
    assert sheet.blank == 2
    assert seen.counts()["errors"] < 20
    assert len(seen.member_ids()) > 300
    with transaction():
        drafts.add_members(draft, seen.member_ids(), 5_000, ACT)


def check_made_again() -> None:
    """Only passwords change, because a start that was killed may not have printed them."""
    before = count(), count(of=Member.id), count(of=Batch.id)
    hashes = set(db.session.scalars(select(Staff.password)))
    with transaction():
        demo.make({role: f"{word}-new" for role, word in PASSWORDS.items()}, ACT)
    assert (count(), count(of=Member.id), count(of=Batch.id)) == before
    assert not hashes & set(db.session.scalars(select(Staff.password)))


def check_rules() -> None:
    """T-1: evaluated again, the rules award nothing except to members who have qualified since."""
    before = count()
    kept = db.session.scalars(select(Rule.id)).all()
    assert len(kept) == 11
    for rule_id in kept:
        with transaction():
            rule = db.session.get_one(Rule, rule_id)
            rules.editing.begin([rule], Actor(NOW, Origin.CONSOLE))
        with transaction():
            assert backfill.claim(rule_id, "tests", 60, NOW)
        more: bool | None = True
        while more:
            with transaction():
                more = backfill.evaluate_some(rule_id, "tests", 60, 5_000, NOW)
    assert count() == before
    by_rule = select(Award.reason).where(Award.source == "rule").distinct()
    words = {stored_rules.unpack(reason) for reason in db.session.scalars(by_rule) if reason}
    assert "1,095 days as a member" in words
    assert all(re.fullmatch(r"[\d,]+ [a-z ]+", text) for text in words)


def test_an_interrupted_creation_leaves_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An incomplete community is never used: everything is one transaction."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_batch", stop)
    with pytest.raises(KeyboardInterrupt), transaction():
        demo.make(PASSWORDS, ACT)
    assert not demo.is_there()
    assert count(of=Member.id) == count(of=Badge.id) == count(of=Staff.id) == 0


def test_people_are_the_same_every_time() -> None:
    """Deterministic, unique in every key, in many scripts, with email addresses that reach no one."""
    rows = people(3_000, NOW)
    assert rows == people(3_000, NOW)
    for key in ("external_id", "username_key"):
        assert len({row[key] for row in rows}) == 3_000
    emails = [row["email_key"] for row in rows if row["email_key"]]
    assert len(set(emails)) == len(emails) > 2_800
    assert {email.partition("@")[2] for email in emails} == {"example.org", "example.net"}
    assert all(row["username_key"] == fold(row["username"]) for row in rows)
    assert sum(row["username"].isascii() for row in rows) > 2_850
    assert not all(row["username"].isascii() for row in rows)
    scripts = {
        unicodedata.name(letter).split()[0]
        for row in rows
        for letter in row["name"]
        if letter.isalpha()
    }
    assert {"LATIN", "CYRILLIC", "ARABIC", "CJK", "HANGUL", "HEBREW", "GREEK", "THAI"} <= scripts
    assert {str(row["status"]) for row in rows} == {"active", "left", "suspended"}
    assert all(NOW - timedelta(days=366 * 5.1) < row["joined_at"] <= NOW for row in rows)
