"""The header of a file: found in the first lines, whatever other tools write around it (B-10, B-11, E-8)."""

from __future__ import annotations

import io

import pytest

from tests.domain.csv_files.test_reading import ANA, BEN, TWO, members, refusal, seconds, sheet
from webapp.domain.csv_files import ChosenColumns, UnclearColumnsError, read
from webapp.domain.csv_files.columns import key_of
from webapp.domain.csv_files.streaming import stream
from webapp.domain.errors import DomainError

PREAMBLES = {
    "a title": "Members of the summer event",
    "a title and a blank line": "Table 1\r\n",
    "comments": "# exported by forum 3.2\r\n# 2026-11-01",
    "the type of PowerShell": "#TYPE Selected.System.Management.Automation.PSCustomObject",
    "a quoted type": '"#TYPE System.Data.DataRow"',
    "names and values": 'Report Generated:,"Nov 1, 2026 10:00 AM"\r\nEmail,admin@example.org\r\nUser ID;4821',
    "another table": "Topic;Webinar ID;Start\r\nIntro;123 456;10:00\r\n",
    "nineteen lines": "\r\n".join(f"Line {n} of the report" for n in range(1, 20)),
    "separators": ";;\r\nReport;;\r\n;;",
}


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize("kind", PREAMBLES)
def test_text_above_the_header_is_skipped_and_reported(kind: str, separator: str) -> None:
    """E-8: within the first 20 lines; the sentence counts all lines above, including blank ones."""
    above = PREAMBLES[kind]
    skipped = above.count("\r\n") + 1
    result = sheet(
        f"{above}\r\n{TWO}".replace(";", separator)
        if ";" in above
        else f"{above}\r\n" + TWO.replace(";", separator)
    )
    assert members(result) == [ANA, BEN]
    rows = "1 row" if skipped == 1 else f"{skipped} rows"
    assert str(result.how).endswith(f"UTF-8, header in row {skipped + 1}, skipping {rows} above it")
    assert [row.line for row in result.rows] == [skipped + 2, skipped + 3]


def test_the_sentence_of_a_report() -> None:
    """B-11, E-8."""
    result = sheet(
        "Members of the summer event\r\nExported 2026-11-01\r\n\r\nID;Username\r\n1;ana\r\n"
    )
    assert (
        str(result.how) == "semicolon-separated, UTF-8, header in row 4, skipping 3 rows above it"
    )


def test_blank_lines_above_the_header_are_not_reported() -> None:
    """B-11."""
    assert str(sheet("\n\nID\n1\n").how) == "one column, UTF-8, header in row 3"


def test_a_header_below_the_first_twenty_lines_is_none() -> None:
    """E-8."""
    with pytest.raises(UnclearColumnsError):
        sheet("A line of a report\n" * 20 + TWO)


@pytest.mark.parametrize(
    "text",
    [
        "annax\nana\n",
        "annax\nlogin\nana\n",  # a username
        "1;annax\n5;login\n",
        "annax@example.org;email\n",
        "4821\n77\n",
        "Mitglied;Adresse\nana;a@x.org\n",
    ],
)
def test_a_list_without_a_known_header_is_unclear(text: str) -> None:
    """E-8: nothing is guessed; if no one can be asked, the error says what is missing."""
    with pytest.raises(UnclearColumnsError, match="has no ID, Username or Registered email column"):
        sheet(text)


def test_a_repeated_column_is_unclear() -> None:
    """E-8: a person can say which one counts."""
    with pytest.raises(UnclearColumnsError, match="contains the column ID twice"):
        sheet("ID;Username;id\n1;ana;2\n")


def test_columns_chosen_for_a_list_without_a_header_are_used() -> None:
    """E-8: the first line is a row, whichever columns are chosen."""
    chosen = ChosenColumns({"username": 0, "email": 1}, line=0)
    result = read(b"ana;a@x.org\nben\n", max_rows=10, chosen=chosen)
    assert members(result) == [("", "ana", "a@x.org"), ("", "ben", "")]
    assert [row.line for row in result.rows] == [1, 2]
    assert str(result.how) == "semicolon-separated, UTF-8, no header"
    result = read(b"ana\nben\n", max_rows=10, chosen=ChosenColumns({"username": 0}, line=0))
    assert (str(result.how), len(result.rows)) == ("one column, UTF-8, no header", 2)


def test_a_chosen_header_and_columns_are_used() -> None:
    """E-8: another line, other columns; unassigned columns are not used."""
    chosen = ChosenColumns({"username": 1}, line=2)
    result = read(b"ID;Username\nWer;Name\n4;ana\n", max_rows=10, chosen=chosen)
    assert members(result) == [("", "ana", "")]
    assert result.ignored == ["Wer"]
    assert str(result.how) == "semicolon-separated, UTF-8, header in row 2, skipping 1 row above it"
    with pytest.raises(DomainError, match="Line 9 can't be the header"):
        read(b"ID\n1\n", max_rows=10, chosen=ChosenColumns({"external_id": 0}, line=9))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *((name, "id") for name in ('"ID"', " ID*", "ID:", "[ID]", "ID;;", "'ID'", "“ID”", "\u200bID\u200e")),
        *((name, "username") for name in ("User\xa0name", "@username", "Username;;,", "# Username")),
        ("ID (required)", "id"),
        ("user-name [optional]", "username"),
        *((name, "email") for name in ("E‑Mail", "E-Mail *", "<email>", '="Email"', "Email (text)")),
        ("E-mail 1 - Value", "email1value"),
        ("User Name (Original Name)", "username(originalname"),
    ],
)  # fmt: skip
def test_noise_around_a_name_makes_no_difference(name: str, key: str) -> None:
    """B-10."""
    assert key_of(name) == key


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize(
    "write",
    [
        lambda cells, sign: (sign + " ").join(f'"{cell}"' for cell in cells),
        lambda cells, sign: f" {sign} ".join(f'"{cell}"' for cell in cells),
        lambda cells, sign: f" {sign}".join(f'"{cell}"' for cell in cells) + " ",
        lambda cells, sign: (
            '"' + sign.join([cells[0], *(f'""{cell}""' for cell in cells[1:])]) + '"'
        ),
        lambda cells, sign: sign.join(cells) + {";": ",,", ",": ";;"}.get(sign, ";;"),
        lambda cells, sign: '"' + sign.join(cells) + '"' + {";": ",,", ",": ";;"}.get(sign, ";;"),
    ],
    ids=[
        "space before",
        "space on both sides",
        "space behind",
        "wrapped",
        "tail",
        "wrapped and tail",
    ],
)
def test_other_ways_of_quoting(write, separator: str) -> None:  # type: ignore[no-untyped-def]
    """B-11: spaces next to quotation marks, whole lines wrapped in them, other separators at the end."""
    rows = [
        ["ID", "Registered email", "Username"],
        ["1", "a@x.org", "ana"],
        ["2", "b@x.org", "ben"],
    ]
    text = "".join(write(row, separator) + "\r\n" for row in rows)
    result = sheet(text)
    assert members(result) == [ANA, BEN]
    assert result.separator == separator
    assert [row.problem for row in result.rows] == [None, None]
    with io.BytesIO(text.encode()) as file:
        assert [row[1:4] for row in stream(file).rows] == [ANA, BEN]


def test_rows_alone_may_be_wrapped_in_quotes() -> None:
    """A spreadsheet wraps only the lines that had quotation marks."""
    text = 'ID,Username,Email\n1,ana,a@x.org\n"2,""ben"",b@x.org"\n'
    assert members(sheet(text)) == [ANA, BEN]


def test_a_quoted_cell_with_separators_and_spaces() -> None:
    """B-11: `"a", "b, c"` is two cells."""
    assert members(sheet('"ID", "Username"\n"1", "b, c"\n')) == [("1", "b, c", "")]


@pytest.mark.parametrize("stated", [",", "\t", "|", ":"])
def test_the_files_own_separator_wins_over_the_stated_one(stated: str) -> None:
    """B-11: `sep=,` above semicolons."""
    result = sheet(f"sep={stated}\r\n{TWO}")
    assert members(result) == [ANA, BEN]
    assert str(result.how) == "semicolon-separated, UTF-8, header in row 2"


@pytest.mark.parametrize(
    ("header", "columns", "warned"),
    [
        ("username,email,billing-active,has-2fa,userid,fullname", {"username": 0, "email": 1}, ["userid"]),
        ("user_login,user_email", {"username": 0, "email": 1}, []),
        ("First Name,Last Name,E-mail 1 - Label,E-mail 1 - Value", {"email": 3}, []),
        ("ID,user_login,user_nicename,user_email,user_registered", {"external_id": 0, "username": 1, "email": 3}, []),
        ("Attended,User Name (Original Name),Email", {"email": 2}, ["User Name (Original Name)"]),
        ("ID,Emial", {"external_id": 0}, ["Emial"]),
        ("Username,Member no", {"username": 0}, ["Member no"]),
        ("ID,Town,Phone number", {"external_id": 0}, []),
        ("DisplayName,SamAccountName,Mail", {"username": 1, "email": 2}, []),
    ],
)  # fmt: skip
def test_headers_of_other_tools(header: str, columns: dict[str, int], warned: list[str]) -> None:
    """B-10, E-8: known ones are used; an unused one that looks like one of the three causes a warning."""
    result = sheet(header + "\n" + ",".join(["x"] * (header.count(",") + 1)) + "\n")
    assert result.columns == columns
    assert len(result.warnings) == len(warned)
    for sentence, name in zip(result.warnings, warned, strict=True):
        assert str(sentence).startswith(f"The column “{name}” isn't used, although it looks like ")


@pytest.mark.parametrize(
    "data",
    [
        b"ID" + b";" * 4_900_000,
        b";,\t|" * 1_200_000,
        b"ID\n1" + b"," * 4_900_000,
        (b'"' + b"x;" * 400 + b'"\n') * 6_000,
        b"\n".join([b"a;" * 999] * 2_400),
        (b"1;a," * 998 + b"\n") * 1_200,
    ],
    ids=["a header of separators", "all separators", "a row of separators", "wrapped lines", "wide rows", "two kinds"],
)  # fmt: skip
def test_no_header_takes_long(data: bytes) -> None:
    """The limit of columns is checked before trying separators; a second of CPU time for 5 MB."""

    def read_it() -> None:
        with pytest.raises(DomainError):
            sheet(data)

    assert seconds(read_it, enough=1) < 1
    assert refusal(data).endswith(".")


@pytest.mark.parametrize(
    ("text", "line", "columns"),
    [
        ("Username;2024;2025\nana;1;2\n", 1, {"username": 0}),
        ("# Email\nUsername\nana\n", 2, {"username": 0}),
        ("#ID;Username\n1;ana\n", 1, {"external_id": 0, "username": 1}),
        ("Email;Primary email\na@x.org;b@x.org\n", 1, {"email": 0}),
        ("user.login,user.email\nana,a@x.org\n", 1, {"username": 0, "email": 1}),
        ("Member Report\nUsername\nana\n", 2, {"username": 0}),
        ('"Title of\ntwo lines"\nID;Username\n1;ana\n', 3, {"external_id": 0, "username": 1}),
        ("Members\rExport\rID;Username\r1;ana\r", 3, {"external_id": 0, "username": 1}),
        ('Report\n"ID,""Username"""\n"1,""ana"""\n', 2, {"external_id": 0, "username": 1}),
        ('#TYPE X\nsep=,\n"ID","Username"\n1,ana\n', 3, {"external_id": 0, "username": 1}),
        ("|ID|Username|\n|1|ana|\n", 1, {"external_id": 1, "username": 2}),
    ],
)
def test_which_line_is_the_header(text: str, line: int, columns: dict[str, int]) -> None:
    """E-8: the line with most known columns; a comment only if there is no other."""
    result = sheet(text)
    assert (result.line, result.columns) == (line, columns)
    assert len(result.rows) == 1
