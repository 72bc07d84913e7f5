"""Normalize input and stored text to the same search keys."""

import re
from collections.abc import Sequence
from unicodedata import category, normalize

WORD_LENGTH = 60  # characters of a word stored and searched
MAX_WORDS = 20  # per name
MAX_LENGTH = 1_000  # characters of a word that are normalized: more than any key has

# Characters without a shape (Default_Ignorable_Code_Point of Unicode 16, and the annotation controls): joiners,
# direction marks, soft hyphens, variation selectors, tags, fillers.
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = re.compile(f"[{_UNSEEN}]+")
# A text with no visible letter, sign or picture.
_BLANK = re.compile(rf"[\s\x00-\x1f\x7f-\x9f\u2800{_UNSEEN}]*")

_AROUND = "'\"().,;:“”‘’„«»"  # punctuation around words
_PARTS = re.compile(r"[^\W_]+")
_SPACES = re.compile(r"(\s+)")


def searchable(text: str) -> str:
    """Make a text safe as a query parameter: PostgreSQL rejects NUL, and nothing stored contains it."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def fold(text: str) -> str:
    """Return the match key of a username or email: trimmed, without invisible characters, NFC, casefold, NFC.

    Spellings that differ in case, surrounding spaces, Unicode form or invisible characters share a key (B-15).
    Idempotent; never raises or returns a NUL. Longer words than any key's aren't normalized: combining marks take
    quadratic time.
    """
    trimmed = searchable(text).strip()
    if trimmed.isascii():
        return trimmed.lower()
    seen = INVISIBLE.sub("", trimmed).strip()
    if len(seen) > MAX_LENGTH:
        return "".join(map(_folded, _SPACES.split(seen)))
    return _folded(seen)


def fold_all(texts: Sequence[str]) -> list[str]:
    """Return `fold` of each text."""
    together = "\x00".join(texts)
    if not together.isascii() or together.count("\x00") != len(texts) - 1:
        return list(map(fold, texts))
    return [text.strip() for text in together.lower().split("\x00")]


ESCAPE = "/"  # in a pattern of LIKE


def like_start(key: str) -> str:
    """Return the pattern of LIKE for texts that start with a key."""
    return re.sub(r"[/%_]", r"/\g<0>", key) + "%"


def like_part(key: str) -> str:
    """Return the pattern of LIKE for texts that contain a key."""
    return f"%{like_start(key)}"


def _folded(text: str) -> str:
    if len(text) > MAX_LENGTH:
        return text.casefold()
    return normalize("NFC", normalize("NFC", text).casefold())


def is_visible(text: str) -> bool:
    """True if a text has anything visible: not only spaces, controls, joiners, fillers and the like."""
    return not _BLANK.fullmatch(text)


def name_words(name: str) -> list[str]:
    """Return the distinct keys of a name's words, by which the directory finds a member.

    Accents, other marks and case are removed on both sides: `kovac` finds Kovač. A compound is also found by its parts:
    Jean-Luc by `luc`. Never raises.
    """
    words: dict[str, None] = {}
    if len(name) <= WORD_LENGTH and name.isascii() and name.replace(" ", "").isalnum():
        return list(dict.fromkeys(name.lower().split()))[:MAX_WORDS]  # the usual case
    for word in _words(name):
        for key in (word, *_PARTS.findall(word)):
            words.setdefault(key[:WORD_LENGTH])
    return list(words)[:MAX_WORDS]


def search_words(text: str) -> list[str]:
    """Return the keys that a name's words must start with, one for each word of the search."""
    return [word[:WORD_LENGTH] for word in _words(text)]


def _words(text: str) -> list[str]:
    return [word for written in _bare(text).split() if (word := written.strip(_AROUND))]


def _bare(text: str) -> str:
    """Casefold a text and remove marks; lower-cases ASCII directly and truncates long texts."""
    if text.isascii():
        return text.lower()
    seen = INVISIBLE.sub("", text[:MAX_LENGTH]).casefold()
    return "".join(sign for sign in normalize("NFKD", seen) if category(sign) not in ("Mn", "Cc"))
