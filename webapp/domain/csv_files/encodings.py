"""Readings of files that are neither UTF-8 nor UTF-16: one per suitable encoding, for a person to choose (B-11)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from unicodedata import category, name

ENCODINGS = {
    "cp1252": "Windows-1252 (Western Europe)",
    "cp1250": "Windows-1250 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1254": "Windows-1254 (Turkish)",
    "iso8859-2": "ISO-8859-2 (Central Europe)",
    "iso8859-5": "ISO-8859-5 (Cyrillic)",
    "iso8859-7": "ISO-8859-7 (Greek)",
    "iso8859-15": "ISO-8859-15 (Western Europe)",
    "koi8-r": "KOI8-R (Cyrillic)",
    "mac-roman": "Mac Roman",
    "cp850": "DOS 850 (Western Europe)",
    "cp932": "Shift-JIS (Japanese)",
    "gbk": "GBK (simplified Chinese)",
    "big5": "Big5 (traditional Chinese)",
    "cp949": "EUC-KR (Korean)",
}
"""Encodings to choose from, likeliest first: codec and label."""

MOST = 6  # readings offered
SHOWN_LINES, SHOWN_LENGTH = 3, 160
JUDGED_LINES = 200

ODD_BYTE = re.compile(rb"[\x80-\xff]")
CONTROL = re.compile("[\x80-\x9f\ue000-\uf8ff]")  # and unassigned characters
WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Reading:
    """How one encoding reads the lines that differ."""

    encoding: str
    label: str
    lines: list[str]


def readings(data: bytes) -> list[Reading]:
    """Return up to six readings that look different, Windows-1252 first if it fits.

    Only encodings that decode the whole file without control characters. Never decides which one is right; readings are
    ordered by how much they look like words. Pure; a few tenths of a second for 5 MB.
    """
    odd = [line for line in re.split(rb"\r\n|\r|\n", data) if ODD_BYTE.search(line)]
    content, judged = b"\n".join(odd), b"\n".join(odd[:JUDGED_LINES])
    shown = list(islice(_distinctive_lines(odd), SHOWN_LINES))
    by_lines: dict[tuple[str, ...], tuple[float, Reading]] = {}
    for encoding, label in ENCODINGS.items():
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if CONTROL.search(text):
            continue
        lines = [line.decode(encoding)[:SHOWN_LENGTH] for line in shown]
        rank = 2.0 if encoding == "cp1252" else _wordlike(judged.decode(encoding))
        if tuple(lines) not in by_lines:
            by_lines[tuple(lines)] = (rank, Reading(encoding, label, lines))
    ordered = sorted(by_lines.values(), key=lambda ranked: -ranked[0])
    return [reading for _, reading in ordered[:MOST]]


def _distinctive_lines(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the first line with a non-ASCII byte, and later lines with new ones."""
    seen: set[bytes] = set()
    for line in lines:
        fresh = set(ODD_BYTE.findall(line)) - seen
        if fresh:
            seen |= fresh
            yield line


def _wordlike(text: str) -> float:
    """Rate how much a text looks like words: the share of non-ASCII characters that are letters, one script per word.

    A capital after a lower-case letter, as when `é` becomes `Ž`, counts against it.
    """
    odd = [char for char in text if char > "\x7f"]
    letters = sum(category(char)[0] in "LM" for char in odd)
    jumps = sum(
        sign.islower() and following.isupper() and not (sign.isascii() and following.isascii())
        for sign, following in pairwise(text)
    )
    mixed = sum(len(_scripts(word)) > 1 for word in WORD.findall(text))
    return (letters - jumps - mixed) / max(1, len(odd))


def _scripts(word: str) -> set[str]:
    return {name(char, "?").split()[0] for char in word}
