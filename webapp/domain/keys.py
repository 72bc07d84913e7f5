"""The keys by which what a person wrote finds what the directory holds."""

from unicodedata import normalize


def fold(text: str) -> str:
    """Return the match key of a username or email: trimmed, NFC, casefold, NFC.

    Two spellings of one name that differ in case, surrounding spaces or Unicode form share a key
    (B-15). Folding a key gives the same key. Never raises.
    """
    trimmed = text.strip()
    if trimmed.isascii():
        return trimmed.lower()
    return normalize("NFC", normalize("NFC", trimmed).casefold())
