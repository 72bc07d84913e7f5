"""Members of a community that a pull has read: stored page by page, imported like a file's rows, and linked.

An account is linked to the member that it was first matched with, and from then on found by its ID there, whatever
happens to its username and email. Members without an account any more leave; they are never deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, exists, func, insert, literal, select, update
from sqlalchemy.orm import aliased

from webapp.adapters.contract import RemoteMember
from webapp.database import db, execute_rowcount, upsert
from webapp.database.arrays import in_array
from webapp.domain import award_sync
from webapp.domain.imports import columns, erased_accounts
from webapp.domain.imports.plan import ImportRow, ValidRow
from webapp.domain.members.personal_data import PersonalData
from webapp.domain.normalization import fold, searchable
from webapp.models import (
    BadgeDifference,
    BadgeSync,
    Connection,
    ErasedMember,
    MatchBy,
    Member,
    MemberAccount,
    MemberImport,
    MemberStatus,
    PulledMember,
)

HEADER = ["ID", "Username", "Registered email", "Name", "Status"]
COLUMNS = {"external_id": 0, "username": 1, "email": 2, "name": 3}  # the status isn't theirs
BLOCK = 2_000  # rows read together
LEAVING_SHARE = 0.1  # of the linked members; if more would leave, someone has to agree

Rows = Iterator[tuple[ImportRow | ValidRow, list[str]]]


def store(pull: MemberImport, connection: Connection, members: Sequence[RemoteMember]) -> bool:
    """Store a page of members, without those erased here; False if this pull has read them all before.

    Takes a fixed number of statements. Call it with the connection locked.
    """
    erased = erased_accounts.among(connection, [member.id for member in members])
    linked = _linked(connection, [member.id for member in members])
    ids = {member.id: _new_id(connection, member.id) for member in members} | linked
    erased_ids = set(
        db.session.scalars(
            select(ErasedMember.external_id).where(
                in_array(ErasedMember.external_id, list(ids.values()))
            )
        )
    )
    erased |= {remote_id for remote_id, id_ in ids.items() if id_ in erased_ids}
    read = set(
        db.session.scalars(
            select(PulledMember.remote_id).where(
                PulledMember.import_id == pull.id, in_array(PulledMember.remote_id, list(ids))
            )
        )
    )
    new = {member.id: member for member in members if member.id not in erased | read}
    rows = [
        {
            "import_id": pull.id,
            "line": pull.rows + number,
            "remote_id": member.id,
            "external_id": ids[member.id],
            "match_key": "" if member.id in linked else _match_key(connection, member),
            "username": _storable(member.username),
            "email": _storable(member.email),
            "name": _storable(member.name),
        }
        for number, member in enumerate(new.values(), start=1)
    ]
    if rows:
        db.session.execute(insert(PulledMember), rows)
    pull.rows += len(rows)
    return bool(new) or bool(erased and not read)


def _storable(text: str) -> str:
    """Replace characters that no database can store."""
    return searchable(text).encode("utf-8", "replace").decode("utf-8")


def _linked(connection: Connection, remote_ids: list[str]) -> dict[str, str]:
    """Return the IDs here of the accounts there that are linked."""
    linked = (
        select(MemberAccount.remote_id, Member.external_id)
        .join(Member, Member.id == MemberAccount.member_id)
        .where(
            MemberAccount.connection_id == connection.id,
            in_array(MemberAccount.remote_id, remote_ids),
        )
    )
    return dict(db.session.execute(linked).all())


def _new_id(connection: Connection, remote_id: str) -> str:
    if connection.match_by == MatchBy.ID:
        return remote_id
    return f"{connection.kind}-{connection.id}-{remote_id}" if connection.imports_members else ""


def _match_key(connection: Connection, member: RemoteMember) -> str:
    if connection.match_by == MatchBy.ID:
        return ""
    return fold(member.email if connection.match_by == MatchBy.EMAIL else member.username)[:960]


def complete(pull: MemberImport, connection: Connection) -> None:
    """After the last page: match accounts with members, and add a row for each member whose account is gone."""
    if connection.match_by != MatchBy.ID:
        _match(pull, connection)
    if not connection.imports_members:
        return
    returned = (
        select(Member.id)
        .join(MemberAccount, MemberAccount.member_id == Member.id)
        .where(
            MemberAccount.connection_id == connection.id,
            MemberAccount.missing_at.is_not(None),
            MemberAccount.remote_id == PulledMember.remote_id,
            Member.status == MemberStatus.LEFT,
        )
    )
    back = update(PulledMember).where(PulledMember.import_id == pull.id, returned.exists())
    execute_rowcount(back.values(status=MemberStatus.ACTIVE))
    there, same, other = aliased(PulledMember), aliased(PulledMember), aliased(MemberAccount)
    number = func.row_number().over(order_by=MemberAccount.id)
    gone = (
        select(
            literal(pull.id),
            literal(pull.rows) + number,
            MemberAccount.remote_id,
            Member.external_id,
            literal(str(MemberStatus.LEFT)),
        )
        .join(Member, Member.id == MemberAccount.member_id)
        .where(
            MemberAccount.connection_id == connection.id,
            Member.status == MemberStatus.ACTIVE,
            ~exists().where(there.import_id == pull.id, there.remote_id == MemberAccount.remote_id),
            ~exists().where(
                same.import_id == pull.id, same.external_id == Member.external_id
            ),  # they have another account
            # They may be members of another community still.
            ~exists().where(
                other.member_id == MemberAccount.member_id,
                other.connection_id != connection.id,
                other.missing_at.is_(None),
            ),
        )
    )
    names = ["import_id", "line", "remote_id", "external_id", "status"]
    added = insert(PulledMember).from_select(names, gone, include_defaults=False)
    pull.departing = len(db.session.scalars(added.returning(PulledMember.line)).all())
    pull.rows += pull.departing


def _match(pull: MemberImport, connection: Connection) -> None:
    """Match accounts that aren't linked yet with members by email or username.

    Of several accounts with the same, the first one counts. A member whose account is still there isn't matched.
    """
    column = Member.email_key if connection.match_by == MatchBy.EMAIL else Member.username_key
    earlier, there = aliased(PulledMember), aliased(PulledMember)
    still_there = (
        select(MemberAccount.id)
        .join(there, there.remote_id == MemberAccount.remote_id)
        .where(
            MemberAccount.member_id == Member.id,
            MemberAccount.connection_id == connection.id,
            there.import_id == pull.id,
        )
    )
    member = select(Member.external_id).where(
        column == PulledMember.match_key, ~still_there.exists()
    )
    execute_rowcount(
        update(PulledMember)
        .where(
            PulledMember.import_id == pull.id,
            PulledMember.match_key != "",
            ~exists().where(
                earlier.import_id == pull.id,
                earlier.match_key == PulledMember.match_key,
                earlier.line < PulledMember.line,
            ),
        )
        .values(
            external_id=func.coalesce(
                member.correlate(PulledMember).scalar_subquery(), PulledMember.external_id
            )
        )
    )


def too_many_leave(pull: MemberImport) -> bool:
    """True if so many members would leave that it may be a mistake."""
    linked = db.session.scalar(
        select(func.count()).where(
            MemberAccount.connection_id == pull.connection_id, MemberAccount.missing_at.is_(None)
        )
    )
    return pull.departing > LEAVING_SHARE * (linked or 0)


def rows(import_id: int) -> Rows:
    """Yield the rows to import, each with its cells; reads a block at a time."""
    last = 0
    while True:
        block = db.session.execute(
            select(
                PulledMember.line,
                PulledMember.external_id,
                PulledMember.username,
                PulledMember.email,
                PulledMember.name,
                PulledMember.status,
            )
            .where(PulledMember.import_id == import_id, PulledMember.line > last)
            .order_by(PulledMember.line)
            .limit(BLOCK)
        ).all()
        for line, external_id, username, email, name, status in block:
            fields = {"username": username, "email": email, "name": name, "status": status}
            row = columns.row_from_fields(line, external_id, **fields)
            yield row, [external_id, *fields.values()]
        if len(block) < BLOCK:
            return
        last = block[-1].line


def link(pull: MemberImport, lines: Sequence[int], at: datetime) -> int:
    """Link the accounts of these rows with their members, which have been imported; return how many there are.

    An account replaces the one that a member had before, if that is gone.
    """
    assert pull.connection_id is not None
    of_these = and_(
        PulledMember.import_id == pull.id,
        in_array(PulledMember.line, list(lines)),
        PulledMember.status != MemberStatus.LEFT,
    )
    there = aliased(PulledMember)
    known = exists().where(
        MemberAccount.connection_id == pull.connection_id,
        MemberAccount.remote_id == PulledMember.remote_id,
        MemberAccount.marked,
    )
    replaced = (
        select(Member.id).join(PulledMember, PulledMember.external_id == Member.external_id)
    ).where(of_these, ~known)
    execute_rowcount(
        delete(MemberAccount).where(
            MemberAccount.connection_id == pull.connection_id,
            MemberAccount.member_id.in_(replaced),
            ~exists().where(there.import_id == pull.id, there.remote_id == MemberAccount.remote_id),
        )
    )
    # Wait for awards in progress, and let others wait: they mark what an account shows, if they see it.
    db.session.execute(
        select(Member.id).where(Member.id.in_(replaced)).order_by(Member.id).with_for_update()
    )
    taken = aliased(MemberAccount)
    chosen = (
        select(
            literal(pull.connection_id),
            Member.id,
            PulledMember.remote_id,
            func.substr(PulledMember.username, 1, 190),
        )
        .join(Member, Member.external_id == PulledMember.external_id)
        .where(
            of_these,
            ~exists().where(
                taken.member_id == Member.id,
                taken.connection_id == pull.connection_id,
                taken.remote_id != PulledMember.remote_id,
            ),
        )
    )
    names = ["connection_id", "member_id", "remote_id", "username"]
    new = upsert(MemberAccount)
    linked = new.from_select(names, chosen, include_defaults=False).on_conflict_do_update(
        index_elements=["connection_id", "remote_id"],
        set_={
            "username": new.excluded.username,
            "missing_at": None,
            "marked": and_(MemberAccount.marked, MemberAccount.missing_at.is_(None)),
        },
    )
    rows = db.session.execute(linked.returning(MemberAccount.id, MemberAccount.marked)).all()
    award_sync.mark_accounts([account_id for account_id, marked in rows if not marked], at)
    return len(rows)


def finish(pull: MemberImport, at: datetime) -> None:
    """Mark the accounts that are gone, and delete what was read."""
    connection = db.session.get(Connection, pull.connection_id, populate_existing=True)
    if connection is not None:
        connection.pulled_at = at
        gone = update(MemberAccount).where(
            MemberAccount.connection_id == connection.id,
            MemberAccount.missing_at.is_(None),
            ~exists().where(
                PulledMember.import_id == pull.id,
                PulledMember.remote_id == MemberAccount.remote_id,
                PulledMember.status != MemberStatus.LEFT,
            ),
        )
        execute_rowcount(gone.values(missing_at=at, marked=False))
    forget(pull.id)


def forget(import_id: int) -> None:
    execute_rowcount(delete(PulledMember).where(PulledMember.import_id == import_id))


def forget_person(person: PersonalData) -> None:
    """Erase a person from accounts, what is marked for them, and what a pull has read; not from the community.

    Later pulls pass over their accounts, also over those that a pull has matched and not linked yet.
    """
    accounts = select(MemberAccount.connection_id, MemberAccount.remote_id).where(
        MemberAccount.member_id == person.id
    )
    matched = (
        select(MemberImport.connection_id, PulledMember.remote_id)
        .join(MemberImport, MemberImport.id == PulledMember.import_id)
        .where(PulledMember.external_id == person.external_id)
    )
    both = db.session.execute(accounts.union(matched)).all()
    erased_accounts.keep([(connection_id, remote_id) for connection_id, remote_id in both])
    for table in (BadgeSync, BadgeDifference):
        execute_rowcount(delete(table).where(table.member_id == person.id))
    execute_rowcount(delete(MemberAccount).where(MemberAccount.member_id == person.id))
    columns_ = PulledMember.external_id, PulledMember.username, PulledMember.email
    query = select(PulledMember.import_id, PulledMember.line, *columns_)
    theirs = [
        (import_id, line)
        for import_id, line, *cells in db.session.execute(
            query, execution_options={"yield_per": BLOCK}
        )
        if person.in_row(cells, HEADER)
    ]
    for import_id, line in theirs:
        execute_rowcount(
            delete(PulledMember).where(
                PulledMember.import_id == import_id, PulledMember.line == line
            )
        )
