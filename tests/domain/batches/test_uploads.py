"""A file is stored with its preview, and applied as it was shown, once (B-12, B-16, B-41)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, runs, uploads
from webapp.domain.batches.preview import Preview
from webapp.domain.batches.uploads import Applied
from webapp.domain.errors import DomainError
from webapp.domain.operations import maintenance
from webapp.models import AuditEvent, Batch, Entry, Origin, Upload
from webapp.transaction import transaction

ACT = Actor(at=NOW, origin=Origin.CONSOLE)


def choose(batch: Batch, text: str, limit: int = 5000, filename: str = "members.csv") -> int:
    """Choose a file for a batch, and return the upload's id."""
    data = text.encode()
    seen = uploads.examine(batch.id, data, limit)
    with transaction():
        return uploads.keep(batch.id, filename, data, seen, ACT).id


def apply(batch: Batch, upload_id: int, limit: int = 5000) -> Applied | None:
    with transaction():
        return uploads.apply(batch.id, upload_id, limit, ACT)


def members_of(batch: Batch) -> int:
    return db.session.scalar(
        select(func.count()).select_from(Entry).where(Entry.batch_id == batch.id)
    )


def test_the_good_rows_are_added(make: Make) -> None:
    """B-16: valid rows are added; merged, skipped and existing ones are counted and recorded."""
    ids = make.members(4)
    batch = make.batch(ids[:1])
    upload_id = choose(batch, "ID\nUSER1\nUSER2\nUSER3\nUSER2\nnobody\n")
    assert apply(batch, upload_id) == Applied(added=2, merged=1, left_out=1, already=1)
    assert members_of(batch) == drafts.get(batch.id).entry_count == 3
    kept = db.session.get_one(Upload, upload_id)
    assert kept.applied_at == NOW
    assert kept.content is None
    assert kept.preview is None
    recorded = db.session.scalars(select(AuditEvent).where(AuditEvent.verb == "batch.filled")).one()
    assert recorded.detail["added"] == 2
    assert recorded.detail["left_out"] == 1


def test_a_repeated_request_adds_no_one(make: Make) -> None:
    """B-16: the second of two requests adds no one and says why."""
    make.members(2)
    batch = make.batch()
    upload_id = choose(batch, "ID\nUSER1\nUSER2\n")
    apply(batch, upload_id)
    with pytest.raises(DomainError, match="This file has already been added"):
        apply(batch, upload_id)
    assert members_of(batch) == 2


def test_members_changed_in_between_bring_the_preview_back(make: Make) -> None:
    """B-16: if the result would differ, nothing is added; the new preview can then be applied."""
    make.members(1)
    batch = make.batch()
    upload_id = choose(batch, "ID\nUSER1\nlate\n")
    make.member(external_id="late")
    assert apply(batch, upload_id) is None
    assert members_of(batch) == 0
    waiting = uploads.pending(batch.id)
    assert waiting is not None
    assert waiting.preview is not None
    assert [line.changed for line in Preview.unpack(waiting.preview).lines] == [False, True]
    assert apply(batch, upload_id) == Applied(added=2, merged=0, left_out=0, already=0)


def test_a_file_replaces_the_one_before(make: Make) -> None:
    """B-16: a tab with the old file adds nothing of the new one."""
    make.members(2)
    batch = make.batch()
    old = choose(batch, "ID\nUSER1\n")
    choose(batch, "ID\nUSER2\n")
    with pytest.raises(DomainError, match="Someone has chosen another file for this batch"):
        apply(batch, old)
    assert members_of(batch) == 0
    assert db.session.scalar(select(func.count()).select_from(Upload)) == 1


def test_another_batchs_file(make: Make) -> None:
    """W86: the file of one batch can't be applied to another."""
    make.members(1)
    batch, other = make.batch(name="One"), make.batch(name="Other")
    upload_id = choose(batch, "ID\nUSER1\n")
    with pytest.raises(DomainError):
        apply(other, upload_id)
    assert members_of(other) == 0


def test_more_members_than_a_batch_may_have(make: Make) -> None:
    """B-12: counted after merging and with existing members; rejected with both numbers, nothing stored."""
    ids = make.members(6)
    batch = make.batch(ids[:2])
    rows = "ID\n" + "".join(f"USER{n}\n" for n in (1, 3, 4, 5, 5, 5))
    assert len(uploads.examine(batch.id, rows.encode(), 5).member_ids()) == 3
    with pytest.raises(DomainError, match=r"up to 5 members; this would make 6\."):
        choose(batch, rows + "USER6\n", limit=5)
    assert uploads.pending(batch.id) is None


def test_a_batch_that_filled_up_in_between_is_rejected(make: Make) -> None:
    """B-12: the limit applies to the second `Upload` too."""
    ids = make.members(4)
    batch = make.batch()
    upload_id = choose(batch, "ID\nUSER1\nUSER2\n", limit=3)
    with transaction():
        drafts.add_members(batch.id, ids[2:], 3, ACT)
    with pytest.raises(DomainError, match="up to 3 members"):
        apply(batch, upload_id, limit=3)
    assert members_of(batch) == 2


def test_at_most_four_rows_a_member(make: Make) -> None:
    """B-12: a file may have four times as many rows as a batch may have members."""
    make.members(1)
    batch = make.batch()
    choose(batch, "ID\n" + "USER1\n" * 8, limit=2)
    with pytest.raises(DomainError, match="9 rows; the limit is 8"):
        choose(batch, "ID\n" + "USER1\n" * 9, limit=2)


def test_a_running_batch_takes_no_file(make: Make) -> None:
    """B-23: members can't be added to a running batch, and the reason names its status."""
    ids = make.members(2)
    batch = make.batch(ids[:1], published=True)
    with pytest.raises(DomainError, match="This batch is Unpublished"):
        choose(batch, "ID\nUSER2\n")


def test_published_between_the_two_uploads(make: Make) -> None:
    """B-23: the file of a draft that has been published since is not added to the run."""
    ids = make.members(2)
    batch = make.batch(ids[:1])
    upload_id = choose(batch, "ID\nUSER2\n")
    with transaction():
        runs.publish(batch.id, ACT)
    with pytest.raises(DomainError, match="Unpublished"):
        apply(batch, upload_id)
    assert members_of(batch) == 1


def test_the_same_file_before(make: Make) -> None:
    """C77: the same file is recognized, in whichever batch it was."""
    make.members(1)
    first, second = make.batch(name="First"), make.batch(name="Second")
    apply(first, choose(first, "ID\nUSER1\n"))
    choose(second, "ID\nUSER1\n")
    waiting = uploads.pending(second.id)
    assert waiting is not None
    earlier = uploads.earlier_use(waiting)
    assert earlier is not None
    assert earlier.name == "First"
    choose(second, "ID\nUSER1\n\n")
    other = uploads.pending(second.id)
    assert other is not None
    assert uploads.earlier_use(other) is None


@pytest.mark.parametrize(
    ("filename", "kept"),
    [
        ("C:\\lists\\May.csv", "May.csv"),
        ("../../etc/passwd", "passwd"),
        ("nul\x00.csv", "nul\N{REPLACEMENT CHARACTER}.csv"),
        ("x" * 300 + ".csv", "x" * 254 + "…"),
    ],
)
def test_odd_file_names(make: Make, filename: str, kept: str) -> None:
    """W95: a file's name is only displayed, never used as a path; no character of it breaks the database."""
    make.members(1)
    batch = make.batch()
    choose(batch, "ID\nUSER1\n", filename=filename)
    waiting = uploads.pending(batch.id)
    assert waiting is not None
    assert waiting.filename == kept


def test_unused_files_are_deleted_after_a_week(make: Make) -> None:
    """B-41: a file that is never applied goes after 7 days."""
    make.members(1)
    batch = make.batch()
    choose(batch, "ID\nUSER1\n")
    with transaction():
        maintenance.purge_expired(NOW + timedelta(days=6, hours=23))
    assert uploads.pending(batch.id) is not None
    with transaction():
        maintenance.purge_expired(NOW + timedelta(days=7, seconds=1))
    assert uploads.pending(batch.id) is None
