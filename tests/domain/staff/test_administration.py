"""Staff accounts: invited, disabled, enabled, given a role; there is always an admin (R-3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import select

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.auth import staff_sessions as sessions
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.staff import accounts, administration, password_links
from webapp.domain.webhooks import endpoints
from webapp.models import Origin, Role, Staff, StaffLink, StaffSession
from webapp.transaction import transaction

GOOD = "kettle onion tramway 42"
ACT = Actor(NOW, Origin.CONSOLE)


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> object:
    with app.app_context():
        yield


def admin(make: Make, **given: object) -> Staff:
    """An admin who can sign in."""
    return make.staff(Role.ADMIN, password="a hash", **given)


def fresh(person: Staff) -> Staff:
    db.session.rollback()
    return db.session.get_one(Staff, person.id)


def invite(
    email: str = "zoe@example.org", name: str = "", role: Role = Role.DEV
) -> tuple[int, str]:
    with transaction():
        person, key = administration.invite(email, name, role, ACT)
        return person.id, key


def use(key: str, password: str = GOOD, name: str = "Zoë", at: datetime = NOW) -> Staff:
    choice = password_links.prepare(key, name, password, at)
    with transaction():
        return password_links.redeem(choice, Actor(at, Origin.CONSOLE))


def test_an_invitation_becomes_an_account_once(make: Make) -> None:
    """R-3: the link is shown once, and leads to a name and a password; used again, it has expired."""
    mara = admin(make, name="Mara")
    with transaction():
        person, key = administration.invite(
            " Zoe@example.org", "", Role.DEV, Actor(NOW, Origin.CONSOLE, mara)
        )
        number = person.id
    assert administration.get(number).status == "Invited"
    assert accounts.authenticate("zoe@example.org", "") is None
    assert use(key).id == number
    assert administration.get(number).status == "Active"
    assert administration.get(number).link_until is None
    assert accounts.authenticate("zoe@example.org", GOOD) is not None
    with pytest.raises(NotFoundError):
        password_links.prepare(key, "Eve", GOOD, NOW)
    assert [line.sentence for line in search.page(AuditFilters()).lines][::-1] == [
        "Mara invited Zoë as Dev",
        "Zoë set a password and accepted the invitation",
    ]


def test_the_database_does_not_contain_the_links_key(make: Make) -> None:
    """R-3: a copy of the database grants no access."""
    _, key = invite()
    row = db.session.scalars(select(StaffLink)).one()
    assert key not in row.key_hash
    assert len(key) >= 43  # 256 bits


def test_a_link_lasts_a_day(make: Make) -> None:
    """R-3: exactly 24 hours."""
    _, key = invite()
    day = timedelta(hours=24)
    assert password_links.owner(key, NOW + day - timedelta(seconds=1)) is not None
    assert password_links.owner(key, NOW + day) is None
    with pytest.raises(NotFoundError):
        password_links.prepare(key, "", GOOD, NOW + day)


def test_a_newer_link_ends_the_one_before(make: Make) -> None:
    number, first = invite()
    with transaction():
        second = password_links.create(number, ACT)
    assert password_links.owner(first, NOW) is None
    assert use(second).id == number


def test_a_link_that_is_used_at_the_same_moment_is_used_once(make: Make, app: Flask) -> None:
    """R-3: of two concurrent requests, one sets the password."""
    number, key = invite()
    choices = [password_links.prepare(key, name, GOOD, NOW) for name in ("One", "Other")]
    db.session.rollback()
    done = at_once(
        app, [lambda choice=choice: password_links.redeem(choice, ACT) for choice in choices]
    )
    assert sorted(map(str, done)) == ["NotFoundError", "done"]
    assert administration.get(number).person.name in ("One", "Other")


def test_a_reset_ends_the_sessions_and_keeps_the_password_until_then(make: Make) -> None:
    """R-3: a password reset by a link."""
    person = make.staff(Role.SUPPORT, email="sam@example.org", password=accounts.hash_of(GOOD))
    key = sessions.start(person.id, datetime.now(UTC))
    with transaction():
        link = password_links.create(person.id, ACT)
    assert sessions.find(key, datetime.now(UTC)) is not None
    assert accounts.authenticate("sam@example.org", GOOD) is not None
    use(link, "violet engine under snow")
    assert sessions.find(key, datetime.now(UTC)) is None
    assert accounts.authenticate("sam@example.org", GOOD) is None
    assert accounts.authenticate("sam@example.org", "violet engine under snow") is not None
    assert "changed the password" in search.page(AuditFilters()).lines[0].sentence


@pytest.mark.parametrize(
    ("password", "name", "field"),
    [("short", "Zoë", "password"), (GOOD, "x" * 121, "name"), ("zoe@example.org!", "", "password")],
)
def test_a_bad_choice_leaves_the_link_good(
    make: Make, password: str, name: str, field: str
) -> None:
    _, key = invite()
    with pytest.raises(DomainError) as refused:
        password_links.prepare(key, name, password, NOW)
    assert refused.value.field == field
    assert use(key).email == "zoe@example.org"


@pytest.mark.parametrize("key", ["", "x", "\0", "ключ", "x" * 5000, "\ud800"])
def test_a_key_that_is_none(make: Make, key: str) -> None:
    assert password_links.owner(key, NOW) is None


def test_existing_accounts_cannot_be_invited(make: Make) -> None:
    make.staff(email="zoe@example.org")
    with pytest.raises(DomainError) as refused:
        invite("ZOE@example.org")
    assert refused.value.message == "zoe@example.org already has an account."


def test_inviting_the_same_person_concurrently_creates_one_account(make: Make, app: Flask) -> None:
    """The unique index decides, and the second gets a sentence."""

    def invite_zoe() -> object:
        return administration.invite("zoe@example.org", "", Role.DEV, ACT)

    assert sorted(at_once(app, [invite_zoe] * 3)) == ["DomainError", "DomainError", "done"]
    assert len(db.session.scalars(select(Staff)).all()) == 1


def test_disabling_ends_sessions_and_links_and_enabling_brings_none_back(make: Make) -> None:
    """R-3, S2: immediately; once enabled, the old password works for a new sign-in."""
    admin(make)
    person = make.staff(Role.DEV, email="sam@example.org", password=accounts.hash_of(GOOD))
    key = sessions.start(person.id, datetime.now(UTC))
    with transaction():
        link = password_links.create(person.id, ACT)
    with transaction():
        assert administration.disable(person.id, ACT)
    assert db.session.scalars(select(StaffSession)).all() == []
    assert password_links.owner(link, NOW) is None
    assert accounts.authenticate("sam@example.org", GOOD) is None
    with pytest.raises(DomainError, match="disabled"), transaction():
        password_links.create(person.id, ACT)
    with transaction():
        assert not administration.disable(person.id, ACT)  # repeated
    with transaction():
        assert administration.enable(person.id, ACT)
    with transaction():
        assert not administration.enable(person.id, ACT)
    assert sessions.find(key, datetime.now(UTC)) is None
    assert fresh(person).security_stamp != person.security_stamp
    assert accounts.authenticate("sam@example.org", GOOD) is not None
    assert [line.event.verb for line in search.page(AuditFilters()).lines] == [
        "staff.enabled",
        "staff.disabled",
        "staff.link_made",
    ]


def test_a_role_changes_and_reads_as_a_sentence(make: Make) -> None:  # R-3, L-1
    admin(make, name="Mara")
    person = make.staff(Role.MANAGER, name="Sam")
    with transaction():
        assert administration.change_role(person.id, Role.SUPPORT, ACT)
    with transaction():
        assert not administration.change_role(person.id, Role.SUPPORT, ACT)
    assert fresh(person).role == Role.SUPPORT
    assert [line.sentence for line in search.page(AuditFilters()).lines] == [
        "Laurel changed the role of Sam from Community manager to Support"
    ]


def no_longer(person: Staff) -> list[Callable[[], object]]:
    """The two ways to remove an admin."""
    return [
        lambda: administration.disable(person.id, ACT),
        lambda: administration.change_role(person.id, Role.DEV, ACT),
    ]


@pytest.mark.parametrize("way", [0, 1], ids=["disabled", "demoted"])
def test_the_last_admin_stays(make: Make, way: int) -> None:
    """R-3: people who are invited without a password yet, or disabled, don't count as admins."""
    mara = admin(make, name="Mara")
    make.staff(Role.ADMIN)  # invited, no password yet
    admin(make, active=False)
    make.staff(Role.DEV, password="a hash")
    with pytest.raises(DomainError, match="Mara is the last admin who can sign in"), transaction():
        no_longer(mara)[way]()
    assert fresh(mara).active
    assert fresh(mara).role == Role.ADMIN
    other = admin(make)
    with transaction():
        assert no_longer(mara)[way]()
    with pytest.raises(DomainError, match="last admin"), transaction():
        no_longer(other)[way]()


def test_an_admin_who_cannot_sign_in_may_be_removed(make: Make) -> None:
    admin(make)
    invited, gone = make.staff(Role.ADMIN), admin(make, active=False)
    with transaction():
        assert administration.disable(invited.id, ACT)
    with transaction():
        assert administration.change_role(gone.id, Role.DEV, ACT)


@pytest.mark.parametrize("ways", [(0, 0), (0, 1), (1, 1)])
def test_admins_who_disable_each_other_concurrently_leave_one(
    make: Make, app: Flask, ways: tuple[int, int]
) -> None:
    """R-3: also concurrently; one of the two is rejected."""
    one, other = admin(make), admin(make)
    done = at_once(app, [no_longer(other)[ways[0]], no_longer(one)[ways[1]]])
    assert sorted(map(str, done)) == ["DomainError", "done"]
    able = select(Staff).where(Staff.active, Staff.role == Role.ADMIN)
    assert len(db.session.scalars(able).all()) == 1


def at_once(app: Flask, acts: list[Callable[[], object]]) -> list[str]:
    """Run each in its own thread and transaction, concurrently: `done`, or the name of the exception."""
    done: list[str] = []
    barrier = Barrier(len(acts))

    def do(actor: Callable[[], object]) -> None:
        with app.app_context():
            barrier.wait()
            try:
                with transaction():
                    actor()
            except (DomainError, NotFoundError) as problem:
                done.append(type(problem).__name__)
            else:
                done.append("done")
            db.session.remove()

    threads = [Thread(target=do, args=(actor,)) for actor in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def test_the_list_is_one_query(make: Make) -> None:
    """By name, disabled accounts last; last seen by request or action."""
    for number in range(30):
        make.staff(Role.DEV, name=f"Person {number:02}")
    gone = make.staff(name="Aaron", active=False)
    mara = admin(make, name="Mara")
    sessions.start(mara.id, NOW + timedelta(hours=1))
    with transaction():
        administration.change_role(gone.id, Role.SUPPORT, Actor(NOW, Origin.CONSOLE, mara))
    with statements() as sent:
        found = administration.list_accounts()
    assert len(sent) == 1
    assert [found[0].person.name, found[-1].person.name] == ["Mara", "Aaron"]
    assert found[0].seen_at == NOW + timedelta(hours=1)
    assert found[-1].seen_at is None
    assert found[-1].status == "Disabled"


def test_an_unknown_account_is_reported(make: Make) -> None:
    admin(make)
    verbs: list[Callable[[], object]] = [
        lambda: administration.get(999),
        lambda: administration.disable(999, ACT),
        lambda: administration.enable(999, ACT),
        lambda: administration.change_role(999, Role.DEV, ACT),
        lambda: password_links.create(999, ACT),
    ]
    for verb in verbs:
        with pytest.raises(NotFoundError), transaction():
            verb()


def key_of(person: Staff, name: str = "LMS", **given: object) -> int:
    with transaction():
        by = Actor(NOW, Origin.CONSOLE, person)
        return api_keys.create(name, ["badges:read"], given.get("until"), by).key.id  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["disabled", "demoted"])
def test_keys_are_revoked_with_the_account_they_were_made_by(make: Make, way: str) -> None:
    """A-3, R-3: the selected ones, in the same transaction; no one else's, none twice."""
    mara, dev, other = admin(make, name="Mara"), make.staff(Role.DEV), make.staff(Role.DEV)
    ticked, kept, foreign = key_of(dev, "One"), key_of(dev, "Two"), key_of(other, "Three")
    gone = key_of(dev, "Four", until=NOW + timedelta(hours=1))
    with transaction():
        api_keys.revoke(gone, ACT)
    assert [key.id for key in api_keys.created_by(dev.id, NOW)] == [kept, ticked]
    by = Actor(NOW, Origin.CONSOLE, mara)
    wanted = [ticked, foreign, gone, 10**18]
    with transaction():
        if way == "disabled":
            assert administration.disable(dev.id, by, wanted)
        else:
            assert administration.change_role(dev.id, Role.SUPPORT, by, wanted)
    revoked = {key.id for key in api_keys.all_keys() if key.revoked_at}
    assert revoked == {ticked, gone}
    verbs = [line.event.verb for line in search.page(AuditFilters()).lines]
    assert verbs.count("key.revoked") == 2
    assert api_keys.get(ticked).revoked_by == mara.id


@pytest.mark.parametrize("way", ["disabled", "demoted"])
def test_webhooks_are_switched_off_with_the_account_that_made_them(make: Make, way: str) -> None:
    """A-6, R-3: they would keep sending data; the selected ones, and no one else's."""
    admin(make)
    dev, other = make.staff(Role.DEV), make.staff(Role.DEV)

    def hook(person: Staff) -> int:
        with transaction():
            by = Actor(NOW, Origin.CONSOLE, person)
            url = "https://hooks.example.org/"
            return endpoints.create(url, ["award.created"], (), by).endpoint.id

    ticked, kept, foreign = hook(dev), hook(dev), hook(other)
    assert [one.id for one in endpoints.created_by(dev.id)] == [kept, ticked]
    with transaction():
        if way == "disabled":
            administration.disable(dev.id, ACT, (), [ticked, foreign])
        else:
            administration.change_role(dev.id, Role.SUPPORT, ACT, (), [ticked, foreign])
    on = {one.endpoint.id for one in endpoints.overview() if one.endpoint.disabled_at is None}
    assert on == {kept, foreign}
    verbs = [line.event.verb for line in search.page(AuditFilters()).lines]
    assert verbs.count("endpoint.disabled") == 1


def test_a_refused_act_revokes_no_key(make: Make) -> None:
    """The last admin stays, and so do their keys."""
    mara = admin(make)
    key = key_of(mara)
    with pytest.raises(DomainError, match="last admin"), transaction():
        administration.disable(mara.id, ACT, [key])
    assert api_keys.get(key).revoked_at is None


def test_expired_keys_are_not_listed(make: Make) -> None:
    dev = make.staff(Role.DEV)
    key_of(dev, until=NOW + timedelta(hours=1))
    assert len(api_keys.created_by(dev.id, NOW)) == 1
    assert api_keys.created_by(dev.id, NOW + timedelta(hours=1)) == []


@pytest.mark.parametrize("way", ["disabled", "demoted", "password", "own password", "a link"])
def test_unused_links_end_with_their_creators_permission(make: Make, way: str) -> None:
    """R-3: a link created for later use stops working; other people's links stay valid."""
    mara = admin(make)
    eve = admin(make, email="eve@example.org")
    with transaction():
        planted = administration.invite(
            "plant@example.org", "", Role.ADMIN, Actor(NOW, Origin.CONSOLE, eve)
        )[1]
    with transaction():
        kept = administration.invite(
            "zoe@example.org", "", Role.DEV, Actor(NOW, Origin.CONSOLE, mara)
        )[1]
    if way == "a link":
        with transaction():
            reset = password_links.create(eve.id, Actor(NOW, Origin.CONSOLE, mara))
        use(reset)
    else:
        verbs = {
            "disabled": lambda: administration.disable(eve.id, ACT),
            "demoted": lambda: administration.change_role(eve.id, Role.DEV, ACT),
            "password": lambda: accounts.change_password("eve@example.org", GOOD, ACT),
            "own password": lambda: accounts.change_own_password(
                "h", Actor(NOW, Origin.CONSOLE, eve)
            ),
        }
        with transaction():
            verbs[way]()
    assert password_links.owner(planted, NOW) is None
    assert password_links.owner(kept, NOW) is not None


def test_no_one_creates_a_link_for_themselves(make: Make) -> None:
    """R-3: otherwise a stolen session could take over the account."""
    mara = admin(make)
    with pytest.raises(DomainError, match="Your account"), transaction():
        password_links.create(mara.id, Actor(NOW, Origin.CONSOLE, mara))
    assert db.session.scalars(select(StaffLink)).all() == []
