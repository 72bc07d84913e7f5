"""Bytes to text: what the file is, told by its content, and its encoding, never guessed."""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

from webapp.domain.csv_files.encodings import CONTROL, ENCODINGS
from webapp.domain.csv_files.sheet import line_after, shown
from webapp.domain.errors import DomainError

FILE_LIMIT = 5_000_000
"""Largest file that is read, in bytes (B-12)."""

SAVE_IN_EXCEL = 'In Excel choose File, Save As, "CSV UTF-8 (*.csv)", and upload that file.'
SAVE_IN_CALC = (
    'In LibreOffice choose File, Save As, "Text CSV (.csv)" with the character set '
    '"Unicode (UTF-8)", and upload that file.'
)
EXPORT_AGAIN = "Export the list again as CSV and upload that file."

SIGNATURES: list[tuple[bytes, str, str]] = [
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an Excel workbook (.xls, or .xlsx with a password)",
        SAVE_IN_EXCEL,
    ),
    (b"ID;PWXL", "a SYLK spreadsheet (.slk)", SAVE_IN_EXCEL),
    (b"\x1f\x8b", "a compressed file (gzip)", "Unpack it and upload the .csv file inside."),
    (b"BZh", "a compressed file (bzip2)", "Unpack it and upload the .csv file inside."),
    (b"\xfd7zXZ\0", "a compressed file (xz)", "Unpack it and upload the .csv file inside."),
    (b"\x28\xb5\x2f\xfd", "a compressed file (zstd)", "Unpack it and upload the .csv file inside."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it and upload the .csv file inside."),
    (b"Rar!\x1a\x07", "a RAR archive", "Unpack it and upload the .csv file inside."),
    (b"%PDF-", "a PDF document", EXPORT_AGAIN),
    (b"{\\rtf", "a text document (RTF)", EXPORT_AGAIN),
    (b"\x89PNG\r\n", "a picture (PNG)", EXPORT_AGAIN),
    (b"\xff\xd8\xff", "a picture (JPEG)", EXPORT_AGAIN),
    (b"GIF8", "a picture (GIF)", EXPORT_AGAIN),
    (b"SQLite format 3\0", "a database (SQLite)", EXPORT_AGAIN),
    (b"PAR1", "a Parquet file", EXPORT_AGAIN),
]

ZIPPED: list[tuple[bytes, str, str]] = [
    (b"opendocument.spreadsheet", "a LibreOffice spreadsheet (.ods)", SAVE_IN_CALC),
    (b"xl/", "an Excel workbook (.xlsx)", SAVE_IN_EXCEL),
    (
        b"Index/",
        "a Numbers spreadsheet",
        "In Numbers choose File, Export To, CSV, and upload that file.",
    ),
    (b"", "a zip archive", "Unpack it and upload the .csv file inside."),
]

MARKUP: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"\s*<\?xml", re.I), "an XML file"),
    (re.compile(r"\s*<(?:!doctype|!--|[a-z])", re.I), "a web page (HTML)"),
    (re.compile(r"\s*(?:\{|\[\s*[\[{])"), "a JSON file"),
]

NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    **{encoding: label.partition(" (")[0] for encoding, label in ENCODINGS.items()},
}


class AmbiguousEncodingError(DomainError):
    """Plain text in an encoding that the file does not state: somebody has to pick it."""


def decode(data: bytes, picked: str = "") -> tuple[str, str]:
    """Return the file's text, without byte order mark, and its encoding.

    UTF-8 is read with or without a mark, and so is UTF-16; any other encoding of ENCODINGS only as `picked`, and
    then only where it reads the whole file. Raises DomainError for anything else: a file that is too large or empty,
    another kind of file, a NUL character; and OtherEncoding where a pick would help.
    """
    if len(data) > FILE_LIMIT:
        raise DomainError(
            f"The file has {len(data):,} bytes; at most 5 MB ({FILE_LIMIT:,} bytes) can be read. "
            "Split it into several files, or delete the columns that are not needed."
        )
    if not data:
        raise DomainError("The file is empty (0 bytes). Choose a CSV file with a header and rows.")
    encoding, mark = detect(data)
    try:
        text = data[mark:].decode(encoding)
    except UnicodeDecodeError as error:
        sentence = _undecodable(data, encoding, mark, error)
        if mark or b"\0" in data or _cut_off(data, error):
            raise DomainError(sentence) from None
        if picked not in ENCODINGS:
            raise AmbiguousEncodingError(sentence) from None
        text, encoding = _read_as(data, picked), picked
    nul = text.find("\0")
    if nul >= 0:
        raise DomainError(
            f"Line {line_after(text[:nul])} contains a NUL character, so this is not a plain text "
            f"file, or it is damaged. {EXPORT_AGAIN}"
        )
    # Two exports pasted together at the start leave a second mark in front of the header.
    return text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}"), "utf-8-sig" if mark == 3 else encoding


def _cut_off(data: bytes, error: UnicodeDecodeError) -> bool:
    """Return whether all but the last character is UTF-8, and not only ASCII."""
    return error.reason == "unexpected end of data" and not data[: error.start].isascii()


def _read_as(data: bytes, picked: str) -> str:
    """Return the text as a picked encoding reads it; raises OtherEncoding where it can't."""
    try:
        text = data.decode(picked)
    except UnicodeDecodeError:
        text = "\x80"
    if CONTROL.search(text):
        raise AmbiguousEncodingError(
            f"This file cannot be read as {ENCODINGS[picked]}. Pick another one."
        )
    return text


def detect(data: bytes) -> tuple[str, int]:
    """Return the encoding of a file that begins like this, and the length of its byte order mark.

    Raises DomainError if it is no text file, or in UTF-32.
    """
    encoding, mark = _encoding(data)
    _refuse_other_kinds(data, encoding, mark)
    return encoding, mark


def _encoding(data: bytes) -> tuple[str, int]:
    """Return the encoding that the byte order mark states, or the bytes show, and the mark's length."""
    # The mark of UTF-32 LE begins like that of UTF-16 LE, so it is asked for first.
    if data.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        raise DomainError(
            "The file is saved in UTF-32, which is not read. Save it as CSV in UTF-8. "
            + SAVE_IN_EXCEL
        )
    if data.startswith(BOM_UTF16_LE):
        return "utf-16-le", 2
    if data.startswith(BOM_UTF16_BE):
        return "utf-16-be", 2
    if data.startswith(BOM_UTF8):
        return "utf-8", 3
    return _unmarked_utf16(data) or "utf-8", 0


def _unmarked_utf16(data: bytes) -> str:
    """Return in which UTF-16 a file without a mark is, by where its NUL bytes are; "" if in none.

    In UTF-16 every other byte of Latin text is NUL, and so is one of each separator and line end.
    """
    beginning = data[:4096]
    even, odd = beginning[::2].count(0), beginning[1::2].count(0)
    few, many = sorted((even, odd))
    if many < 3 or many * 16 < len(beginning) or few * 5 > many:
        return ""
    if even > odd:
        return "utf-16-be" if data[0] == 0 else ""
    return "utf-16-le" if data[1] == 0 else ""


def _refuse_other_kinds(data: bytes, encoding: str, mark: int) -> None:
    """Raise DomainError if the content is that of a workbook, archive, web page or the like."""
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        kind, advice = next((kind, advice) for part, kind, advice in ZIPPED if part in data)
        raise DomainError(f"This is {kind}, not a CSV file. {advice}")
    for signature, kind, advice in SIGNATURES:
        if data.startswith(signature):
            raise DomainError(f"This is {kind}, not a CSV file. {advice}")
    beginning = data[mark : mark + 2000].decode(encoding, "replace")
    for pattern, kind in MARKUP:
        if pattern.match(beginning):
            raise DomainError(f"This is {kind}, not a CSV file. {EXPORT_AGAIN}")


def _undecodable(data: bytes, encoding: str, mark: int, error: UnicodeDecodeError) -> str:
    name = NAMES[encoding]
    before = data[mark : mark + error.start].decode(encoding, "replace")
    line, byte = line_after(before), mark + error.start
    if error.reason in ("unexpected end of data", "truncated data"):
        return (
            f"The file ends in the middle of a character (byte {byte}, line {line}), so it was "
            f"probably cut off. {EXPORT_AGAIN}"
        )
    same_line = before[max(before.rfind("\n"), before.rfind("\r")) + 1 :]
    place = f', after "{shown(same_line[-30:])}"' if same_line else ""
    if b"\0" in data and encoding == "utf-8":
        what = "The file is not plain text: "
    else:
        what = f"The file is not saved in {name}: "
    return (
        f"{what}byte {byte} in line {line}{place} cannot be read as {name}. "
        f"Save it as CSV in UTF-8. {SAVE_IN_EXCEL}"
    )
