"""Names that look alike (Unicode Technical Standard #39): nobody signs in under a name that passes for another."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from unicodedata import normalize

from webapp.domain.normalization import INVISIBLE

# Names by which the console itself appears in the audit log, without spaces and signs.
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
API_KEY = "API key"  # how the names of keys begin there
_MARKS = dict.fromkeys(range(0x300, 0x370))  # accents of Latin, Greek and Cyrillic letters
_STROKES = str.maketrans("i1|", "lll")  # told apart in capitals or small letters only


def likeness(name: str) -> str:
    """Return what a name looks like: two names with the same likeness are easily taken for each other.

    Case, accents, spaces around and between words, invisible characters and letters of other scripts that look the
    same make no difference. Never raises.
    """
    seen = normalize("NFKC", INVISIBLE.sub("", name))
    folded = _skeleton(_skeleton(seen).casefold())
    return " ".join(folded.translate(_MARKS).translate(_STROKES).split())


def is_own(name: str) -> bool:
    """Return whether a name passes for one of the console's own, or for that of an API key."""
    shape = _letters(name)
    return shape in _own() or shape.startswith(_letters(API_KEY))


def key_of(name: str) -> str | None:
    """Return the key under which a name is unique, of 64 characters; None for no name."""
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
