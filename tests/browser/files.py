"""Files for the upload dialog, with the members of `bench.community`."""

from __future__ import annotations

from playwright.sync_api import FilePayload

HEADER = "ID;Username;Registered email"
EACH = 40


def csv(*rows: str, name: str = "members.csv", header: str = HEADER) -> FilePayload:
    """A file of these rows, as a file field takes it."""
    text = "\r\n".join([header, *rows]) + "\r\n"
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode()}


def row(number: int) -> str:
    """A valid row: member `number` in all three columns."""
    return f"ID{number};Member{number};member{number}@example.org"


def five_thousand() -> list[str]:
    """5,000 rows: 4,880 members, then 40 rows for each error message."""
    good = [row(number) for number in range(1, 5001 - 3 * EACH)]
    nobody = [f"NO{number};;" for number in range(EACH)]
    two_people = [f"ID{number};Member{number + 1};" for number in range(1, EACH + 1)]
    again = [f";;MEMBER{number}@EXAMPLE.ORG" for number in range(1, EACH + 1)]
    return good + nobody + two_people + again
