"""Erase a member: nothing names them afterwards, and their awards still count (D-5, S13, I127 to I129)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select, text

from tests.factories import NOW, Make
from webapp.database import Base, db, dialect_name
from webapp.domain import leases
from webapp.domain.activities import counters
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.badges import catalogue, holder_counts
from webapp.domain.batches import drafts, processing, uploads
from webapp.domain.csv_files.redaction import without
from webapp.domain.erasure import erase as erase_member
from webapp.domain.errors import NotFoundError
from webapp.domain.imports import import_rows, imports
from webapp.domain.imports import processing as import_processing
from webapp.domain.imports.plan import ImportRow
from webapp.domain.members.personal_data import PersonalData
from webapp.domain.operations import maintenance
from webapp.domain.webhooks import event_feed
from webapp.messages import Message
from webapp.models import (
    ActivityEvent,
    ApiKey,
    Award,
    Batch,
    BatchRange,
    Entry,
    ErasedMember,
    IdempotentRequest,
    ImportStatus,
    Member,
    MemberImport,
    MemberStatus,
    Origin,
    Upload,
)
from webapp.transaction import transaction

ACT = Actor(at=NOW + timedelta(days=1), origin=Origin.CONSOLE)
NEEDLES = ("zebedee-4711", "Zoltanka", "zoltanka@example.org", "Żółtańska")
TELLS_OTHERS = {"erased_members.external_id"}  # for 90 days
WHO = {
    "external_id": "zebedee-4711",
    "email": "Zoltanka@example.org",
    "name": "Zoltanka Żółtańska",
}


def erase(member_id: int) -> int:
    with transaction():
        return erase_member.erase(member_id, ACT)


def texts() -> Iterator[tuple[str, str]]:
    """Every value of every table as text: JSON as stored, compressed data decompressed."""
    for table in Base.metadata.sorted_tables:
        for row in db.session.execute(select(table)):
            for column, value in zip(table.columns, row, strict=True):
                place = f"{table.name}.{column.name}"
                if isinstance(column.type, LargeBinary) and value is not None:
                    yield place, readable(value)
                elif value is not None:
                    shown = (
                        value
                        if isinstance(value, str)
                        else json.dumps(value, default=str, ensure_ascii=False)
                    )
                    yield place, shown


def readable(value: bytes) -> str:
    """Bytes as text: decompressed if needed, and in both encodings of files."""
    data = bytes(value)
    rest, data = data, b""
    while rest:
        stream = zlib.decompressobj()
        try:
            data += stream.decompress(rest)
        except zlib.error:
            break
        rest = stream.unused_data
    data += rest
    return (
        data.decode("utf-8", "replace")
        + data.decode("utf-16-le", "replace")
        + data.decode("latin-1")
    )


def places_that_name_them() -> set[str]:
    db.session.rollback()
    return {
        place
        for place, value in texts()
        if any(needle.casefold() in value.casefold() for needle in NEEDLES)
    } - TELLS_OTHERS


def a_file(*rows: str, encoding: str = "utf-8") -> bytes:
    header = "ID;Username;Registered email;Note"
    return "\r\n".join([header, *rows, ""]).encode(encoding)


def wait_for_batch(batch_id: int, data: bytes, filename: str = "members.csv") -> Upload:
    """A file that waits for the second `Upload`."""
    seen = uploads.receive(batch_id, data, 100)
    with transaction():
        upload = uploads.keep(batch_id, filename, data, seen, ACT)
    return upload


def receive(data: bytes, filename: str = "new.csv") -> int:
    with transaction():
        return imports.receive(filename, data, ACT).id


def worked(import_id: int) -> None:
    """Run all pending work, as a worker does."""
    with transaction():
        assert import_processing.claim(import_id, "me", 60, ACT.at)
    reader = import_processing.read(import_id, "me")
    more: bool | None = True
    while more:
        with transaction():
            more = import_processing.take(import_id, "me", 60, reader, reader.next(2), ACT.at)


def tried(data: bytes) -> int:
    """An import after its dry run."""
    import_id = receive(data)
    columns = imports.get(import_id).columns
    with transaction():
        imports.dry_run(import_id, columns, ACT)
    worked(import_id)
    return import_id


@pytest.fixture
def member(make: Make) -> Member:
    """Someone with a name in every relevant script, and a badge."""
    made = make.member("Zoltanka", **WHO)
    make.award(made.id, make.quest().id, reason="Zoltanka helped")
    return made


def everywhere(make: Make, member: Member) -> dict[str, int]:
    """Leave traces of the member wherever the console stores any."""
    other = make.member("anna", external_id="1")
    draft = make.batch([other.id], name="Draft")
    rows = (
        "zebedee-4711;;;",
        ";Zoltanka;;",
        ";;ZOLTANKA@example.org;",
        "1;;;",
        "nobody;;;to zoltanka@example.org",
    )
    wait_for_batch(draft.id, a_file(*rows), "zoltanka.csv")
    sixteen = make.batch([other.id], name="In UTF-16")
    wait_for_batch(sixteen.id, a_file(*rows, encoding="utf-16"))
    chosen = make.batch(name="By choice")
    upload = wait_for_batch(chosen.id, a_file(";zoltanca;;", "1;;;"))
    with transaction():
        uploads.choose_member(chosen.id, upload.id, 2, member.id, 100)
    odd = make.batch(name="Odd encoding")
    wait_for_batch(odd.id, a_file("1;é;;", "2;Zoltanka;;", encoding="cp1252"))
    applied = make.batch(name="Applied")
    used = wait_for_batch(applied.id, a_file("zebedee-4711;;;"), "zoltanka@example.org.csv")
    with transaction():
        assert uploads.apply(applied.id, used.id, 100, ACT)
    waiting = tried(
        a_file("zebedee-4711;Zoltanka2;;", "1;Zoltanka;;", "5;new;;", ";Zoltanka;bad;", "1;again;;")
    )
    undecided = receive(a_file("7;é;;", "8;x;Zoltanka@example.org;", encoding="cp1252"))
    done = tried(a_file("6;six;;", "9;zoltanka;;"))
    with transaction():
        imports.carry_out(done, ACT)
    worked(done)
    _elsewhere(make, member)
    return {"draft": draft.id, "waiting": waiting, "undecided": undecided, "done": done}


def _elsewhere(make: Make, member: Member) -> None:
    """Data sent by other systems, and the stored responses."""
    body = '{"member":{"id":"zebedee-4711","username":"Zoltanka"},"note":"ZOLTANKA@example.org"}'
    staff = make.staff()
    with transaction():
        key = ApiKey(
            name="LMS",
            name_key="lms",
            key_hash="x",
            hint="x",
            scopes=[],
            created_at=NOW,
            created_by=staff.id,
        )
        db.session.add(key)
        db.session.flush()
        for number, text_ in enumerate((body, "{}")):
            db.session.add(
                IdempotentRequest(
                    key_id=key.id,
                    key=f"k{number}",
                    request_hash="x",
                    status=200,
                    body=text_,
                    created_at=NOW,
                )
            )
        happened = counters.ActivityEventIn("post-zebedee-4711-1", member.id, "posts", 3, NOW)
        counters.record_events([happened], ACT)


def test_nothing_names_an_erased_member(make: Make, member: Member) -> None:
    """S13, I127: every column of every table is searched; compressed previews and files are decompressed."""
    made = everywhere(make, member)
    before = places_that_name_them()
    assert {
        "members.external_id",
        "members.username",
        "members.email",
        "member_words.word",
        "awards.reason",
        "uploads.content",
        "uploads.preview",
        "uploads.filename",
        "member_imports.content",
        "member_import_rows.cells",
        "member_import_rows.messages",
        "idempotent_requests.body",
        "activity_events.event_id",
    } <= before
    assert db.session.scalar(select(Member.activity).where(Member.id == member.id)) == 3
    assert erase(member.id) == 1
    assert places_that_name_them() == set()
    # Other people's data is still there.
    assert db.session.scalars(
        select(IdempotentRequest.body).order_by(IdempotentRequest.key)
    ).all() == [
        None,
        "{}",
    ]
    draft = uploads.pending(made["draft"])
    assert draft is not None
    assert draft.filename == "file.csv"
    with transaction():
        applied = uploads.apply(made["draft"], draft.id, 100, ACT)
    assert applied is not None
    assert (applied.already, applied.added, applied.left_out) == (1, 0, 0)
    waiting = imports.get(made["waiting"], content=True)
    assert (waiting.status, b"5;new" in (waiting.content or b"")) == (ImportStatus.CHOSEN, True)
    with pytest.raises(NotFoundError):
        imports.get(made["undecided"])


def test_the_file_of_the_database_holds_nothing_either(make: Make, member: Member) -> None:
    """S13: SQLite overwrites deleted data once the journal is written back.

    PostgreSQL removes dead rows by itself, in its own time.
    """
    everywhere(make, member)
    path = db.engine.url.database
    assert path
    erase(member.id)
    with transaction():
        event_feed.purge(ACT.at + timedelta(days=91))
    if dialect_name() != "sqlite":
        return
    with db.engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    data = Path(path).read_bytes() + Path(f"{path}-wal").read_bytes()
    for needle in NEEDLES:
        assert needle.encode() not in data
        assert needle.lower().encode() not in data


def test_their_id_is_kept_for_other_systems_for_90_days(make: Make, member: Member) -> None:
    """A-8, D-5: those who received their data must learn whom to erase (GDPR, article 19)."""
    erase(member.id)
    kept = select(ErasedMember.external_id)
    for days, ids in ((89, ["zebedee-4711"]), (91, [])):
        with transaction():
            event_feed.purge(ACT.at + timedelta(days=days))
        assert db.session.scalars(kept).all() == ids


def test_erased_members_awards_still_count(make: Make, member: Member) -> None:
    """D-5: holder counts stay correct, awards have no reason, and the audit log has only the erasure."""
    award = db.session.scalars(select(Award)).one()
    quest_id = award.quest_id
    db.session.rollback()
    erase(member.id)
    award = db.session.scalars(select(Award)).one()
    assert (award.quest_id, award.reason, award.revoked_at) == (quest_id, "", None)
    assert holder_counts.differing() == []
    assert catalogue.overview()[0].badge.holders == 1
    (line,) = search.page(search.AuditFilters()).lines
    assert line.sentence == "Laurel erased a member (1 award)"


def test_an_erased_member_is_not_found(make: Make, member: Member) -> None:
    """D-5: and so is an id that never existed."""
    erase(member.id)
    for number in (member.id, 999, 2**70):
        with pytest.raises(NotFoundError):
            erase(number)


def finish(batch_id: int) -> Batch:
    with transaction():
        claimed = processing.claim(batch_id, "me", 60, 100, ACT.at)
    more: bool | None = True
    while more:
        with transaction():
            more = processing.process_chunk(claimed, 2, ACT.at)
    return drafts.get(batch_id)


def test_a_running_batch_ends_with_the_reason(make: Make, member: Member) -> None:
    """I128: the entry is an error, nothing is re-created, and the counts are correct."""
    others = make.members(4)
    batch = make.batch([others[0], others[1], member.id, *others[2:]], published=True)
    with transaction():
        claimed = processing.claim(batch.id, "me", 60, 100, ACT.at)
        processing.process_chunk(claimed, 2, ACT.at)
        leases.release(BatchRange, claimed.id, "me")
    erase(member.id)
    done = finish(batch.id)
    assert (done.status_label, done.published, done.errors) == ("Partially published", 4, 1)
    entry = db.session.scalars(select(Entry).where(Entry.member_id == member.id)).one()
    assert entry.reason == "This member was erased."
    assert maintenance.differing(since=NOW - timedelta(days=9)) == []
    assert places_that_name_them() == set()


def test_other_batches_lose_undecided_entries(make: Make, member: Member) -> None:
    """I128: a draft, and members added after a publish; decided entries stay."""
    other = make.members(1)[0]
    draft = make.batch([member.id, other])
    published = make.batch([member.id, other], published=True)
    finish(published.id)
    later = make.batch([other], published=True)
    finish(later.id)
    with transaction():
        drafts.add_members(later.id, [member.id], 100, ACT)
    erase(member.id)
    assert [drafts.get(one.id).entry_count for one in (draft, published, later)] == [1, 2, 1]
    assert maintenance.differing(since=NOW - timedelta(days=9)) == []


def test_the_same_id_later_is_a_new_member(make: Make, member: Member) -> None:
    """I129: with the former ID, username and email; without the former awards."""
    erase(member.id)
    with transaction():
        done = import_rows.import_rows(
            [ImportRow(2, WHO["external_id"], "Zoltanka", WHO["email"], WHO["name"])], ACT
        )
    assert (done.created, done.updated) == (1, 0)
    new = db.session.scalars(select(Member).where(Member.status == MemberStatus.ACTIVE)).one()
    assert new.id != member.id
    assert db.session.scalars(select(Award.member_id)).all() == [member.id]


def test_a_running_import_rereads_its_file(make: Make, member: Member) -> None:
    """I128: a worker with the rows in memory loses its lease; the next one doesn't find them."""
    data = a_file("1;one;;", "2;two;;", "zebedee-4711;Zoltanka;new@example.org;", "3;three;;")
    import_id = tried(data)
    with transaction():
        imports.carry_out(import_id, ACT)
    with transaction():
        import_processing.claim(import_id, "first", 60, ACT.at)
    reader = import_processing.read(import_id, "first")
    with transaction():
        assert import_processing.take(import_id, "first", 60, reader, reader.next(2), ACT.at)
    erase(member.id)
    with transaction(), pytest.raises(leases.LeaseLostError):
        import_processing.take(import_id, "first", 60, reader, reader.next(2), ACT.at)
    worked(import_id)
    assert places_that_name_them() == set()
    db.session.rollback()
    found = db.session.get_one(MemberImport, import_id)
    assert (found.status, found.created, found.bad) == (ImportStatus.DONE, 3, 0)


def test_an_update_that_comes_too_late_changes_nothing(
    make: Make, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I128: a member erased between reading and writing in an import stays erased."""
    from webapp.domain.imports import upsert

    planned = upsert.plan

    def plan_then_erase(rows: list[ImportRow], *rest: Any, **more: Any) -> Any:
        made = planned(rows, *rest, **more)
        monkeypatch.setattr(upsert, "plan", planned)
        erase_member.erase(member.id, ACT)
        db.session.flush()
        return made

    monkeypatch.setattr(upsert, "plan", plan_then_erase)
    with transaction():
        done = import_rows.import_rows(
            [ImportRow(2, WHO["external_id"], "Zoltanka3", "", "Zoltanka B")], ACT
        )
    assert done.problems == [(2, [Message("imports.erased")])]
    assert places_that_name_them() == set()


def test_rows_of_others_stay_in_a_file(make: Make) -> None:
    """D-5: an email that ends with theirs, a number equal to their ID, a name equal to their username."""
    member = make.member("anna", external_id="12", email="anna@example.org", name="Anna B")
    person = PersonalData.of(member)
    header = ["ID", "Username", "Registered email", "Name", "Badges", "Activity", "Note"]
    theirs = [
        ["12", "", "", "", "", "", ""],
        ["", "@Anna", "", "", "", "", ""],
        ["", "", "ANNA@example.org", "", "", "", ""],
        ["7", "bea", "", "", "", "", "a friend of anna@example.org."],
        ["7", "bea", "", "", "", "", "anna"],
    ]
    of_others = [
        ["7", "joanna", "joanna@example.org", "", "", "", ""],
        ["7", "bea", "anna@example.org.uk", "", "", "", ""],
        ["7", "bea", "bea@example.org", "anna", "12", "12", "twelve"],
        ["112", "anna2", "", "", "", "", ""],
    ]
    assert [person.in_row(row, header) for row in theirs] == [True] * len(theirs)
    assert [person.in_row(row, header) for row in of_others] == [False] * len(of_others)
    lines = [";".join(row) for row in [header, *theirs, *of_others]]
    kept = without("\n".join(lines).encode(), "utf-8", person.in_row).decode()
    assert kept.split("\n") == [lines[0], *[""] * len(theirs), *lines[-len(of_others) :]]


def test_no_event_is_counted_for_an_erased_member(make: Make) -> None:
    """D-5: even if the member was found a moment before."""
    member = make.member("anna")
    erase(member.id)
    event = counters.ActivityEventIn("of-anna", member.id, "posts", 1, ACT.at)
    with transaction():
        assert counters.record_events([event], ACT) == set()
    assert db.session.scalars(select(ActivityEvent)).all() == []
