"""Members as other systems name them: individually, by ID, username or email."""

from __future__ import annotations

from typing import NamedTuple

from webapp.domain.csv_files import Row
from webapp.domain.csv_files.rows import row_of
from webapp.domain.errors import DomainError
from webapp.domain.members import identify as member_identify
from webapp.domain.members.identify import MatchedRow
from webapp.messages import Message


class NamedMember(NamedTuple):
    """A member by ID, username or email; values that are given must agree."""

    external_id: str = ""
    username: str = ""
    email: str = ""

    def row(self, line: int) -> Row:
        return row_of(line, self._asdict(), list(self))


def identify(named: list[NamedMember]) -> list[MatchedRow]:
    return member_identify.identify(
        [member.row(place) for place, member in enumerate(named, start=1)]
    )


def find_member_id(named: NamedMember) -> int:
    """Return the ID of the named member. Raises DomainError with the message of a file's preview."""
    (line,) = identify([named])
    if line.member_id is None:
        problem = line.message or Message("rows.not_found")
        raise DomainError(problem.code, "member", note=line.note, **problem.values)
    return line.member_id
