"""Pulls: members of a community are imported, linked, updated and leave; with everything that goes wrong there."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update

from jobs import connections as job
from jobs import imports, periodic
from tests.adapters.fakes import LOOPBACK
from tests.counting import statements
from tests.factories import NOW, Make
from tests.jobs.community import Community
from tests.jobs.process import on_loopback
from tests.lock_waits import run_behind
from webapp.adapters.contract import AdapterKind, Check, ConnectionProblem, Pull, RemoteMember
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.connections import pulls, settings
from webapp.domain.connections.settings import ConnectionFields
from webapp.domain.erasure import erase
from webapp.domain.errors import DomainError
from webapp.domain.imports import imports as member_imports
from webapp.infrastructure.encryption import decrypt
from webapp.models import (
    AuditEvent,
    Connection,
    ErasedAccount,
    ErasedMember,
    ImportStatus,
    MatchBy,
    Member,
    MemberAccount,
    MemberImport,
    MemberImportRow,
    MemberStatus,
    Origin,
    PulledMember,
)
from webapp.models.member_import import RowKind
from webapp.transaction import transaction

ADDRESS = "http://127.0.0.1:9/"
CHECK = Check("Kettle Club", "laurel", "6.8")


def actor(minutes: float = 0) -> Actor:
    return Actor(NOW + timedelta(minutes=minutes), Origin.CONSOLE)


process = on_loopback


@pytest.fixture
def community(monkeypatch: pytest.MonkeyPatch) -> Community:
    made = Community()
    monkeypatch.setattr(settings, "adapter_for", lambda *_: made)
    return made


Connect = Callable[..., int]


@pytest.fixture
def connect(process: Flask, community: Community) -> Connect:
    """Connect the community; return the connection's ID."""

    def connect(match_by: MatchBy = MatchBy.ID, *, imports_members: bool = True) -> int:
        fields = ConnectionFields(
            AdapterKind.WORDPRESS, ADDRESS, "laurel", "secret", match_by, imports_members, rate=6000
        )
        with transaction():
            return settings.create(fields, CHECK, LOOPBACK, actor()).id

    return connect


def start(connection_id: int, *, unattended: bool = False) -> int:
    with transaction():
        return pulls.start(connection_id, actor(), unattended=unattended).id


def work(import_id: int) -> MemberImport:
    """Run the jobs of a pull as often as there is work for them."""
    job.pull(import_id)
    imports.import_members(import_id)
    return found(import_id)


def found(import_id: int) -> MemberImport:
    db.session.rollback()
    return member_imports.get(import_id)


def pull(connection_id: int, *, unattended: bool = True) -> MemberImport:
    """Pull the members and import them, whatever the dry run says."""
    import_id = start(connection_id, unattended=unattended)
    done = work(import_id)
    if done.status == ImportStatus.TRIED:
        with transaction():
            member_imports.carry_out(import_id, actor())
        done = work(import_id)
    return done


def members() -> dict[str, str]:
    """Status of all members by username."""
    db.session.rollback()
    query = select(Member.username, Member.status).order_by(Member.username)
    return {name: str(status) for name, status in db.session.execute(query)}


def accounts() -> dict[str, str]:
    """IDs there of all linked members, by username here; those that are gone in brackets."""
    db.session.rollback()
    query = select(Member.username, MemberAccount).join(
        MemberAccount, MemberAccount.member_id == Member.id
    )
    return {
        name: f"({one.remote_id})" if one.missing_at else one.remote_id
        for name, one in db.session.execute(query)
    }


def test_a_pull_is_reviewed_and_then_creates_and_links_members(
    connect: Connect, community: Community
) -> None:
    community.join("ada", "bob", "cyd")
    connection_id = connect()
    import_id = start(connection_id)
    tried = work(import_id)
    assert (tried.status, tried.created, tried.rows) == (ImportStatus.TRIED, 3, 3)
    assert members() == {}
    with transaction():
        member_imports.carry_out(import_id, actor())
    done = work(import_id)
    assert (done.status, done.created, done.bad) == (ImportStatus.DONE, 3, 0)
    assert members() == {"ada": "active", "bob": "active", "cyd": "active"}
    assert accounts() == {"ada": "1", "bob": "2", "cyd": "3"}
    assert db.session.scalar(select(func.count()).select_from(PulledMember)) == 0
    assert settings.get(connection_id).pulled_at is not None
    verbs = set(db.session.scalars(select(AuditEvent.verb)))
    assert {"connection.made", "connection.pulled", "members.imported"} <= verbs


def test_starting_twice_is_one_pull(connect: Connect, community: Community) -> None:
    community.join("ada")
    connection_id = connect()
    assert start(connection_id) == start(connection_id)
    with transaction():
        settings.switch(connection_id, False, actor())
    with pytest.raises(DomainError), transaction():
        pulls.start(connection_id, actor())


def test_the_next_pull_changes_nothing(connect: Connect, community: Community) -> None:
    community.join("ada", "bob")
    connection_id = connect()
    pull(connection_id)
    again = pull(connection_id)
    assert (again.created, again.changed, again.unchanged) == (0, 0, 2)


def test_a_renamed_member_is_found_by_the_id_there(connect: Connect, community: Community) -> None:
    community.join("ada", "bob")
    connection_id = connect(MatchBy.USERNAME)
    pull(connection_id)
    community.join("zoe")  # ID 1 was ada
    done = pull(connection_id)
    assert (done.created, done.changed) == (0, 1)
    assert accounts() == {"bob": "2", "zoe": "1"}


@pytest.mark.parametrize("match_by", [MatchBy.EMAIL, MatchBy.USERNAME])
def test_members_who_are_here_already_are_matched(
    connect: Connect, community: Community, make: Make, match_by: MatchBy
) -> None:
    make.member("ada", external_id="A-1", email="ada@example.org")
    community.join("ada", "bob")
    connection_id = connect(match_by)
    done = pull(connection_id)
    assert (done.created, done.bad) == (1, 0)
    ids = dict(db.session.execute(select(Member.username, Member.external_id)).all())
    assert ids == {"ada": "A-1", "bob": f"wordpress-{connection_id}-2"}


def test_a_connection_that_imports_no_members_only_links(
    connect: Connect, community: Community, make: Make
) -> None:
    make.member("ada", external_id="A-1", email="ada@example.org", name="Ada here")
    make.member("eve")
    community.join("ada", "bob")
    done = pull(connect(MatchBy.EMAIL, imports_members=False))
    assert (done.status, done.unchanged, done.rows) == (ImportStatus.DONE, 1, 2)
    assert accounts() == {"ada": "1"}
    assert members() == {"ada": "active", "eve": "active"}
    assert db.session.scalar(select(Member.name).where(Member.username == "ada")) == "Ada here"


def test_members_who_are_gone_leave_and_may_return(connect: Connect, community: Community) -> None:
    community.join(*(f"user{number}" for number in range(20)))
    connection_id = connect()
    pull(connection_id)
    gone = community.members.pop("7")
    done = pull(connection_id)
    assert (done.status, done.changed, done.departing) == (ImportStatus.DONE, 1, 1)
    assert members()["user6"] == "left"
    assert accounts()["user6"] == "(7)"
    assert pull(connection_id).changed == 0  # they leave once
    community.members["7"] = gone
    pull(connection_id)
    assert members()["user6"] == "active"
    assert accounts()["user6"] == "7"


def test_someone_made_left_by_hand_stays_so(connect: Connect, community: Community) -> None:
    community.join("ada", "bob")
    connection_id = connect()
    pull(connection_id)
    with transaction():
        db.session.execute(
            update(Member).where(Member.username == "ada").values(status=MemberStatus.LEFT)
        )
    pull(connection_id)
    assert members()["ada"] == "left"


def test_a_pull_that_would_make_many_leave_asks_first(
    connect: Connect, community: Community
) -> None:
    community.join(*(f"user{number}" for number in range(20)))
    connection_id = connect()
    pull(connection_id)
    for number in (3, 4, 5):
        del community.members[str(number)]
    import_id = start(connection_id, unattended=True)
    held = work(import_id)
    assert (held.status, held.departing) == (ImportStatus.TRIED, 3)
    assert set(members().values()) == {"active"}
    with transaction():
        member_imports.carry_out(import_id, actor())
    work(import_id)
    assert list(members().values()).count("left") == 3


def test_a_member_of_two_communities_leaves_with_the_last(
    connect: Connect, community: Community
) -> None:
    community.join(*(f"user{number}" for number in range(20)))
    first, second = connect(), connect()
    pull(first)
    pull(second)
    gone = community.members.pop("7")
    pull(first)
    assert members()["user6"] == "active"
    pull(second)
    assert members()["user6"] == "left"
    assert gone.username == "user6"


def test_accounts_with_the_same_email_or_username_are_reported(
    connect: Connect, community: Community
) -> None:
    community.join("ada", "bob")
    community.members["3"] = RemoteMember("3", "ADA", "Another", "other@example.org")
    community.members["4"] = RemoteMember("4", "dan", "Dan", "ada@example.org")
    done = pull(connect())
    assert (done.created, done.bad, done.warned) == (3, 1, 1)
    query = select(MemberImportRow).where(MemberImportRow.import_id == done.id)
    rows = {row.kind: row for row in db.session.scalars(query)}
    assert rows[RowKind.BAD].cells[0] == "3"
    assert "ADA" in rows[RowKind.BAD].message
    assert "ada@example.org" in rows[RowKind.WARNED].message
    assert accounts() == {"ada": "1", "bob": "2", "dan": "4"}


def test_an_account_that_replaces_another_is_linked(connect: Connect, community: Community) -> None:
    """Someone deleted their account and registered again with the same email."""
    community.join(*(f"user{number}" for number in range(20)))
    connection_id = connect(MatchBy.EMAIL)
    pull(connection_id)
    old = community.members.pop("7")
    community.members["99"] = replace(old, id="99")
    done = pull(connection_id)
    assert (done.changed, done.unchanged, done.departing) == (0, 20, 0)
    assert accounts()["user6"] == "99"
    assert members()["user6"] == "active"


@pytest.mark.parametrize("page_size", [1, 3, 100])
def test_pages_are_followed_to_the_end(
    connect: Connect, community: Community, page_size: int
) -> None:
    community.page_size = page_size
    community.join(*(f"user{number}" for number in range(7)))
    assert pull(connect()).created == 7


def test_a_page_that_repeats_forever_ends_the_pull(
    connect: Connect, community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    community.join("ada", "bob")
    page = Pull(tuple(community.members.values()), "more", None)
    monkeypatch.setattr(community, "pull", lambda cursor: page)
    done = work(start(connect()))
    assert done.status == ImportStatus.BROKEN
    assert done.why_stopped.startswith("The community returned the same page")
    assert members() == {}


def test_a_community_without_members_changes_nothing(
    connect: Connect, community: Community
) -> None:
    done = work(start(connect()))
    assert done.status == ImportStatus.BROKEN
    assert done.why_stopped.startswith("The community returned no members")


def test_a_problem_that_needs_a_person_ends_the_pull(
    connect: Connect, community: Community
) -> None:
    community.join("ada")
    community.problems = [ConnectionProblem("webhooks.tls")]
    connection_id = connect()
    done = work(start(connection_id))
    assert done.status == ImportStatus.BROKEN
    assert done.why_stopped == "The TLS certificate or connection isn't valid."
    assert settings.get(connection_id).error == done.why_stopped
    pull(connection_id)
    assert settings.get(connection_id).error == ""


def free(import_id: int) -> None:
    """Let the lease end, as if time had passed."""
    with transaction():
        db.session.execute(
            update(MemberImport).where(MemberImport.id == import_id).values(lease_until=None)
        )


def test_a_temporary_problem_is_tried_again_at_the_same_page(
    connect: Connect, community: Community
) -> None:
    community.page_size = 2
    community.join("ada", "bob", "cyd", "dan", "eve")
    import_id = start(connect(), unattended=True)
    calls = iter([None, ConnectionProblem("webhooks.timed_out", temporary=True, retry_after=60)])

    def fail() -> None:
        if problem := next(calls, None):
            community.problems.append(problem)

    community.before = fail
    waits = work(import_id)
    assert (waits.status, waits.rows) == (ImportStatus.FETCHING, 2)
    assert pulls.waiting() == []  # until the pause is over
    free(import_id)
    assert pulls.waiting() == [import_id]
    assert work(import_id).status == ImportStatus.DONE
    assert len(members()) == 5


def test_a_community_that_stays_away_ends_the_pull(connect: Connect, community: Community) -> None:
    community.join("ada")
    import_id = start(connect())
    for _ in range(pulls.CLAIMS):
        community.problems = [ConnectionProblem("webhooks.timed_out", temporary=True)]
        work(import_id)
        free(import_id)
    assert found(import_id).status == ImportStatus.BROKEN
    assert found(import_id).why_stopped == "Timed out."


def test_erased_members_do_not_come_back(connect: Connect, community: Community) -> None:
    community.join("ada", "bob")
    connection_id = connect()
    pull(connection_id)
    (member_id,) = db.session.scalars(select(Member.id).where(Member.username == "ada"))
    import_id = start(connection_id)
    job.pull(import_id)
    db.session.rollback()
    with transaction():
        erase.erase(member_id, actor())
    assert accounts() == {"bob": "2"}
    left = select(PulledMember.username).where(PulledMember.import_id == import_id)
    assert list(db.session.scalars(left)) == ["bob"]
    with transaction():
        member_imports.discard(import_id)
    pull(connection_id)
    assert members() == {"Erased member": "erased", "bob": "active"}


def erase_member(username: str, *, long_ago: bool = False) -> None:
    """With `long_ago`, the ID that other systems are told has been deleted since."""
    member_id = db.session.scalar(select(Member.id).where(Member.username == username)) or 0
    with transaction():
        erase.erase(member_id, actor())
        if long_ago:
            db.session.execute(delete(ErasedMember))


def hashes() -> list[tuple[int, str]]:
    db.session.rollback()
    rows = db.session.execute(select(ErasedAccount.connection_id, ErasedAccount.hash))
    return sorted((connection_id, hash_) for connection_id, hash_ in rows)


@pytest.mark.parametrize("match_by", MatchBy)
def test_pulls_pass_over_the_accounts_of_erased_members(
    connect: Connect, community: Community, match_by: MatchBy
) -> None:
    """Also if all members of a page are erased, and long after the erasure."""
    community.join("ada", "bob", "cyd", "dan")
    community.page_size = 2
    connection_id = connect(match_by)
    pull(connection_id)
    for username in ("ada", "bob", "dan"):
        erase_member(username, long_ago=True)
    done = pull(connection_id)
    assert (done.status, done.rows, done.created) == (ImportStatus.DONE, 1, 0)
    assert accounts() == {"cyd": "3"}
    assert "ada" not in members()


def test_an_erasure_waits_for_a_page_that_is_being_stored(
    process: Flask, connect: Connect, community: Community
) -> None:
    """Otherwise it would overlook what that page says about the person."""
    community.join("ada", "bob")
    connection_id = connect()
    pull(connection_id)
    import_id = start(connection_id)
    with transaction():
        pulls.claim(import_id, "worker", 60, NOW)
    page = community.pull()

    def store() -> None:
        pulls.store(import_id, "worker", 60, replace(page, next_cursor="more"), NOW)

    run_behind(process, store, lambda: erase_member("ada"))
    assert list(db.session.scalars(select(PulledMember.username))) == ["bob"]


def test_an_account_that_is_only_matched_yet_is_passed_over_too(
    connect: Connect, community: Community, make: Make
) -> None:
    make.member("other", email="ada@example.org")
    community.join("ada", "bob")
    connection_id = connect(MatchBy.EMAIL)
    assert work(start(connection_id)).status == ImportStatus.TRIED
    erase_member("other", long_ago=True)
    pull(connection_id)
    assert members() == {"Erased member": "erased", "bob": "active"}


def test_of_an_erased_account_only_a_hash_with_the_connection_s_key_is_kept(
    connect: Connect, community: Community
) -> None:
    assert set(ErasedAccount.__table__.columns.keys()) == {"connection_id", "hash"}
    community.join("ada")
    connection_id, second = connect(), connect()
    pull(connection_id)
    pull(second)
    keys = [decrypt(one.account_key) for one in (settings.get(connection_id), settings.get(second))]
    erase_member("ada")
    made = [hmac.new(bytes.fromhex(key), b"1", "sha256").hexdigest() for key in keys]
    assert made[0] != made[1]
    assert hashes() == [(connection_id, made[0]), (second, made[1])]
    with transaction():
        settings.remove(connection_id, actor())
    assert hashes() == [(second, made[1])]


def test_erased_accounts_are_known_after_a_change_of_the_secret(
    process: Flask, connect: Connect, community: Community
) -> None:
    community.join("ada", "bob")
    connection_id = connect()
    pull(connection_id)
    erase_member("ada", long_ago=True)
    before = process.config["SECRET_KEY"]
    try:
        process.config["SECRET_KEY"] = "another" * 9
        process.config["SECRET_KEY_FALLBACKS"] = [before]
        periodic.reencrypt_secrets()
        process.config["SECRET_KEY_FALLBACKS"] = []
        pull(connection_id)
        assert members() == {"Erased member": "erased", "bob": "active"}
    finally:
        process.config["SECRET_KEY"], process.config["SECRET_KEY_FALLBACKS"] = before, []


def test_without_the_secret_erased_accounts_are_unknown(
    process: Flask, connect: Connect, community: Community
) -> None:
    """Nothing else breaks: someone can still be erased, and is known again once a pull has made a new key."""
    community.join("ada", "bob")
    connection_id = connect()
    pull(connection_id)
    erase_member("ada", long_ago=True)
    (old,) = hashes()
    with transaction():
        settings.get(connection_id).account_key = "0000.nothing"
    erase_member("bob", long_ago=True)
    assert hashes() == [old]
    pull(connection_id)
    assert hashes() == []
    assert {"ada", "bob"} <= set(members())
    erase_member("ada", long_ago=True)
    pull(connection_id)
    assert "ada" not in members()


def test_a_page_takes_a_fixed_number_of_statements(
    connect: Connect, community: Community, make: Make
) -> None:
    community.join(*(f"user{number}" for number in range(1, 101)))
    connection_id = connect(MatchBy.EMAIL)
    pull(connection_id)
    for number in range(1, 11):
        erase_member(f"user{number}", long_ago=True)
    counts = []
    for size in (20, 100):
        community.page_size = size
        with transaction():
            member_import = pulls.start(connection_id, actor())
            claimed = pulls.claim(member_import.id, "worker", 60, NOW)
        assert claimed is not None
        page = replace(community.pull(), next_cursor="more")
        with statements() as sent, transaction():
            pulls.store(claimed.id, "worker", 60, page, NOW)
        assert found(claimed.id).rows == size - 10
        counts.append(len(sent))
        with transaction():
            member_imports.discard(claimed.id)
    assert counts[0] == counts[1], counts


def test_members_are_pulled_every_night(connect: Connect, community: Community) -> None:
    """Once a person has carried out the first pull."""
    community.join("ada")
    connection_id = connect()
    day = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)

    def nightly(at: datetime) -> list[int]:
        with transaction():
            return pulls.start_nightly(Actor(at, Origin.WORKER))

    assert nightly(day) == []
    pull(connection_id)
    with transaction():
        db.session.execute(update(MemberImport).values(created_at=day - timedelta(days=2)))
    (begun,) = nightly(day)
    assert found(begun).unattended
    assert nightly(day) == []
    assert work(begun).status == ImportStatus.DONE
    assert nightly(day + timedelta(minutes=15)) == []
    assert len(nightly(day + timedelta(minutes=45))) == 1
    periodic.pull_members()


def test_a_removed_connection_ends_its_pull(connect: Connect, community: Community) -> None:
    community.join("ada")
    connection_id = connect()
    import_id = start(connection_id)
    with transaction():
        settings.remove(connection_id, actor())
    job.pull(import_id)
    db.session.rollback()
    assert db.session.get(MemberImport, import_id) is None
    assert db.session.scalar(select(func.count()).select_from(Connection)) == 0


def test_a_secret_that_cannot_be_decrypted_is_reported(
    connect: Connect, community: Community
) -> None:
    community.join("ada")
    connection_id = connect()
    with transaction():
        db.session.execute(update(Connection).values(secret="0000.nothing"))
    done = work(start(connection_id))
    assert done.why_stopped.startswith("The stored password or key can't be decrypted")
