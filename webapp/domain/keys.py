"""The keys by which what a person wrote finds what the directory holds."""

import re
from unicodedata import category, normalize

WORD_LENGTH = 60  # characters of a word that are kept, and looked for
MOST_WORDS = 20  # of one name
LONGEST = 1_000  # characters of a word that are normalized: more than any key has

_AROUND = "'\"().,;:“”‘’„«»"  # what stands before and after words and is none of them
_PARTS = re.compile(r"[^\W_]+")
_SPACES = re.compile(r"(\s+)")


def fold(text: str) -> str:
    """Return the match key of a username or email: trimmed, NFC, casefold, NFC.

    Two spellings of one name that differ in case, surrounding spaces or Unicode form share a key
    (B-15). Folding a key gives the same key. In a text longer than any key, endless words aren't normalized: for a
    word of combining marks that takes time by the square of its length. Never raises.
    """
    trimmed = text.strip()
    if trimmed.isascii():
        return trimmed.lower()
    if len(trimmed) > LONGEST:
        return "".join(map(_folded, _SPACES.split(trimmed)))
    return _folded(trimmed)


def _folded(text: str) -> str:
    if len(text) > LONGEST:
        return text.casefold()
    return normalize("NFC", normalize("NFC", text).casefold())


def words(name: str) -> list[str]:
    """Return the keys of a name's words, each once: what the directory finds a member by.

    Accents and other marks are left off and case folded, on both sides: `kovac` finds Kovač. A word of several parts
    is found by each of them too: Jean-Luc by `luc`. Never raises.
    """
    found: dict[str, None] = {}
    for word in _words(name):
        for key in (word, *_PARTS.findall(word)):
            found.setdefault(key[:WORD_LENGTH])
    return list(found)[:MOST_WORDS]


def sought(text: str) -> list[str]:
    """Return the keys that words must begin with to meet what somebody typed: one for each word of it."""
    return [word[:WORD_LENGTH] for word in _words(text)]


def _words(text: str) -> list[str]:
    return [word for written in _bare(text).split() if (word := written.strip(_AROUND))]


def _bare(text: str) -> str:
    """The text casefolded and without marks; ASCII is only lowered, and a long text is cut off."""
    if text.isascii():
        return text.lower()
    text = text[:LONGEST]
    return "".join(
        sign for sign in normalize("NFKD", text.casefold()) if category(sign) not in ("Mn", "Cc")
    )
