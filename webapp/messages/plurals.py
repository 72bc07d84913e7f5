"""Numbers with their nouns, as people read them."""

from __future__ import annotations

import re

# Words that end like plurals but aren't.
NO_PLURAL = re.compile(r"(ss|us|is|as|news|series|species|means)$", re.IGNORECASE)
ENDINGS = (
    (re.compile(r"(?<=[^aeiou]{2})ies$|(?<=[aeiou][^aeiou])ies$", re.IGNORECASE), "y"),
    (re.compile(r"(?<=ch|sh|ss)es$|(?<=x)es$", re.IGNORECASE), ""),
    (re.compile(r"s$", re.IGNORECASE), ""),
)


def plural(value: int, noun: str, many: str | None = None) -> str:
    """A number with its noun: `1 member`, `4,920 members`; `many` is the plural if it isn't the noun with an s."""
    return f"{value:,} {noun if value == 1 else many or noun + 's'}"


def counted(value: int, name: str) -> str:
    """A number of something whose plural name comes from the community: `50 likes received`, `1 like received`."""
    return f"{value:,} {singular(name) if value == 1 else name}"


def singular(name: str) -> str:
    """The name in the singular, if it has an English plural: `accepted answers` → `accepted answer`."""
    words = name.split(" ")
    for place, word in enumerate(words):
        if len(word) > 2 and word[-1] in "sS" and not NO_PLURAL.search(word):
            for ending, instead in ENDINGS:
                if ending.search(word):
                    words[place] = ending.sub(instead, word)
                    return " ".join(words)
    return name
