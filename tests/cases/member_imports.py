"""Member files as other systems write them, with the expected result of importing each, for all interfaces."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select, update

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.csv_files.streaming import stream
from webapp.domain.imports import columns as member_columns
from webapp.domain.imports import import_rows
from webapp.models import Member
from webapp.transaction import transaction

HERE = Path(__file__).parent
Lines = dict[int, tuple[str, ...]]

SHORTENED = "looks like a number shortened by a spreadsheet. Format the column as text"
NAMELESS = "A new member needs a username."
NO_DATE = "isn't a date, or could mean more than one"
NO_EMAIL = "isn't an email address"


@dataclass(frozen=True)
class Case:
    """A file with the expected counts, messages by line, and members afterwards.

    `before` are files imported first; `left` the members who have left by then.
    """

    name: str
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    bad: Lines = field(default_factory=dict)
    warned: Lines = field(default_factory=dict)
    remarks: tuple[str, ...] = ()  # as in the report after the import
    after: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        return (HERE / self.name).read_bytes()

    @property
    def counts(self) -> tuple[int, int, int, int]:
        return self.created, self.updated, self.unchanged, len(self.bad)

    @property
    def again(self) -> tuple[int, int, int, int]:
        """The result of a second import: no changes."""
        return 0, 0, self.created + self.updated + self.unchanged, len(self.bad)

    def members(self) -> list[dict[str, str]]:
        """The rows as another system would send them."""
        keys = {"Registered email": "email", "Joined": "joined_at"}
        rows = csv.DictReader(io.StringIO(self.data.decode("utf-8-sig")), delimiter=";")
        return [{keys.get(key, key.lower()): text for key, text in row.items()} for row in rows]


CASES = [
    Case("members.csv", created=13, after={"82": ("jean-luc", "jl@example.org", "JL")}),
    Case("import-cli-old-joiner.csv", created=1),
    Case(
        "import-emoji-zwj-names.csv",
        created=13,
        warned={14: ("The name has no visible characters.",)},
        remarks=("1 row was imported without a name.",),
        after={
            "z1": ("kim1", "kim1@example.org", "Kim 🏳\ufe0f\u200d🌈"),
            "z3": (
                "eng3",
                "eng3@example.org",
                "Harry 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            ),
            "z4": ("persian4", "p4@example.org", "علی\u200cرضا"),
            "z5": ("می\u200cخواهم", "p5@example.org", ""),
            "z7": ("shy7", "s7@example.org", "Donau\u00addampf"),
            "z9": ("malayalam9", "ml9@example.org", "അവന്\u200d"),
            "z10": ("heart❤\ufe0f", "h10@example.org", "Heart ❤\ufe0f"),
            "z13": ("hangul13", "l13@example.org", ""),
        },
    ),
    Case("import-shortened-ids.csv", bad=dict.fromkeys(range(2, 6), (SHORTENED,))),
    Case(
        "import-dates.csv",
        created=23,
        warned=dict.fromkeys(range(6, 15), (NO_DATE,)),
        remarks=("9 rows were imported without a join date.",),
    ),
    Case("import-swap-base.csv", created=5),
    Case(
        "import-chain.csv",
        updated=3,
        before=("import-swap-base.csv",),
        after={
            "s3": ("chainb", None, ""),
            "s4": ("chainc", None, ""),
            "s5": ("chaind", None, ""),
        },
    ),
    Case(
        "import-null-cells.csv",
        created=5,
        bad={4: (NAMELESS,), 5: (NAMELESS,)},
        warned={2: ("NULL", NO_EMAIL, NO_DATE)},
        after={
            "n1": ("nul1", None, "NULL"),
            "n2": ("nul2", None, ""),
            "n5": ("None", None, ""),
            "n6": ("nan", None, ""),
            "n7": ("[deleted]", None, ""),
        },
    ),
    Case(
        "import-emails.csv",
        created=7,
        warned={
            3: ("This cell contains two email addresses",),
            7: ("none", NO_EMAIL),
            8: ("em7@@example.org", NO_EMAIL),
        },
        remarks=("3 rows were imported without a registered email.",),
        after={
            "e1": ("em1", "a@x.example", ""),
            "e2": ("em2", None, ""),
            "e3": ("em3", "em3@example.org", ""),
            "e4": ("em4", "em4@example.org", ""),
            "e6": ("em6", None, ""),
            "e7": ("em7", None, ""),
        },
    ),
    Case(
        "import-shared-email.csv",
        created=2,
        warned={3: ("The email Family@example.org belongs to another member (ID f1)",)},
        remarks=("1 row was imported without a registered email.",),
        after={"f1": ("child1", "family@example.org", ""), "f2": ("child2", None, "")},
    ),
    Case(
        "import-recycled-username.csv",
        before=("members.csv",),
        bad={2: ("The username annax belongs to another member (ID 4821).",)},
    ),
    Case(
        "import-recycled-username.csv",
        created=1,
        before=("members.csv",),
        left=("4821",),
        warned={2: ("belonged to a member who has left (ID 4821)", "annax (former 4821)")},
        after={
            "new1": ("annax", None, ""),
            "4821": ("annax (former 4821)", "annax@example.org", "Anna A"),
        },
    ),
    Case("formula-text.csv", unchanged=2, before=("members.csv",)),
    Case("powershell-type.csv", unchanged=1, before=("members.csv",)),
    Case("report-preamble.csv", unchanged=1, before=("members.csv",)),
    Case("numbers-table-title.csv", unchanged=1, before=("members.csv",)),
    Case("hash-comment.csv", unchanged=1, before=("members.csv",)),
    Case(
        "libreoffice-saved.csv",
        unchanged=3,
        before=("members.csv",),
        bad={
            3: ("The ID is missing.",),
            4: ("The ID is missing.",),
            5: (NAMELESS,),
            6: (SHORTENED,),
            8: ("The ID is missing.",),
            10: ("The ID is missing.",),
            11: ("The ID is missing.",),
        },
    ),
]
BY_NAME = [f"{one.name}{' who left' if one.left else ''}" for one in CASES]
# Cases whose rows another system can send unchanged.
OF_OTHER_SYSTEMS = [one for one in CASES if one.name.startswith("import-")]


def prepare(case: Case, actor: Actor) -> None:
    """Import the files that a case builds on."""
    for name in case.before:
        sheet = stream(io.BytesIO((HERE / name).read_bytes()))
        rows = member_columns.incoming(sheet, member_columns.guess(sheet.shape))
        with transaction():
            done = import_rows.import_rows([row for row, _ in rows], actor)
        assert not done.bad
    with transaction():
        for who in case.left:
            db.session.execute(
                update(Member).where(Member.external_id == who).values(status="left")
            )


def check(case: Case) -> None:
    """The members match the case, and those without a valid date joined now."""
    db.session.rollback()
    found = {
        one.external_id: (one.username, one.email, one.name)
        for one in db.session.scalars(select(Member))
    }
    for who, wanted in case.after.items():
        assert found[who] == wanted, ascii((who, found[who], wanted))
    if case.name == "import-dates.csv":
        dated = {
            one.external_id
            for one in db.session.scalars(select(Member))
            if one.joined_at.year == 2021 and one.joined_at.month == 3
        }
        assert dated == {f"d{number}" for number in (*range(4), *range(13, 23))}


def said(lines: dict[int, str], wanted: Lines) -> None:
    """Exactly these lines have messages, with these words."""
    assert sorted(lines) == sorted(wanted), lines
    for line, parts in wanted.items():
        for part in parts:
            assert part in lines[line], (line, lines[line])
