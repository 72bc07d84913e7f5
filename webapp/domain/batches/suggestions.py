"""Suggest members for rows of a file that match none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webapp.domain.batches.preview import Preview
from webapp.domain.csv_files.cell_values import email
from webapp.domain.csv_files.rows import row_of
from webapp.domain.members.fuzzy_match import (
    Match,
    find_candidates,
    key_of,
    members_of,
    nearest,
    originals_of,
    within_distance,
)
from webapp.domain.members.identify import MatchedRow, MatchKind
from webapp.models import Member


@dataclass(frozen=True)
class Suggestion:
    """A member suggested for a row, with what distinguishes similar ones."""

    member: Member
    words: str


def suggest(preview: Preview, lines: Iterable[MatchedRow]) -> dict[int, list[Suggestion]]:
    """Suggest up to three members for each unmatched line, closest first.

    First, members whose ID, username or email a spreadsheet may have changed to the row's value (`hints`), and those
    named in the wrong column. Then members whose username or email is a few edits away. One edit: all are found if the
    edit is within the first 24 characters and inserts a to z, a digit or one of `._-`. Two edits: those explained by
    two dropped or swapped characters among the first 12, and those among the 40 neighbors in byte order on either side,
    which covers edits after a rare prefix.

    At most nine queries for any number of lines, each answered by an index. The cost is bounded: keys of over 100
    letters have no matches, and with many long keys only the likeliest edits are tried.
    """
    texts_of = {line.line: _texts(preview, line) for line in lines if _needs_suggestions(line)}
    matches = originals_of({line: list(texts) for line, texts in texts_of.items()})
    for column, by_email in ((Member.username_key, False), (Member.email_key, True)):
        keys = {line: key_of(texts[1 + by_email]) for line, texts in texts_of.items()}
        if by_email:  # email in the username column
            for line, (_, username, _) in texts_of.items():
                keys[line] = keys[line] or (key_of(email(username).text) if "@" in username else "")
        candidates = find_candidates(column, sorted(set(filter(None, keys.values()))))
        for line, key in keys.items():
            matches[line] += within_distance(key, candidates, by_email=by_email)
    best = {line: nearest(near) for line, near in matches.items() if near}
    members = members_of(best.values())
    return {
        line: [_suggestion(members[match.member_id], match) for match in near]
        for line, near in best.items()
    }


def _needs_suggestions(line: MatchedRow) -> bool:
    return line.kind == MatchKind.ERROR and bool(line.note)


def _texts(preview: Preview, line: MatchedRow) -> tuple[str, str, str]:
    values = {
        field: line.cells[place]
        for field, place in preview.columns.items()
        if place < len(line.cells)
    }
    row = row_of(line.line, values, line.cells)
    return row.external_id, row.username, row.email


def _suggestion(member: Member, match: Match) -> Suggestion:
    if match.why:
        return Suggestion(member, str(match.why))
    return Suggestion(member, (member.email or "") if match.by_email else member.name)
