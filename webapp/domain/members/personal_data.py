"""A person to be erased, and how to recognize that a text is about them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from webapp.domain.csv_files import ENCODINGS
from webapp.domain.csv_files.cell_values import clean
from webapp.domain.csv_files.columns import key_of
from webapp.domain.normalization import fold
from webapp.models import Member

_PARTS = re.compile(r"[\s,;:.()\[\]“”\"'/\\_-]+")


_NO_KEYS = frozenset(
    {
        "name",
        "fullname",
        "displayname",
        "realname",
        "joined",
        "status",
        "badges",
        "activity",
        "amount",
    }
)  # columns that can't identify a member


@dataclass(frozen=True)
class PersonalData:
    id: int
    external_id: str
    username: str
    username_key: str
    email: str
    email_key: str
    name: str

    @classmethod
    def of(cls, member: Member) -> PersonalData:
        return cls(
            member.id,
            member.external_id,
            member.username,
            member.username_key,
            member.email or "",
            member.email_key or "",
            member.name,
        )

    def in_row(self, cells: Sequence[str], header: Sequence[str]) -> bool:
        """True if a cell is their ID, username or email, or contains the email.

        Names are ignored (not unique), and so are numeric columns such as the badge count, which may equal an ID.
        """
        columns = [*map(key_of, header), *[""] * len(cells)]
        return any(self._in_cell(cell, key) for cell, key in zip(cells, columns, strict=False))

    def _in_cell(self, cell: str, column: str) -> bool:
        text = clean(cell)
        if not text:
            return False
        key = fold(text)
        if self.email_key and self.email_key in key and self._email.search(key):
            return True
        return column not in _NO_KEYS and (
            text == self.external_id
            or key.removeprefix("@") == self.username_key
            or key == self.username_key
        )

    @cached_property
    def _email(self) -> re.Pattern[str]:
        """Match the complete email, not a part of someone else's."""
        return re.compile(rf"(?<![\w.+-]){re.escape(self.email_key)}(?!\.?[\w-])")

    def in_words(self, text: str) -> bool:
        """True if a sentence or file name names them."""
        key = fold(text)
        known = [self.username_key, fold(self.external_id), self.email_key, fold(self.name)]
        parts = set(_PARTS.split(key))
        return any(value in parts or (len(value) > 3 and value in key) for value in known if value)

    def in_bytes(self, data: bytes) -> bool:
        """True if bytes in an unknown encoding may name them."""
        return any(value in data for value in self._encoded())

    def _encoded(self) -> Iterator[bytes]:
        for text in filter(None, (self.external_id, self.username, self.email, self.name)):
            for codec in ("utf-8", "utf-16-le", "utf-16-be", *ENCODINGS):
                try:
                    yield text.encode(codec)
                except UnicodeEncodeError:
                    continue
