"""An example file for a first batch: members of the demo community and rows with every kind of error."""

from __future__ import annotations

from itertools import cycle
from random import Random

from sqlalchemy import select

from webapp.database import db
from webapp.domain.csv_files import TEMPLATE
from webapp.domain.demo.people import SEED
from webapp.models import Member

ROWS = 320  # members; rows with errors are added
STEP = 31

Cells = tuple[str, ...]


def example_file() -> bytes:
    """Return a few hundred members with one to three columns filled, and some invalid rows, as Excel saves them."""
    random = Random(SEED)
    everybody = db.session.scalars(select(Member).order_by(Member.id).limit(ROWS * STEP)).all()
    chosen = list(everybody[::STEP])
    rows = [_row(random, member) for member in chosen]
    for place, mistake in zip(cycle(range(5, len(rows), 9)), _mistakes(chosen), strict=False):
        rows.insert(place, mistake)
    lines = [";".join(cells) for cells in rows]
    return TEMPLATE + "".join(f"{line}\r\n" for line in lines).encode()


def _row(random: Random, member: Member) -> Cells:
    cells = member.external_id, member.username, member.email or ""
    kind = random.random()
    if kind < 0.7 or not member.email:
        return cells
    if kind < 0.8:
        return cells[0], "", ""
    if kind < 0.9:
        return "", member.username.upper(), ""
    return "", "", f" {member.email.title()} "


def _mistakes(chosen: list[Member]) -> list[Cells]:
    """Return rows that match no one, match two members or repeat one, and broken or blank rows."""
    unknown: list[Cells] = [
        ("9900417", "", ""),
        ("", "nobody.at.all", ""),
        ("", "", "not.here@example.org"),
        ("9900418", "no_such_name", "no.such@example.net"),
    ]
    crossed: list[Cells] = [
        (member.external_id, namesake.username, "")
        for member, namesake in zip(chosen[3:7], chosen[40:44], strict=True)
    ]
    again: list[Cells] = [("", member.username, "") for member in chosen[:4]]
    torn: list[Cells] = [
        (chosen[60].external_id, chosen[60].username),
        ("", "", "", "", "left over"),
    ]
    blank: list[Cells] = [("", "", ""), ("",)]
    kinds = zip(unknown, crossed, again, strict=True)
    return [row for rows in kinds for row in rows] + torn + blank
