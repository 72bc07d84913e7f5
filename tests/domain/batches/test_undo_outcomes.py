"""The effect of an undo on each member, as predicted by the dialog and as reported by entries, results and API."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import update

from tests.domain.batches.test_processing import LONG_AGO, run
from tests.domain.batches.test_runs import ACT, done, recorded
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import manual
from webapp.domain.awards import queries as award_queries
from webapp.domain.batches import drafts, entries, forecasts, results_csv, runs
from webapp.domain.batches.forecasts import Reversal
from webapp.domain.erasure import erase
from webapp.domain.operations import maintenance
from webapp.models import Award, Batch, Origin, Staff
from webapp.schemas.batches import EntryOut
from webapp.transaction import transaction


@dataclass
class Story:
    """A published batch, and changes to its members' awards before and after."""

    batch: Batch
    names: dict[int, str]


def story(make: Make) -> Story:
    """One member for each possible change of an award between the publish and the undo."""
    quest, person = make.quest(), make.staff()
    names = [
        "untouched",
        "revoked",
        "revoked and awarded again",
        "revoked and restored",
        "erased",
        "held before",
        "held before, revoked since",
        "held before, revoked and awarded again",
    ]
    ids = {name: make.member().id for name in names}
    for name in names[5:]:
        make.award(ids[name], quest.id)
    batch = make.batch(list(ids.values()), quest, published=True)
    run(batch.id)
    with transaction():
        actor = Actor(NOW, Origin.CONSOLE, db.session.get_one(Staff, person.id))
        for name in names:
            if "revoked" in name:
                (held,) = award_queries.active_awards([ids[name]], quest.id)
                manual.revoke(ids[name], held.id, "", actor)
                if "restored" in name:
                    assert manual.restore(ids[name], held.id, actor).changed
            if "again" in name:
                assert manual.award(ids[name], quest.id, "", actor).changed
    with transaction():
        erase.erase(ids["erased"], actor)
    return Story(batch, {member_id: name for name, member_id in ids.items()})


EXPECTED = {
    "untouched": "Removed",
    "revoked": "No longer had it (revoked since)",
    "revoked and awarded again": "Kept (awarded again since)",
    "revoked and restored": "Removed",
    "erased": "Removed",
    "held before": "Kept (had it before this batch)",
    "held before, revoked since": "No longer had it (revoked since)",
    "held before, revoked and awarded again": "Kept (had it before this batch)",
}


def test_an_undo_distinguishes_revoked_and_kept_awards(make: Make) -> None:
    """B-23, B-38: the dialog's counts, the entries, the results, the API and the holders agree."""
    told = story(make)
    batch = drafts.get(told.batch.id)
    assert forecasts.reversal(batch) == Reversal(take_back=3, keep=3, not_held=2)
    done(runs.undo, told.batch)
    assert recorded("batch.undone") == [3], "the audit log counts the awards to revoke"
    run(told.batch.id, chunk=3)
    batch = drafts.get(told.batch.id)
    shown = entries.page(batch).items
    assert {told.names[one.member_id]: one.reason for one in shown} == EXPECTED
    assert {one.undone for one in shown} == {True}
    assert (batch.status_label, batch.published, batch.errors) == ("Published", 8, 0)
    assert entries.counts(batch) == {"Published": 8}
    assert maintenance.differing(since=LONG_AGO) == []
    out = [EntryOut.of(one, batch) for one in shown]
    assert {(one.status, one.error) for one in out} == {("Published", None)}
    assert sorted(one.note for one in out) == sorted(EXPECTED.values())
    file = results_csv.rows(batch).decode("utf-8-sig")
    for reason in set(EXPECTED.values()):
        assert file.count(f";Published;{reason};") == list(EXPECTED.values()).count(reason)
    holders = {award.member_id for award in award_queries.active_awards(list(told.names))}
    kept = {one for one, name in told.names.items() if EXPECTED[name].startswith("Kept")}
    assert holders == kept


def test_an_award_revoked_while_the_undo_runs_is_not_called_kept(make: Make) -> None:
    """B-38: the entry has the state when the worker gets to it, whatever the dialog predicted."""
    batch = make.batch(make.members(2), published=True)
    run(batch.id)
    assert forecasts.reversal(drafts.get(batch.id)) == Reversal(2, 0, 0)
    done(runs.undo, batch)
    first = entries.page(drafts.get(batch.id)).items[0].member_id
    with transaction():
        db.session.execute(
            update(Award)
            .where(Award.member_id == first)
            .values(revoked_at=ACT.at, revoke_source="profile")
        )
    run(batch.id)
    said = {one.member_id: one.reason for one in entries.page(drafts.get(batch.id)).items}
    assert said.pop(first) == "No longer had it (revoked since)"
    assert list(said.values()) == ["Removed"]
