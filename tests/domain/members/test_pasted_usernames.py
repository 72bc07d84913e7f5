"""Names pasted into `To` from other tools are cleaned like cells of a file (M-8, M-9)."""

from __future__ import annotations

import pytest

from tests.factories import Make
from webapp.domain.members.fuzzy_match import usernames
from webapp.domain.members.username_list import parse


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('="annax"\n="ana"', ["annax", "ana"]),
        ("annax\u200b\n\u202aMAR1\u202c\n\xadana\u200e", ["annax", "MAR1", "ana"]),
        ("annax\n#N/A\n#REF!\nErr:502\n\\N\nana", ["annax", "ana"]),
        ("NULL, None, nan, -", ["NULL", "None", "nan", "-"]),
        ("heart❤\ufe0f, അവന്\u200d, نیما\u200cخ", ["heart❤\ufe0f", "അവന്\u200d", "نیما\u200cخ"]),
        ("an\u200bnax, annax", ["an\u200bnax"]),
        ("'=annax, '@ana", ["=annax", "ana"]),
    ],
)
def test_names_are_cleaned_like_cells(text: str, names: list[str]) -> None:
    """M-8: invisible characters around a name are removed; a spreadsheet's error values are not names."""
    assert parse(text) == names


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("annax@example.org", "annax"),
        ("Anna <annax@example.org>", "annax"),
        ("1-Mar", "MAR1"),
        ("1.00E+05", "1e5"),
        ("4821", "annax"),
        ("4821.0", "4821"),
        ("annnax", "annax"),
    ],
)
def test_similar_members_are_suggested(make: Make, name: str, who: str) -> None:
    """M-9: by email, by ID, and by a username as changed by a spreadsheet."""
    if who == "4821":
        make.member("4821")
    else:
        make.member("annax", external_id="4821", email="annax@example.org")
    make.member("MAR1")
    make.member("1e5")
    found = usernames([name, "nobody at all"])
    assert [one.username for one in found[name]] == [who]
    assert "nobody at all" not in found
