"""Suggestions for rows without a member, and the effect of a choice (B-17)."""

from __future__ import annotations

import random

import pytest
from rapidfuzz.distance import OSA

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, uploads
from webapp.domain.batches.preview import Preview
from webapp.domain.batches.suggestions import suggest
from webapp.domain.batches.uploads import Applied
from webapp.domain.errors import DomainError
from webapp.messages import Message
from webapp.models import Batch, Origin
from webapp.transaction import transaction

ACT = Actor(at=NOW, origin=Origin.CONSOLE)


def waiting(batch: Batch, text: str) -> int:
    """A file chosen for a batch; returns the upload's id."""
    data = text.encode()
    seen = uploads.receive(batch.id, data, 5000)
    with transaction():
        return uploads.keep(batch.id, "members.csv", data, seen, ACT).id


def shown(batch: Batch) -> Preview:
    upload = uploads.pending(batch.id)
    assert upload is not None
    assert upload.preview is not None
    return Preview.unpack(upload.preview)


def offered(batch: Batch) -> dict[int, list[str]]:
    seen = shown(batch)
    return {
        line: [one.member.username for one in some]
        for line, some in suggest(seen, seen.lines).items()
    }


def choose(batch: Batch, upload_id: int, line: int, member_id: int | None) -> None:
    with transaction():
        uploads.choose_member(batch.id, upload_id, line, member_id, 5000)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("annna.novak", True),  # inserted
        ("ana.novak", True),  # deleted
        ("anma.novak", True),  # replaced
        ("anna.nvoak", True),  # swapped
        ("nana.novak", True),  # swapped at the start
        ("xanna.novak", True),
        ("anna.novvakk", True),  # two inserted
        ("anna.nowag", True),  # two replaced, at the end
        ("nxxna.novak", False),
        ("annxx.nowak", False),
        ("a", False),
        ("ANNA.NOVÁK", True),
        ("@anna.novaj", True),
    ],
)
def test_usernames_within_two_edits(make: Make, typed: str, found: bool) -> None:
    """B-17: an edit distance of up to 2, ignoring case; not 3."""
    make.member("Anna.Novak")
    make.member("quite.another")
    batch = make.batch()
    waiting(batch, f"Username\n{typed}\n")
    assert offered(batch) == ({2: ["Anna.Novak"]} if found else {})


def test_emails_and_rows_that_contradict_themselves(make: Make) -> None:
    """B-17: by email; if ID and username are two members, both and those with similar usernames."""
    make.member("anna", external_id="1", email="anna.novak@example.org")
    make.member("ben", external_id="2")
    batch = make.batch()
    waiting(batch, "ID;Username;Email\n;;ana.novak@exmaple.org\n2;ana;\n2;ben;x@y\n77;;\n")
    assert offered(batch) == {2: ["anna"], 3: ["anna"], 4: ["ben"]}


def test_the_three_nearest(make: Make) -> None:
    """B-17: at most three, the nearest first, then by username; each with text to tell it apart."""
    for name in ("marta", "marie", "maria", "mario", "mari"):
        make.member(name, name=name.title())
    batch = make.batch()
    waiting(batch, "Username\nmarix\n")
    seen = shown(batch)
    (found,) = suggest(seen, seen.lines).values()
    assert [one.member.username for one in found] == ["mari", "maria", "marie"]
    assert [str(one.words) for one in found] == ["Mari", "Maria", "Marie"]


def test_every_name_one_edit_away_is_found(make: Make) -> None:
    """B-17: for random names, compared with a search through all of them."""
    dice = random.Random(4)
    names = sorted({"".join(dice.choices("abnt.", k=dice.randint(3, 9))) for _ in range(600)})
    for name in names[::10]:
        make.member(name)
    there = names[::10]
    batch = make.batch()
    typed = [name for name in names if name not in there][:200]
    waiting(batch, "Username\n" + "\n".join(typed) + "\n")
    found = offered(batch)
    for line, name in enumerate(typed, start=2):
        distances = sorted((OSA.distance(name, one), one) for one in there)
        expected = [one for distance, one in distances if distance == 1][:3]
        assert found.get(line, [])[: len(expected)] == expected, name
        assert all(OSA.distance(name, one) <= 2 for one in found.get(line, []))


def test_rows_that_cannot_be_read_get_none(make: Make) -> None:
    """B-17: a malformed row, a cell with invisible characters, an endless one, an empty one."""
    make.member("anna")
    batch = make.batch()
    waiting(batch, "ID;Username\n1\u200b2;ann\n1;2;3;4\n1;" + "a" * 5000 + "\n9;\n")
    assert offered(batch) == {}


def test_queries_do_not_grow_with_rows(make: Make) -> None:
    """B-17: a fixed number of statements for any number of rows."""
    make.members(60)
    counted = []
    for number in (1, 25):
        db.session.rollback()  # a new request reads current data
        batch = make.batch()
        rows = [f"usr{n};user{n}@exmple.org" for n in range(1, number + 1)]
        waiting(batch, "Username;Email\n" + "\n".join(rows) + "\n")
        seen = shown(batch)
        with statements() as sent:
            assert len(suggest(seen, seen.lines)) == number
        counted.append(len(sent))
    assert counted == [6, 6]


def test_a_choice_moves_the_row(make: Make) -> None:
    """B-17: the row becomes valid and is stored so, and the second `Upload` adds the member."""
    make.member("anna")
    ben = make.member("ben")
    batch = make.batch()
    upload = waiting(batch, "Username\nanna\nbenn\nnobody\n")
    choose(batch, upload, 3, ben.id)
    seen = shown(batch)
    assert [line.kind for line in seen.lines] == ["good", "good", "error"]
    assert seen.lines[1].note == "You chose ben. No member is named benn."
    with transaction():
        applied = uploads.apply(batch.id, upload, 5000, ACT)
    assert applied == Applied(added=2, merged=0, left_out=1, already=0)


def test_a_choice_is_undone(make: Make) -> None:
    """B-17: and made again, any number of times."""
    ben = make.member("ben")
    batch = make.batch()
    upload = waiting(batch, "Username\nbenn\n")
    for member_id, kind in ((ben.id, "good"), (ben.id, "good"), (None, "error"), (ben.id, "good")):
        choose(batch, upload, 2, member_id)
        assert shown(batch).lines[0].kind == kind
    choose(batch, upload, 2, None)
    with pytest.raises(DomainError, match="no longer needs a choice"):
        choose(batch, upload, 99, ben.id)


def test_choices_merge_like_other_rows(make: Make) -> None:
    """B-15, B-17: a chosen member who is also in another row, or in the batch, is added once."""
    anna, ben = make.member("anna"), make.member("ben")
    batch = make.batch([ben.id])
    upload = waiting(batch, "Username\nannna\nanna\nbenn\n")
    choose(batch, upload, 2, anna.id)
    choose(batch, upload, 4, ben.id)
    lines = shown(batch).lines
    assert [(line.kind, line.chosen) for line in lines] == [
        ("good", True),
        ("merged", False),
        ("already", True),
    ]
    assert lines[1].message == Message("rows.merged")
    with transaction():
        assert uploads.apply(batch.id, upload, 5000, ACT) == Applied(1, 1, 0, 1)


def test_invalid_choices_are_rejected(make: Make) -> None:
    """B-17, W86: a row that already has a member, a malformed row, a missing member, an old file."""
    anna = make.member("anna")
    batch = make.batch()
    upload = waiting(batch, "ID;Username\n;anna\n1\u200b2;y\n;ana\n")
    for line, member_id in ((2, anna.id), (3, anna.id), (4, 10**9), (4, 2**63 - 1)):
        with pytest.raises(DomainError):
            choose(batch, upload, line, member_id)
    assert [line.kind for line in shown(batch).lines] == ["good", "error", "error"]
    waiting(batch, "Username\nanna\n")
    with pytest.raises(DomainError, match="Someone has chosen another file"):
        choose(batch, upload, 4, anna.id)


def test_the_directory_changed_after_the_choice(make: Make) -> None:
    """B-16, B-17: if the row now matches a member itself, the preview is shown again with the change marked."""
    ben = make.member("ben")
    batch = make.batch()
    upload = waiting(batch, "Username\nbenn\n")
    choose(batch, upload, 2, ben.id)
    own = make.member("benn")
    with transaction():
        assert uploads.apply(batch.id, upload, 5000, ACT) is None
    (line,) = shown(batch).lines
    assert (line.changed, line.member_id, line.chosen) == (True, own.id, False)


def test_one_member_too_many_by_choice(make: Make) -> None:
    """B-12: a choice above the limit is rejected with both numbers and changes nothing."""
    make.members(2)
    ben = make.member("ben")
    batch = make.batch()
    upload = waiting(batch, "Username\nuser1\nuser2\nbenn\n")
    with pytest.raises(DomainError, match="up to 2 members"), transaction():
        uploads.choose_member(batch.id, upload, 4, ben.id, 2)
    assert shown(batch).counts()["errors"] == 1
    assert drafts.get(batch.id).entry_count == 0
    db.session.rollback()
