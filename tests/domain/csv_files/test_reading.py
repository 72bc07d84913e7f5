"""The CSV reader, file by file: the numbers C35 to C80 refer to the catalogue of bad files."""

import contextlib
import csv
import gzip
import io
import zipfile
from collections.abc import Callable

import pytest

from tests.cpu_time import cpu_seconds
from webapp.domain.csv_files import FILE_LIMIT, TEMPLATE, Row, Sheet, read
from webapp.domain.csv_files.cell_checks import INVISIBLE, lookalike
from webapp.domain.errors import DomainError
from webapp.domain.normalization import fold
from webapp.messages import join

MAX_ROWS = 20_000


def sheet(data: bytes | str, max_rows: int = MAX_ROWS) -> Sheet:
    return read(data.encode() if isinstance(data, str) else data, max_rows=max_rows)


def refusal(data: bytes | str, max_rows: int = MAX_ROWS) -> str:
    with pytest.raises(DomainError) as caught:
        sheet(data, max_rows)
    assert str(caught.value) == caught.value.message
    return caught.value.message


def members(read_sheet: Sheet) -> list[tuple[str, str, str]]:
    return [(row.external_id, row.username, row.email) for row in read_sheet.rows]


def only(data: bytes | str) -> Row:
    [row] = sheet(data).rows
    return row


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return buffer.getvalue()


LATIN_1_LATE = b"ID;Username\n" + b"".join(
    b"%d;%s\n" % (n, b"Ren\xe9" if n == 3999 else b"ana") for n in range(1, 5001)
)
EXCEL = "In Excel, choose File, Save As, “CSV UTF-8 (*.csv)”, and upload that file."
AGAIN = "Export the list again as CSV and upload that file."
UNPACK = "Unpack it and upload the .csv file inside."
NO_COLUMN = (
    "The file has no ID, Username or Registered email column; it needs at least one. "
    "Line {line} was read as the header: {header}. Put the column names in the first row, "
    "or start with the template."
)
DELETE_COLUMNS = "Delete the columns you don't need."
DELETE_QUOTE = "Delete the mark, or double it if it belongs to the text."

REFUSED: list[tuple[str, bytes | str, str]] = [
    (
        "C35 zero bytes",
        b"",
        "The file is empty (0 bytes). Choose a CSV file with a header and rows.",
    ),
    *(
        (
            f"C36 blanks only {blanks!r}",
            blanks,
            "The file has only blank lines. Add a header and rows.",
        )
        for blanks in (b"\n", b" \r\n\t\r\n", b"\xef\xbb\xbf", b'"";""\n;;\n', b"sep=;\n\n")
    ),
    (
        "C37 header only",
        TEMPLATE,
        "The file has no data below the header in line 1. Add one row per member.",
    ),
    (
        "C37 header and blank rows",
        "ID;Username\n;\n\n",
        "The file has no data below the header in line 1, only 2 blank rows. Add one row per member.",
    ),
    (
        "C40 cp1252 accents",
        "Username;Name\nrene;René Lévy\n".encode("cp1252"),
        "The file isn't saved in UTF-8: byte 22 in line 2, after “rene;Ren”, can't be read. "
        f"Save it as CSV in UTF-8. {EXCEL}",
    ),
    (
        "C41 one latin-1 byte on line 4,000",
        LATIN_1_LATE,
        f"The file isn't saved in UTF-8: byte {LATIN_1_LATE.index(0xE9):,} in line 4,000, after "
        f"“3999;Ren”, can't be read. Save it as CSV in UTF-8. {EXCEL}",
    ),
    (
        "C42 UTF-32",
        "ID\n1\n".encode("utf-32"),
        "The file is saved in UTF-32, which isn't supported. Save it as CSV in UTF-8. " + EXCEL,
    ),
    (
        "C43 UTF-8 cut inside a character",
        "ID;Username\n1;é".encode()[:-1],
        f"The file ends in the middle of a character (byte 14, line 2), so it was probably cut "
        f"off. {AGAIN}",
    ),
    (
        "C43 UTF-16 cut inside a character",
        "\ufeffID\n1\n".encode("utf-16-le")[:-1],
        f"The file ends in the middle of a character (byte 10, line 2), so it was probably cut "
        f"off. {AGAIN}",
    ),
    (
        "C44 NUL",
        b"ID;Username\n1;a\0na\n",
        f"Line 2 contains a NUL character, so this isn't a plain text file, or it is damaged. "
        f"{AGAIN}",
    ),
    (
        "C45 lone quote",
        'ID;Username\n1;"ana\n2;ben\n3;eva\n',
        "The row in line 2 opens a quotation mark that is never closed, so all rows after it would "
        f"be lost. {DELETE_QUOTE}",
    ),
    (
        "C45 lone quote in the header",
        'ID;"Username\n1;ana\n',
        "The row in line 1 opens a quotation mark that is never closed, so all rows after it would "
        f"be lost. {DELETE_QUOTE}",
    ),
    (
        "C45 lone quote before much text",
        'ID;Username\n1;"ana\n' + "2;benjamin\n" * 20_000,
        "Line 2 starts a cell of more than 131,072 characters, which continues to line 11,918. "
        f"It probably opens a quotation mark that is never closed. {DELETE_QUOTE}",
    ),
    (
        "C46 text after a closing quote",
        'ID;Username\n1;ana\n2;"ben"n\n',
        "In the row in line 3, text follows a closing quotation mark. Double every quotation mark "
        "that belongs to the text, or delete it.",
    ),
    (
        "C46 text after a closing quote further down",
        'ID;Username\n1;ana\n2;"ben\n3;"eva"\n',
        "In the row in line 3, which continues to line 4, text follows a closing quotation mark. "
        "Double every quotation mark that belongs to the text, or delete it.",
    ),
    (
        "C52 repeated header",
        "ID;Username;id\n1;ana;2\n",
        "Line 1 contains the column ID twice: “ID” (column 1) and “id” (column 3). "
        "Delete or rename one of them.",
    ),
    (
        "C52 two names of one column",
        "\nE-mail,Name,Registered email\na@x.org,Ana,b@x.org\n",
        "Line 2 contains the column Registered email twice: “E-mail” (column 1) and "
        "“Registered email” (column 3). Delete or rename one of them.",
    ),
    (
        "C53 no usable column",
        "Name;Town\nAna;Rome\n",
        NO_COLUMN.format(line=1, header="“Name”, “Town”"),
    ),
    (
        "C55 no header row",
        '1;"ana";a@x.org\n2;ben;b@x.org\n',
        NO_COLUMN.format(line=1, header="“1”, “ana”, “a@x.org”"),
    ),
    (
        "C55 much and hidden text in the first row",
        "a\u202eb,2,3,4,5,6,7,8,9,10\n",
        NO_COLUMN.format(line=1, header="“a\ufffdb”, “2”, “3”, “4”, “5”, “6”, “7”, “8” and 2 more"),
    ),
    (
        "C59 a cell of 1 MB",
        "ID;Username\n1;ana\n2;" + "x" * 1_000_000,
        "Line 3 has a cell of more than 131,072 characters. Shorten or delete it.",
    ),
    (
        "C64 xlsx",
        zipped(xl__workbook="<x/>"),
        f"This is an Excel workbook (.xlsx), not a CSV file. {EXCEL}",
    ),
    (
        "C64 ods",
        zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"),
        "This is a LibreOffice spreadsheet (.ods), not a CSV file. In LibreOffice, choose File, "
        "Save As, “Text CSV (.csv)” with the character set “Unicode (UTF-8)”, and upload that file.",
    ),
    (
        "C64 xls",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
        f"This is an Excel workbook (.xls, or .xlsx with a password), not a CSV file. {EXCEL}",
    ),
    (
        "C64 a Numbers spreadsheet",
        zipped(Index__Document="x"),
        "This is a Numbers spreadsheet, not a CSV file. In Numbers, choose File, Export To, CSV, "
        "and upload that file.",
    ),
    (
        "C64 another zip",
        zipped(members="ID\n1\n"),
        f"This is a ZIP archive, not a CSV file. {UNPACK}",
    ),
    (
        "C65 gzip",
        gzip.compress(b"ID\n1\n"),
        f"This is a compressed file (gzip), not a CSV file. {UNPACK}",
    ),
    (
        "C66 HTML",
        "\n<!DOCTYPE html><table><tr><td>ID</td></tr></table>",
        f"This is a web page (HTML), not a CSV file. {AGAIN}",
    ),
    (
        "C66 HTML in UTF-16",
        "\ufeff<html><table>".encode("utf-16-le"),
        f"This is a web page (HTML), not a CSV file. {AGAIN}",
    ),
    (
        "C66 XML",
        '<?xml version="1.0"?><Workbook/>',
        f"This is an XML file, not a CSV file. {AGAIN}",
    ),
    ("C66 JSON", '[{"id": 1}]', f"This is a JSON file, not a CSV file. {AGAIN}"),
    ("C66 PDF", b"%PDF-1.7\n\xe2\xe3", f"This is a PDF document, not a CSV file. {AGAIN}"),
    (
        "C67 17 bytes too many",
        b"ID\n" + b"1\n" * (FILE_LIMIT // 2 + 7),
        "The file is 5,000,017 bytes; the limit is 5 MB (5,000,000 bytes). Split it into "
        "several files, or delete columns you don't need.",
    ),
    (
        "C72 a hint with another separator",
        "sep=:\nID:Username\n1:ana\n",
        "Line 1 says that “:” separates the cells. Use semicolons, commas, tabs or pipes.",
    ),
    (
        "C75 200,000 columns",
        "ID" + ";" * 199_999 + "\n1\n",
        "Line 1 has 200,000 columns; the limit is 1,000. " + DELETE_COLUMNS,
    ),
    (
        "C75 200,000 cells in a row",
        "ID\n1\n2" + ";" * 199_999,
        "Line 3 has 200,000 columns; the limit is 1,000. " + DELETE_COLUMNS,
    ),
    (
        "C76 random bytes",
        b"\x8f\x02\0\xfe" * 25_000,
        "The file isn't plain text: byte 0 in line 1 can't be read as UTF-8. Save it as CSV in "
        f"UTF-8. {EXCEL}",
    ),
]


@pytest.mark.parametrize(("data", "sentence"), [pytest.param(*x[1:], id=x[0]) for x in REFUSED])
def test_a_file_that_cannot_be_read_is_refused_in_words(data: bytes | str, sentence: str) -> None:
    assert refusal(data) == sentence


ANA, BEN = ("1", "ana", "a@x.org"), ("2", "ben", "b@x.org")
TWO = "ID;Username;Registered email\r\n1;ana;a@x.org\r\n2;ben;b@x.org\r\n"

READ: list[tuple[str, bytes | str, list[tuple[str, str, str]], str]] = [
    (
        "B-9 the template filled in",
        TEMPLATE + b"1;ana;a@x.org\r\n",
        [ANA],
        "semicolon-separated, UTF-8",
    ),
    (
        "C38 UTF-8 with mark",
        "\ufeffID;Username\n7;Zoë Łukasz\n",
        [("7", "Zoë Łukasz", "")],
        "semicolon-separated, UTF-8",
    ),
    (
        "C38 two marks",
        "\ufeff\ufeffID;Username\n1;ana\n",
        [("1", "ana", "")],
        "semicolon-separated, UTF-8",
    ),
    (
        "C39 UTF-16 LE and tabs",
        "\ufeffID\tUsername\r\n7\tнаташа 😀\r\n".encode("utf-16-le"),
        [("7", "наташа 😀", "")],
        "tab-separated, UTF-16",
    ),
    (
        "C39 UTF-16 BE",
        ("\ufeff" + TWO).encode("utf-16-be"),
        [ANA, BEN],
        "semicolon-separated, UTF-16",
    ),
    (
        "UTF-16 LE without a mark",
        TWO.encode("utf-16-le"),
        [ANA, BEN],
        "semicolon-separated, UTF-16",
    ),
    (
        "UTF-16 BE without a mark",
        TWO.encode("utf-16-be"),
        [ANA, BEN],
        "semicolon-separated, UTF-16",
    ),
    (
        "UTF-16 without a mark, in other alphabets",
        "ID,Username\n7,\u4e00\u4e00\u5c0f\n8,наташа\n".encode("utf-16-le"),
        [("7", "\u4e00\u4e00\u5c0f", ""), ("8", "наташа", "")],
        "comma-separated, UTF-16",
    ),
    ("C48 semicolons", TWO, [ANA, BEN], "semicolon-separated, UTF-8"),
    ("C49 tabs", TWO.replace(";", "\t"), [ANA, BEN], "tab-separated, UTF-8"),
    ("B-11 commas", TWO.replace(";", ","), [ANA, BEN], "comma-separated, UTF-8"),
    ("B-11 pipes", TWO.replace(";", "|"), [ANA, BEN], "pipe-separated, UTF-8"),
    (
        "B-11 commas within semicolons",
        'ID;Notes, a, b;"User, name";Username\n1;x,y;z;ana\n',
        [("1", "ana", "")],
        "semicolon-separated, UTF-8",
    ),
    ("C50 CR only", TWO.replace("\r\n", "\r"), [ANA, BEN], "semicolon-separated, UTF-8"),
    (
        "C51 mixed line ends",
        "ID;Username\r\n1;ana\n2;ben\r3;eva\r\n",
        [("1", "ana", ""), ("2", "ben", ""), ("3", "eva", "")],
        "semicolon-separated, UTF-8",
    ),
    (
        "C54 case, spaces, full-width letters",
        "\u3000ｉＤ ;USER _ name;registered E\u2011Mail\n1;ana;a@x.org\n",
        [ANA],
        "semicolon-separated, UTF-8",
    ),
    (
        "C60 duplicates are kept, to be merged by member",
        "Username\nana\nAna\nRene\u0301\nRené\n",
        [("", "ana", ""), ("", "Ana", ""), ("", "Rene\u0301", ""), ("", "René", "")],
        "one column, UTF-8",
    ),
    (
        "C62 formulas are text",
        'ID,Username\n=1+1,"=HYPERLINK(""http://x"",""y"")"\n@SUM(A1),-2+3\n',
        [("=1+1", '=HYPERLINK("http://x","y")', ""), ("@SUM(A1)", "-2+3", "")],
        "comma-separated, UTF-8",
    ),
    (
        "C63 a quoted line break is data",
        'ID;Name;Username\n1;"Ana\r\nMaria";ana\n2;Ben;"be\nn"\n',
        [("1", "ana", ""), ("2", "be\nn", "")],
        "semicolon-separated, UTF-8",
    ),
    (
        "B-11 a line separator of Unicode is data",
        "ID;Username\n1;a\u2028b\u2029c\xa0d\n",
        [("1", "a\u2028b\u2029c\xa0d", "")],
        "semicolon-separated, UTF-8",
    ),
    ("C69 no final newline", TWO[:-2], [ANA, BEN], "semicolon-separated, UTF-8"),
    (
        "C70 doubled quotes and commas in quotes",
        'ID,Username\n"1","a ""b"", c"\n2,O"Neil\n',
        [("1", 'a "b", c', ""), ("2", 'O"Neil', "")],
        "comma-separated, UTF-8",
    ),
    ("C71 one column suffices", "E-mail\na@x.org\n", [("", "", "a@x.org")], "one column, UTF-8"),
    (
        "C72 the hint line is skipped",
        "sep=,\nID,Username\n1,ana\n",
        [("1", "ana", "")],
        "comma-separated, UTF-8",
    ),
    (
        "C72 a quoted hint",
        '"SEP=\t"\nID\tLogin\n1\tana\n',
        [("1", "ana", "")],
        "tab-separated, UTF-8",
    ),
    (
        "C73 blank lines before the header",
        "\n;;\r\n" + TWO,
        [ANA, BEN],
        "semicolon-separated, UTF-8",
    ),
    (
        "B-15 trimmed",
        "ID;Username\n 1\t; \xa0ana \n",
        [("1", "ana", "")],
        "semicolon-separated, UTF-8",
    ),
    (
        "B-14 filled only in ignored columns",
        "ID;Town\n;Rome\n1;\n",
        [("", "", ""), ("1", "", "")],
        "semicolon-separated, UTF-8",
    ),
]


@pytest.mark.parametrize(
    ("data", "expected", "how"), [pytest.param(*case[1:], id=case[0]) for case in READ]
)
def test_a_file_that_can_be_read_gives_its_rows(
    data: bytes | str, expected: list[tuple[str, str, str]], how: str
) -> None:
    result = sheet(data)
    assert members(result) == expected
    assert str(result.how).startswith(how + ", header in row ")
    assert [row.problem for row in result.rows] == [None] * len(expected)
    assert result.blank == 0


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *((name, "external_id") for name in ("ID", "User ID", "UserID", "user_id", "User-Id")),
        *((name, "username") for name in ("Username", "User name", "USER_NAME", "Login")),
        *((name, "email") for name in ("Email", "E-mail", "Email address", "e_mail ADDRESS")),
        *((name, "email") for name in ("Registered email", "Registered e-mail")),
    ],
)
def test_every_name_of_a_column_is_known(name: str, field: str) -> None:
    """B-10."""
    assert sheet(f"Town;{name}\nRome;x\n").columns == {field: 1}


def test_other_columns_are_listed_as_ignored() -> None:
    """B-10; columns without a name are not listed, and ignored ones may repeat."""
    result = sheet("Town ;ID;;Notes;Notes\nRome;1;x;y;z\n")
    assert result.header == ["Town ", "ID", "", "Notes", "Notes"]
    assert result.columns == {"external_id": 1}
    assert result.ignored == ["Town", "Notes", "Notes"]
    assert result.rows == [Row(2, "1", "", "", ["Rome", "1", "x", "y", "z"], None, ())]


def test_the_preview_says_how_the_file_was_read() -> None:
    """B-11."""
    result = sheet("\r\rsep=|\r\rID|Username\r1|ana\r")
    assert str(result.how) == "pipe-separated, UTF-8, header in row 5"
    assert (result.separator, result.encoding, result.newline) == ("|", "utf-8", "\r")
    assert sheet(TEMPLATE + b"1;;\n").encoding == "utf-8-sig"


def ragged(cells: str, header: int) -> str:
    return f"The row has {cells}, but the header has {header}. Check its separators and quotation marks."


def test_ragged_rows_have_a_problem_and_the_others_are_kept() -> None:
    """C47, B-14; extra empty cells do no harm, and missing cells at the end are empty."""
    result = sheet("ID;Username;Town\n1;ana;Rome\n2\n3;eva;Oslo;x\n4;ole;Bonn;; \n5;kim\n;;;x\n")
    assert [(row.line, row.external_id, str(row.problem or "")) for row in result.rows] == [
        (2, "1", ""),
        (3, "2", ""),
        (4, "3", ragged("4 cells", 3)),
        (5, "4", ""),
        (6, "5", ""),
        (7, "", ragged("4 cells", 3)),
    ]


def test_missing_cells_at_the_end_of_a_row_are_empty() -> None:
    """B-10, B-14: whichever columns they belong to; a spreadsheet omits them from its sixteenth row on."""
    row = ("", "", "a@x.org", ["a@x.org"], None, (), None, "")
    assert only("Email;ID\na@x.org\n")[1:] == row
    assert members(sheet("Username;Email;ID\nana;a@x.org\nben\n")) == [
        ("", "ana", "a@x.org"),
        ("", "ben", ""),
    ]


@pytest.mark.parametrize(
    ("char", "name"),
    [
        ("\u200b", "zero width space (U+200B)"),
        ("\u200d", "zero width joiner (U+200D)"),
        ("\ufeff", "zero width no-break space (U+FEFF)"),
        ("\u202e", "right-to-left override (U+202E)"),
        ("\u3164", "hangul filler (U+3164)"),
        ("\x07", "control character (U+0007)"),
    ],
)
def test_a_character_inside_an_id_that_cannot_be_seen_is_named(char: str, name: str) -> None:
    """C61; an ID matches exactly. In a username it stays but is not matched; in an email it is removed."""
    row = only(f"ID;Username;Email;Town\n4{char}2;a{char}na;a@{char}x.org;Rome\n")
    assert str(row.problem) == f"The ID contains an invisible character ({name}). Delete it."
    assert row.cells == [f"4{char}2", f"a{char}na", f"a@{char}x.org", "Rome"]
    row = only(f"ID;Username;Email;Town\n42;a{char}na;a@{char}x.org;R{char}\n")
    assert (row.problem, row.username, row.email) == (None, f"a{char}na", "a@x.org")


AROUND = [
    *("\u200b", "\ufeff", "\xa0", "\xad", "\u200e", "\u200f", "\u061c", "\u2060", "\u202a", "\u202c", "\u2066"),
    *("\u2069", "\u200c", "\u200d", "\u180e", "\u3000", "\u2009", "\u202f", "\u2028", "\x0b", "\x1a", "\x07", "\t"),
    *("\u3164", "\u2800", "\ufe0f", "\U000e0020", " \u200b ", "\u200e\u200b\xa0"),
]  # fmt: skip


@pytest.mark.parametrize("noise", AROUND, ids=ascii)
def test_invisible_characters_around_a_cell_are_removed(noise: str) -> None:
    """B-15: in an ID, a username and an email, at both ends; a cell with nothing else is empty."""
    for written in (f"{noise}{{}}", f"{{}}{noise}", f"{noise}{{}}{noise}"):
        cells = [written.format(text) for text in ("1", "ana", "a@x.org")]
        assert members(sheet("ID;Username;Email\n" + ";".join(cells) + "\n")) == [ANA]
    assert members(sheet(f"ID;Username;Email\n1;;{noise}\n{noise};ana;\n")) == [
        ("1", "", ""),
        ("", "ana", ""),
    ]


def test_characters_that_shape_a_usernames_last_letter_stay() -> None:
    """Joiners of Malayalam, tags of a flag, variation selectors of emoji."""
    for name in ("അവന്\u200d", "🏴\U000e0067\U000e0062\U000e007f", "❤\ufe0f"):
        assert only(f"Username\n{name} \n").username == name


def test_the_names_of_many_languages_are_not_taken_for_invisible() -> None:
    """C61: only the fillers are rejected, and no other letter, mark, digit, symbol or punctuation."""
    for name in (
        "Zoë",
        "наташа",
        "小明",
        "葛\U000e0100",
        "مُحَمَّد",
        "नरेन्द्र",
        "กิตติ",
        "한글",
        "❤\ufe0f",
    ):
        assert INVISIBLE.search(name) is None


def test_a_trailing_ctrl_z_is_a_blank_row() -> None:
    """C68: the end of a file in MS-DOS."""
    result = sheet("ID;Username\n1;ana\n\x1a")
    assert (members(result), result.blank) == ([("1", "ana", "")], 1)


def numbered(rows: int) -> bytes:
    lines = "".join(f"{n};user{n};user{n}@example.org\r\n" for n in range(1, rows + 1))
    return TEMPLATE + lines.encode()


def test_as_many_rows_as_allowed_and_no_more() -> None:
    """C56, C57, B-12: the error has both numbers."""
    assert len(sheet(numbered(5000), max_rows=5000).rows) == 5000
    assert refusal(numbered(5001), max_rows=5000) == (
        "The file has 5,001 rows; the limit is 5,000. Split it into several files."
    )


def test_empty_rows_are_mentioned_and_count_nowhere() -> None:
    """C58: rows without cells, with empty ones, and with only spaces are blank."""
    result = sheet(numbered(5000) + b";;\r\n" * 898 + b'\r\n"";\xc2\xa0;\r\n', max_rows=5000)
    assert (len(result.rows), result.blank) == (5000, 900)


def test_more_lines_than_a_spreadsheet_holds_are_refused() -> None:
    """B-12: blank lines are also limited."""
    assert refusal(b"ID\n1" + b"\n" * 2_000_000) == (
        "The file has 2,000,002 lines; spreadsheets hold 1,048,576. "
        "Split it into several files, or delete the blank lines."
    )


@pytest.mark.parametrize("number", ["1.23457E+17", "1,23457E+17", "9e+20", "123456789012345000"])
def test_a_number_that_a_spreadsheet_shortened_is_warned_of(number: str) -> None:
    """C74."""
    row = only(f"ID;Username\n{number};ana\n")
    assert row.external_id == number
    assert row.problem is None
    assert join(row.warnings) == (
        f"The ID “{number}” looks like a number shortened by a spreadsheet. "
        "Format the column as text and enter the whole number."
    )


@pytest.mark.parametrize("number", ["4821", "1e5", "E+17", "123456789012345678", "1000000", "1.5"])
def test_other_numbers_are_not_warned_of(number: str) -> None:
    """C74."""
    assert only(f"ID;Username\n{number};ana\n").warnings == ()


def test_a_username_that_a_spreadsheet_shortened_is_warned_of() -> None:
    """C74: as an ID is."""
    assert join(only("Username\n1.00E+05\n").warnings) == (
        "The username “1.00E+05” looks like a number shortened by a spreadsheet. "
        "Format the column as text and enter the whole number."
    )


def test_line_numbers_are_physical() -> None:
    """C78: a row has the number of the line it starts on, as in an editor."""
    text = '\n"ID";"Registered\r\nemail"\r1;"a\nb\rc\r\nd"\n\r\n;\r2;x\r\n3;y\n'
    result = sheet(text)
    assert str(result.how) == "semicolon-separated, UTF-8, header in row 2"
    assert result.columns == {"external_id": 0, "email": 1}
    assert [(row.line, row.external_id) for row in result.rows] == [(4, "1"), (10, "2"), (11, "3")]
    assert result.blank == 2
    assert "row in line 12," in refusal(text + '4;"x"y\n')


def test_lookalikes_are_kept_with_a_warning() -> None:
    """C80."""
    latin, cyrillic = sheet("Username\nadmin\n\u0430dmin\n").rows
    assert (latin.problem, latin.warnings, cyrillic.problem) == (None, (), None)
    assert join(cyrillic.warnings) == (
        "The username “\u0430dmin” mixes Latin letters with similar Cyrillic or Greek ones. "
        "Check that this is the right member."
    )


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("\u0430lice", True),
        ("p\u0430yp\u0430l", True),
        ("\u03bfmega", True),
        ("ｐ\u0430", True),
        ("мария", False),
        ("Ελένη", False),
        ("ana_мария", False),
        ("user1мир", False),
        ("ana.мария@example.org", False),
        ("Zoë", False),
        ("小明ana", False),
    ],
)
def test_a_word_of_two_alphabets_is_a_lookalike(text: str, mixed: bool) -> None:
    """C80."""
    assert lookalike(text) is mixed


def test_the_template() -> None:
    """B-9."""
    assert TEMPLATE == b"\xef\xbb\xbfID;Username;Registered email\r\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [(" Ana ", "ANA"), ("Rene\u0301", "RENÉ"), ("Straße", "STRASSE"), ("ΜΑΡΊΑΣ", "μαρίας")],
)
def test_spellings_of_one_name_share_a_key(one: str, other: str) -> None:
    """B-15."""
    assert fold(one) == fold(other) == fold(fold(one))


def test_different_names_have_different_keys() -> None:
    """B-15: accents and alphabets distinguish; full-width letters are other letters."""
    assert len({fold(name) for name in ("rene", "René", "\u0430dmin", "admin", "ａdmin")}) == 5


def seconds(work: Callable[[], object], enough: float = 0) -> float:
    """Return the CPU time of the fastest of three runs, or of the first below `enough`."""
    times: list[float] = []
    while len(times) < 3 and min(times, default=enough) >= enough:
        times.append(cpu_seconds(work))
    return min(times)


def test_five_thousand_rows_are_read_in_no_time() -> None:
    """D3: at most eight times the csv module's own time, and far below a second."""
    data = numbered(5000)
    floor = seconds(lambda: list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))))
    took = seconds(lambda: sheet(data))
    assert took < max(8 * floor, 0.1)


FULL = FILE_LIMIT - 10
WORST = {
    "newlines": b"ID\n" + b"\n" * 1_040_000 + b"1;" * 900,
    "short rows": b"ID\n" + b"1\n" * 1_040_000,
    "blank rows": b"ID;Username\n" + b";\n" * 1_040_000,
    "separators": b";" * FULL,
    "all separators": b";,\t|" * (FULL // 4),
    "quotes": b'ID\n"' + b'""' * (FULL // 2 - 5) + b'"',
    "quoted header": b'"' + b"\n" * FULL,
    "lone quotes": b"ID\n" + b'1;"\n' * (FULL // 8),
    "wide letters": b"ID\n" + "\ufdfa".encode() * (FULL // 3),
    "mixed alphabets": b"Username\n" + ("a\u0430" * 33 + "\n").encode() * 19_000,
    "invisible": b"Username\n" + ("\u200b" * 40 + "\n").encode() * 19_000,
    "wide rows": b"ID" + b";" * 990 + b"\n" + (b"1" + b";" * 990 + b"\n") * 5_000,
    "bad last byte": b"ID\n" + b"1\n" * 1_040_000 + b"\xff",
    "markup": b" " * FULL + b"<",
    "zip": b"PK\x03\x04" + b"xl" * (FULL // 2 - 4),
}


@pytest.mark.timeout(600)  # up to six readings of five megabytes, on a machine that may be busy
@pytest.mark.parametrize("kind", WORST)
def test_no_file_within_the_limit_takes_long(kind: str) -> None:
    """D3: the worst files of five megabytes, two seconds or ten times what the csv module takes."""
    data, plain = WORST[kind], WORST["short rows"].decode()
    assert len(data) <= FILE_LIMIT

    def floor() -> float:
        return seconds(lambda: list(csv.reader(io.StringIO(plain, newline=""))))

    def read_it() -> None:
        with contextlib.suppress(DomainError):
            sheet(data)

    took = seconds(read_it, enough=2)
    assert took < 2 or took < 10 * floor()
