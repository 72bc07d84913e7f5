"""A file for a first batch: members of the demo community, and some rows with every kind of mistake."""

from __future__ import annotations

from itertools import cycle
from random import Random

from sqlalchemy import select

from webapp.database import db
from webapp.domain.csv_files import TEMPLATE
from webapp.domain.demo.people import SEED
from webapp.models import Member

ROWS = 320  # of members; those with mistakes come in between
STEP = 31

Cells = tuple[str, ...]


def example_file() -> bytes:
    """The file, as Excel would save it: a few hundred members by one to three columns, and bad rows among them."""
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
    """Rows of nobody, of two people at once, of somebody who came before; torn and blank ones."""
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
