"""Unknown encodings are never guessed: candidates are shown, and one is chosen (B-11, C40, C41)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.csv_files.test_reading import seconds
from webapp.domain import csv_files
from webapp.domain.csv_files import ENCODINGS, AmbiguousEncodingError, readings
from webapp.domain.errors import DomainError

TEXTS = {
    "cp1252": "René Lévy;Jürgen Weiß;Søren",
    "cp1250": "Zdeněk Dvořák;Łukasz Żółć;Šimon",
    "cp1251": "Алексей Иванов;Наташа",
    "cp1254": "Gülşah Yıldız;İbrahim Çağ",
    "iso8859-2": "Zdeněk Dvořák;Šimon Čapek",
    "iso8859-5": "Алексей Иванов;Наташа",
    "iso8859-7": "Γιώργος Παπαδόπουλος",
    "koi8-r": "Алексей Иванов;Наташа",
    "mac-roman": "René Lévy;Jürgen Weiß",
    "cp850": "René Lévy;Jürgen Müller",
    "cp932": "山田太郎;鈴木花子",
    "gbk": "王小明;李华",
    "big5": "王小明;陳大文",
    "cp949": "김철수;이영희",
}


def file(text: str, encoding: str) -> bytes:
    return f"ID;Username\r\n1;ana\r\n2;{text}\r\n".encode(encoding)


@pytest.mark.parametrize(("encoding", "text"), TEXTS.items())
def test_the_right_reading_is_among_those_offered(encoding: str, text: str) -> None:
    """B-11: Windows-1252 first if it fits, at most six, each with a different text for the first line that differs."""
    found = readings(file(text, encoding))
    assert [f"2;{text}"] in [one.lines for one in found]
    assert 1 < len(found) <= 6
    assert len({tuple(one.lines) for one in found}) == len(found)
    if "cp1252" in [one.encoding for one in found]:
        assert found[0].encoding == "cp1252"


@pytest.mark.parametrize(("encoding", "text"), TEXTS.items())
def test_undecided_until_it_is_picked(encoding: str, text: str) -> None:
    """B-11: rejected without a choice; with one, it is decoded so and the preview states it."""
    data = file(text, encoding)
    with pytest.raises(AmbiguousEncodingError, match="isn't saved in UTF-8"):
        csv_files.read(data, max_rows=9)
    sheet = csv_files.read(data, max_rows=9, encoding=encoding)
    assert sheet.rows[1].username == text.split(";")[0]
    assert sheet.encoding == encoding
    assert ENCODINGS[encoding].startswith(str(sheet.how).split(", ")[1])


@pytest.mark.parametrize("encoding", ["", "utf-8", "utf-7", "cp037", "rot13", "x" * 500, "\x00"])
def test_only_offered_encodings_can_be_chosen(encoding: str) -> None:
    """B-11: anything else leaves the file undecided."""
    with pytest.raises(AmbiguousEncodingError, match="isn't saved in UTF-8"):
        csv_files.read(file("é", "cp1252"), max_rows=9, encoding=encoding)


def test_a_pick_that_does_not_read_the_file() -> None:
    """B-11: a byte that Windows-1252 does not have, and control characters instead of letters."""
    for data, encoding in ((b"ID\n\x81\xe9\n", "cp1252"), (b"ID\n\x99\xe9\n", "iso8859-15")):
        assert encoding not in [one.encoding for one in readings(data)]
        with pytest.raises(AmbiguousEncodingError, match="can't be read as"):
            csv_files.read(data, max_rows=9, encoding=encoding)


def test_a_file_with_a_known_encoding_needs_no_choice() -> None:
    """B-11: UTF-8 is decoded as UTF-8, whatever is chosen."""
    sheet = csv_files.read("ID\né\n".encode(), max_rows=9, encoding="cp1252")
    assert (sheet.rows[0].external_id, sheet.encoding) == ("é", "utf-8")


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfID\n\xe9\n",
        "ID;Username\n1;é\n2;é".encode()[:-1],
        b"ID\n\xe9\x00\n",
        "ID\n1\n".encode("utf-32"),
    ],
    ids=["with the mark of UTF-8", "cut off", "NUL", "UTF-32"],
)
def test_no_choice_of_encoding_repairs_these(data: bytes) -> None:
    """B-11, C42, C43: damaged files are rejected, not undecided."""
    with pytest.raises(DomainError) as refusal:
        csv_files.read(data, max_rows=9, encoding="cp1252")
    assert not isinstance(refusal.value, AmbiguousEncodingError)


def test_the_last_character_of_an_old_file() -> None:
    """B-11: a file whose only non-ASCII byte is its last is not mistaken for a truncated one."""
    assert [f"2;Ren{end}" for end in "é"] in [one.lines for one in readings(b"ID\n1\n2;Ren\xe9")]
    with pytest.raises(AmbiguousEncodingError):
        csv_files.read(b"ID\n1\n2;Ren\xe9", max_rows=9)


def test_further_lines_tell_readings_apart() -> None:
    """B-11: up to three lines, each with characters that the earlier ones did not have."""
    data = "ID;Name\n1;é\n2;é\n3;Š\n4;ü\n5;ö\n".encode("cp1250")
    assert readings(data)[0].lines == ["1;é", "3;Š", "4;ü"]


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """B-11: for any bytes, every candidate can be chosen, or the rows are rejected with a sentence."""
    for reading in readings(data):
        try:
            csv_files.read(data, max_rows=9, encoding=reading.encoding)
        except DomainError as refusal:
            offered = not isinstance(refusal, AmbiguousEncodingError)
            assert offered, reading


def test_five_megabytes_stay_quick() -> None:
    """B-12: the worst file is shown within two seconds."""
    data = ("ID;Username\n" + "1;René Lévy Müller Øse\n" * 210_000).encode("cp1252")[:5_000_000]
    found: list[object] = []
    assert seconds(lambda: found.extend(readings(data)), enough=2) < 2
    assert found
