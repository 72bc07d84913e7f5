"""The CSV reader with generated files: every record is accounted for (D1, D4, C79)."""

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from webapp.domain.csv_files import read
from webapp.domain.csv_files.cell_values import clean, clean_name, email
from webapp.domain.errors import DomainError
from webapp.domain.normalization import fold

MAX_ROWS = 200

BITS = st.sampled_from(
    [
        *("ID", "Username", "Registered email", "E-mail", "Notes", "sep=;", "sep=,", "1", "ana"),
        *(
            ";",
            ",",
            "\t",
            "|",
            ";",
            ";",
            '"',
            '""',
            '"',
            " ",
            "\n",
            "\r",
            "\r\n",
            "\n",
            "\n",
            "\r\n",
        ),
        *(
            "\x1a",
            "\0",
            "\u200b",
            "\u2028",
            "\x85",
            "\x0c",
            "\x1c",
            "é",
            "\u0430dmin",
            "😀",
            "\ufeff",
        ),
    ]
)
TEXTS = st.lists(BITS, max_size=60).map("".join)
# Complete cells and separators below a header, so that many of the files are readable.
PIECES = st.sampled_from(
    [
        *(
            ";",
            ";",
            ";",
            ",",
            "\n",
            "\r",
            "\r\n",
            "\n;\n",
            "1",
            "ana",
            " ",
            "\x1a",
            "\u200b",
            "\u2028",
        ),
        *(';"a\nb"', '\n"c\rd"', '\r\n";\r\n"', '\r"e""f"', "\u0430dmin", "1.23457E+17", '"'),
    ]
)
HEADED = st.tuples(
    st.sampled_from(["ID;Username\n", "Notes;ID\r\n", "Login\r", 'sep=;\n\n"E\nmail"\n']),
    st.lists(PIECES, max_size=30).map("".join),
).map("".join)
FILES = st.one_of(
    st.binary(max_size=200),
    st.tuples(
        st.one_of(TEXTS, HEADED),
        st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    ).map(lambda pair: pair[0].encode(pair[1], "replace")),
)


def records(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Return the records of a well-formed file with the line each starts on.

    A second implementation, character by character and without the csv module.
    """
    found: list[tuple[int, list[str]]] = []
    cells: list[str] = []
    cell, quoted, line, begin, at = "", False, 1, 1, 0
    while at < len(text):
        char = text[at]
        pair = text[at : at + 2]
        end = "\r\n" if pair == "\r\n" else char if char in "\r\n" else ""
        if quoted:
            if pair == '""':
                cell, at = cell + '"', at + 2
                continue
            if char == '"':
                quoted, at = False, at + 1
                continue
            line += bool(end)
            cell, at = cell + (end or char), at + len(end or char)
        elif end:
            line += 1
            found.append((begin, [*cells, cell]))
            cells, cell, begin, at = [], "", line, at + len(end)
        elif char == separator:
            cells, cell, at = [*cells, cell], "", at + 1
        elif char == '"' and not cell:
            quoted, at = True, at + 1
        else:
            cell, at = cell + char, at + 1
    if text and text[-1] not in "\r\n":
        found.append((begin, [*cells, cell]))
    return found


def blank(cells: list[str]) -> bool:
    return not any(map(clean, cells))


CLEANERS = {
    "external_id": clean,
    "username": clean_name,
    "email": lambda cell: email(cell).text,
}


def check_sentence(message: str) -> None:
    assert message.endswith(".")
    assert message.isprintable()


@settings(max_examples=300)
@given(FILES)
@example(b"ID;Username\n1;ana\n;\n\x1a")
@example(b"\xef\xbb\xbfsep=;\r\n\r\nID;Notes\r\n\r\n;x\r\n1")
def test_any_bytes_are_refused_or_accounted_for(data: bytes) -> None:
    """D1, D4: rows, rows with a problem and blank rows add up to all records of the file."""
    try:
        sheet = read(data, max_rows=MAX_ROWS)
    except DomainError as refused:
        check_sentence(refused.message)
        return
    text = data.decode("utf-16" if sheet.encoding.startswith("utf-16") else sheet.encoding)
    below = [r for r in records(text.lstrip("\ufeff"), sheet.separator) if r[0] > sheet.line]
    filled = [(line, cells) for line, cells in below if not blank(cells)]
    assume(
        ' "' not in text and '" ' not in text
    )  # spaces next to quotation marks are not part of the text
    for _, cells in below:  # a line wrapped in quotation marks has several cells
        assume(len(cells) > 1 or not cells[0].count(sheet.separator))
    assert [(row.line, row.cells) for row in sheet.rows] == filled
    assert sheet.blank == len(below) - len(filled)
    assert 0 < len(sheet.rows) <= MAX_ROWS
    assert sheet.columns
    for row in sheet.rows:
        for field, index in sheet.columns.items():
            if not row.problem:
                cell = row.cells[index] if index < len(row.cells) else ""
                assert getattr(row, field) == CLEANERS[field](cell)


def quoted(cell: str, always: bool) -> str:
    """Return the cell as written; a csv writer doesn't quote a line break other than its own."""
    return '"' + cell.replace('"', '""') + '"' if always or set(cell) & set('";,\t|\r\n') else cell


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=8),
    st.sampled_from([";", ",", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"]),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.booleans(),
    st.permutations(["ID", "Username", "Registered email", "Notes"]),
)
def test_written_values_are_read_again(
    cells: list[tuple[str, str, str, str]],
    separator: str,
    encoding: str,
    newline: str,
    always_quoted: bool,
    header: list[str],
) -> None:
    """B-11: with every separator, encoding and line end, whatever the cells contain."""
    # The first row ensures that the file has one.
    written = [["1", "2", "3", "4"], *map(list, cells)]
    text = "".join(
        separator.join(quoted(cell, always_quoted) for cell in row) + newline
        for row in [header, *written]
    )
    mark = "\ufeff" if encoding.startswith("utf-16") else ""
    sheet = read((mark + text).encode(encoding), max_rows=10)
    filled = [row for row in written if not blank(row)]
    assert [row.cells for row in sheet.rows] == filled
    assert sheet.blank == len(written) - len(filled)
    assert sheet.header == header
    assert sheet.ignored == ["Notes"]
    assert (sheet.separator, sheet.encoding, sheet.newline) == (separator, encoding, newline)
    for row, values in zip(sheet.rows, filled, strict=True):
        named = dict(zip(header, values, strict=True))
        assert (row.external_id, row.username, row.email) == (
            clean(named["ID"]),
            clean_name(named["Username"]),
            email(named["Registered email"]).text,
        )


@settings(max_examples=300)
@given(st.text())
def test_a_key_has_itself_as_key(text: str) -> None:  # B-15
    assert fold(fold(text)) == fold(text) == fold(f" {text}\t")
