"""Find invisible and look-alike characters in the text of a cell."""

import re
from unicodedata import name, normalize

from webapp.domain.normalization import MAX_LENGTH

INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Controls, zero-width characters, and those that reorder text. Excludes line breaks and tabs, which are data, and the
variation selectors of emoji, Mongolian and Japanese names."""

LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
OTHER = re.compile(
    "[\u0370-\u03ff\u1f00-\u1fff\u0400-\u052f\u1c80-\u1c8a\u2de0-\u2dff\ua640-\ua69f]"
)
WORD = re.compile(r"[^\W\d_]+")


def invisible(text: str) -> str:
    """Return the name of the first invisible character, or ""."""
    match = INVISIBLE.search(text)
    if not match:
        return ""
    if match[0] == "\x1a":
        return "Ctrl-Z (U+001A)"
    return f"{name(match[0], 'control character').lower()} (U+{ord(match[0]):04X})"


def lookalike(text: str) -> bool:
    """True if a word mixes Latin with Cyrillic or Greek letters, as "аdmin" may (C80)."""
    if text.isascii():
        return False
    text = normalize("NFKC", text[:MAX_LENGTH])
    if not (OTHER.search(text) and LATIN.search(text)):
        return False
    return any(LATIN.search(word) and OTHER.search(word) for word in WORD.findall(text))
