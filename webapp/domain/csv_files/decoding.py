"""Decode files: recognize the type by content, and never guess the encoding."""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

from webapp.domain.csv_files.encodings import CONTROL, ENCODINGS
from webapp.domain.csv_files.sheet import line_after, shown
from webapp.domain.errors import DomainError
from webapp.messages import Message, message

FILE_LIMIT = 5_000_000
"""Maximum file size in bytes (B-12)."""

EXCEL = Message("csv_files.advice_excel")
LIBREOFFICE = Message("csv_files.advice_libreoffice")
NUMBERS = Message("csv_files.advice_numbers")
EXPORT_AGAIN = Message("csv_files.advice_export")
UNPACK = Message("csv_files.advice_unpack")

SIGNATURES: list[tuple[bytes, str, Message]] = [
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "excel_old",
        EXCEL,
    ),
    (b"ID;PWXL", "sylk", EXCEL),
    (b"\x1f\x8b", "gzip", UNPACK),
    (b"BZh", "bzip2", UNPACK),
    (b"\xfd7zXZ\0", "xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "seven_zip", UNPACK),
    (b"Rar!\x1a\x07", "rar", UNPACK),
    (b"%PDF-", "pdf", EXPORT_AGAIN),
    (b"{\\rtf", "rtf", EXPORT_AGAIN),
    (b"\x89PNG\r\n", "png", EXPORT_AGAIN),
    (b"\xff\xd8\xff", "jpeg", EXPORT_AGAIN),
    (b"GIF8", "gif", EXPORT_AGAIN),
    (b"SQLite format 3\0", "sqlite", EXPORT_AGAIN),
    (b"PAR1", "parquet", EXPORT_AGAIN),
]

ZIPPED: list[tuple[bytes, str, Message]] = [
    (b"opendocument.spreadsheet", "ods", LIBREOFFICE),
    (b"xl/", "xlsx", EXCEL),
    (
        b"Index/",
        "numbers",
        NUMBERS,
    ),
    (b"", "zip", UNPACK),
]

MARKUP: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"\s*<\?xml", re.I), "xml"),
    (re.compile(r"\s*<(?:!doctype|!--|[a-z])", re.I), "html"),
    (re.compile(r"\s*(?:\{|\[\s*[\[{])"), "json"),
]

NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    **{encoding: label.partition(" (")[0] for encoding, label in ENCODINGS.items()},
}


class AmbiguousEncodingError(DomainError):
    """The file doesn't state its encoding; a person must choose it."""


def decode(data: bytes, picked: str = "") -> tuple[str, str]:
    """Return the file's text, without byte order mark, and its encoding.

    Reads UTF-8 and UTF-16 with or without a mark; any other of ENCODINGS only as `picked`, if it decodes the whole
    file. Raises AmbiguousEncodingError if choosing an encoding would help, and DomainError otherwise: a file that is
    too large or empty, a different type of file, a NUL character.
    """
    if len(data) > FILE_LIMIT:
        raise DomainError("csv_files.too_large", size=len(data), limit=FILE_LIMIT)
    if not data:
        raise DomainError("csv_files.empty")
    encoding, mark = detect(data)
    try:
        text = data[mark:].decode(encoding)
    except UnicodeDecodeError as error:
        problem = _undecodable(data, encoding, mark, error)
        if mark or b"\0" in data or _cut_off(data, error):
            raise DomainError(problem.code, **problem.values) from None
        if picked not in ENCODINGS:
            raise AmbiguousEncodingError(problem.code, **problem.values) from None
        text, encoding = _read_as(data, picked), picked
    nul = text.find("\0")
    if nul >= 0:
        raise DomainError("csv_files.nul", line=line_after(text[:nul]), advice=EXPORT_AGAIN)
    # Two exports concatenated at the start leave a second mark before the header.
    return text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}"), "utf-8-sig" if mark == 3 else encoding


def _cut_off(data: bytes, error: UnicodeDecodeError) -> bool:
    """True if everything but the last character is UTF-8, and not only ASCII."""
    return error.reason == "unexpected end of data" and not data[: error.start].isascii()


def _read_as(data: bytes, picked: str) -> str:
    """Decode with the chosen encoding. Raises AmbiguousEncodingError if it doesn't fit."""
    try:
        text = data.decode(picked)
    except UnicodeDecodeError:
        text = "\x80"
    if CONTROL.search(text):
        raise AmbiguousEncodingError("csv_files.encoding_unfit", encoding=ENCODINGS[picked])
    return text


def detect(data: bytes) -> tuple[str, int]:
    """Return the encoding of a file that starts with `data`, and the length of its byte order mark.

    Raises DomainError if it isn't text, or is UTF-32.
    """
    encoding, mark = _encoding(data)
    _refuse_other_kinds(data, encoding, mark)
    return encoding, mark


def _encoding(data: bytes) -> tuple[str, int]:
    """Return the encoding given by the byte order mark or the bytes, and the mark's length."""
    # UTF-32 LE first: its mark starts with that of UTF-16 LE.
    if data.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        raise DomainError("csv_files.utf32", advice=EXCEL)
    if data.startswith(BOM_UTF16_LE):
        return "utf-16-le", 2
    if data.startswith(BOM_UTF16_BE):
        return "utf-16-be", 2
    if data.startswith(BOM_UTF8):
        return "utf-8", 3
    return _unmarked_utf16(data) or "utf-8", 0


def _unmarked_utf16(data: bytes) -> str:
    """Return which UTF-16 a file without a mark uses, by the position of NUL bytes; "" if neither.

    In UTF-16, every other byte of Latin text is NUL, and one of each separator and line end.
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
    """Raise DomainError if the content is a workbook, archive, web page or similar."""
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        kind, advice = next((kind, advice) for part, kind, advice in ZIPPED if part in data)
        raise _other_type(kind, advice)
    for signature, kind, advice in SIGNATURES:
        if data.startswith(signature):
            raise _other_type(kind, advice)
    beginning = data[mark : mark + 2000].decode(encoding, "replace")
    for pattern, kind in MARKUP:
        if pattern.match(beginning):
            raise _other_type(kind, EXPORT_AGAIN)


def _other_type(kind: str, advice: Message) -> DomainError:
    return DomainError("csv_files.wrong_type", type=Message(f"file_types.{kind}"), advice=advice)


def _undecodable(data: bytes, encoding: str, mark: int, error: UnicodeDecodeError) -> Message:
    """Explain why the bytes of a file can't be decoded."""
    before = data[mark : mark + error.start].decode(encoding, "replace")
    line, byte = line_after(before), mark + error.start
    if error.reason in ("unexpected end of data", "truncated data"):
        return message("csv_files.cut_off", byte=byte, line=line, advice=EXPORT_AGAIN)
    same_line = before[max(before.rfind("\n"), before.rfind("\r")) + 1 :]
    binary = b"\0" in data and encoding == "utf-8"
    return message(
        "csv_files.not_text" if binary else "csv_files.wrong_encoding",
        encoding=NAMES[encoding],
        byte=byte,
        line=line,
        text=shown(same_line[-30:]),
        advice=EXCEL,
    )
