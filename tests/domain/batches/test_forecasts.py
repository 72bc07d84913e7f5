"""Members who can't receive badges are marked in the preview and left out at the forecast (E-10)."""

from __future__ import annotations

import pytest

from tests.domain.batches.test_processing import LONG_AGO, run
from tests.domain.batches.test_runs import ACT, done, partly, recorded, seen, set_status
from tests.factories import Make
from webapp.database import db
from webapp.domain import csv_files
from webapp.domain.audit_log import search
from webapp.domain.batches import drafts, forecasts, preview, runs
from webapp.domain.errors import ConflictError
from webapp.domain.members import identify
from webapp.domain.operations import maintenance
from webapp.models import Entry, MemberStatus
from webapp.transaction import transaction


def members_in(batch_id: int) -> list[int]:
    rows = db.session.query(Entry.member_id).filter(Entry.batch_id == batch_id).order_by(Entry.id)
    return [member_id for (member_id,) in rows]


def test_the_preview_marks_members_who_cannot_receive_badges(make: Make) -> None:
    """E-10, B-15: with their number and a filter; they still count as valid."""
    ids = make.members(5)
    set_status(MemberStatus.LEFT, ids[1], ids[4])
    set_status(MemberStatus.SUSPENDED, ids[2])
    batch = make.batch(ids[4:])
    file = b"ID\r\nUSER1\r\nUSER2\r\nUSER2\r\nUSER3\r\nUSER5\r\nNOBODY\r\n"
    found = preview.resolve(csv_files.read(file, max_rows=99), batch.id)
    assert [str(line.unable or "") for line in found.lines] == [
        "",
        "This member has left the community and can't receive badges.",
        "This member has left the community and can't receive badges.",
        "This member is suspended and can't receive badges.",
        "This member has left the community and can't receive badges.",
        "",
    ]
    counts = found.counts()
    assert (counts["unable"], counts["expected"], counts["errors"]) == (2, 5, 1)
    assert [line.line for line in found.shown("unable")] == [3, 5]
    assert found.member_ids() == ids[:3]
    again = preview.Preview.unpack(found.pack())
    assert again.counts() == counts


def test_a_preview_kept_by_an_earlier_version_can_still_be_read(make: Make) -> None:
    """B-41: its rows have one value less."""
    batch = make.batch(make.members(1))
    found = preview.resolve(csv_files.read(b"ID\r\nUSER1\r\n", max_rows=9), batch.id)
    row = [getattr(found.lines[0], name) for name in identify.MatchedRow.__slots__][:-1]
    assert identify.MatchedRow(*row).unable is None


def test_members_who_cannot_receive_it_are_left_out(make: Make) -> None:
    """E-10: those counted by the forecast, as one action; holders who have left stay, because they would not fail."""
    ids, quest = make.members(5), make.quest()
    make.award(ids[0], quest.id)
    set_status(MemberStatus.LEFT, ids[0], ids[1])
    set_status(MemberStatus.SUSPENDED, ids[2])
    batch = make.batch(ids, quest)
    assert forecasts.publication(drafts.get(batch.id)).cannot == 2
    assert done(runs.leave_out, batch, 2) == 2
    assert members_in(batch.id) == [ids[0], ids[3], ids[4]]
    assert drafts.get(batch.id).entry_count == 3
    assert forecasts.publication(drafts.get(batch.id)).cannot == 0
    assert done(runs.leave_out, batch) == 0, "said again"
    assert recorded("batch.reduced") == [2]
    (line, _) = search.latest("batch", batch.id, 2)
    assert line.sentence == (
        "Laurel excluded 2 members who can't receive badges from the batch “Spring meetup”"
    )
    done(runs.publish, batch)
    run(batch.id)
    assert seen(batch) == ("Published", 3, 3, 0)
    assert maintenance.differing(since=LONG_AGO) == []


def test_only_the_members_that_the_forecast_showed_are_left_out(make: Make) -> None:
    """E-10, B-21: if their number has changed, no member is removed."""
    ids = make.members(3)
    set_status(MemberStatus.LEFT, ids[0])
    batch = make.batch(ids)
    set_status(MemberStatus.LEFT, ids[1])
    with pytest.raises(ConflictError):
        done(runs.leave_out, batch, 1)
    assert members_in(batch.id) == ids
    assert recorded("batch.reduced") == []


def test_no_one_is_left_out_of_a_batch_that_runs_or_has_run(make: Make) -> None:
    """E-10: only members who are not published yet, in a draft or a `Published` batch."""
    ids = make.members(4)
    running = make.batch(ids[:2], published=True)
    set_status(MemberStatus.LEFT, *ids)
    assert done(runs.leave_out, running) == 0
    run(running.id)
    assert done(runs.leave_out, running) == 0
    assert seen(running) == ("Partially published", 2, 0, 2)
    done(runs.dismiss, running)
    with transaction():
        drafts.add_members(running.id, ids[2:], 10, ACT)
    assert done(runs.leave_out, running) == 2
    assert seen(running) == ("Published", 0, 0, 0)


def test_a_retry_is_futile_if_no_failed_member_can_receive_the_badge(make: Make) -> None:
    """E-10: one active member makes it worthwhile."""
    batch = partly(make, good=1, bad=2)
    first, second = members_in(batch.id)[1:]

    def futile() -> bool:
        db.session.rollback()  # read what was written since
        return forecasts.retry_is_futile(drafts.get(batch.id))

    assert not futile()
    set_status(MemberStatus.LEFT, first)
    assert not futile()
    set_status(MemberStatus.SUSPENDED, second)
    assert futile()
    done(runs.retry, batch)
    assert not futile(), "it runs"
    run(batch.id)
    assert futile()
    done(runs.dismiss, batch)
    assert not futile(), "no errors are left"
