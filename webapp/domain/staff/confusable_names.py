"""Look-alike names (Unicode Technical Standard #39): staff can't use a name that passes for another."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from unicodedata import normalize

from webapp.domain.normalization import INVISIBLE

# Laurel's own names in the audit log, without spaces and punctuation.
OWN = (
    *(
        "Laurel",
        "Laurel itself",
        "Laurel console",
        "System",
        "Clock",
        "Scheduler",
        "Worker",
        "Console",
    ),
    *("Command line", "Somebody", "Someone", "Nobody", "Anybody", "Unknown", "Unknown account"),
    *("An unknown account", "A member who was erased", "Erased member", "API"),
)
API_KEY = "API key"  # prefix of API keys' names there
_MARKS = dict.fromkeys(range(0x300, 0x370))  # accents of Latin, Greek and Cyrillic letters
_STROKES = str.maketrans("i1|", "lll")  # look alike in some fonts


def likeness(name: str) -> str:
    """Return a skeleton: two names with the same one are easily mistaken for each other.

    Ignores case, accents, spaces, invisible characters, and the script of look-alike letters. Never raises.
    """
    seen = normalize("NFKC", INVISIBLE.sub("", name))
    folded = _skeleton(_skeleton(seen).casefold())
    return " ".join(folded.translate(_MARKS).translate(_STROKES).split())


def is_own(name: str) -> bool:
    """True if a name passes for one of Laurel's own, or for that of an API key."""
    shape = _letters(name)
    return shape in _own() or shape.startswith(_letters(API_KEY))


def key_of(name: str) -> str | None:
    """Return the 64-character key that makes a name unique; None for no name."""
    key = likeness(name)
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest() if key else None


def _letters(name: str) -> str:
    return "".join(sign for sign in likeness(name) if sign.isalnum())


@cache
def _own() -> frozenset[str]:
    return frozenset(map(_letters, OWN))


def _skeleton(text: str) -> str:
    return normalize("NFD", normalize("NFD", text).translate(_table()))


@cache
def _table() -> dict[int, str]:
    lines = Path(__file__).with_name("confusables.txt").read_text(encoding="ascii")
    table = {}
    for line in lines.splitlines():
        if line.startswith("#"):
            continue
        skeleton, _, alike = line.partition("\t")
        text = "".join(chr(int(code, 16)) for code in skeleton.split())
        table.update({int(code, 16): text for code in alike.split()})
    return table
